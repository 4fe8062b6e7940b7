//! The files that may change while we run, and what they last said.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use arc_swap::ArcSwap;
use tracing::{error, info, warn};

use crate::args::Args;
use crate::follow::Follower;
use crate::metrics::Metrics;
use crate::sources::{Catalog, Reload};
use crate::token::Tokens;

/// The allowlist and the tokens.
pub(super) struct Files {
    reload: Reload,
    pub(super) catalog: Arc<ArcSwap<Catalog>>,
    pub(super) tokens: Option<(Follower, Arc<ArcSwap<Tokens>>)>,
}

impl Files {
    /// Reads them for the first time; a bad one is an error.
    pub(super) fn open(args: &Args, metrics: &Metrics) -> Result<Self> {
        let reload = Reload::open(&args.sources).context("cannot use the file of sources")?;
        let catalog = reload.catalog();
        metrics.list_loaded(catalog.sources().count());
        info!(file = %args.sources.display(), sources = catalog.sources().count(), "sources loaded");
        let tokens = match &args.viewers.viewer_token_file {
            Some(path) => Some(Self::open_tokens(path)?),
            None => None,
        };
        Ok(Self { reload, catalog: Arc::new(ArcSwap::new(catalog)), tokens })
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
        match self.reload.look()? {
            Ok(reloaded) => {
                metrics.list_loaded(reloaded.catalog.sources().count());
                info!(sources = reloaded.catalog.sources().count(), changed = ?reloaded.changed, "sources reloaded");
                self.catalog.store(reloaded.catalog);
                Some(reloaded.changed)
            }
            Err(error) => {
                metrics.list_refused();
                error!(%error, "sources not reloaded; the old list stays in effect");
                None
            }
        }
    }
}
