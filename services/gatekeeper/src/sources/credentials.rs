//! How to log in at a camera: where the login is kept, and reading it from there.
//!
//! It is read anew for each start of a source, so that a rotated secret takes effect by itself; what was read lives as
//! long as the call that needs it.

use std::path::PathBuf;

use secrecy::SecretString;

/// Where the login is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// Where the user name is.
    pub(crate) username: Place,
    /// Where the password is.
    pub(crate) password: Place,
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
}

impl Credentials {
    /// Reads the login.
    pub(crate) fn read(&self) -> Result<Login, CredentialsError> {
        Ok(Login { username: self.username.read()?, password: self.password.read()? })
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

    #[test]
    fn a_rotated_password_is_read_at_the_next_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let (username, password) = (dir.path().join("u"), dir.path().join("p"));
        let credentials =
            Credentials { username: Place::File(username.clone()), password: Place::File(password.clone()) };
        std::fs::write(&username, "viewer\n").expect("a file");
        std::fs::write(&password, " one \r\n").expect("a file");
        let login = credentials.read().expect("a login");
        assert_eq!((login.username.expose_secret(), login.password.expose_secret()), ("viewer", " one "));
        std::fs::write(&password, "two").expect("a file");
        assert_eq!(credentials.read().expect("a login").password.expose_secret(), "two");
    }

    #[test]
    fn a_login_shows_in_no_debug_output_and_a_missing_one_names_its_place() {
        let credentials = Credentials { username: Place::Env("PATH".into()), password: Place::Env("PATH".into()) };
        let login = credentials.read().expect("PATH is set");
        assert!(!format!("{login:?}").contains("/bin"));
        let missing = Credentials { username: Place::Env("NO_SUCH_VARIABLE_1".into()), ..credentials };
        assert!(missing.read().expect_err("not set").to_string().contains("NO_SUCH_VARIABLE_1"));
    }
}
