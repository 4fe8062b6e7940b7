//! The custom resources as entries of the allowlist, beside those of the file.
//!
//! A name that the file has is the file's: what stands in the operator's hands cannot be taken over by whoever may write
//! custom resources.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt;
use runtime::readiness::Readiness;
use tokio::sync::watch;
use tracing::{info, warn};

use super::entry::{self, Wanted};
use super::resource::{VideoSource, VideoSourceSpec};
use super::{Catalog, Credentials, Source};
use crate::cluster::Cluster;

/// As `/ready` calls what is waited for.
pub(crate) const CONDITION: &str = "video-sources";

/// All custom resources, by name.
pub(crate) type Objects = BTreeMap<String, VideoSource>;

/// What became of a custom resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is on the list.
    Accepted,
    /// The rules refuse it.
    Invalid(String),
    /// The file has an entry of its name.
    NameConflict,
}

/// What became of each.
pub(crate) type Verdicts = BTreeMap<String, Verdict>;

/// Objects, and what became of just these.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judged {
    /// The objects.
    pub(crate) objects: Arc<Objects>,
    /// What became of each.
    pub(crate) verdicts: Arc<Verdicts>,
}

/// Follows the custom resources of our namespace; `None` until the first list has come.
pub(crate) async fn follow(cluster: Cluster, readiness: Readiness, sender: watch::Sender<Option<Arc<Objects>>>) {
    let mut following = cluster.follow::<VideoSource>("");
    let mut told = false;
    loop {
        match following.changed().await {
            Ok(objects) => {
                told = false;
                // Writing a status is no change to whoever reads the list.
                let changed = |known: &Option<Arc<Objects>>| known.as_ref().is_none_or(|known| !same(known, objects));
                sender.send_if_modified(|known| {
                    let changed = changed(known);
                    if changed {
                        info!(objects = objects.len(), "video sources changed");
                        *known = Some(Arc::new(objects.clone()));
                    }
                    changed
                });
                readiness.set(CONDITION, Ok(()));
            }
            Err(why) => {
                if sender.borrow().is_none() {
                    readiness.set(CONDITION, Err(format!("the Kubernetes API does not list video sources: {why}")));
                }
                if !told {
                    warn!(%why, "no news of video sources; the known ones stay in effect");
                    told = true;
                }
            }
        }
    }
}

fn same(one: &Objects, other: &Objects) -> bool {
    let said = |(name, object): (&String, &VideoSource)| (name.clone(), object.uid(), object.metadata.generation);
    one.iter().map(said).eq(other.iter().map(said))
}

/// Adds what the rules accept to the list of the file, and says what became of each.
pub(crate) fn merge(file: &Catalog, objects: &Objects) -> (Catalog, Verdicts) {
    let mut accepted = Vec::new();
    let judge = |(name, object): (&String, &VideoSource)| {
        let verdict = if file.by_name(name).is_some() {
            Verdict::NameConflict
        } else {
            match source(name, &object.spec, file) {
                Ok(source) => {
                    accepted.push(source);
                    Verdict::Accepted
                }
                Err(why) => Verdict::Invalid(why),
            }
        };
        (name.clone(), verdict)
    };
    let verdicts = objects.iter().map(judge).collect();
    (file.with(accepted), verdicts)
}

fn source(name: &str, spec: &VideoSourceSpec, file: &Catalog) -> Result<Source, String> {
    let wanted = Wanted {
        name,
        url: spec.url.as_deref(),
        pattern: spec.pattern.as_deref(),
        allow_private: spec.allow_private,
        credentials: spec.credentials.as_ref().map(|login| Credentials::Secret(login.secret_ref.clone())),
        profiles: spec.profiles.as_deref(),
        max_viewers: spec.max_viewers.map(|limit| u32::try_from(limit).unwrap_or(0)),
    };
    entry::source(wanted, |profile| file.profile(profile).is_ok()).map_err(|wrong| wrong.why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{Location, parse};
    use std::path::Path;

    fn objects(specs: &[(&str, serde_json::Value)]) -> Objects {
        let object = |(name, spec): &(&str, serde_json::Value)| {
            let spec = serde_json::from_value(spec.clone()).expect("a spec");
            ((*name).to_owned(), VideoSource::new(name, spec))
        };
        specs.iter().map(object).collect()
    }

    #[test]
    fn custom_resources_stand_beside_the_file_and_the_file_wins() {
        let text = "sources: [{name: lobby, url: 'rtsp://file/a'}]\nprofiles: {small: {width: 320}}";
        let file = parse(text, Path::new(".")).expect("a list");
        let (catalog, verdicts) = merge(
            &file,
            &objects(&[
                ("lobby", serde_json::json!({"url": "rtsp://object/a"})),
                ("yard", serde_json::json!({"url": "rtsp://object/b", "profiles": ["small"], "maxViewers": 2})),
                ("plant", serde_json::json!({"pattern": "rtsp://cam-*.plant.example/*"})),
            ]),
        );
        let Some(Source { location: Location::Exact(url), .. }) = catalog.by_name("lobby") else { panic!("no lobby") };
        assert_eq!(url.as_str(), "rtsp://file/a");
        assert_eq!(catalog.by_name("yard").and_then(|yard| yard.max_viewers), Some(2));
        assert!(matches!(catalog.by_name("plant"), Some(Source { location: Location::Pattern { .. }, .. })));
        let expected = [("lobby", Verdict::NameConflict), ("plant", Verdict::Accepted), ("yard", Verdict::Accepted)];
        assert_eq!(verdicts, expected.map(|(name, verdict)| (name.to_owned(), verdict)).into());
    }

    #[test]
    fn what_the_rules_of_the_file_refuse_is_refused_here_too() {
        for (spec, hint) in [
            (serde_json::json!({"url": "rtsp://h/a", "profiles": ["nope"]}), "no profile `nope`"),
            (serde_json::json!({"url": "rtsp://h/a#b"}), "fragment"),
            (serde_json::json!({"pattern": "rtsp://**/a"}), "`*`"),
            (serde_json::json!({}), "either `url` or `pattern`"),
        ] {
            let (catalog, verdicts) = merge(&Catalog::empty(), &objects(&[("bad", spec)]));
            assert_eq!(catalog.sources().count(), 0, "{hint}");
            let Some(Verdict::Invalid(why)) = verdicts.get("bad") else { panic!("{hint}") };
            assert!(why.contains(hint), "{why}");
        }
    }

    #[test]
    fn a_status_is_no_change_and_a_new_object_of_the_same_name_is_one() {
        let old = objects(&[("lobby", serde_json::json!({"url": "rtsp://h/a"}))]);
        let mut new = old.clone();
        let lobby = new.get_mut("lobby").expect("lobby");
        lobby.status = Some(super::super::resource::VideoSourceStatus::default());
        assert!(same(&old, &new));
        new.get_mut("lobby").expect("lobby").metadata.uid = Some("another".to_owned());
        assert!(!same(&old, &new));
    }
}
