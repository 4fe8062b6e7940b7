//! Reads from ffmpeg's messages what is wrong, and makes them fit for a log.
//!
//! ffmpeg reports by text only. The phrases are those of versions 5 to 7; a phrase that is not known is [`Symptom::Other`],
//! which costs a retry and never a wrong conclusion. Pure.

use secrecy::{ExposeSecret, SecretString};

use crate::stream::Login;

/// What a message says about the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Symptom {
    /// It has no audio track.
    NoAudio,
    /// FLV cannot carry its audio, or browsers cannot play it.
    AudioNotCopyable,
    /// Its audio cannot be decoded.
    AudioUndecodable,
    /// It has no video track.
    NoVideo,
    /// FLV cannot carry its video, or browsers cannot play it.
    VideoNotCopyable,
    /// Its video cannot be decoded.
    VideoUndecodable,
    /// It did not tell the size of its pictures while ffmpeg looked.
    ParametersMissing,
    /// It refuses the login.
    Unauthorized,
    /// It does not answer, or does not have the path.
    Unreachable,
    /// It cannot be read without ffmpeg.
    NeedsFfmpeg,
    /// Anything else.
    Other,
}

impl Symptom {
    #[cfg(test)]
    pub(crate) const ALL: &'static [Self] = &[
        Self::NoAudio,
        Self::AudioNotCopyable,
        Self::AudioUndecodable,
        Self::NoVideo,
        Self::VideoNotCopyable,
        Self::VideoUndecodable,
        Self::ParametersMissing,
        Self::Unauthorized,
        Self::Unreachable,
        Self::NeedsFfmpeg,
        Self::Other,
    ];
}

/// Phrases, of which all must be in the line.
const PHRASES: &[(&[&str], Symptom)] = &[
    (&["Stream map '0:a", "matches no streams"], Symptom::NoAudio),
    (&["Stream map '0:v", "matches no streams"], Symptom::NoVideo),
    (&["Audio codec", "not compatible with flv"], Symptom::AudioNotCopyable),
    (&["Video codec", "not compatible with flv"], Symptom::VideoNotCopyable),
    // Sampling frequencies that FLV has no code for.
    (&["FLV does not support sample rate"], Symptom::AudioNotCopyable),
    (&["not found for input stream #0:0"], Symptom::VideoUndecodable),
    (&["not found for input stream #0:"], Symptom::AudioUndecodable),
    (&["dimensions not set"], Symptom::ParametersMissing),
    (&["unspecified size"], Symptom::ParametersMissing),
    (&["401 Unauthorized"], Symptom::Unauthorized),
    (&["403 Forbidden"], Symptom::Unauthorized),
    (&["authorization failed"], Symptom::Unauthorized),
    (&["access denied"], Symptom::Unauthorized),
    (&["Connection refused"], Symptom::Unreachable),
    (&["Connection timed out"], Symptom::Unreachable),
    (&["Connection reset"], Symptom::Unreachable),
    (&["Operation timed out"], Symptom::Unreachable),
    (&["No route to host"], Symptom::Unreachable),
    (&["Network is unreachable"], Symptom::Unreachable),
    (&["Host is unreachable"], Symptom::Unreachable),
    (&["Failed to resolve hostname"], Symptom::Unreachable),
    (&["404 Not Found"], Symptom::Unreachable),
    (&["404 Stream Not Found"], Symptom::Unreachable),
    (&["454 Session Not Found"], Symptom::Unreachable),
    (&["Server returned 4"], Symptom::Unreachable),
    (&["Server returned 5"], Symptom::Unreachable),
    (&["End of file"], Symptom::Unreachable),
];

/// What one line says, or [`Symptom::Other`].
pub(crate) fn symptom(line: &str) -> Symptom {
    let known = PHRASES.iter().find(|(phrases, _)| phrases.iter().all(|phrase| line.contains(phrase)));
    known.map_or(Symptom::Other, |(_, symptom)| *symptom)
}

/// Of two lines' symptoms the one to act on: the first that says something.
pub(crate) fn first(known: Symptom, line: &str) -> Symptom {
    if known == Symptom::Other { symptom(line) } else { known }
}

/// Takes logins out of lines.
#[derive(Debug, Default)]
pub(crate) struct Scrubber(Vec<SecretString>);

impl Scrubber {
    /// Knows this login in all the forms that it may be shown in.
    pub(crate) fn new(login: Option<&Login>) -> Self {
        let Some(login) = login else { return Self::default() };
        // Anything shorter would only garble the line, and stands within userinfo anyway where it is a login.
        let telling = |secret: &&SecretString| secret.expose_secret().len() >= 3;
        Self([&login.password, &login.username].into_iter().filter(telling).cloned().collect())
    }

    /// The line without userinfo and queries of URLs, and without the login itself.
    pub(crate) fn scrub(&self, line: &str) -> String {
        let mut clean = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(scheme_end) = rest.find("://").map(|at| at + 3) {
            let (before, after) = rest.split_at(scheme_end);
            clean.push_str(before);
            let (url, after) = after.split_at(after.find([' ', '\t', '"']).unwrap_or(after.len()));
            scrub_url(url, &mut clean);
            rest = after;
        }
        clean.push_str(rest);
        for secret in &self.0 {
            clean = clean.replace(secret.expose_secret(), "***");
        }
        clean
    }
}

/// A login may hold anything, even what ends an authority or a path: the last "@" is what counts, and the first "?" behind.
fn scrub_url(url: &str, clean: &mut String) {
    let host = url.rfind('@').map_or(url, |at| {
        clean.push_str("***");
        &url[at..]
    });
    match host.find('?') {
        Some(query) => {
            clean.push_str(&host[..query]);
            // What ends the word is no part of the URL, such as "': ".
            let end = host.trim_end_matches(['\'', ':', ',']).len().max(query);
            clean.push_str("?***");
            clean.push_str(&host[end..]);
        }
        None => clean.push_str(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_of_ffmpeg_are_understood() {
        for (line, expected) in [
            ("Stream map '0:a:0' matches no streams.", Symptom::NoAudio),
            ("Stream map '0:v:0' matches no streams.", Symptom::NoVideo),
            ("[flv @ 0x5584440b1c80] Video codec hevc not compatible with flv", Symptom::VideoNotCopyable),
            ("[flv @ 0x55b6c0] Audio codec opus not compatible with flv", Symptom::AudioNotCopyable),
            ("Decoder (codec none) not found for input stream #0:1", Symptom::AudioUndecodable),
            ("[flv @ 0x55] dimensions not set", Symptom::ParametersMissing),
            ("[rtsp @ 0x5562fa6ebd80] method DESCRIBE failed: 404 Not Found", Symptom::Unreachable),
            ("[rtsp @ 0x55] method DESCRIBE failed: 401 Unauthorized", Symptom::Unauthorized),
            ("rtsp://127.0.0.1:1/x: Connection refused", Symptom::Unreachable),
            (
                "[tcp @ 0x55] Failed to resolve hostname no.such.host.invalid: Name or service not known",
                Symptom::Unreachable,
            ),
            ("[concat @ 0x55] Impossible to open 'rtsp://u:p@127.0.0.1:1/x'", Symptom::Other),
            ("To ignore this, add a trailing '?' to the map.", Symptom::Other),
        ] {
            assert_eq!(symptom(line), expected, "{line}");
        }
    }

    #[test]
    fn the_first_telling_line_counts() {
        let lines =
            ["something odd", "method DESCRIBE failed: 401 Unauthorized", "pipe:0: Server returned 404 Not Found"];
        assert_eq!(lines.iter().fold(Symptom::Other, |known, line| first(known, line)), Symptom::Unauthorized);
    }

    proptest! {
        #[test]
        fn no_login_outlives_scrubbing(username in "[^\\s\"]{3,12}", password in "[^\\s\"]{3,12}", tail in "[a-z ]{0,9}") {
            prop_assume!(!"rtsp://***@10.0.0.1/x: failed".contains(&password) && !tail.contains(&password));
            prop_assume!(!"Impossible to open".contains(&password));
            let login = Login { username: username.clone().into(), password: password.clone().into() };
            let line = format!("Impossible to open 'rtsp://{username}:{password}@10.0.0.1/x': failed {tail}");
            let clean = Scrubber::new(Some(&login)).scrub(&line);
            prop_assert!(!clean.contains(&password), "{clean}");
            let foreign = Scrubber::default().scrub(&line);
            prop_assert!(!foreign.contains(&format!(":{password}@")), "{foreign}");
        }
    }

    #[test]
    fn queries_are_not_shown() {
        let line = "rtsp://10.0.0.1/live?user=admin&password=hunter2: Connection refused";
        assert_eq!(Scrubber::default().scrub(line), "rtsp://10.0.0.1/live?***: Connection refused");
        let line = "Impossible to open 'rtsp://u:p@10.0.0.1/live?a@b=c'";
        assert_eq!(Scrubber::default().scrub(line), "Impossible to open 'rtsp://***@b=c'");
    }

    #[test]
    fn lines_without_a_login_stay_as_they_are() {
        let line = "rtsp://127.0.0.1:1/x: Connection refused; ask admin@example.org";
        assert_eq!(Scrubber::default().scrub(line), line);
    }
}
