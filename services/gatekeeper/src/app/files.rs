//! What may be played, and by whom: the files that may change while we run, and the custom resources beside them.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use arc_swap::ArcSwap;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::args::Args;
use crate::follow::Follower;
use crate::metrics::Metrics;
use crate::sources::{self, Catalog, Judged, Objects, Reload, Verdict};
use crate::token::Tokens;

/// The allowlist and the tokens.
pub(super) struct Files {
    /// The file of sources, if there is one.
    reload: Option<Reload>,
    /// The custom resources, if they count.
    objects: Option<watch::Receiver<Option<Arc<Objects>>>>,
    /// What became of them.
    pub(super) judged: watch::Sender<Judged>,
    /// The list in effect.
    pub(super) catalog: Arc<ArcSwap<Catalog>>,
    /// The tokens in effect, if any are needed.
    pub(super) tokens: Option<(Follower, Arc<ArcSwap<Tokens>>)>,
}

impl Files {
    /// Reads them for the first time; a bad one is an error.
    pub(super) fn open(args: &Args, metrics: &Metrics) -> Result<Self> {
        let reload = match &args.sources {
            Some(path) => {
                let reload = Reload::open(path).context("cannot use the file of sources")?;
                metrics.list_loaded();
                info!(file = %path.display(), sources = reload.catalog().sources().count(), "sources loaded");
                Some(reload)
            }
            None => None,
        };
        let tokens = match &args.viewers.viewer_token_file {
            Some(path) => Some(Self::open_tokens(path)?),
            None => None,
        };
        let catalog = Arc::new(ArcSwap::from_pointee(Catalog::empty()));
        let mut files = Self { reload, objects: None, judged: watch::Sender::default(), catalog, tokens };
        files.merge(metrics);
        Ok(files)
    }

    /// From now on these count as well.
    pub(super) fn add(&mut self, objects: watch::Receiver<Option<Arc<Objects>>>, metrics: &Metrics) {
        self.objects = Some(objects);
        self.merge(metrics);
    }

    /// Returns when there is a new list of custom resources.
    pub(super) async fn objects_changed(&mut self) {
        if let Some(objects) = &mut self.objects
            && objects.changed().await.is_ok()
        {
            return;
        }
        // There are none, or the task that follows them is gone, which is told elsewhere.
        std::future::pending::<()>().await;
    }

    /// Makes one list of the file and the custom resources; names entries that are no longer what they were.
    pub(super) fn merge(&mut self, metrics: &Metrics) -> Vec<String> {
        let file = self.reload.as_ref().map_or_else(|| Arc::new(Catalog::empty()), Reload::catalog);
        let objects = self.objects.as_mut().and_then(|objects| objects.borrow_and_update().clone());
        let merged = match objects {
            Some(objects) => {
                let (merged, verdicts) = sources::merge(&file, &objects);
                let known = self.judged.borrow().verdicts.clone();
                for (name, verdict) in verdicts.iter().filter(|(name, verdict)| known.get(*name) != Some(verdict)) {
                    match verdict {
                        Verdict::Accepted => {}
                        Verdict::Invalid(why) => warn!(name, why, "video source refused"),
                        Verdict::NameConflict => warn!(name, "video source refused: the file has one of this name"),
                    }
                }
                self.judged.send_replace(Judged { objects, verdicts: Arc::new(verdicts) });
                Arc::new(merged)
            }
            None => file,
        };
        metrics.listed(merged.sources().count());
        let changed = merged.changed_since(&self.catalog.load());
        self.catalog.store(merged);
        changed
    }

    fn open_tokens(path: &Path) -> Result<(Follower, Arc<ArcSwap<Tokens>>)> {
        let mut follower = Follower::new(path);
        let tokens = match follower.look() {
            Some(text) => Tokens::parse(text.context("cannot use the file of viewer tokens")?),
            None => Tokens::default(),
        };
        ensure!(tokens.len() > 0, "{} holds no token, so nobody could view anything", path.display());
        Ok((follower, Arc::new(ArcSwap::from_pointee(tokens))))
    }

    /// Looks at the files; names entries that are no longer what they were, if there is a new list.
    pub(super) fn look(&mut self, metrics: &Metrics) -> Option<Vec<String>> {
        if let Some((follower, tokens)) = &mut self.tokens {
            match follower.look() {
                Some(Ok(text)) => {
                    tokens.store(Arc::new(Tokens::parse(text)));
                    info!(tokens = tokens.load().len(), "viewer tokens reloaded");
                }
                Some(Err(error)) => warn!(%error, "viewer tokens not reloaded; the old ones stay valid"),
                None => {}
            }
        }
        match self.reload.as_mut()?.look()? {
            Ok(catalog) => {
                metrics.list_loaded();
                let changed = self.merge(metrics);
                info!(sources = catalog.sources().count(), ?changed, "sources reloaded");
                Some(changed)
            }
            Err(error) => {
                metrics.list_refused();
                error!(%error, "sources not reloaded; the old list stays in effect");
                None
            }
        }
    }
}
