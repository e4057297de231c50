//! Names of calls and of the requests that they send.

use crate::call::Call;
use std::fmt;

/// Names one call, once: it finds nothing after [`CallEvent::Ended`](crate::CallEvent::Ended).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub(crate) ringback_sansio::Key<Call>);

impl CallKey {
    /// The key as one number, for tokens that travel through other layers.
    pub fn to_bits(self) -> u64 {
        self.0.to_bits()
    }

    /// The key back from [`to_bits`](Self::to_bits).
    pub fn from_bits(bits: u64) -> Self {
        Self(ringback_sansio::Key::from_bits(bits))
    }
}

impl fmt::Debug for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {:?}", self.0)
    }
}

/// Names one transfer that a peer has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferKey {
    pub(crate) call: CallKey,
    /// The number of the REFER.
    pub(crate) id: u32,
}

impl TransferKey {
    /// The call whose peer has asked for it.
    pub fn call(self) -> CallKey {
        self.call
    }
}

/// Names one request that a call has asked to send, through all attempts that the layer above makes with it
/// (credentials, other targets). Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SendTag(pub(crate) u64);
