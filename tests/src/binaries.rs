//! The services' executables, built at most once in a test run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// Root of the repository.
pub fn repository() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// Path of the executable `name`.
pub fn path(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    let folder = folder.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(folder.join(name))
}

/// Finds the folder of this very executable. A test, which lies one below in `deps`, brings what is beside it up to date
/// first; a program such as `world` takes what is there, since whoever built it has built the services too.
fn build() -> Result<PathBuf> {
    let own = env::current_exe().context("where this executable is")?;
    let folder =
        own.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).context("the folder of this executable")?;
    if own.parent() == Some(folder) {
        ensure!(
            folder.join("gatekeeper").exists(),
            "no services beside {}: cargo build --workspace --bins",
            own.display()
        );
        return Ok(folder.to_owned());
    }
    // The whole workspace, because a part of it would have its dependencies built anew, with fewer features.
    // The cargo that runs this test, not the one that compiled it: another toolchain would build everything again.
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository()).args(["build", "--quiet", "--locked", "--workspace", "--bins"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    if let Some(target) = folder.parent() {
        cargo.arg("--target-dir").arg(target);
    }
    let status = cargo.status().context("cargo")?;
    ensure!(status.success(), "building the services failed: {status}");
    Ok(folder.to_owned())
}
