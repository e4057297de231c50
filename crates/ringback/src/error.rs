//! What can go wrong, and whose fault it is.

use crate::AudioError;
use ringback_media::CertificateError;
use ringback_message::{ParseError, StatusCode};
use ringback_net::{BindError, ListenError, TlsError};
use ringback_ua::CommandError;
use std::time::Duration;
use std::{fmt, io};

/// Why an endpoint did not start.
#[non_exhaustive]
#[derive(Debug)]
pub enum StartError {
    /// A listener is not written as `udp:ADDRESS:PORT`.
    Listen(ListenError),
    /// A socket could not be bound.
    Bind(BindError),
    /// A certificate, a key or a list of whom to trust cannot be used.
    Tls(TlsError),
    /// There is no certificate for DTLS-SRTP.
    Certificate(CertificateError),
    /// The name of a STUN or TURN server leads nowhere.
    IceServer(String, io::Error),
    /// The network thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Certificate(error) => error.fmt(f),
            Self::IceServer(server, error) => write!(f, "cannot find the server `{server}`: {error}"),
            Self::Thread(error) => write!(f, "cannot start the network thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Why a registration did not come about.
#[non_exhaustive]
#[derive(Debug)]
pub enum RegisterError {
    /// Our own address is no SIP URI.
    Address(ParseError),
    /// The name of the server leads nowhere.
    Server(String),
    /// The registrar refused, or did not answer.
    Refused {
        /// What it said; 408 when nothing came, 503 when it could not be reached.
        status: StatusCode,
        /// Why, in its words or in ours.
        reason: String,
        /// When it will be tried again. `None` when it will not, such as after a wrong password.
        retry_in: Option<Duration>,
    },
    /// The endpoint could not send it.
    Command(CommandError),
    /// The endpoint is shut down.
    Shutdown,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => write!(f, "not a SIP address: {error}"),
            Self::Server(name) => write!(f, "the server `{name}` cannot be found"),
            Self::Refused { status, reason, .. } => write!(f, "not registered: {status} {reason}"),
            Self::Command(error) => write!(f, "cannot register: {error}"),
            Self::Shutdown => f.write_str("the endpoint is shut down"),
        }
    }
}

impl std::error::Error for RegisterError {}

/// Why a call did not begin, or could not be changed.
#[non_exhaustive]
#[derive(Debug)]
pub enum CallError {
    /// Whom to call is no SIP URI.
    Target(ParseError),
    /// A file to play cannot be read, or one to record cannot be written.
    Audio(AudioError),
    /// No socket could be bound for the audio.
    Socket(io::Error),
    /// What was asked for does not fit the state of the call.
    Command(CommandError),
    /// Not a digit of a telephone.
    Digit(char),
    /// The audio of the call is not here ([`Audio::elsewhere`](crate::Audio::elsewhere)); or it has to be, because the caller was told
    /// so already ([`IncomingCall::ring_reliably`](crate::IncomingCall::ring_reliably)), or because it is to be encrypted, for which
    /// the keys would be ours.
    Elsewhere,
    /// The pictures are in another call already.
    VideoTaken,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(error) => write!(f, "not an address that can be called: {error}"),
            Self::Audio(error) => error.fmt(f),
            Self::Socket(error) => write!(f, "cannot open a socket for the audio: {error}"),
            Self::Command(error) => error.fmt(f),
            Self::Digit(digit) => write!(f, "`{digit}` is no digit: 0-9, *, # and A-D are"),
            Self::VideoTaken => f.write_str("another call has these pictures"),
            Self::Elsewhere => f.write_str("the audio of the call is elsewhere, or has to be here"),
        }
    }
}

impl std::error::Error for CallError {}

impl From<CommandError> for CallError {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl From<AudioError> for CallError {
    fn from(error: AudioError) -> Self {
        Self::Audio(error)
    }
}

/// Why a message or a question was not answered with success.
#[non_exhaustive]
#[derive(Debug)]
pub enum RequestFailed {
    /// The target is no SIP URI.
    Target(ParseError),
    /// The answer was not a success. 408 and 503 may also stand for no answer at all.
    Refused(StatusCode, String),
    /// The endpoint could not send it.
    Command(CommandError),
    /// The endpoint is shut down.
    Shutdown,
}

impl fmt::Display for RequestFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(error) => write!(f, "not a SIP address: {error}"),
            Self::Refused(status, reason) => write!(f, "{status} {reason}"),
            Self::Command(error) => error.fmt(f),
            Self::Shutdown => f.write_str("the endpoint is shut down"),
        }
    }
}

impl std::error::Error for RequestFailed {}
