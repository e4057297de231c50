//! Files that are offered and asked for (RFC 5547).

use super::macros::{digits, is_octet, is_token, is_visible, word, words};
use super::{AttributeError, AttributeValue};
use std::fmt;
use std::num::NonZeroU64;

/// `a=file-selector`: which file it is (RFC 5547 §6). All parts are optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSelector<'a> {
    /// Its name, with quotes, CR, LF and percent signs escaped; see [`unescape_file_name`].
    pub name: Option<&'a str>,
    /// Its media type, with parameters.
    pub media_type: Option<&'a str>,
    /// Its size in octets.
    pub size: Option<u64>,
    /// Its hashes.
    pub hashes: Vec<FileHash<'a>>,
}

/// The hash of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHash<'a> {
    /// The function, such as `sha-1`.
    pub algorithm: &'a str,
    /// Pairs of hexadecimal digits with colons between them.
    pub value: &'a str,
}

impl<'a> AttributeValue<'a> for FileSelector<'a> {
    const NAME: &'static str = "file-selector";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let error = AttributeError::new("file-selector-attr");
        let mut selector = Self::default();
        let mut rest = value.trim();
        while !rest.is_empty() {
            let (key, behind) = rest.split_once(':').ok_or(error)?;
            // A name is quoted, and so are parameters of a type; blanks in quotes separate nothing.
            let (mut is_quoted, may_quote) = (false, matches!(key, "name" | "type"));
            let end = behind.bytes().position(|octet| {
                is_quoted ^= may_quote && octet == b'"';
                octet == b' ' && !is_quoted
            });
            let (value, behind) = behind.split_at(end.unwrap_or(behind.len()));
            if value.is_empty() || is_quoted {
                return Err(error);
            }
            rest = behind.trim_start();
            match key {
                "name" => {
                    let name = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                    selector.name = Some(name.filter(|name| !name.contains('"')).ok_or(error)?);
                }
                "type" => selector.media_type = Some(value),
                "size" => selector.size = Some(digits(value).ok_or(error)?),
                "hash" => {
                    let (algorithm, value) =
                        value.split_once(':').filter(|it| is_token(it.0)).ok_or(error)?;
                    if !value.split(':').all(is_octet) {
                        return Err(error);
                    }
                    selector.hashes.push(FileHash { algorithm, value });
                }
                _ => return Err(error),
            }
        }
        Ok(selector)
    }
}

impl fmt::Display for FileSelector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blank = "";
        let mut part = |text: fmt::Arguments<'_>| {
            let before = std::mem::replace(&mut blank, " ");
            write!(f, "{before}{text}")
        };
        if let Some(name) = self.name {
            part(format_args!("name:\"{name}\""))?;
        }
        if let Some(media_type) = self.media_type {
            part(format_args!("type:{media_type}"))?;
        }
        if let Some(size) = self.size {
            part(format_args!("size:{size}"))?;
        }
        self.hashes.iter().try_for_each(|it| part(format_args!("hash:{}:{}", it.algorithm, it.value)))
    }
}

/// The name of a file without its escapes (RFC 5547 §6). None when they are wrong or not UTF-8.
///
/// It comes from the peer: whoever stores the file must not take it for a path.
pub fn unescape_file_name(name: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            octet => octet,
        });
    }
    String::from_utf8(octets).ok()
}

word! {
    /// `a=file-transfer-id`: names the transfer, so that it is not taken for another one (RFC 5547 §6).
    FileTransferId, "file-transfer-id", is_visible;
    /// `a=file-icon`: the `cid` URI of a picture of it (RFC 5547 §6).
    FileIcon, "file-icon", is_visible;
}

words! {
    "file-disposition",
    /// `a=file-disposition`: what is to be done with it (RFC 5547 §6).
    FileDisposition {
        /// It is shown.
        Render = "render",
        /// It is kept.
        Attachment = "attachment",
    }
}

/// `a=file-range`: which octets of it are transferred, counted from one (RFC 5547 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// The first.
    pub start: NonZeroU64,
    /// The last; none (`*`) when it is not known yet.
    pub end: Option<NonZeroU64>,
}

impl AttributeValue<'_> for FileRange {
    const NAME: &'static str = "file-range";

    fn parse(value: &str) -> Result<Self, AttributeError> {
        let error = AttributeError::new("file-range-attr");
        let (start, end) = value.trim().split_once('-').ok_or(error)?;
        let start = digits(start).ok_or(error)?;
        let end = match end {
            "*" => None,
            end => Some(digits(end).filter(|end| *end >= start).ok_or(error)?),
        };
        Ok(Self { start, end })
    }
}

impl fmt::Display for FileRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            Some(end) => write!(f, "{}-{end}", self.start),
            None => write!(f, "{}-*", self.start),
        }
    }
}

/// `a=file-date`: when it was made, changed and read, as dates of mail (RFC 5547 §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileDate<'a> {
    /// When it was made.
    pub creation: Option<&'a str>,
    /// When it was changed last.
    pub modification: Option<&'a str>,
    /// When it was read last.
    pub read: Option<&'a str>,
}

impl<'a> AttributeValue<'a> for FileDate<'a> {
    const NAME: &'static str = "file-date";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let error = AttributeError::new("file-date-attr");
        let mut date = Self::default();
        let mut rest = value.trim();
        while !rest.is_empty() {
            let (key, behind) = rest.split_once(":\"").ok_or(error)?;
            let (value, behind) = behind.split_once('"').ok_or(error)?;
            rest = behind.trim_start();
            match key {
                "creation" => date.creation = Some(value),
                "modification" => date.modification = Some(value),
                "read" => date.read = Some(value),
                _ => return Err(error),
            }
        }
        Ok(date)
    }
}

impl fmt::Display for FileDate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dates = [("creation", self.creation), ("modification", self.modification), ("read", self.read)];
        let mut blank = "";
        for (key, date) in dates {
            if let Some(date) = date {
                write!(f, "{blank}{key}:\"{date}\"")?;
                blank = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::round;
    use super::*;

    /// RFC 5547 §9.1.
    #[test]
    fn files_of_the_rfc() {
        let text = "name:\"My cool picture.jpg\" type:image/jpeg size:32349 \
                    hash:sha-1:72:24:5F:E8:65:3D:DA:F3:71:36:2F:86:D4:71:91:3E:E4:A2:CE:2E";
        let file = round::<FileSelector<'_>>(text);
        assert_eq!((file.name, file.size), (Some("My cool picture.jpg"), Some(32349)));
        assert_eq!((file.hashes[0].algorithm, file.hashes[0].value.len()), ("sha-1", 59));
        assert_eq!(round::<FileTransferId<'_>>("vBnG916bdberum2fFEABR1FR3ExZMUrd").0.len(), 32);
        assert_eq!(round::<FileDisposition>("attachment"), FileDisposition::Attachment);
        let date = round::<FileDate<'_>>("creation:\"Mon, 15 May 2006 15:01:31 +0300\"");
        assert_eq!(date.creation, Some("Mon, 15 May 2006 15:01:31 +0300"));
        assert_eq!(round::<FileIcon<'_>>("cid:id2@alicepc.example.com").0, "cid:id2@alicepc.example.com");
        assert_eq!(round::<FileRange>("1-32349").end, NonZeroU64::new(32349));
        assert_eq!(round::<FileRange>("739-*").end, None);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        for bad in [
            "name:x",
            "name:\"a\"b\"",
            "size:x",
            "hash:sha-1",
            "hash:x:y\" z\" type:a/b\"",
            "type:a/b\"",
            "colour:red",
            "x",
        ] {
            assert!(FileSelector::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["0-5", "5-1", "5", "*-5"] {
            assert!(FileRange::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(unescape_file_name("a %22b%22 100%25").as_deref(), Some("a \"b\" 100%"));
        for bad in ["%", "%2", "%zz", "%ff", "%é"] {
            assert_eq!(unescape_file_name(bad), None, "{bad:?}");
        }
    }
}
