//! How much of a message is taken. All that a peer can send has a bound, and these are the bounds.

/// The longest header section, start line and empty line included, in bytes. More cannot be configured: offsets are
/// sixteen bits wide.
pub const MAX_HEADER_BYTES: usize = u16::MAX as usize;
/// The most header fields in one message (fault 7), unless configured otherwise.
pub const MAX_FIELDS: usize = 256;
/// The most values in one row of a header field that is a comma list, unless configured otherwise.
pub const MAX_ELEMENTS: usize = 64;
/// The longest URI in bytes, wherever it stands. For the Request-URI less can be configured.
pub const MAX_URI_BYTES: usize = 8 * 1024;
/// So many multiparts may stand inside of one another.
pub const MAX_DEPTH: usize = 4;
/// So many parts may one multipart have.
pub const MAX_PARTS: usize = 64;
/// The most parameters behind one value, and pairs in one challenge or credentials (faults 7 and 8). Values are read one
/// by one, without the message that they are from, so this is not configured.
pub const MAX_PARAMS: usize = 64;

/// How much is taken of a message of a peer, for [`Message::parse_with`](crate::Message::parse_with).
///
/// Reading takes time and memory in proportion to the length of what is read, whatever it holds. The limits keep that
/// length, and the work that follows from it, small.
///
/// ```
/// use ringback_message::{Limits, Message, StatusCode};
///
/// // A small device does not want more than it can answer.
/// let limits = Limits { head: 4_096, fields: 40, ..Limits::default() };
/// let text = format!("OPTIONS sip:a@b SIP/2.0\r\n{}\r\n", "Subject: x\r\n".repeat(41));
/// let message = Message::parse_with(text, &limits)?;
/// assert_eq!(message.validate().unwrap_err().status, StatusCode::MESSAGE_TOO_LARGE);
/// # Ok::<(), ringback_message::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest header section in bytes, start line and empty line included. A longer one is answered with 513.
    pub head: u16,
    /// The most header fields. One more is answered with 513.
    pub fields: u16,
    /// The most values in one row of a field that is a comma list; two empty ones count as one. One more is answered
    /// with 400.
    pub elements: u16,
    /// The longest Request-URI in bytes, at most [`MAX_URI_BYTES`]. A longer one is answered with 414.
    pub uri: u16,
}

impl Limits {
    /// The limits that hold unless told otherwise.
    pub const DEFAULT: Self = Self {
        head: MAX_HEADER_BYTES as u16,
        fields: MAX_FIELDS as u16,
        elements: MAX_ELEMENTS as u16,
        uri: MAX_URI_BYTES as u16,
    };

    /// None but those that lie in the width of offsets: for what was taken or written before.
    pub(crate) const WIDEST: Self =
        Self { head: u16::MAX, fields: u16::MAX, elements: u16::MAX, uri: u16::MAX };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
