//! A pool of workers as a gatekeeper knows it from their reports, without processes or connections.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use gatekeeper::placement::{Job, MemberId, Worker};
use gatekeeper::stream::{Delivery, Dialect, StreamKey, Viewer};

use crate::workers;

/// Address of the nth worker, in the order of addresses.
pub(crate) fn id(number: usize) -> MemberId {
    // Three digits in each part, so that text sorts as numbers do.
    let [_, b, c, d] = Ipv4Addr::from_bits(number as u32).octets();
    format!("http://10.{}.{}.{}:50051", 100 + u16::from(b), 100 + u16::from(c), 100 + u16::from(d)).into()
}

/// A source in the profile of most viewers.
pub(crate) fn key(source: impl Into<String>) -> StreamKey {
    StreamKey { source: source.into(), profile: "source".to_owned() }
}

/// A stream that one viewer watches.
pub(crate) fn job(source: &str) -> Arc<Job> {
    let viewer = Viewer {
        reply_topic: format!("video/reply/{source}"),
        delivery: Delivery::Live,
        dialect: Dialect::Video,
        session: String::new(),
        video_only: true,
    };
    Arc::new(Job { viewers: [viewer].into(), ..Job::default() })
}

/// A worker that runs nothing.
pub(crate) fn idle(number: usize, slots: u32) -> Arc<Worker> {
    Arc::new(Worker { name: workers::name(number), slots_total: slots, ..Worker::default() })
}

/// A worker that runs `streams` of its own sources.
pub(crate) fn busy(number: usize, slots: u32, streams: usize) -> Arc<Worker> {
    let sources = (0..streams).map(|nth| workers::source(number, nth));
    let jobs: HashMap<_, _> = sources.map(|source| (Arc::new(key(source.clone())), job(&source))).collect();
    let slots_used = jobs.len() as u32;
    Arc::new(Worker { name: workers::name(number), slots_total: slots, slots_used, jobs, ..Worker::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_sort_as_their_numbers() {
        let ids: Vec<_> = (0..70_000).step_by(7).map(id).collect();
        assert!(ids.is_sorted());
    }
}
