//! Floor control of conferences (BFCP, RFC 8856).

use super::macros::{is_token, number, split_word, words};
use super::{AttributeError, AttributeValue};
use std::fmt;

words! {
    /// What the writer can be in floor control (RFC 8856 §5.1).
    FloorRole {
        /// A client.
        ClientOnly = "c-only",
        /// A server.
        ServerOnly = "s-only",
        /// Both at once.
        Both = "c-s",
    }
}

/// `a=floorctrl`: what the writer can be (RFC 8856 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloorControl(pub Vec<FloorRole>);

impl AttributeValue<'_> for FloorControl {
    const NAME: &'static str = "floorctrl";

    fn parse(value: &str) -> Result<Self, AttributeError> {
        let roles = value.split_ascii_whitespace().map(FloorRole::from_word).collect::<Option<Vec<_>>>();
        roles
            .filter(|roles| !roles.is_empty())
            .map(Self)
            .ok_or(AttributeError::new("floor-control-attribute"))
    }
}

impl fmt::Display for FloorControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, role) in self.0.iter().enumerate() {
            write!(f, "{}{role}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

number! {
    /// `a=confid`: the conference (RFC 8856 §5.2).
    ConfId(u32), "confid";
    /// `a=userid`: the user in it (RFC 8856 §5.3).
    UserId(u16), "userid";
}

/// `a=floorid`: a floor and the media it is about (RFC 8856 §5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloorId<'a> {
    /// The floor.
    pub id: u16,
    /// The labels of the media, with blanks between them. Empty when there are none.
    pub streams: &'a str,
}

impl<'a> AttributeValue<'a> for FloorId<'a> {
    const NAME: &'static str = "floorid";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let error = AttributeError::new("floor-id-attribute");
        let (id, rest) = split_word(value);
        // RFC 4583 wrote `m-stream`, and so do its peers.
        let streams = match rest.trim_end() {
            "" => "",
            rest => rest.strip_prefix("mstrm:").or_else(|| rest.strip_prefix("m-stream:")).ok_or(error)?,
        };
        if !streams.split_ascii_whitespace().all(is_token) {
            return Err(error);
        }
        Ok(Self { id: super::macros::digits(id).ok_or(error)?, streams })
    }
}

impl fmt::Display for FloorId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)?;
        if self.streams.is_empty() { Ok(()) } else { write!(f, " mstrm:{}", self.streams) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::round;
    use super::*;

    /// RFC 8856 §5 and §12.
    #[test]
    fn floors_of_the_rfc() {
        assert_eq!(round::<FloorControl>("c-only s-only").0, [FloorRole::ClientOnly, FloorRole::ServerOnly]);
        assert_eq!((round::<ConfId>("4321"), round::<UserId>("1234")), (ConfId(4321), UserId(1234)));
        assert_eq!(round::<FloorId<'_>>("1 mstrm:10"), FloorId { id: 1, streams: "10" });
        assert_eq!(round::<FloorId<'_>>("2 mstrm:11 12").streams, "11 12");
        assert_eq!(FloorId::parse("1 m-stream:10").map(|it| it.to_string()), Ok("1 mstrm:10".into()));
        assert!(FloorControl::parse("").is_err() && FloorControl::parse("c").is_err());
        assert!(FloorId::parse("1 x:10").is_err() && UserId::parse("65536").is_err());
    }
}
