//! What a stream is: a source, how it is delivered, and where it is published.
//!
//! Values are checked when they are made, so that nothing further in has to doubt them: a [`Source`] has an RTSP URL
//! without a login in it, a [`Transcode`] only numbers and names that an encoder takes, a live topic is a topic name.
//! Logins are secrets: `Debug` does not show them, and nothing here writes them anywhere.

use std::fmt;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::failure::{Code, Failure};

/// Time from keyframe to keyframe of a transcode that does not say.
const DEFAULT_GOP: Duration = Duration::from_secs(2);
/// Outside of this an encoder's keyframes help nobody.
const GOP_RANGE: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(30);
/// Widest and highest picture that level 5.2 of H.264 takes.
const MAX_SIDE: u32 = 4096;

/// Names a stream; runs at most once in the whole pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Name of the source, as viewers know it.
    pub(crate) source: String,
    /// Name of the profile.
    pub(crate) profile: String,
}

/// Everything that is needed to run a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    /// Which stream.
    pub(crate) key: Key,
    /// The camera.
    pub(crate) source: Source,
    /// How it is delivered; `None`: as it is, as far as browsers can play it.
    pub(crate) transcode: Option<Transcode>,
    /// Topic below which shared media, tick and state are published.
    pub(crate) live_topic: String,
    /// The URL as it was asked for, if it matched a pattern; only given back.
    pub(crate) pattern_url: String,
}

/// A camera.
#[derive(Clone)]
pub(crate) struct Source {
    url: Url,
    login: Option<Login>,
}

/// A login at a source.
#[derive(Clone)]
pub(crate) struct Login {
    /// Not percent-encoded.
    pub(crate) username: SecretString,
    /// Not percent-encoded.
    pub(crate) password: SecretString,
}

/// Parameters of an encoder; zero or `None` means as the source has it, or the encoder's choice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Transcode {
    /// Even, in pixels.
    pub(crate) width: u32,
    /// Even, in pixels.
    pub(crate) height: u32,
    /// Target and ceiling.
    pub(crate) video_bits_per_second: u32,
    /// Time from keyframe to keyframe.
    pub(crate) gop: Option<Duration>,
    /// As x264 names it; empty: baseline.
    pub(crate) h264_profile: String,
    /// As x264 names it.
    pub(crate) h264_level: String,
    /// Ceiling.
    pub(crate) max_frames_per_second: u32,
}

impl Spec {
    /// Whether it may be read without ffmpeg, as far as is known without asking.
    pub(crate) fn can_be_direct(&self) -> bool {
        self.transcode.is_none() && self.source.url.scheme() == "rtsp"
    }

    /// The same values, checked.
    pub(crate) fn checked(self) -> Result<Self, Failure> {
        if self.key.source.is_empty() || self.key.profile.is_empty() {
            return Err(bad("a stream needs the names of a source and a profile"));
        }
        let topic = &self.live_topic;
        if topic.is_empty() || topic.len() > 1024 || topic.starts_with('$') || topic.contains(['#', '+', '\0']) {
            return Err(bad("the live topic is no topic name"));
        }
        self.transcode.as_ref().map_or(Ok(()), Transcode::check)?;
        Ok(self)
    }
}

impl Source {
    /// A source at `url`. A login within the URL is taken out of it; `login` goes before it.
    pub(crate) fn new(url: &str, login: Option<Login>) -> Result<Self, Failure> {
        // The parser's error may quote what it was given.
        let mut url = Url::parse(url).map_err(|_| bad("the source's url is no url"))?;
        if !matches!(url.scheme(), "rtsp" | "rtsps") || url.host_str().is_none_or(str::is_empty) {
            return Err(bad("the source's url is not rtsp://host/… or rtsps://host/…"));
        }
        let within = (!url.username().is_empty() || url.password().is_some()).then(|| Login {
            username: decoded(url.username()).into(),
            password: decoded(url.password().unwrap_or_default()).into(),
        });
        if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
            return Err(bad("the source's url is not rtsp://host/…"));
        }
        url.set_fragment(None);
        Ok(Self { url, login: login.or(within) })
    }

    /// Where it is; holds no login.
    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The login, if there is one.
    pub(crate) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// Where it is and how to log in, percent-encoded; `None` if there is nothing secret about it. A query counts as a
    /// secret, as many cameras take the login there.
    pub(crate) fn secret_url(&self) -> Option<SecretString> {
        let mut url = self.url.clone();
        let Some(login) = &self.login else {
            return url.query().is_some().then(|| String::from(url).into());
        };
        // What the setters leave alone (such as "'") is quoted by whoever writes the URL somewhere.
        url.set_username(&encoded(login.username.expose_secret())).ok()?;
        url.set_password(Some(&encoded(login.password.expose_secret()))).ok()?;
        Some(String::from(url).into())
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        let exposed = |source: &Self| {
            let login = source.login.as_ref()?;
            Some((login.username.expose_secret().to_owned(), login.password.expose_secret().to_owned()))
        };
        self.url == other.url && exposed(self) == exposed(other)
    }
}

impl Eq for Source {}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("login", &self.login.is_some()).finish_non_exhaustive()
    }
}

impl Transcode {
    /// Time from keyframe to keyframe.
    pub(crate) fn gop(&self) -> Duration {
        self.gop.unwrap_or(DEFAULT_GOP)
    }

    fn check(&self) -> Result<(), Failure> {
        for side in [self.width, self.height] {
            if side % 2 == 1 || side > MAX_SIDE {
                return Err(bad(format!("a picture's side must be even and at most {MAX_SIDE}, not {side}")));
            }
        }
        if !GOP_RANGE.contains(&self.gop()) {
            return Err(bad("the time between keyframes must be from 100 ms to 30 s"));
        }
        if !matches!(self.h264_profile.as_str(), "" | "baseline" | "main" | "high") {
            return Err(bad("the H.264 profile must be baseline, main or high"));
        }
        let level = &self.h264_level;
        if level.len() > 4 || !level.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(bad("the H.264 level must be a number such as 3.0"));
        }
        Ok(())
    }
}

fn bad(text: impl Into<String>) -> Failure {
    Failure::new(Code::BadRequest, text)
}

/// Everything but what is unreserved (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn login(username: &str, password: &str) -> Login {
        Login { username: username.to_owned().into(), password: password.to_owned().into() }
    }

    proptest! {
        #[test]
        fn any_login_survives_the_way_through_a_url(username in "\\PC{1,12}", password in "\\PC{0,12}") {
            let source = Source::new("rtsp://10.0.0.1/a?b=c", Some(login(&username, &password))).unwrap();
            let url = source.secret_url().unwrap();
            let read = Source::new(url.expose_secret(), None).unwrap();
            prop_assert_eq!(read.url(), "rtsp://10.0.0.1/a?b=c");
            prop_assert_eq!(read.login().unwrap().username.expose_secret(), username);
            prop_assert_eq!(read.login().unwrap().password.expose_secret(), password);
        }
    }

    #[test]
    fn a_login_in_the_url_is_taken_out_of_it() {
        let source = Source::new("rtsp://user:pa%3Ass@cam.example/x", None).unwrap();
        assert_eq!(source.url(), "rtsp://cam.example/x");
        assert_eq!(source.login().unwrap().password.expose_secret(), "pa:ss");
        assert!(!format!("{source:?}").contains("ss"));
    }

    #[test]
    fn only_rtsp_is_a_source() {
        for url in ["file:///etc/passwd", "http://cam/x", "concat:a|b", "pipe:0", "rtsp:", "", "rtsp://"] {
            let failure = Source::new(url, None).unwrap_err();
            assert_eq!(failure.code, Code::BadRequest, "{url}");
        }
    }

    #[test]
    fn what_an_encoder_cannot_take_is_refused() {
        let good = Transcode { width: 320, height: 240, h264_level: "3.0".to_owned(), ..Transcode::default() };
        assert!(good.check().is_ok());
        for bad in [
            Transcode { width: 321, ..good.clone() },
            Transcode { height: 100_000, ..good.clone() },
            Transcode { gop: Some(Duration::ZERO), ..good.clone() },
            Transcode { h264_profile: "baseline -f null".to_owned(), ..good.clone() },
            Transcode { h264_level: "x".to_owned(), ..good.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
