//! `describe`: what is in a stream.

use std::fmt::Write as _;

use crate::args::Describe;
use crate::connection::Connection;
use crate::exit::Failure;
use crate::output;
use crate::viewer::{Options, Viewer};
use crate::wire::{Described, Wanted};

/// Asks, and tells.
pub(crate) async fn run(args: Describe) -> Result<(), Failure> {
    let Describe { service, stream, source, json } = args;
    let wanted = Wanted { source, profile: stream.profile, token: service.token()? };
    let connection = Connection::open(&service.broker).await?;
    let options = Options { prefix: service.topic_prefix, wanted, timeout: service.timeout };
    let mut viewer = Viewer::open(&connection, options).await?;
    let answered = viewer.describe().await;
    // No stop: whoever plays within the next seconds finds the stream running.
    drop(viewer);
    connection.close().await;
    let (described, answer) = answered?;
    if json { output::print_json(&answer) } else { output::print(output::clean(&text(&described)).as_bytes()) }
}

fn text(described: &Described) -> String {
    let Described { source, profile, live_topic, tracks, worker } = described;
    let video = &tracks.video;
    let mut text = format!("stream   {source} in profile {profile}, on worker {worker}, at {live_topic}\n");
    // Writing to a String does not fail.
    let _ = writeln!(text, "video    {}, {}x{}", video.codec, video.width, video.height);
    let _ = match &tracks.audio {
        Some(audio) => {
            writeln!(text, "audio    {}, {} Hz, {} channel(s)", audio.codec, audio.sample_rate, audio.channels)
        }
        None => writeln!(text, "audio    none"),
    };
    text
}
