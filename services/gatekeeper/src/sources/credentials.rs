//! How to log in at a camera: where the login is kept, and reading it from there.
//!
//! It is read anew for each start of a source, so that a rotated secret takes effect by itself; what was read lives as
//! long as the call that needs it.

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use secrecy::SecretString;

use super::resource::SecretRef;
use crate::cluster::{self, Cluster};

/// How long a Secret may take; the viewer waits for it.
const SECRET_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the login is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// In two places of this machine.
    Places {
        /// Where the user name is.
        username: Place,
        /// Where the password is.
        password: Place,
    },
    /// In a Secret of our namespace.
    Secret(SecretRef),
}

/// Where one half of a login is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The content of a file, without a line end.
    File(PathBuf),
    /// An environment variable of this process.
    Env(String),
}

/// A login as read.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    /// User name.
    pub(crate) username: SecretString,
    /// Password.
    pub(crate) password: SecretString,
}

/// Why a login cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    /// The file is not there, or not for us.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The variable is not set.
    #[error("environment variable {0} is not set")]
    Env(String),
    /// There is no such Secret.
    #[error("there is no Secret {0}")]
    NoSecret(String),
    /// The Secret has no such key.
    #[error("the Secret {name} has no key {key}")]
    NoKey {
        /// Which Secret.
        name: String,
        /// Which key.
        key: String,
    },
    /// The Secret cannot be read.
    #[error("cannot read the Secret {name}: {why}")]
    Secret {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// Whoever read it was stopped.
    #[error("reading was interrupted: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl Credentials {
    /// Reads the login; `cluster` is where Secrets are.
    pub(crate) async fn read(&self, cluster: Option<&Cluster>) -> Result<Login, CredentialsError> {
        match self {
            Self::Places { username, password } => {
                let (username, password) = (username.clone(), password.clone());
                // Files may be on a network.
                let read = move || Ok(Login { username: username.read()?, password: password.read()? });
                tokio::task::spawn_blocking(read).await?
            }
            Self::Secret(secret) => secret.read(cluster).await,
        }
    }
}

impl SecretRef {
    /// Both halves at once, so that they belong together whenever the Secret is rotated.
    pub(crate) async fn read(&self, cluster: Option<&Cluster>) -> Result<Login, CredentialsError> {
        let failed = |why: String| CredentialsError::Secret { name: self.name.clone(), why };
        let cluster = cluster.ok_or_else(|| failed("there is no Kubernetes API".to_owned()))?;
        let secrets = cluster.api::<Secret>();
        let found = tokio::time::timeout(SECRET_TIMEOUT, secrets.get_opt(&self.name)).await;
        let secret = found
            .map_err(|_| failed("the Kubernetes API does not answer".to_owned()))?
            .map_err(|error| failed(cluster::why(&error)))?
            .ok_or_else(|| CredentialsError::NoSecret(self.name.clone()))?;
        let data = secret.data.unwrap_or_default();
        let half = |key: &String| -> Result<SecretString, CredentialsError> {
            let missing = || CredentialsError::NoKey { name: self.name.clone(), key: key.clone() };
            let value = data.get(key).ok_or_else(missing)?;
            let text = std::str::from_utf8(&value.0).map_err(|_| failed(format!("its key {key} is not text")))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
        };
        Ok(Login { username: half(&self.username_key)?, password: half(&self.password_key)? })
    }
}

impl Place {
    fn read(&self) -> Result<SecretString, CredentialsError> {
        match self {
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned().into())
                .map_err(|source| CredentialsError::File { path: path.clone(), source }),
            Self::Env(name) => {
                std::env::var(name).map(SecretString::from).map_err(|_| CredentialsError::Env(name.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[tokio::test]
    async fn a_rotated_password_is_read_at_the_next_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let (username, password) = (dir.path().join("u"), dir.path().join("p"));
        let credentials =
            Credentials::Places { username: Place::File(username.clone()), password: Place::File(password.clone()) };
        std::fs::write(&username, "viewer\n").expect("a file");
        std::fs::write(&password, " one \r\n").expect("a file");
        let login = credentials.read(None).await.expect("a login");
        assert_eq!((login.username.expose_secret(), login.password.expose_secret()), ("viewer", " one "));
        std::fs::write(&password, "two").expect("a file");
        assert_eq!(credentials.read(None).await.expect("a login").password.expose_secret(), "two");
    }

    #[tokio::test]
    async fn a_login_shows_in_no_debug_output_and_a_missing_one_names_its_place() {
        let path = Place::Env("PATH".into());
        let credentials = Credentials::Places { username: path.clone(), password: path.clone() };
        let login = credentials.read(None).await.expect("PATH is set");
        assert!(!format!("{login:?}").contains("/bin"));
        let missing = Credentials::Places { username: Place::Env("NO_SUCH_VARIABLE_1".into()), password: path };
        assert!(missing.read(None).await.expect_err("not set").to_string().contains("NO_SUCH_VARIABLE_1"));
    }
}
