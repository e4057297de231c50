//! How much is held at once, and taken at once.

use ringback_transport::FramingLimits;
use serde::Deserialize;

/// How much is held at once. Beyond it new work is refused with 503; what is alive is never evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Transactions of each side.
    pub transactions: usize,
    /// Bindings of all users.
    pub bindings: usize,
    /// Bindings of one user.
    pub contacts_per_user: usize,
    /// Connections.
    pub streams: usize,
    /// Connections from one address.
    pub streams_per_source: usize,
    /// How much of one message is taken.
    pub message: MessageLimits,
}

/// How much of one message is taken. What passes a limit is answered as RFC 3261 §21.4 says, and goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessageLimits {
    /// The longest header section in bytes, at most 65535: 513 beyond it.
    pub header_bytes: u16,
    /// The most header fields: 513 beyond it.
    pub fields: u16,
    /// The most values in one row of a comma list: 400 beyond it.
    pub elements: u16,
    /// The longest Request-URI in bytes, at most 8192: 414 beyond it.
    pub uri_bytes: u16,
    /// The longest body over streams in bytes: 513 beyond it.
    pub body_bytes: usize,
}

impl Default for MessageLimits {
    fn default() -> Self {
        let FramingLimits { message, body } = FramingLimits::default();
        Self {
            header_bytes: message.head,
            fields: message.fields,
            elements: message.elements,
            uri_bytes: message.uri,
            body_bytes: body,
        }
    }
}

impl MessageLimits {
    /// As the transport takes them.
    pub(crate) fn framing(self) -> FramingLimits {
        let Self { header_bytes: head, fields, elements, uri_bytes: uri, body_bytes: body } = self;
        FramingLimits { message: ringback_message::Limits { head, fields, elements, uri }, body }
    }

    /// What no message would fit into, or more than can be taken.
    pub(crate) fn check(self) -> Result<(), String> {
        let least = [
            ("header_bytes", usize::from(self.header_bytes), 1_024),
            ("fields", self.fields.into(), 16),
            ("elements", self.elements.into(), 1),
            ("uri_bytes", self.uri_bytes.into(), 64),
        ];
        for (key, value, least) in least {
            if value < least {
                return Err(format!(
                    "limits.message.{key} is {value}; at least {least} is needed for usual messages"
                ));
            }
        }
        let most = ringback_message::Limits::DEFAULT.uri;
        if self.uri_bytes > most {
            return Err(format!(
                "limits.message.uri_bytes is {}; at most {most} is possible",
                self.uri_bytes
            ));
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transactions: 400_000,
            bindings: 1_000_000,
            contacts_per_user: 10,
            streams: 20_000,
            streams_per_source: 2_000,
            message: MessageLimits::default(),
        }
    }
}
