//! Writing a description, in the order that RFC 8866 §5 prescribes and with CRLF.

use crate::{Attribute, ByteString, Connection, Media, SessionDescription, TimeDescription, UnknownLine};
use std::fmt;

impl SessionDescription {
    /// The description as it goes into a message body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut lines = Lines(Vec::with_capacity(self.usual_size()));
        let origin = &self.origin;
        lines.push('v', b"0");
        lines.words(
            'o',
            [
                origin.username.as_str(),
                origin.session_id.as_str(),
                origin.session_version.as_str(),
                origin.network_type.as_str(),
                origin.address_type.as_str(),
                origin.address.as_str(),
            ],
        );
        lines.push('s', self.session_name.as_bytes());
        lines.texts('i', &self.information);
        lines.texts('u', &self.uri);
        lines.texts('e', &self.emails);
        lines.texts('p', &self.phones);
        lines.connections(self.connection.as_slice());
        lines.texts('b', &self.bandwidths);
        lines.times(&self.times);
        lines.texts('k', &self.key);
        lines.attributes(&self.attributes);
        lines.unknown(&self.unknown);
        for media in &self.media {
            lines.media(media);
        }
        lines.0
    }

    /// About how much there is to write: attributes are nearly all of it.
    fn usual_size(&self) -> usize {
        let size = |attributes: &[Attribute]| -> usize {
            attributes.iter().map(|attribute| attribute.as_bytes().len() + 4).sum()
        };
        let media = self.media.iter().map(|media| 128 + media.formats.len() * 4 + size(&media.attributes));
        256 + size(&self.attributes) + media.sum::<usize>()
    }
}

impl fmt::Display for SessionDescription {
    /// As [`SessionDescription::to_bytes`], but octets that are not UTF-8 show as U+FFFD.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

struct Lines(Vec<u8>);

impl Lines {
    fn push(&mut self, letter: char, value: &[u8]) {
        self.start(letter);
        self.0.extend_from_slice(value);
        self.0.extend_from_slice(b"\r\n");
    }

    fn start(&mut self, letter: char) {
        self.0.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        self.0.push(b'=');
    }

    fn words<'a>(&mut self, letter: char, words: impl IntoIterator<Item = &'a str>) {
        self.start(letter);
        for (index, word) in words.into_iter().enumerate() {
            if index > 0 {
                self.0.push(b' ');
            }
            self.0.extend_from_slice(word.as_bytes());
        }
        self.0.extend_from_slice(b"\r\n");
    }

    fn texts<'a>(&mut self, letter: char, texts: impl IntoIterator<Item = &'a ByteString>) {
        for text in texts {
            self.push(letter, text.as_bytes());
        }
    }

    fn connections(&mut self, connections: &[Connection]) {
        for it in connections {
            self.words('c', [it.network_type.as_str(), it.address_type.as_str(), it.address.as_str()]);
        }
    }

    fn times(&mut self, times: &[TimeDescription]) {
        if times.is_empty() {
            self.push('t', b"0 0");
        }
        for time in times {
            self.push('t', time.active.as_bytes());
            self.texts('r', &time.repeats);
            self.texts('z', &time.zones);
        }
    }

    fn attributes(&mut self, attributes: &[Attribute]) {
        for attribute in attributes {
            self.push('a', attribute.as_bytes());
        }
    }

    fn unknown(&mut self, lines: &[UnknownLine]) {
        for line in lines {
            self.push(line.letter, line.value.as_bytes());
        }
    }

    fn media(&mut self, media: &Media) {
        let (mut port, mut count) = ([0; 5], [0; 5]);
        let port = decimal(media.port, &mut port);
        self.start('m');
        self.0.extend_from_slice(media.kind.as_str().as_bytes());
        self.0.push(b' ');
        self.0.extend_from_slice(port);
        if let Some(pairs) = media.port_count {
            self.0.push(b'/');
            self.0.extend_from_slice(decimal(pairs.get(), &mut count));
        }
        self.0.push(b' ');
        self.0.extend_from_slice(media.protocol.as_str().as_bytes());
        for format in &media.formats {
            self.0.push(b' ');
            self.0.extend_from_slice(format.as_str().as_bytes());
        }
        self.0.extend_from_slice(b"\r\n");
        self.texts('i', &media.information);
        self.connections(&media.connections);
        self.texts('b', &media.bandwidths);
        self.texts('k', &media.key);
        self.attributes(&media.attributes);
        self.unknown(&media.unknown);
    }
}

/// The digits of a number.
fn decimal(mut number: u16, digits: &mut [u8; 5]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}
