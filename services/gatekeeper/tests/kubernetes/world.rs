//! A namespace, the account that gatekeepers have in it, and a broker; all gone when dropped.

use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Config, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tonic::transport::ServerTlsConfig;

use crate::broker::Broker;
use crate::gatekeeper::{Gatekeeper, Way};
use crate::viewer::Viewer;
use crate::worker::Worker;

/// No wait of a test depends on it; it only ends a test that hangs.
const BACKSTOP: Duration = Duration::from_secs(30);
const DEFINITION: &str = include_str!("../../../../helm/mqtt-video/crds/videosources.mqttvideo.io.yaml");
/// The account of the gatekeepers.
const ACCOUNT: &str = "gatekeeper";

/// What a gatekeeper with all flags may do, as docs/kubernetes.md says.
fn rules() -> Value {
    json!([
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        {"apiGroups": ["mqttvideo.io"], "resources": ["videosources"], "verbs": ["list", "watch"]},
        {"apiGroups": ["mqttvideo.io"], "resources": ["videosources/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["hall-login"], "verbs": ["get"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["gatekeeper"], "verbs": ["get", "update"]},
    ])
}

/// Everything that a test needs.
pub(crate) struct World {
    client: Client,
    pub(crate) namespace: String,
    pub(crate) broker: Broker,
    directory: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        let client = Client::try_default().await.expect("KUBECONFIG names a cluster");
        let namespace = format!("mqtt-video-test-{:08x}", rand::random::<u32>());
        let object: Namespace = object(json!({"metadata": {"name": namespace}}));
        Api::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
        let world = Self { client, namespace, broker: Broker::start(), directory: tempfile::tempdir().unwrap() };
        world.create::<ServiceAccount>(json!({"metadata": {"name": ACCOUNT}})).await;
        world.create::<Role>(json!({"metadata": {"name": ACCOUNT}, "rules": rules()})).await;
        world
            .create::<RoleBinding>(json!({
                "metadata": {"name": ACCOUNT},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT},
                "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": world.namespace}],
            }))
            .await;
        world.write_sources("sources: [{name: lobby, url: 'rtsp://127.0.0.1:8554/lobby'}]");
        world
    }

    /// With the definition of `VideoSource`.
    pub(crate) async fn with_sources() -> Self {
        let world = Self::start().await;
        let definitions = Api::<CustomResourceDefinition>::all(world.client.clone());
        let definition: Value = serde_saphyr::from_str(DEFINITION).unwrap();
        let force = PatchParams::apply("test").force();
        definitions.patch("videosources.mqttvideo.io", &force, &Patch::Apply(definition)).await.unwrap();
        let established = await_condition(definitions, "videosources.mqttvideo.io", conditions::is_crd_established());
        within(established).await.unwrap();
        world
    }

    /// The video sources of the namespace.
    pub(crate) fn sources(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind())
    }

    /// A video source.
    pub(crate) fn object(&self, name: &str, spec: &Value) -> DynamicObject {
        DynamicObject::new(name, &kind()).within(&self.namespace).data(json!({"spec": spec}))
    }

    /// Makes a video source, or what it is now anew.
    pub(crate) async fn source(&self, name: &str, spec: Value) {
        let force = PatchParams::apply("test").force();
        self.sources().patch(name, &force, &Patch::Apply(self.object(name, &spec))).await.unwrap();
    }

    /// Makes an object, or what it is now anew.
    pub(crate) async fn apply<K>(&self, name: &str, mut value: Value)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + DeserializeOwned,
    {
        value["apiVersion"] = K::api_version(&()).into();
        value["kind"] = K::kind(&()).into();
        value["metadata"] = json!({"name": name});
        let force = PatchParams::apply("test").force();
        self.api::<K>().patch(name, &force, &Patch::Apply(value)).await.unwrap();
    }

    pub(crate) fn write_sources(&self, text: &str) {
        std::fs::write(self.directory.path().join("sources.yaml"), text).unwrap();
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn create<K>(&self, value: Value) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + DeserializeOwned + Serialize,
    {
        self.api().create(&PostParams::default(), &object(value)).await.unwrap()
    }

    /// Says that these workers are the endpoints of the Service `transcoder`.
    pub(crate) async fn endpoints(&self, workers: &[&Worker]) {
        let slices = self.api::<EndpointSlice>();
        slices.delete("transcoder-1", &DeleteParams::default()).await.ok();
        slices.delete("transcoder-2", &DeleteParams::default()).await.ok();
        // Each has a port of its own, which no real pods behind one Service have, and so a slice of its own.
        for (nth, worker) in workers.iter().enumerate() {
            let address = worker.address;
            let slice = object(json!({
                "metadata": {
                    "name": format!("transcoder-{}", nth + 1),
                    "labels": {"kubernetes.io/service-name": "transcoder"},
                },
                "addressType": "IPv4",
                "ports": [{"name": "grpc", "port": address.port(), "protocol": "TCP"}],
                "endpoints": [{
                    "addresses": [address.ip().to_string()],
                    "conditions": {"ready": false},
                    "targetRef": {"kind": "Pod", "name": worker.name, "uid": worker.name},
                }],
            }));
            slices.create(&PostParams::default(), &slice).await.unwrap();
        }
    }

    /// A worker that an endpoint may point at: loopback is refused there.
    pub(crate) async fn worker(&self, name: &'static str) -> Worker {
        self.worker_with(name, None).await
    }

    /// The same with TLS.
    pub(crate) async fn worker_with(&self, name: &'static str, tls: Option<ServerTlsConfig>) -> Worker {
        Worker::start_at(own_address().await, name, 4, tls).await
    }

    /// A gatekeeper with the file of sources and the account's rights, which finds the API by a way of its own.
    pub(crate) async fn gatekeeper(&self, flags: &[&str]) -> Gatekeeper {
        let way = Way::to(&self.client_config().await).await;
        self.gatekeeper_by(way, flags).await
    }

    /// The same by this way.
    pub(crate) async fn gatekeeper_by(&self, way: Way, flags: &[&str]) -> Gatekeeper {
        let sources = self.directory.path().join("sources.yaml");
        let flags: Vec<&str> = ["--sources", sources.to_str().unwrap(), "--namespace", &self.namespace]
            .into_iter()
            .chain(flags.iter().copied())
            .collect();
        Gatekeeper::start(&self.broker, way, &self.token().await, &flags).await
    }

    /// How we ourselves reach the API.
    pub(crate) async fn client_config(&self) -> Config {
        Config::infer().await.unwrap()
    }

    pub(crate) async fn viewer(&self) -> Viewer {
        Viewer::connect(&self.broker, &["video_1", "video_2"]).await
    }

    async fn token(&self) -> String {
        let request = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
        let accounts = self.api::<ServiceAccount>();
        let token = accounts.create_token_request(ACCOUNT, &PostParams::default(), &request).await.unwrap();
        token.status.unwrap().token
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The runtime of the test cannot be waited for from within it.
        let namespace = self.namespace.clone();
        let delete = async move {
            let client = Client::try_default().await?;
            Api::<Namespace>::all(client).delete(&namespace, &DeleteParams::default()).await.map(drop)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        std::thread::spawn(move || runtime.map(|runtime| runtime.block_on(delete))).join().ok();
    }
}

fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("mqttvideo.io", "v1alpha1", "VideoSource"))
}

/// An object without the fields that say what it is: its type says that.
pub(crate) fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(BACKSTOP, work).await.expect("it hangs")
}

/// The address that this machine speaks to the API server from, or to others where that is loopback's. Nothing is sent to
/// find it out.
async fn own_address() -> IpAddr {
    let api = Config::infer().await.unwrap().cluster_url;
    let api = (api.host().unwrap().to_owned(), api.port_u16().unwrap_or(443));
    let others = ("198.51.100.1".to_owned(), 9);
    for to in [api, others] {
        let socket = tokio::net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let connected = socket.connect(to).await;
        if let Some(own) = connected.and_then(|()| socket.local_addr()).ok().filter(|own| !own.ip().is_loopback()) {
            return own.ip();
        }
    }
    panic!("this machine has no address besides loopback's");
}
