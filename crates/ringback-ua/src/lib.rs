//! The SIP user agent core, sans-IO: accounts, registration, calls, messages.
//!
//! A [`UserAgent`] is told messages, resolved names and time, and says what to transmit, what to resolve and what has
//! happened. It owns one transaction layer and all dialogs. An application adds an [`Account`], calls
//! ([`UserAgent::call`]), answers ([`UserAgent::answer`]), holds, hangs up, and hears of it all in [`UaEvent`]s. Where
//! audio comes from and goes to is told by [`LocalAudio`] and [`Session`]; the audio itself is somebody else's.
//!
//! # The run loop
//!
//! Here two user agents talk to each other, and the loop plays the network. A driver does the same with sockets
//! and `ringback-transport`, which also marks requests with where they came from.
//!
//! ```
//! use ringback_message::Message;
//! use ringback_sansio::{Flow, FlowId, Machine, SeededEntropy};
//! use ringback_ua::{Account, LocalAudio, Protocol, UaConfig, UaEvent, UaInput, UaOutput, UserAgent};
//! use std::net::SocketAddr;
//! use std::time::Instant;
//!
//! # let now = Instant::now();
//! let addresses: [SocketAddr; 2] = ["192.0.2.1:5060".parse()?, "192.0.2.2:5060".parse()?];
//! let [mut alice, mut bob] = addresses.map(|address| {
//!     let mut config = UaConfig::default();
//!     config.transactions.locals.set(Protocol::Udp, address);
//!     UserAgent::new(config, SeededEntropy::new(u64::from(address.port()))) // A driver takes a strong source.
//! });
//! let account = alice.add_account(Account::new("sip:alice@example.com".parse()?));
//! bob.add_account(Account::new("sip:bob@example.com".parse()?));
//! let audio = |agent: usize| LocalAudio::new(SocketAddr::new(addresses[agent].ip(), 4000));
//!
//! let call = alice.call(now, account, &"sip:bob@192.0.2.2".parse()?, audio(0))?;
//! let (mut answered, mut ended, mut agents) = (0, 0, [alice, bob]);
//! loop {
//!     let Some((from, output)) = (0..2).find_map(|agent| Some((agent, agents[agent].poll()?))) else { break };
//!     match output {
//!         UaOutput::Transmit { bytes, to, .. } => {
//!             let local = to.peer();
//!             let flow = Flow { id: FlowId(1), protocol: to.protocol(), local, peer: addresses[from] };
//!             agents[1 - from].handle(now, UaInput::Message(flow, Message::parse(bytes)?));
//!         }
//!         UaOutput::Resolve(token, _name) => agents[from].handle(now, UaInput::Resolved(token, Ok(Vec::new()))),
//!         UaOutput::Keep(..) | UaOutput::Forget(_) => unreachable!("nobody is registered"),
//!         UaOutput::Unavailable(..) => unreachable!("both are there"),
//!         UaOutput::Event(UaEvent::Incoming(incoming)) => agents[from].answer(now, incoming.call, audio(from))?,
//!         UaOutput::Event(UaEvent::Answered { session, .. }) => {
//!             assert_eq!(session.remote_rtp(), Some(audio(1 - from).rtp));
//!             answered += 1;
//!             if answered == 2 { agents[0].hangup(now, call)?; }
//!         }
//!         UaOutput::Event(UaEvent::Ended { ending, .. }) => { println!("ended {ending}"); ended += 1; }
//!         UaOutput::Event(other) => println!("{other:?}"),
//!     }
//! }
//! assert_eq!((answered, ended), (2, 2));
//! // What is left are timers that absorb copies which may still be on their way.
//! for agent in &mut agents {
//!     while let Some(at) = agent.poll_timeout() { agent.handle_timeout(at); }
//!     assert!(agent.is_empty());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does by itself
//!
//! - looks at every request in the order of RFC 3261 §8.2 and refuses with the status that fits; answers OPTIONS;
//! - answers challenges and sends credentials along with later requests; challenges others, if told to;
//! - sends what is too large for a datagram over TCP, and tries the next address of a name when one fails;
//! - acknowledges reliable provisional responses, and gives a sign of life in long calls;
//! - refreshes subscriptions and publications, and begins them anew where that has a point;
//! - refuses calls for who must not be disturbed ([`UserAgent::do_not_disturb`]);
//! - follows redirections; tells who has asked for a transfer what becomes of it;
//! - keeps registrations fresh, and tries again after failures that may pass;
//! - registers the address that the registrar sees it at, where a NAT makes that another one, and tells it to the peers of
//!   calls that are up when it changes;
//! - after [`UserAgent::moved`], registers from the new address and has the calls that are up go on there.
//!
//! Not here: sockets and names (`ringback-net`), audio (`ringback-rtp`, `ringback-media`), what event packages say.
//!
//! Sources: RFC 3261 §8, §10, §11, §13 to §15, §18.1.1 and §22; RFC 3263 §4.3; RFC 3581; RFC 3428 (MESSAGE); RFC 3862 and 5438 (receipts); RFC 5373
//! (Answer-Mode); RFC 3903 (PUBLISH); RFC 6665 (events); RFC 5626 §4.5
//! (intervals after failures); RFC 6086 (INFO).

mod account;
mod agent;
mod config;
mod disturb;
mod entropy;
mod event;
mod events;
mod glue;
mod identity;
mod inspect;
mod mapping;
mod moved;
mod outgoing;
mod publication;
mod receipts;
mod registration;

pub use account::{Account, AccountKey, Outbound};
pub use agent::UserAgent;
pub use config::{InboundAuthentication, UaConfig};
pub use disturb::{DoNotDisturb, TurnedAway};
pub use event::{CommandError, Incoming, RequestKey, Token, UaEvent, UaInput, UaOutput};
pub use events::{Interest, Subscriber};
pub use publication::PublicationKey;
pub use receipts::{MessageId, Receipt, ReceiptWish};
pub use ringback_dialog::{
    Advice, CallKey, EndedBy, Ending, LocalAudio, LocalText, Opening, Session, TransferKey, ice_credentials,
};
pub use ringback_dialog::{
    Content, Notification, Package, Standing, SubscriptionEnd, SubscriptionEvent, SubscriptionKey,
    Termination, WatcherKey,
};
pub use ringback_sansio::{Protocol, Target};
pub use ringback_sdp::Codec;
