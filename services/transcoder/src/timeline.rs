//! Times and numbers that go on over generations and workers.

/// Where a stream's numbering stands, so that a later run, here or on another worker, goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Continuation {
    /// Last generation.
    pub(crate) generation: u64,
    /// Highest `mfhd.sequence_number` of any track.
    pub(crate) sequence_number: u32,
    /// End of the timeline in units of 1/90000 s. Zero: unknown.
    pub(crate) decode_time: u64,
}
