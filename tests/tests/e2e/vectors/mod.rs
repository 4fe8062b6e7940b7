//! The examples of `proto/MQTT.md`, replayed word for word, so that the page cannot lie. The page says how to read them.

mod compare;
mod page;

use std::collections::{HashMap, VecDeque};
use std::fs;

use compare::Bindings;
use e2e::mqtt::{Client, Connect, Message, Publication, Qos, Version};
use e2e::{World, binaries, wait};
use page::{Direction, Step, Vector};

/// Where the page says that the camera is.
const CAMERA: &str = "rtsp://127.0.0.1:8554";

#[tokio::test]
async fn every_example_of_the_protocol_page_holds() {
    let text = fs::read_to_string(binaries::repository().join("proto/MQTT.md")).expect("the page");
    let page = page::read(&text).expect("the page's examples can be read");
    assert!(page.vectors.len() >= 10, "the page has its examples");
    // The camera answers for `/lobby` alone, and so is at hand for `/gone` without having it.
    let sources =
        page.sources.replace(&format!("{CAMERA}/lobby"), "{lobby}").replace(&format!("{CAMERA}/gone"), "{lobby}-gone");
    let world = World::describe().camera("lobby", "aac").sources(&sources).start().await;
    for vector in &page.vectors {
        replay(&world, vector).await;
    }
}

async fn replay(world: &World, vector: &Vector) {
    let version = if vector.old { Version::V3 } else { Version::V5 };
    let mut client = Client::open(world.mqtt(), Connect::new(version)).await.expect("connected");
    let mut topics: Vec<&str> = Vec::new();
    for step in vector.steps.iter().filter(|step| step.direction == Direction::Receive) {
        if !topics.contains(&step.topic.as_str()) {
            client.subscribe(&step.topic, Qos::AtLeastOnce).await.expect("subscribed");
            topics.push(&step.topic);
        }
    }
    let url = world.url("lobby");
    let camera = url.trim_end_matches("/lobby");
    let mut bindings = Bindings::default();
    let mut inbox = Inbox { client, waiting: HashMap::new() };
    for (number, step) in vector.steps.iter().enumerate() {
        let place = format!("vector {}, step {}, {}", vector.name, number + 1, step.topic);
        let body = step.body.replace(CAMERA, camera);
        match step.direction {
            Direction::Send => inbox.send(step, bindings.fill(&body)).await,
            Direction::Receive => inbox.expect(step, &body, &mut bindings, &place).await,
        }
    }
}

/// Messages by topic, in the order in which they came on it.
struct Inbox {
    client: Client,
    waiting: HashMap<String, VecDeque<Message>>,
}

impl Inbox {
    async fn send(&mut self, step: &Step, body: String) {
        let mut publication = Publication::new(&step.topic, body).at_least_once();
        publication.response_topic.clone_from(&step.response_topic);
        publication.correlation = step.correlation.clone().map(Into::into);
        self.client.publish(publication).await.expect("published");
    }

    async fn expect(&mut self, step: &Step, body: &str, bindings: &mut Bindings, place: &str) {
        let mut skipped = Vec::new();
        let fitting = async {
            loop {
                let message = self.next(&step.topic).await;
                match compare::fits(step, body, &message, bindings) {
                    Ok(()) => return,
                    Err(why) if step.eventually => skipped.push(why),
                    Err(why) => panic!("{place}: {why}"),
                }
            }
        };
        if tokio::time::timeout(wait::BACKSTOP, fitting).await.is_err() {
            skipped.dedup();
            panic!("{place}: nothing that fits came; what came: {skipped:#?}");
        }
    }

    async fn next(&mut self, topic: &str) -> Message {
        loop {
            if let Some(message) = self.waiting.get_mut(topic).and_then(VecDeque::pop_front) {
                return message;
            }
            let message = self.client.next().await.expect("the broker serves on");
            self.waiting.entry(message.topic.clone()).or_default().push_back(message);
        }
    }
}
