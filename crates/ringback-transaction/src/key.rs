//! Names of transactions.

use crate::client::Client;
use crate::server::Server;
use std::fmt;

/// Names one client transaction, once: it finds nothing after [`Ended`](crate::TransactionOutput::Ended).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey(pub(crate) ringback_sansio::Key<Client>);

/// Names one server transaction, once: it finds nothing after [`Ended`](crate::TransactionOutput::Ended).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey(pub(crate) ringback_sansio::Key<Server>);

/// Names one transaction of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// One that we began.
    Client(ClientKey),
    /// One that a peer began.
    Server(ServerKey),
}

impl ClientKey {
    /// The key as one number, for tokens that travel through other layers.
    pub fn to_bits(self) -> u64 {
        self.0.to_bits()
    }

    /// The key back from [`to_bits`](Self::to_bits).
    pub fn from_bits(bits: u64) -> Self {
        Self(ringback_sansio::Key::from_bits(bits))
    }
}

impl ServerKey {
    /// The key as one number, for tokens that travel through other layers.
    pub fn to_bits(self) -> u64 {
        self.0.to_bits()
    }

    /// The key back from [`to_bits`](Self::to_bits).
    pub fn from_bits(bits: u64) -> Self {
        Self(ringback_sansio::Key::from_bits(bits))
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {:?}", self.0)
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server {:?}", self.0)
    }
}

impl From<ClientKey> for Key {
    fn from(key: ClientKey) -> Self {
        Self::Client(key)
    }
}

impl From<ServerKey> for Key {
    fn from(key: ServerKey) -> Self {
        Self::Server(key)
    }
}
