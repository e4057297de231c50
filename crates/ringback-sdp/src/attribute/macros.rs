//! The shapes that many attributes share: a property, a number, a text, one of a few words.

/// Attributes without a value.
macro_rules! property {
    ($($(#[$doc:meta])* $type:ident, $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $type;

        impl AttributeValue<'_> for $type {
            const NAME: &'static str = $name;

            fn parse(_: &str) -> Result<Self, AttributeError> {
                Ok(Self)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                Ok(())
            }
        }
    )*};
}

/// Attributes that are a number.
macro_rules! number {
    ($($(#[$doc:meta])* $type:ident($inner:ty), $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $type(pub $inner);

        impl AttributeValue<'_> for $type {
            const NAME: &'static str = $name;

            fn parse(value: &str) -> Result<Self, AttributeError> {
                $crate::attribute::macros::digits(value.trim()).map(Self).ok_or(AttributeError::new($name))
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

/// Attributes that are one word.
macro_rules! word {
    ($($(#[$doc:meta])* $type:ident, $name:literal, $valid:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $type<'a>(pub &'a str);

        impl<'a> AttributeValue<'a> for $type<'a> {
            const NAME: &'static str = $name;

            fn parse(value: &'a str) -> Result<Self, AttributeError> {
                let value = value.trim();
                let valid: fn(&str) -> bool = $valid;
                if valid(value) { Ok(Self(value)) } else { Err(AttributeError::new($name)) }
            }
        }

        impl std::fmt::Display for $type<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.0)
            }
        }
    )*};
}

/// Words with a meaning; those that nobody here knows do not read. Compared without regard to case.
macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $type {
            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            pub(crate) fn from_word(word: &str) -> Option<Self> {
                [$(Self::$variant),*].into_iter().find(|it| it.as_str().eq_ignore_ascii_case(word))
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
    ($name:literal, $(#[$doc:meta])* $type:ident $variants:tt) => {
        words! { $(#[$doc])* $type $variants }

        impl AttributeValue<'_> for $type {
            const NAME: &'static str = $name;

            fn parse(value: &str) -> Result<Self, AttributeError> {
                Self::from_word(value.trim()).ok_or(AttributeError::new($name))
            }
        }
    };
}

pub(super) use {number, property, word, words};

/// Reads a number that is made of digits only; `parse` would take a sign.
pub(crate) fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| text.starts_with(|first: char| first.is_ascii_digit()))
}

/// Whether a text is a token (RFC 8866 §9).
pub(crate) fn is_token(text: &str) -> bool {
    let is_mark = |octet| b"!#$%&'*+-.^_`{|}~".contains(&octet);
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || is_mark(octet))
}

/// Whether a text is one run of visible characters.
pub(crate) fn is_visible(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// The first word and what stands behind the blanks that follow it.
pub(crate) fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches(' ');
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim_start_matches(' '))
}

/// Whether a text is an octet as hashes are written: two hexadecimal digits.
pub(crate) fn is_octet(pair: &str) -> bool {
    pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit())
}
