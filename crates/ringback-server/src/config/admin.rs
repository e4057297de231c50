//! Where a running server is asked.

use super::ConfigError;
use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where a running server is asked and told what to do. In TOML a table, or only the path of the socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// The socket on which it answers `ringback why` and the like; without one `admin.sock` in the data directory, and none
    /// when nothing is kept.
    pub socket: Option<PathBuf>,
    /// Where it answers HTTP; without an address it does not. Port 0 lets the system choose.
    pub listen: Option<SocketAddr>,
    /// The file with the token that has to be shown; without one `admin-token` in the data directory, which is made.
    pub token_file: Option<PathBuf>,
    /// Whether `listen` may be an address that other machines reach. What is said there is not encrypted.
    pub allow_remote: bool,
}

impl From<PathBuf> for AdminConfig {
    fn from(socket: PathBuf) -> Self {
        Self { socket: Some(socket), ..Self::default() }
    }
}

impl AdminConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.listen.filter(|listen| !listen.ip().is_loopback() && !self.allow_remote) {
            Some(listen) => Err(ConfigError::new(format!(
                "admin.listen: {listen} is not of this machine alone; write 127.0.0.1, or admin.allow_remote = true where \
                 the network between is yours"
            ))),
            None => Ok(()),
        }
    }
}

pub(super) fn socket_or_table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AdminConfig, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "admin is a path in quotes, or a table with socket, listen, token_file and allow_remote"
    )]
    enum Admin {
        Socket(PathBuf),
        Table(AdminConfig),
    }
    Ok(match Admin::deserialize(deserializer)? {
        Admin::Socket(socket) => socket.into(),
        Admin::Table(table) => table,
    })
}
