//! What the gatekeeper publishes: replies to describe, errors, and the list of sources.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::refusal::Refusal;
use crate::sources::{Catalog, Location};
use crate::stream::{Media, StreamKey};

#[derive(Serialize)]
struct Described<'a> {
    #[serde(rename = "mimeCodec")]
    mime_codec: &'a str,
    source: &'a str,
    profile: &'a str,
    live_topic: &'a str,
    generation: u64,
    tracks: Tracks<'a>,
    worker: &'a str,
    delivery: [&'static str; 2],
}

#[derive(Serialize)]
struct Tracks<'a> {
    video: Video<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<Audio<'a>>,
}

#[derive(Serialize)]
struct Video<'a> {
    #[serde(rename = "mimeCodec")]
    mime_codec: String,
    codec: &'a str,
    width: u32,
    height: u32,
}

#[derive(Serialize)]
struct Audio<'a> {
    #[serde(rename = "mimeCodec")]
    mime_codec: String,
    codec: &'a str,
    sample_rate: u32,
    channels: u32,
}

#[derive(Serialize)]
struct Failed<'a> {
    error: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

#[derive(Serialize)]
struct Announcement<'a> {
    sources: Vec<Announced<'a>>,
}

#[derive(Serialize)]
struct Announced<'a> {
    name: &'a str,
    profiles: Vec<String>,
}

/// The reply to a describe.
pub(crate) fn describe(key: &StreamKey, live_topic: &str, media: &Media, worker: &str) -> Bytes {
    json(&Described {
        mime_codec: &media.mime_codec,
        source: &key.source,
        profile: &key.profile,
        live_topic,
        generation: media.generation,
        tracks: Tracks {
            video: Video {
                mime_codec: format!("video/mp4; codecs=\"{}\"", media.video.codec),
                codec: &media.video.codec,
                width: media.video.width,
                height: media.video.height,
            },
            audio: media.audio.as_ref().map(|audio| Audio {
                mime_codec: format!("audio/mp4; codecs=\"{}\"", audio.codec),
                codec: &audio.codec,
                sample_rate: audio.sample_rate,
                channels: audio.channels,
            }),
        },
        worker,
        delivery: ["reply", "live"],
    })
}

/// The reply to whatever was refused.
pub(crate) fn error(refusal: &Refusal) -> Bytes {
    let seconds = |after: Duration| after.as_secs_f64().ceil().max(1.0) as u64;
    json(&Failed { error: &refusal.text, code: refusal.code.as_str(), retry_after_s: refusal.retry_after.map(seconds) })
}

/// Names and profiles of what can be played by name; URLs never.
pub(crate) fn announce(catalog: &Catalog) -> Bytes {
    let named = catalog.sources().filter(|source| matches!(source.location, Location::Exact(_)));
    let sources = named.map(|source| Announced { name: &source.name, profiles: catalog.profiles_of(source) });
    json(&Announcement { sources: sources.collect() })
}

fn json(value: &impl Serialize) -> Bytes {
    // Structs of strings and numbers cannot fail to serialize.
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_default()
}
