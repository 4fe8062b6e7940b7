//! Turns: requests of one viewer run in the order in which they came, those of different viewers side by side.
//!
//! Without it a stop could overtake the play that it means. A turn is taken by whoever reads the broker's events, in
//! their order, and waited for by the task that handles the request; dropping it lets the next one go. A turn that is taken
//! must therefore be waited for, also when nothing is done with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::reply_topic::ReplyTopic;

type Ends = Arc<Mutex<HashMap<ReplyTopic, (u64, oneshot::Receiver<()>)>>>;

/// Who goes next, for each viewer.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// The end of the last turn that was taken, numbered.
    ends: Ends,
    taken: u64,
}

/// A place in the order of one viewer's requests.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    /// Dropping it tells the next.
    _done: oneshot::Sender<()>,
    topic: ReplyTopic,
    number: u64,
    ends: Ends,
}

impl Turns {
    /// Takes the next turn of the viewer on `topic`.
    pub(crate) fn take(&mut self, topic: &ReplyTopic) -> Turn {
        let (done, end) = oneshot::channel();
        self.taken += 1;
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let before = ends.insert(topic.clone(), (self.taken, end)).map(|(_, end)| end);
        drop(ends);
        Turn { before, _done: done, topic: topic.clone(), number: self.taken, ends: self.ends.clone() }
    }
}

impl Turn {
    /// Waits until all turns before this one are over.
    pub(crate) async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            // The other side sends nothing; that it is gone is the message.
            let _ = before.await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.get(&self.topic).is_some_and(|(number, _)| *number == self.number) {
            ends.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::poll;

    use super::*;
    use crate::reply_topic::{Confinement, Shape};

    fn topic(name: &str) -> ReplyTopic {
        let shape: Shape = "video_<digits>".parse().expect("a form");
        Confinement::new(&[shape], "video").admit(name).expect(name)
    }

    #[tokio::test]
    async fn turns_of_one_viewer_follow_each_other_and_others_go_ahead() {
        let mut turns = Turns::default();
        let mut first = turns.take(&topic("video_1"));
        let mut second = turns.take(&topic("video_1"));
        let mut third = turns.take(&topic("video_1"));
        let mut other = turns.take(&topic("video_2"));
        other.come().await;
        first.come().await;
        {
            let mut waiting = std::pin::pin!(second.come());
            assert_eq!(poll!(&mut waiting), Poll::Pending);
            drop(first);
            waiting.await;
        }
        drop(second);
        third.come().await;
        drop(third);
        drop(other);
        assert!(turns.ends.lock().expect("no panic").is_empty(), "nothing is left behind");
    }
}
