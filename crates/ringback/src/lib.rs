//! The SIP stack that applications add first: endpoints, accounts, calls and audio.
//!
//! ```no_run
//! use ringback::{CallEvent, Endpoint};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = Endpoint::builder().listen("udp:0.0.0.0:0").start().await?;
//! let alice = endpoint.account("sip:alice@example.com").password("secret").register().await?;
//!
//! let mut call = alice.call("sip:bob@example.com").play("hello.wav").record("answer.wav").start().await?;
//! while let Some(event) = call.next().await {
//!     match event {
//!         CallEvent::Ringing(_) => println!("ringing…"),
//!         CallEvent::Answered(media) => println!("talking {}", media.codec),
//!         CallEvent::Ended(summary) => println!("ended {}", summary.ending),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! And the other side:
//!
//! ```no_run
//! use ringback::{Audio, Endpoint};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = Endpoint::builder().listen("udp:192.0.2.1:5060").start().await?;
//! let bob = endpoint.account("sip:bob@example.com").password("secret").register().await?;
//! while let Some(incoming) = endpoint.incoming().await {
//!     println!("{} calls {}", incoming.from(), bob.address());
//!     let mut call = incoming.answer(Audio::echo()).await?;
//!     tokio::spawn(async move { while call.next().await.is_some() {} });
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`guide`] has a page for each task: to [register](guide::register), [call](guide::call) and [be called](guide::answer),
//! [hold](guide::hold), [transfer](guide::transfer), [dial](guide::digits), [write](guide::messages),
//! [subscribe and publish](guide::events), to have [audio of one's own](guide::audio) or [none](guide::signalling), or [pictures](guide::video), and what
//! happens when [the network changes](guide::network) or [something goes wrong](guide::errors).
//!
//! Everything runs on state machines without I/O (`ringback-ua` and below); this crate adds sockets, time, the RTP of
//! each call and files. One endpoint has one network thread; each call has one task on the tokio runtime that
//! started the endpoint.
//!
//! **Cancel safety.** Dropping any future of this crate leaves the endpoint consistent: what was commanded goes on,
//! nobody waits for its outcome. Dropping a [`Call`] hangs up, dropping an [`IncomingCall`] declines it, dropping a
//! [`Subscription`] or [`Publication`] takes it back, and
//! [`Call::next`] loses no event when it is dropped before it is ready.
//!
//! Calls are brought together in a [`Conference`], or two of them by [`Audio::bridge`].
//!
//! A call tells how its audio is doing at any time ([`Call::audio_status`]), and can be muted.
//!
//! Pictures are passed on and never decoded: [`Video`] hands the packets of a call to the application, and a conference shows
//! who speaks ([`Conference::set_video`]).
//!
//! Not here: servers (see `ringback-server`), sound cards, coding of pictures.

mod account;
mod audio;
mod call;
mod conference;
mod dialog_info;
mod disturb;
mod elsewhere;
mod endpoint;
mod error;
mod events;
pub mod guide;
mod incoming;
mod lamp;
mod lamps;
mod line;
mod messages;
mod moved;
mod node;
mod place;
mod port;
mod publication;
mod recording;
mod session;
mod status;
mod stream;
mod subscription;
mod transfer;
mod turn;
mod typed;
mod video;
mod watcher;
mod way;
mod ways;

pub use account::{Account, AccountBuilder, Registration};
pub use audio::{Audio, AudioError, MediaHook};
pub use call::{Call, CallBuilder, CallEvent, MediaInfo, Summary};
pub use conference::{Conference, MemberId, MemberStatus, Voice};
pub use disturb::MissedCall;
pub use endpoint::{Endpoint, EndpointBuilder};
pub use error::{CallError, RegisterError, RequestFailed, StartError};
pub use incoming::{IncomingCall, ReceivedMessage};
pub use lamp::{BusyLamp, Lamp};
pub use messages::SentMessage;
pub use port::Ice;
pub use publication::{Publication, PublicationBuilder, PublicationState};
pub use ringback_media::{
    AudioCodec, AudioCodecs, Cadence, Country, Layer, LegStats, PlayoutMode, Signal, SrtpProfile, Step,
    StreamId, UnknownCodec, UnknownTone, VideoLegStats, VideoMode, VideoPacket, VideoRoomStats,
};
pub use ringback_message::StatusCode;
pub use ringback_net::{
    Advertise, Direction, Listen, ListenError, Protocol, Seen, Tap, TlsError, TlsIdentity, TlsSettings,
    TlsVerify, local_ip_towards,
};
pub use ringback_rtp::text::Transcript;
pub use ringback_sdp::{Codec, NegotiatedMedia, SrtpPolicy};
pub use ringback_ua::{
    Advice, CommandError, Content, DoNotDisturb, EndedBy, Ending, LocalAudio, Notification, Receipt,
    Standing, SubscriptionEnd, SubscriptionEvent, Termination,
};
pub use status::AudioStatus;
pub use stream::AudioStream;
pub use subscription::{Subscription, SubscriptionBuilder};
pub use transfer::Transfer;
pub use video::{Video, VideoEvent, VideoStream};
pub use watcher::{IncomingSubscription, Watcher};
