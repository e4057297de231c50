//! What participants are called.

use crate::text::printable;
use ringback_sansio::Map;
use std::net::SocketAddr;

/// The longest name that is shown.
const MAX_NAME: usize = 32;

/// Names of addresses. Addresses of one name are one participant; an address without a name is called by itself.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: Map<SocketAddr, String>,
    /// The addresses in the order in which they were named.
    order: Vec<SocketAddr>,
}

impl Names {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives an address a name.
    pub fn add(&mut self, address: SocketAddr, name: &str) -> &mut Self {
        if self.names.insert(address, printable(name.as_bytes(), MAX_NAME)).is_none() {
            self.order.push(address);
        }
        self
    }

    /// The name of an address, or the address.
    pub(crate) fn of(&self, address: SocketAddr) -> String {
        self.names.get(&address).cloned().unwrap_or_else(|| address.to_string())
    }

    /// The first address of that name.
    pub(crate) fn address(&self, name: &str) -> Option<SocketAddr> {
        self.order.iter().copied().find(|it| self.given(*it) == Some(name))
    }

    pub(crate) fn given(&self, address: SocketAddr) -> Option<&str> {
        self.names.get(&address).map(String::as_str)
    }
}
