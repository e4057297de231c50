//! Writing a description, in the order that RFC 8866 §5 prescribes and with CRLF.

use crate::{
    Attribute, ByteString, Connection, Media, SessionDescription, TimeDescription, UnknownLine, Word,
};
use std::fmt;

impl SessionDescription {
    /// The description as it goes into a message body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut lines = Lines(Vec::with_capacity(512));
        let origin = &self.origin;
        lines.push('v', b"0");
        lines.words(
            'o',
            &[
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
        self.0.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.extend_from_slice(b"\r\n");
    }

    fn words(&mut self, letter: char, words: &[&str]) {
        self.push(letter, words.join(" ").as_bytes());
    }

    fn texts<'a>(&mut self, letter: char, texts: impl IntoIterator<Item = &'a ByteString>) {
        for text in texts {
            self.push(letter, text.as_bytes());
        }
    }

    fn connections(&mut self, connections: &[Connection]) {
        for it in connections {
            self.words('c', &[it.network_type.as_str(), it.address_type.as_str(), it.address.as_str()]);
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
        let port = match media.port_count {
            Some(count) => format!("{}/{count}", media.port),
            None => media.port.to_string(),
        };
        let mut words = vec![media.kind.as_str(), &port, media.protocol.as_str()];
        words.extend(media.formats.iter().map(Word::as_str));
        self.words('m', &words);
        self.texts('i', &media.information);
        self.connections(&media.connections);
        self.texts('b', &media.bandwidths);
        self.texts('k', &media.key);
        self.attributes(&media.attributes);
        self.unknown(&media.unknown);
    }
}
