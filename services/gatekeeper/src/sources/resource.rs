//! The custom resource `VideoSource`: an entry of the allowlist as an object of Kubernetes.
//!
//! The API server refuses what the rules below refuse, with their words; what it cannot judge, such as whether a profile
//! exists, `entry` judges later. The definition that clusters get is made from this file and committed with the chart.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A camera that may be played: who is not on the list is refused.
#[derive(Debug, Clone, PartialEq, CustomResource, KubeSchema, Serialize, Deserialize)]
#[kube(
    group = "mqttvideo.io",
    version = "v1alpha1",
    kind = "VideoSource",
    namespaced,
    status = "VideoSourceStatus",
    shortname = "vs",
    category = "mqtt-video",
    derive = "PartialEq",
    doc = "A camera that viewers may play, by the name of this object.",
    validation = Rule::new("size(self.metadata.name) <= 63").message("the name of a source has at most 63 characters"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Codec", type_ = "string", json_path = ".status.codec"),
    printcolumn(name = "Size", type_ = "string", json_path = ".status.size"),
    printcolumn(name = "FPS", type_ = "integer", json_path = ".status.frameRate"),
    printcolumn(name = "Viewers", type_ = "integer", json_path = ".status.viewers"),
    printcolumn(name = "Worker", type_ = "string", json_path = ".status.worker"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1
    ),
    printcolumn(name = "Last error", type_ = "string", json_path = ".status.lastError", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.url) != has(self.pattern)")
    .message("a source has either `url` or `pattern`"))]
#[x_kube(validation = Rule::new("!has(self.allowPrivate) || has(self.pattern)")
    .message("allowPrivate belongs to a pattern; an exact url may be anywhere"))]
pub(crate) struct VideoSourceSpec {
    /// URL of the camera, `rtsp://` or `rtsps://`, without a login. Viewers ask for it by the name of this object, or by
    /// this URL byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^rtsps?://')").message("url must begin with rtsp:// or rtsps://"))]
    #[x_kube(validation = Rule::new("!self.matches('^[a-z]+://[^/?#]*@')")
        .message("a login does not belong in the url; use credentials.secretRef"))]
    pub(crate) url: Option<String>,
    /// Pattern of URLs that viewers may ask for: `*` stands for a part of one host label, path segment or item of the
    /// query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^rtsps?://')")
        .message("pattern must begin with rtsp:// or rtsps://"))]
    #[x_kube(validation = Rule::new("!self.matches('^[a-z]+://[^/?#]*@')")
        .message("a login does not belong in the pattern; use credentials.secretRef"))]
    pub(crate) pattern: Option<String>,
    /// Whether hosts that match the pattern may have private, loopback or link-local addresses. Default: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) allow_private: Option<bool>,
    /// How to log in at the camera. Default: without a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credentials: Option<SecretLogin>,
    /// Profiles that it is offered in. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    #[x_kube(validation = Rule::new("size(self) > 0")
        .message("no profile at all would make the source unplayable; leave `profiles` out for all"))]
    #[x_kube(validation = Rule::new("self.all(name, name.matches('^[a-z0-9._-]+$'))")
        .message("the name of a profile is 1 to 63 of a-z, 0-9, `.`, `_` and `-`"))]
    pub(crate) profiles: Option<Vec<String>>,
    /// Highest number of viewers on each transcoder. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= 1")
        .message("maxViewers below 1 would make the source unplayable; leave it out for no limit"))]
    pub(crate) max_viewers: Option<i32>,
}

/// Where a login is kept.
#[derive(Debug, Clone, PartialEq, KubeSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretLogin {
    /// A Secret in the same namespace. It is read at each start of the source.
    pub(crate) secret_ref: SecretRef,
}

/// A Secret, and where in it the login is.
#[derive(Debug, Clone, PartialEq, Eq, KubeSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) name: String,
    /// Key of the user name.
    #[serde(default = "username_key")]
    #[schemars(length(min = 1, max = 253))]
    pub(crate) username_key: String,
    /// Key of the password.
    #[serde(default = "password_key")]
    #[schemars(length(min = 1, max = 253))]
    pub(crate) password_key: String,
}

fn username_key() -> String {
    "username".to_owned()
}

fn password_key() -> String {
    "password".to_owned()
}

/// What became of a source; written by the leading gatekeeper.
#[derive(Debug, Clone, Default, PartialEq, KubeSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VideoSourceStatus {
    /// `Ready`: it can be played.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub(crate) conditions: Vec<Condition>,
    /// The generation of the object that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) observed_generation: Option<i64>,
    /// RFC 6381 codec strings of the running stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) codec: Option<String>,
    /// Width and height of the picture in pixels, such as 1920x1080.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<String>,
    /// Frames per second, rounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) frame_rate: Option<i32>,
    /// Viewers in all profiles.
    #[serde(default)]
    pub(crate) viewers: i32,
    /// The transcoder that runs it; several, separated by commas, if its profiles are apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) worker: Option<String>,
    /// Why the last attempt to play it failed; gone once it succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::CustomResourceExt;

    /// Made anew by `UPDATE_CRD=1 cargo test`.
    #[test]
    fn the_committed_definition_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../helm/mqtt-video/crds/videosources.mqttvideo.io.yaml");
        let text = serde_saphyr::to_string(&VideoSource::crd()).expect("YAML");
        if std::env::var_os("UPDATE_CRD").is_some() {
            std::fs::write(path, &text).expect("written");
        }
        let committed = std::fs::read_to_string(path).expect("the definition is committed");
        assert!(committed == text, "the code has changed; run UPDATE_CRD=1 cargo test and commit {path}");
    }
}
