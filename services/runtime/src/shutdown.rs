//! Turns termination signals into a token that everything else hangs from.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// A token that is cancelled at the first SIGTERM or SIGINT. A second signal ends the process at once, with status 130,
/// for the operator who does not want to wait for a drain.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn signals() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" };
        let first = next().await;
        info!(signal = first, "shutting down");
        cancelled.cancel();
        let second = next().await;
        info!(signal = second, "ending at once");
        std::process::exit(130);
    });
    Ok(token)
}
