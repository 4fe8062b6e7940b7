//! The gatekeeper's sources file.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::camera::Running;

/// The file, and the credentials beside it.
#[derive(Debug)]
pub struct Sources {
    /// Where it is.
    pub file: PathBuf,
    folder: PathBuf,
}

impl Sources {
    /// A file in `folder`, not yet written.
    pub fn in_folder(folder: &Path) -> Self {
        Self { file: folder.join("sources.yaml"), folder: folder.to_owned() }
    }

    /// Writes one entry for each camera.
    pub fn write_cameras<'a>(&self, cameras: impl IntoIterator<Item = &'a Running>) -> Result<()> {
        let entries = cameras.into_iter().map(|running| self.entry(running)).collect::<Result<Vec<_>>>()?;
        let list = if entries.is_empty() { " []".to_owned() } else { format!("\n{}", entries.concat()) };
        self.replace(&format!("sources:{list}\n"))
    }

    /// Writes `yaml`, in which `{NAME}` is the URL of a camera.
    pub fn write<'a>(&self, yaml: &str, cameras: impl IntoIterator<Item = &'a Running>) -> Result<()> {
        let mut yaml = yaml.to_owned();
        for running in cameras {
            yaml = yaml.replace(&format!("{{{}}}", running.camera.name), &running.url());
        }
        self.replace(&yaml)
    }

    /// The entry of a camera; its login lies in files.
    fn entry(&self, running: &Running) -> Result<String> {
        let camera = &running.camera;
        let mut yaml = format!("  - name: {}\n    url: {}\n", camera.name, running.url());
        if let Some((user, password)) = camera.login() {
            let user_file = self.folder.join(format!("{}.user", camera.name));
            let password_file = self.folder.join(format!("{}.password", camera.name));
            fs::write(&user_file, user)?;
            fs::write(&password_file, password)?;
            let (user, password) = (user_file.display(), password_file.display());
            writeln!(yaml, "    credentials: {{usernameFile: {user}, passwordFile: {password}}}")?;
        }
        if let Some(profiles) = &camera.profiles {
            writeln!(yaml, "    profiles: [{}]", profiles.join(", "))?;
        }
        if let Some(number) = camera.max_viewers {
            writeln!(yaml, "    maxViewers: {number}")?;
        }
        Ok(yaml)
    }

    /// In one step, as editors and configuration tools do it: nobody reads half a file.
    fn replace(&self, yaml: &str) -> Result<()> {
        let new = self.folder.join("sources.yaml.new");
        fs::write(&new, yaml)?;
        fs::rename(new, &self.file)?;
        Ok(())
    }
}
