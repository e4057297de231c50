//! A request that nobody sent, to be asked about.

use crate::config::{ConfigError, ServerConfig};
use crate::routes::{Explained, explain};
use ringback_message::{HeaderId, Method, Request};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// A request, as far as routes look at it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inquiry {
    /// Who sends it: a URI.
    pub from: String,
    /// Whom it is for: the Request-URI.
    pub to: String,
    /// What it is; INVITE where nothing is said.
    #[serde(default = "invite")]
    pub method: String,
    /// Where it comes from; 192.0.2.1 where nothing is said.
    #[serde(default = "somewhere")]
    pub source: IpAddr,
    /// Header fields that it has, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

fn invite() -> String {
    Method::INVITE.to_string()
}

fn somewhere() -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 1).into()
}

impl Inquiry {
    /// Tells which route of a configuration the request would take.
    ///
    /// # Errors
    /// When there is no such request, or a route cannot be used.
    pub fn explain(&self, config: &ServerConfig) -> Result<Explained, ConfigError> {
        explain(config, &self.request()?, self.source)
    }

    fn request(&self) -> Result<Request, ConfigError> {
        let method = Method::new(&self.method);
        let method = method.map_err(|_| ConfigError::new(format!("`{}` is no method", self.method)))?;
        let request =
            Request::builder(method, &self.to).header(HeaderId::FROM, format_args!("<{}>", self.from));
        let request = self.headers.iter().fold(request, |request, (name, value)| request.other(name, value));
        let request = request.build().map_err(|error| ConfigError::new(format!("no request: {error}")))?;
        match request.uri() {
            Ok(_) => Ok(request),
            Err(error) => Err(ConfigError::new(format!("`{}` is no URI: {error}", self.to))),
        }
    }
}
