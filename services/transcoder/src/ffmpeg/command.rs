//! ffmpeg's command line: a pure function of the source, the profile and the plan.
//!
//! Each track gets an output and a pipe of its own, so that one that falls silent cannot hold the other. A login never
//! stands in the arguments, which every process of the machine can read: a source that has one, or a query that may be one,
//! is named by a concat script on standard input. The flags of input and output were measured for
//! delay and for starts that fail; change none without measuring again.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::plan::{Audio, Plan, Probe, Video};
use super::reception::MARK;
use crate::stream::{Source, Spec, Transcode};

/// Protocols that a source may make ffmpeg speak, redirections included.
const PROTOCOLS: &str = "rtsp,rtsps,tcp,udp,rtp,tls,crypto";
/// Keeps a fallback transcode from swamping the broker where the source has a lot of detail.
const FALLBACK_MAX_RATE: &str = "4M";

/// What to run.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// Arguments, without the program.
    pub(crate) args: Vec<String>,
    /// What to write to its standard input.
    pub(crate) script: Option<SecretString>,
    /// Whether audio comes out of descriptor 3.
    pub(crate) audio: bool,
}

/// The invocation for a stream. `timeout` is how long the source may be silent on the network.
pub(crate) fn invocation(spec: &Spec, plan: Plan, timeout: Duration) -> Invocation {
    let mut args = Args::default();
    args.push("-nostdin -hide_banner -loglevel error -fflags nobuffer -flags low_delay");
    let probe = probe(plan.probe);
    for (name, value) in probe {
        args.push(&format!("-{name} {value}"));
    }
    let script = input(&mut args, &spec.source, probe, timeout);
    args.push("-map 0:v:0");
    match (&spec.transcode, plan.video) {
        (Some(transcode), _) => encode_profile(&mut args, transcode),
        (None, Video::Encode) => encode_fallback(&mut args),
        (None, Video::Copy) => args.push("-c:v copy"),
    }
    output(&mut args, "pipe:1");
    let audio = plan.audio != Audio::Absent;
    if audio {
        args.push("-map 0:a:0");
        match plan.audio {
            // A low sampling frequency would make AAC frames, and so the delay, several times as long.
            Audio::Encode => args.push("-c:a aac -ar 48000 -b:a 96k"),
            Audio::Copy | Audio::Absent => args.push("-c:a copy"),
        }
        output(&mut args, "pipe:3");
    }
    Invocation { args: args.0, script, audio }
}

/// Options by which ffmpeg looks at a source, and their values.
type Probing = [(&'static str, &'static str); 3];

/// How long ffmpeg looks at the source before it writes anything, as options and their values: bytes, microseconds, frames.
///
/// Left to itself it would wait for twenty frames to guess a frame rate that nobody asks for, and for seven that are decoded to
/// learn of B-frames. What is needed is the size of the picture, which any slice tells once the parameter sets are known, so a
/// tenth of a second will do: a frame of each track.
fn probe(probe: Probe) -> Probing {
    let (bytes, microseconds) = match probe {
        Probe::Short => ("50000", "100000"),
        Probe::Long => ("5000000", "5000000"),
    };
    [("probesize", bytes), ("analyzeduration", microseconds), ("fpsprobesize", "0")]
}

fn input(args: &mut Args, source: &Source, probe: Probing, timeout: Duration) -> Option<SecretString> {
    let timeout = timeout.as_micros();
    let Some(url) = source.secret_url() else {
        args.push(&format!("-protocol_whitelist {PROTOCOLS} -rtsp_transport tcp -timeout {timeout} -i"));
        args.0.push(source.url().to_owned());
        return None;
    };
    args.push(&format!("-f concat -safe 0 -protocol_whitelist pipe,{PROTOCOLS} -i pipe:0"));
    // In a quoted string only the quote itself is special, and it is written outside of the quotes.
    let quoted = url.expose_secret().replace('\'', r"'\''");
    // It looks twice, at the script and at what the script names, and at the latter by its defaults unless told here too.
    let probe = probe.map(|(name, value)| format!("option {name} {value}\n")).concat();
    let script =
        format!("ffconcat version 1.0\nfile '{quoted}'\noption rtsp_transport tcp\noption timeout {timeout}\n{probe}");
    Some(script.into())
}

fn encode_profile(args: &mut Args, transcode: &Transcode) {
    encoder(args, transcode.gop());
    args.push("-vf");
    let side = |side: u32, of_input: &str| match side {
        0 => "-2".to_owned(),
        // Never larger than the source: that would cost bandwidth and show nothing more.
        _ => format!("trunc(min({side},{of_input})/2)*2"),
    };
    args.0.push(match (transcode.width, transcode.height) {
        (0, 0) => MARK.to_owned(),
        (w, h) => format!("{MARK},scale=w='{}':h='{}'", side(w, "iw"), side(h, "ih")),
    });
    if transcode.max_frames_per_second != 0 {
        args.push(&format!("-fpsmax {}", transcode.max_frames_per_second));
    }
    let profile = if transcode.h264_profile.is_empty() { "baseline" } else { &transcode.h264_profile };
    args.push(&format!("-profile:v {profile}"));
    if !transcode.h264_level.is_empty() {
        args.push(&format!("-level {}", transcode.h264_level));
    }
    match transcode.video_bits_per_second {
        0 => args.push(&format!("-maxrate {FALLBACK_MAX_RATE} -bufsize {FALLBACK_MAX_RATE}")),
        rate => args.push(&format!("-b:v {rate} -maxrate {rate} -bufsize {rate}")),
    }
}

fn encode_fallback(args: &mut Args) {
    encoder(args, Transcode::default().gop());
    args.push(&format!("-vf {MARK}"));
    args.push(&format!("-maxrate {FALLBACK_MAX_RATE} -bufsize {FALLBACK_MAX_RATE}"));
}

fn encoder(args: &mut Args, gop: Duration) {
    args.push("-c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p");
    // The source's own time base: the guessed frame rate would round two frames to one time and drop one.
    args.push("-enc_time_base -1");
    // Counted from the last one and not by a running number, which after a gap in time would force one after another.
    args.push("-sc_threshold 0 -g 9999 -force_key_frames");
    args.0.push(format!("expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+{}))", gop.as_secs_f64()));
}

fn output(args: &mut Args, pipe: &str) {
    // Each output would shift its track to zero by itself, and so B-frames' video away from its audio.
    args.push("-avoid_negative_ts disabled");
    args.push(&format!("-flush_packets 1 -flvflags no_duration_filesize+no_metadata -f flv {pipe}"));
}

#[derive(Default)]
struct Args(Vec<String>);

impl Args {
    /// Several arguments at once; none of them holds a space.
    fn push(&mut self, words: &str) {
        self.0.extend(words.split(' ').map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Key, Login};

    fn spec(login: Option<(&str, &str)>, transcode: Option<Transcode>) -> Spec {
        let login = login.map(|(username, password)| Login {
            username: username.to_owned().into(),
            password: password.to_owned().into(),
        });
        Spec {
            key: Key { source: "lobby".to_owned(), profile: "source".to_owned() },
            source: Source::new("rtsp://10.1.2.3:554/stream1", login).unwrap(),
            transcode,
            live_topic: "video/live/lobby/source".to_owned(),
            pattern_url: String::new(),
        }
    }

    fn rendered(spec: &Spec, plan: Plan) -> String {
        let invocation = invocation(spec, plan, Duration::from_secs(5));
        let script = invocation.script.map(|script| format!("\n--- stdin\n{}", script.expose_secret()));
        invocation.args.join(" ").replace(" -map", "\n-map").replace(" pipe:", "\n pipe:") + &script.unwrap_or_default()
    }

    #[test]
    fn a_camera_is_copied_at_first() {
        insta::assert_snapshot!(rendered(&spec(None, None), Plan::default()));
    }

    #[test]
    fn a_login_goes_by_standard_input() {
        let spec = spec(Some(("us er", "p'a@s:s")), None);
        insta::assert_snapshot!(rendered(&spec, Plan::default()));
        let args = invocation(&spec, Plan::default(), Duration::from_secs(5)).args.join(" ");
        assert!(!args.contains("us%20er") && !args.contains("p%27a"), "{args}");
    }

    #[test]
    fn a_query_may_be_a_login() {
        let source = Source::new("rtsp://10.1.2.3/?user=admin&password=hunter2", None).unwrap();
        let spec = Spec { source, ..spec(None, None) };
        let invocation = invocation(&spec, Plan::default(), Duration::from_secs(5));
        assert!(!invocation.args.join(" ").contains("hunter2"));
        assert!(invocation.script.unwrap().expose_secret().contains("hunter2"));
    }

    #[test]
    fn what_cannot_be_copied_is_encoded() {
        let plan = Plan { video: Video::Encode, audio: Audio::Encode, probe: Probe::Long, ..Plan::default() };
        insta::assert_snapshot!(rendered(&spec(None, None), plan));
    }

    #[test]
    fn a_silent_source_has_one_output() {
        let plan = Plan { audio: Audio::Absent, ..Plan::default() };
        insta::assert_snapshot!(rendered(&spec(None, None), plan));
    }

    #[test]
    fn the_legacy_profile_is_what_the_first_page_got() {
        let legacy = Transcode {
            width: 320,
            height: 240,
            video_bits_per_second: 192_000,
            gop: Some(Duration::from_secs(1)),
            h264_profile: "baseline".to_owned(),
            h264_level: "3.0".to_owned(),
            max_frames_per_second: 0,
        };
        insta::assert_snapshot!(rendered(&spec(None, Some(legacy)), Plan::default()));
    }

    #[test]
    fn a_profile_may_say_little() {
        let transcode = Transcode { width: 640, max_frames_per_second: 15, ..Transcode::default() };
        insta::assert_snapshot!(rendered(&spec(None, Some(transcode)), Plan::default()));
    }
}
