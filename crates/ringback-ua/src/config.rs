//! How a user agent is set up.

use ringback_auth::{Authenticator, Credentials};
use ringback_dialog::Package;
use ringback_sansio::Epoch;
use ringback_sdp::{Codec, LocalDtls, LocalSrtp};
use ringback_transaction::TransactionConfig;
use std::fmt;

/// How a user agent is set up.
#[derive(Debug)]
pub struct UaConfig {
    /// What User-Agent and Server say.
    pub user_agent: String,
    /// Timings, limits, and the addresses that peers reach us at.
    pub transactions: TransactionConfig,
    /// At most so many calls; a further INVITE is answered 486.
    pub max_calls: usize,
    /// What is spoken at all. An offer with none of it is answered 488 without asking the application.
    pub codecs: Vec<Codec>,
    /// Whether and how the media of calls are encrypted, for what is refused before it rings.
    pub srtp: LocalSrtp,
    /// Our certificate for DTLS-SRTP, for the same.
    pub dtls: Option<LocalDtls>,
    /// Whether Contact names the address that a registrar sees us at, learned from `received` and `rport`, where it is not
    /// the one that we have: behind a NAT. Without it, Contact is what `transactions.locals` has.
    pub learns_address: bool,
    /// Whether peers may transfer us ([`UaEvent::TransferRequested`](crate::UaEvent::TransferRequested)) and take over a
    /// call of ours that they know.
    pub accepts_transfers: bool,
    /// How often a call of ours is tried at another address because of a redirection (3xx); 0 is never.
    pub max_redirects: u32,
    /// How long a session lasts at most without a sign of life, in seconds (RFC 4028); less than 90 counts as 90.
    /// `None` leaves that to the peers.
    pub session_expires: Option<u32>,
    /// Whether requests are taken for whatever user they name, by the account that was added first. Else a user that
    /// is no account's is answered 404.
    pub answers_anyone: bool,
    /// Whether calls that ask for it are answered without anybody doing that. Else one that has to be (`Answer-Mode:
    /// Auto;require`, RFC 5373) is refused with 403.
    pub answers_by_itself: bool,
    /// Who must prove a password before a request outside of calls is taken; `None` is nobody.
    pub authentication: Option<InboundAuthentication>,
    /// What peers may subscribe to; a SUBSCRIBE for anything else is answered 489.
    pub packages: Vec<Package>,
    /// At most so many subscriptions of peers; a further one is answered 503.
    pub max_watchers: usize,
}

impl Default for UaConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("Ringback/", env!("CARGO_PKG_VERSION")).to_owned(),
            transactions: TransactionConfig::default(),
            max_calls: 10_000,
            codecs: vec![Codec::pcmu(), Codec::pcma(), Codec::telephone_event()],
            srtp: LocalSrtp::default(),
            dtls: None,
            learns_address: true,
            accepts_transfers: false,
            max_redirects: 5,
            session_expires: Some(1_800),
            answers_anyone: false,
            answers_by_itself: false,
            authentication: None,
            packages: Vec::new(),
            max_watchers: 1_000,
        }
    }
}

/// How requests of peers are challenged (RFC 3261 §22.2).
pub struct InboundAuthentication {
    /// Makes the challenges and judges what comes back.
    pub authenticator: Authenticator,
    /// Where passwords are found.
    pub credentials: Box<dyn Credentials + Send>,
    /// What time it is, for the age of nonces.
    pub epoch: Epoch,
}

impl fmt::Debug for InboundAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundAuthentication")
            .field("authenticator", &self.authenticator)
            .finish_non_exhaustive()
    }
}
