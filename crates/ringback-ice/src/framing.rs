//! Where messages end in the stream of a TURN server (RFC 8489 §6.2.2, RFC 8656 §12.5).

/// In front of the attributes of a STUN message.
const STUN_HEADER: usize = 20;
/// In front of the data of a channel.
const CHANNEL_HEADER: usize = 4;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// What comes is neither STUN nor data of a channel, and so nobody knows where the next message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfStep;

/// Cuts messages out of a stream, wherever the network has cut it.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    /// The beginning of a message that has not come whole: at most 64 KiB of it, and what was pushed last.
    buffer: Vec<u8>,
}

impl Framer {
    /// Takes what came. [`next`](Self::next) has to be called until there is nothing more.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, without what fills it up to four octets.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, OutOfStep> {
        let Some((length, padded)) = lengths(&self.buffer)? else { return Ok(None) };
        if self.buffer.len() < padded {
            return Ok(None);
        }
        let mut message: Vec<u8> = self.buffer.drain(..padded).collect();
        message.truncate(length);
        Ok(Some(message))
    }
}

/// How long the message at the beginning is, and how long with what fills it up. None as long as that cannot be seen.
fn lengths(bytes: &[u8]) -> Result<Option<(usize, usize)>, OutOfStep> {
    let &[first, _, high, low, ref rest @ ..] = bytes else {
        return match bytes.first() {
            Some(0x00..=0x03 | 0x40..=0x4F) | None => Ok(None),
            Some(_) => Err(OutOfStep),
        };
    };
    let told = usize::from(u16::from_be_bytes([high, low]));
    match first {
        0x00..=0x03 => {
            let known = rest.len().min(COOKIE.len());
            if told % 4 != 0 || rest[..known] != COOKIE[..known] {
                return Err(OutOfStep);
            }
            Ok(Some((STUN_HEADER + told, STUN_HEADER + told)))
        }
        // Channels are 0x4000 to 0x4FFF.
        0x40..=0x4F => Ok(Some((CHANNEL_HEADER + told, CHANNEL_HEADER + told.next_multiple_of(4)))),
        _ => Err(OutOfStep),
    }
}

/// Gives a message the length that it has to have in a stream: data of a channel are filled up, STUN is so already.
pub(crate) fn fill_up(message: &mut Vec<u8>) {
    message.resize(message.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stun(attributes: usize) -> Vec<u8> {
        let length = u16::try_from(attributes * 4).unwrap().to_be_bytes();
        [&[1, 1][..], &length, &COOKIE, &[7; 12], &vec![9; attributes * 4]].concat()
    }

    fn channel(data: &[u8]) -> Vec<u8> {
        [&[0x40, 1][..], &u16::try_from(data.len()).unwrap().to_be_bytes(), data].concat()
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_wherever_the_stream_is_cut(
            sizes in prop::collection::vec((any::<bool>(), 0_usize..400), 1..20),
            cuts in prop::collection::vec(1_usize..700, 1..20),
        ) {
            let messages: Vec<Vec<u8>> = sizes
                .iter()
                .map(|&(is_stun, size)| if is_stun { stun(size / 4) } else { channel(&vec![0x55; size]) })
                .collect();
            let mut stream = Vec::new();
            for message in &messages {
                let mut message = message.clone();
                fill_up(&mut message);
                stream.extend(message);
            }
            let (mut framer, mut read, mut rest) = (Framer::default(), Vec::new(), &stream[..]);
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                framer.push(now);
                while let Some(message) = framer.next().unwrap() {
                    read.push(message);
                }
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(read, messages);
            prop_assert!(framer.buffer.is_empty());
        }

        #[test]
        fn no_stream_makes_it_keep_more_than_one_message(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3_000), 0..40),
        ) {
            let mut framer = Framer::default();
            for chunk in &chunks {
                framer.push(chunk);
                loop {
                    match framer.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(OutOfStep) => return Ok(()),
                    }
                }
                prop_assert!(framer.buffer.len() <= 65_556);
            }
        }
    }

    #[test]
    fn what_is_neither_is_seen_with_its_first_octets() {
        for wrong in [&b"SSH-2.0"[..], &[0x80], &[0, 1, 0, 3], &[0, 1, 0, 4, 0x21, 0x13], &[0x50, 0, 0, 0]] {
            let mut framer = Framer::default();
            framer.push(wrong);
            assert_eq!(framer.next(), Err(OutOfStep), "{wrong:?}");
        }
        for short in [&[][..], &[0x40], &[0, 1, 0, 4, 0x21, 0x12], &[0x40, 0, 0, 1]] {
            let mut framer = Framer::default();
            framer.push(short);
            assert_eq!(framer.next(), Ok(None), "{short:?}");
        }
    }
}
