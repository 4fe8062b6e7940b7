//! What happens to each message of a viewer.
//!
//! [`Handler::accept`] runs where the broker's events are read and never waits: it reads the message, confines the reply
//! topic, takes a place in the viewer's order and in the bounded number of requests under way, and hands back the rest
//! as a future. Whatever is refused on the way is answered if there is a topic to answer on, counted, and has no
//! other effect. What a worker is asked, and which, is in `errands`.

mod books;
mod errands;
mod spans;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use runtime::broker::{Message, Publication, Publisher};
use runtime::trace::{self, Speaker};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument, Span, debug, info, warn};

use self::books::Books;
use crate::cluster::Cluster;
use crate::metrics::{Denied, Metrics};
use crate::play;
use crate::policy::{self, AllowedSource, Decision, Denial, Target};
use crate::pool::Pool;
use crate::refusal::{Code, Refusal};
use crate::reply_topic::{Confinement, ReplyTopic};
use crate::sources::{Catalog, Login};
use crate::status::Board;
use crate::stream::{Dialect, StreamKey, Viewer};
use crate::token::Tokens;
use crate::turns::{Turn, Turns};
use crate::wire::{self, Body, Command, Incoming, Request, Topics, Verb};

/// Requests that wait for a camera. Each is a task of a few kilobytes; a flood of them leaves the others alone.
const DESCRIBES: usize = 512;
/// All other requests under way; they wait for a worker's answer at most.
const OTHERS: usize = 512;
/// After how long to try again when there is no room.
const RETRY: Duration = Duration::from_secs(5);
/// After how long to try again when too many requests are under way.
const BUSY: Duration = Duration::from_secs(2);
/// How long a name of a pattern entry may take to resolve.
const RESOLVE: Duration = Duration::from_secs(3);

/// What the handler works with; made once, by `app`.
pub(crate) struct Parts {
    /// Topics under the configured prefix.
    pub(crate) topics: Topics,
    /// Which reply topics are admitted.
    pub(crate) confinement: Confinement,
    /// How long a describe may wait for the camera.
    pub(crate) describe_timeout: Duration,
    /// The allowlist in effect.
    pub(crate) catalog: Arc<ArcSwap<Catalog>>,
    /// The tokens in effect; `None`: none is needed.
    pub(crate) tokens: Option<Arc<ArcSwap<Tokens>>>,
    /// Where Secrets with logins are.
    pub(crate) cluster: Option<Cluster>,
    /// The workers.
    pub(crate) pool: Pool,
    /// The broker.
    pub(crate) publisher: Publisher,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// Where players' reports are told to people.
    pub(crate) board: Board,
    /// Tells spans in the name of players.
    pub(crate) players: Speaker,
}

/// Turns messages into work.
pub(crate) struct Handler {
    desk: Arc<Desk>,
    turns: Turns,
    describes: Arc<Semaphore>,
    others: Arc<Semaphore>,
}

/// What all requests share, and whoever else starts streams.
pub(crate) struct Desk {
    /// What it works with.
    pub(crate) parts: Parts,
    books: Mutex<Books>,
}

/// A request that was read, with what it holds while it is under way.
struct Accepted {
    request: Request,
    reply_topic: Option<ReplyTopic>,
    since: Instant,
    turn: Option<Turn>,
    _permit: OwnedSemaphorePermit,
}

/// What a request comes to.
type Answer = Result<Option<Bytes>, Refusal>;

impl Handler {
    /// Nothing is under way yet.
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            desk: Arc::new(Desk { parts, books: Mutex::default() }),
            turns: Turns::default(),
            describes: Arc::new(Semaphore::new(DESCRIBES)),
            others: Arc::new(Semaphore::new(OTHERS)),
        }
    }

    /// What the requests share.
    pub(crate) fn desk(&self) -> Arc<Desk> {
        self.desk.clone()
    }

    /// Takes a message; what it leads to is the future, if anything.
    pub(crate) fn accept(&mut self, message: Message) -> Option<impl Future<Output = ()> + Send + use<>> {
        let since = Instant::now();
        let mut request = match wire::read(&self.desk.parts.topics, message) {
            Incoming::Request(request) => request,
            Incoming::Report(report, trace) => {
                self.desk.parts.metrics.report(report.as_ref().ok());
                if let Ok(report) = &report {
                    self.desk.parts.board.report(report);
                }
                if let (Ok(report), Some(trace)) = (report, trace)
                    && let Some((play, children)) = play::spans(&report, SystemTime::now())
                {
                    self.desk.parts.players.tell(&trace, play, children);
                }
                return None;
            }
            Incoming::Ignored => return None,
        };
        let reply_topic = self.desk.confine(&mut request);
        let permits = if request.verb == Verb::Describe { &self.describes } else { &self.others };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            self.desk.turn_away(&request, reply_topic.as_ref(), since);
            return None;
        };
        // A describe waits for a camera; a stop behind it should not.
        let ordered = matches!(request.verb, Verb::Play | Verb::Stop | Verb::Keepalive);
        let turn = reply_topic.as_ref().filter(|_| ordered).map(|topic| self.turns.take(topic));
        let span = spans::of(&request, reply_topic.as_ref());
        let accepted = Accepted { request, reply_topic, since, turn, _permit: permit };
        Some(self.desk.clone().serve(accepted).instrument(span))
    }

    /// Stops whatever runs under these entries of the allowlist.
    pub(crate) fn withdraw(&self, entries: Vec<String>) -> impl Future<Output = ()> + Send + use<> {
        let desk = self.desk.clone();
        async move { desk.withdraw(&entries).await }
    }

    /// Stops whatever runs without an entry of the allowlist, as after a restart in which the entry went.
    pub(crate) fn withdraw_unlisted(&self) -> impl Future<Output = ()> + Send + use<> {
        let desk = self.desk.clone();
        async move { desk.withdraw_unlisted().await }
    }

    /// Announces the sources that can be played by name.
    pub(crate) fn announce(&self) -> impl Future<Output = ()> + Send + use<> {
        let desk = self.desk.clone();
        async move {
            let list = wire::announce(&desk.parts.catalog.load());
            let publication = Publication::new(desk.parts.topics.sources(), list).at_least_once().retain();
            desk.publish(publication.content_type("application/json")).await;
        }
    }
}

impl Desk {
    /// Settles which topic is answered on. What the payload names comes first; if that is not allowed, the request is
    /// bad, and the Response Topic only serves to say so.
    fn confine(&self, request: &mut Request) -> Option<ReplyTopic> {
        let mut admit = |topic: &str| {
            self.parts.confinement.admit(topic).inspect_err(|why| {
                self.parts.metrics.denied(Denied::ReplyTopic);
                debug!(%why, length = topic.len(), "reply topic refused");
            })
        };
        let fallback = |admit: &mut dyn FnMut(&str) -> Result<ReplyTopic, _>| {
            request.response_topic.as_deref().map(admit).transpose()
        };
        match request.named.as_deref().map(&mut admit) {
            Some(Ok(topic)) => Some(topic),
            Some(Err(why)) => {
                let topic = fallback(&mut admit).ok().flatten();
                request.body = Err(Refusal::bad_request(format!("this reply topic is not allowed: {why}")));
                topic
            }
            None => fallback(&mut admit).ok().flatten(),
        }
    }

    /// Too many requests are under way. Must not wait, so the answer is sent only if there is room for it.
    fn turn_away(&self, request: &Request, reply_topic: Option<&ReplyTopic>, since: Instant) {
        let Some(topic) = reply_topic else {
            return self.parts.metrics.dropped(request.verb, request.dialect);
        };
        let refusal = Refusal::no_capacity("too many requests are waiting; try again in a moment", BUSY);
        let publication = reply(topic, wire::error(&refusal), request.correlation.clone());
        if self.parts.publisher.try_publish(publication).is_err() {
            self.parts.metrics.unpublished();
        }
        self.parts.metrics.answered(request.verb, request.dialect, Some(refusal.code), since);
    }

    async fn serve(self: Arc<Self>, accepted: Accepted) {
        let Accepted { request, reply_topic, since, mut turn, _permit } = accepted;
        if let Some(turn) = &mut turn {
            turn.come().await;
        }
        let Request { verb, dialect, correlation, body, .. } = request;
        let answer = match body {
            Ok(body) => self.run(dialect, body, reply_topic.as_ref()).await,
            Err(refusal) => Err(refusal),
        };
        let code = answer.as_ref().err().map(|refusal| refusal.code);
        match &answer {
            Ok(_) => debug!(took = ?since.elapsed(), "done"),
            Err(refusal) => {
                trace::failed(&Span::current(), refusal.code.as_str());
                info!(code = refusal.code.as_str(), text = refusal.text, "refused");
            }
        }
        let payload = match answer {
            Ok(payload) => payload,
            Err(refusal) => Some(wire::error(&refusal)),
        };
        match (payload, &reply_topic) {
            (Some(payload), Some(topic)) => self.publish(reply(topic, payload, correlation)).await,
            (Some(_), None) => return self.parts.metrics.dropped(verb, dialect),
            (None, _) => {}
        }
        self.parts.metrics.answered(verb, dialect, code, since);
    }

    async fn run(&self, dialect: Dialect, body: Body, reply_topic: Option<&ReplyTopic>) -> Answer {
        if matches!(body.command, Command::Nothing) {
            return Ok(None);
        }
        // Who knows a viewer's reply topic may stop it; all else needs the token.
        if !matches!(body.command, Command::Stop)
            && let Some(tokens) = &self.parts.tokens
            && !tokens.load().admit(body.token.as_ref())
        {
            self.parts.metrics.denied(Denied::Token);
            return Err(Refusal::new(Code::Unauthorized, "a valid `token` is needed; ask the operator for one"));
        }
        if let Command::StopSource(selector) = &body.command {
            let source = policy::name_of(&self.parts.catalog.load(), selector).map_err(|denial| self.denied(denial))?;
            self.stop_source(&source).await;
            return Ok(None);
        }
        let topic = reply_topic.ok_or_else(|| {
            Refusal::bad_request("a `reply_topic` (in client/* a `resp_topic`) or an MQTT 5 Response Topic is needed")
        })?;
        let viewer = |delivery, video_only| Viewer {
            reply_topic: topic.as_str().to_owned(),
            delivery,
            dialect,
            session: body.session.clone(),
            video_only,
        };
        match body.command {
            Command::Describe(target) => {
                let source = self.allow(dialect, &target).await?;
                self.describe(&source, &body.session).await.map(Some)
            }
            Command::Play { target, delivery, video_only } => {
                let source = self.allow(dialect, &target).await?;
                self.play(&source, &viewer(delivery, video_only)).await.map(|()| None)
            }
            Command::Keepalive(target) => {
                let source = self.allow(dialect, &target).await?;
                // What was agreed at play stands; a keepalive only names the viewer.
                let viewer = viewer(crate::stream::Delivery::Reply, false);
                self.refresh(&source, &viewer).await.map(|()| None)
            }
            Command::Stop => {
                self.stop(topic.as_str()).await;
                Ok(None)
            }
            Command::StopSource(_) | Command::Nothing => Ok(None),
        }
    }

    /// Asks the policy, and resolves for it if it must know addresses.
    async fn allow(&self, dialect: Dialect, target: &Target) -> Result<AllowedSource, Refusal> {
        let decision = policy::decide(&self.parts.catalog.load(), dialect, target);
        self.resolve(decision).await.inspect(|source| spans::about(source.key()))
    }

    /// The same for a stream that runs already, under the list as it is now.
    pub(crate) async fn readmit(&self, key: &StreamKey, pattern_url: &str) -> Result<AllowedSource, Refusal> {
        let decision = policy::readmit(&self.parts.catalog.load(), key, pattern_url);
        self.resolve(decision).await
    }

    async fn resolve(&self, decision: Result<Decision, Denial>) -> Result<AllowedSource, Refusal> {
        let unresolved = match decision.map_err(|denial| self.denied(denial))? {
            Decision::Allowed(source) => return Ok(source),
            Decision::Resolve(unresolved) => unresolved,
        };
        let (host, port) = unresolved.host();
        let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((host.to_owned(), port))).await;
        let addresses: Vec<_> = match found {
            Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
            Ok(Err(_)) | Err(_) => return Err(self.denied(Denial::unresolvable())),
        };
        unresolved.with_addresses(&addresses).map_err(|denial| self.denied(denial))
    }

    fn denied(&self, denial: Denial) -> Refusal {
        self.parts.metrics.denied(Denied::Policy(denial.rule));
        denial.refusal
    }

    /// Reads the login of a source.
    pub(crate) async fn login(&self, source: &AllowedSource) -> Result<Option<Login>, Refusal> {
        let Some(credentials) = source.credentials() else { return Ok(None) };
        let why = match credentials.read(self.parts.cluster.as_ref()).await {
            Ok(login) => return Ok(Some(login)),
            Err(error) => error,
        };
        warn!(source = source.key().source, %why, "cannot read the login of a source");
        Err(Refusal::new(
            Code::Internal,
            "the login of this source cannot be read; tell the operator to look at the log",
        ))
    }

    async fn publish(&self, publication: Publication) {
        if let Err(error) = self.parts.publisher.publish(publication).await {
            self.parts.metrics.unpublished();
            debug!(%error, "not published");
        }
    }
}

fn reply(topic: &ReplyTopic, payload: Bytes, correlation: Option<Bytes>) -> Publication {
    let publication = Publication::new(topic.as_str(), payload).at_least_once().content_type("application/json");
    match correlation {
        Some(data) => publication.correlation(data),
        None => publication,
    }
}
