//! The connection to the Kubernetes API: where it is, which namespace is ours, and how objects there are followed.
//!
//! It knows no kind of object; the modules that do build on it. What was followed once stays known while the API is
//! away, because a gatekeeper must go on serving without it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Config, Resource, ResourceExt};
use runtime::backoff::Backoff;
use serde::de::DeserializeOwned;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The server ends a watch after this time and it is taken up again: so a connection that died silently, as with the
/// power of the server's machine, keeps news away for seconds and not for minutes.
const WATCH_SECONDS: u32 = 10;
/// More than [`WATCH_SECONDS`], or it would end watches in which nothing happens.
const READ_TIMEOUT: Duration = Duration::from_secs(13);
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Why there is no way to the API.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Neither a pod nor a kubeconfig file.
    #[error("this is no pod with a service account, and there is no kubeconfig: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// The configuration is no good.
    #[error("cannot use the way to the Kubernetes API: {0}")]
    Client(#[from] kube::Error),
}

/// Our namespace at the API server. Nothing is dialled before it is used.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    namespace: String,
}

impl Cluster {
    /// From the service account of the pod, or `KUBECONFIG` outside of one.
    pub(crate) async fn infer(namespace: Option<String>) -> Result<Self, Error> {
        let mut config = Config::infer().await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(READ_TIMEOUT);
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        Ok(Self { client: Client::try_from(config)?, namespace })
    }

    /// Our namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Objects of one kind in our namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Follows the objects of one kind with these labels; `""`: all.
    pub(crate) fn follow<K>(&self, labels: &str) -> Following<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let config = watcher::Config::default().labels(labels).timeout(WATCH_SECONDS);
        Following {
            events: watcher::watcher(self.api(), config).boxed(),
            known: BTreeMap::new(),
            listed: BTreeMap::new(),
            backoff: Backoff::new(RETRY_MIN, RETRY_MAX),
            pause: None,
        }
    }
}

/// The objects of one kind, as they change.
pub(crate) struct Following<K> {
    events: Pin<Box<dyn Stream<Item = watcher::Result<Event<K>>> + Send>>,
    known: BTreeMap<String, K>,
    /// A list that is not complete yet.
    listed: BTreeMap<String, K>,
    backoff: Backoff,
    pause: Option<Duration>,
}

impl<K: Resource> Following<K> {
    /// Waits for news and returns all objects by name. An error says why there is no news; the objects stay what they
    /// were, and the next call tries again.
    pub(crate) async fn changed(&mut self) -> Result<&BTreeMap<String, K>, String> {
        if let Some(pause) = self.pause.take() {
            tokio::time::sleep(pause).await;
        }
        loop {
            match self.events.next().await {
                Some(Ok(Event::Init)) => self.listed.clear(),
                Some(Ok(Event::InitApply(object))) => drop(self.listed.insert(object.name_any(), object)),
                Some(Ok(Event::InitDone)) => {
                    self.known = std::mem::take(&mut self.listed);
                    break;
                }
                Some(Ok(Event::Apply(object))) => {
                    self.known.insert(object.name_any(), object);
                    break;
                }
                Some(Ok(Event::Delete(object))) => {
                    self.known.remove(&object.name_any());
                    break;
                }
                Some(Err(error)) => {
                    self.pause = Some(self.backoff.next_delay());
                    return Err(why(&error));
                }
                None => return Err("the watch ended".to_owned()),
            }
        }
        self.backoff.reset();
        Ok(&self.known)
    }
}

/// The innermost cause: what the API server said, or why it could not be asked.
pub(crate) fn why(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), why)
}
