//! A player's report of how well it plays, as it arrives on `<prefix>/qoe`.
//!
//! Counts are since the player's report before, so that the gatekeeper adds them up without knowing who sent them.

use super::fields::Fields;
use crate::refusal::Refusal;

/// An hour; what is longer is a clock that jumped.
const LONGEST_MS: f64 = 3_600_000.0;
/// More than any display shows between two reports.
const MOST: f64 = 100_000.0;

/// What a player measured since its last report. Names of sources are left out: they are the viewer's word, and a metric
/// with such labels could be made to grow.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Report {
    /// Correlates it with log lines; may be empty.
    pub(crate) session: String,
    /// From the request to the first frame; once a play.
    pub(crate) first_frame_ms: Option<f64>,
    /// From the request to the first media.
    pub(crate) first_media_ms: Option<f64>,
    /// From the request to the report.
    pub(crate) since_play_ms: Option<f64>,
    /// Median of the latency.
    pub(crate) latency_p50_ms: Option<f64>,
    /// 95th percentile of the latency.
    pub(crate) latency_p95_ms: Option<f64>,
    /// The time that the counts cover.
    pub(crate) watched_ms: Option<f64>,
    /// How often the picture stood.
    pub(crate) stalls: f64,
    /// How long it stood.
    pub(crate) rebuffer_ms: f64,
    /// Frames that were decoded and not shown.
    pub(crate) dropped_frames: f64,
    /// Frames that were decoded.
    pub(crate) decoded_frames: f64,
    /// How often the connection was lost and made again.
    pub(crate) reconnects: f64,
    /// How often the decoder gave up.
    pub(crate) decoder_errors: f64,
}

pub(super) fn read(fields: &Fields) -> Result<Report, Refusal> {
    let count = |name: &str| fields.number(name, MOST).map(Option::unwrap_or_default);
    let latency = fields.object("latency_ms")?;
    let percentile = |name: &str| latency.as_ref().map_or(Ok(None), |latency| latency.number(name, LONGEST_MS));
    Ok(Report {
        // Its numbers count whatever it calls itself.
        session: super::session(fields).ok().flatten().unwrap_or_default(),
        first_frame_ms: fields.number("first_frame_ms", LONGEST_MS)?,
        first_media_ms: fields.number("first_media_ms", LONGEST_MS)?,
        since_play_ms: fields.number("since_play_ms", LONGEST_MS)?,
        latency_p50_ms: percentile("p50")?,
        latency_p95_ms: percentile("p95")?,
        watched_ms: fields.number("watched_ms", LONGEST_MS)?,
        stalls: count("stalls")?,
        rebuffer_ms: fields.number("rebuffer_ms", LONGEST_MS)?.unwrap_or_default(),
        dropped_frames: count("dropped_frames")?,
        decoded_frames: count("decoded_frames")?,
        reconnects: count("reconnects")?,
        decoder_errors: count("decoder_errors")?,
    })
}
