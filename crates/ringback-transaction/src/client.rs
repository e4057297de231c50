//! Client transactions.

/// A client transaction.
pub(crate) struct Client;
