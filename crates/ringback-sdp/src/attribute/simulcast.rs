//! Several encodings of one source (RFC 8851, RFC 8853).

use super::macros::{digits, is_token, split_word, words};
use super::{AttributeError, AttributeValue};
use std::fmt;

/// `a=rid`: an encoding and its restrictions (RFC 8851 §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rid<'a> {
    /// Its name.
    pub id: &'a str,
    /// Whether the writer sends it or wants it.
    pub direction: RidDirection,
    /// `pt=` and restrictions such as `max-width=1280`, with semicolons between them.
    pub restrictions: &'a str,
}

words! {
    /// Which way an encoding goes.
    RidDirection {
        /// From the writer.
        Send = "send",
        /// To the writer.
        Receive = "recv",
    }
}

impl<'a> Rid<'a> {
    /// The payload types that carry it; none stands for all.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.restriction("pt").into_iter().flat_map(|list| list.split(',')).filter_map(digits)
    }

    /// The value of a restriction.
    pub fn restriction(&self, name: &str) -> Option<&'a str> {
        self.restrictions
            .split(';')
            .filter_map(|it| it.trim().split_once('='))
            .find(|it| it.0 == name)
            .map(|it| it.1)
    }
}

impl<'a> AttributeValue<'a> for Rid<'a> {
    const NAME: &'static str = "rid";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let error = AttributeError::new("rid-syntax");
        let (id, rest) = split_word(value);
        let (direction, restrictions) = split_word(rest);
        let direction = RidDirection::from_word(direction).filter(|_| is_id(id)).ok_or(error)?;
        Ok(Self { id, direction, restrictions: restrictions.trim_end() })
    }
}

/// Letters, digits, `-` and `_` (RFC 8851 §10).
fn is_id(text: &str) -> bool {
    is_token(text)
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
}

impl fmt::Display for Rid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.direction)?;
        if self.restrictions.is_empty() { Ok(()) } else { write!(f, " {}", self.restrictions) }
    }
}

/// `a=simulcast`: which encodings go which way (RFC 8853 §5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulcast<'a> {
    /// The streams that the writer sends; each is a list of alternatives, best first.
    pub send: Vec<Vec<SimulcastStream<'a>>>,
    /// The streams that it wants.
    pub receive: Vec<Vec<SimulcastStream<'a>>>,
}

/// One encoding of a [`Simulcast`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulcastStream<'a> {
    /// The name that its [`Rid`] explains.
    pub id: &'a str,
    /// Whether it is not sent at first (`~`).
    pub is_paused: bool,
}

impl<'a> AttributeValue<'a> for Simulcast<'a> {
    const NAME: &'static str = "simulcast";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let error = AttributeError::new("sc-value");
        let mut simulcast = Self::default();
        let mut words = value.split_ascii_whitespace();
        while let Some(direction) = words.next() {
            let place = match RidDirection::from_word(direction).ok_or(error)? {
                RidDirection::Send => &mut simulcast.send,
                RidDirection::Receive => &mut simulcast.receive,
            };
            let list = words.next().filter(|_| place.is_empty()).ok_or(error)?;
            *place = list.split(';').map(alternatives).collect::<Option<_>>().ok_or(error)?;
        }
        if simulcast == Self::default() { Err(error) } else { Ok(simulcast) }
    }
}

fn alternatives(list: &str) -> Option<Vec<SimulcastStream<'_>>> {
    let stream = |text| {
        let id = str::strip_prefix(text, '~').unwrap_or(text);
        is_id(id).then_some(SimulcastStream { id, is_paused: id.len() < text.len() })
    };
    list.split(',').map(stream).collect()
}

impl fmt::Display for Simulcast<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blank = "";
        for (direction, streams) in [(RidDirection::Send, &self.send), (RidDirection::Receive, &self.receive)]
        {
            for (index, alternatives) in streams.iter().enumerate() {
                match index {
                    0 => write!(f, "{blank}{direction} ")?,
                    _ => f.write_str(";")?,
                }
                blank = " ";
                for (index, SimulcastStream { id, is_paused }) in alternatives.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    let pause = if *is_paused { "~" } else { "" };
                    write!(f, "{comma}{pause}{id}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::round;
    use super::*;

    /// RFC 8851 §11.
    #[test]
    fn encodings_have_restrictions() {
        let rid = round::<Rid<'_>>("1 send pt=99,100;max-width=1280;max-height=720;max-fps=30");
        assert_eq!(rid.payload_types().collect::<Vec<_>>(), [99, 100]);
        assert_eq!((rid.restriction("max-width"), rid.restriction("width")), (Some("1280"), None));
        assert_eq!(round::<Rid<'_>>("5 recv").direction, RidDirection::Receive);
        assert!(Rid::parse("5").is_err() && Rid::parse("a.b send").is_err());
    }

    /// RFC 8853 §5.1 and §6.6.
    #[test]
    fn streams_have_alternatives_and_pauses() {
        let both = round::<Simulcast<'_>>("send 1,2,3;~4,~5 recv 6;~7,~8");
        assert_eq!((both.send.len(), both.send[1].len(), both.receive.len()), (2, 2, 2));
        assert_eq!(both.receive[1][0], SimulcastStream { id: "7", is_paused: true });
        assert_eq!(Simulcast::parse("recv 1 send 2").map(|it| it.to_string()), Ok("send 2 recv 1".into()));
        for bad in ["", "send", "send 1 send 2", "send 1;;2", "both 1"] {
            assert!(Simulcast::parse(bad).is_err(), "{bad:?}");
        }
    }
}
