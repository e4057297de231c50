//! Data channels and connections (RFC 8841, RFC 4145).

use super::macros::{number, words};
use super::{AttributeError, AttributeValue};

number! {
    /// `a=sctp-port`: the SCTP port within DTLS (RFC 8841 §5).
    SctpPort(u16), "sctp-port";
    /// `a=max-message-size`: the largest message that is taken, in octets; zero for any (RFC 8841 §6). Without it
    /// that is 64 KiB.
    MaxMessageSize(u64), "max-message-size";
}

words! {
    "connection",
    /// `a=connection`: whether media go over a connection that is there already (RFC 4145 §5).
    ConnectionReuse {
        /// A new one is to be opened.
        New = "new",
        /// The one in use stays.
        Existing = "existing",
    }
}

#[cfg(test)]
mod tests {
    use super::super::round;
    use super::*;

    #[test]
    fn numbers_are_digits_of_their_size() {
        assert_eq!(round::<SctpPort>("5000"), SctpPort(5000));
        assert_eq!(round::<MaxMessageSize>("100000"), MaxMessageSize(100_000));
        assert!(SctpPort::parse("65536").is_err() && SctpPort::parse("+1").is_err());
        assert_eq!(round::<ConnectionReuse>("existing"), ConnectionReuse::Existing);
    }
}
