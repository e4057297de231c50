//! Server transactions.

/// A server transaction.
pub(crate) struct Server;
