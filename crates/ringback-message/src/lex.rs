//! The characters and small pieces of RFC 3261 §25.1, read from a cursor.

use crate::ParseError;
use crate::scan::{Commas, END, Marks};

const TOKEN: u8 = 1;
const HOST: u8 = 2;
const DIGIT: u8 = 4;
const PARAM: u8 = 8;
const LWS: u8 = 32;
const NAME_PART: u8 = 64;

/// What each octet may be.
const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        if c.is_ascii_alphanumeric()
            || matches!(c, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
        {
            table[byte] |= TOKEN;
        }
        // The underscore is no host character in the RFC, but names of containers and test beds have it.
        if c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_') {
            table[byte] |= HOST;
        }
        if c.is_ascii_digit() {
            table[byte] |= DIGIT;
        }
        // `gen-value` is token, host or quoted string. An IPv6 host brings brackets and colons, and UTF-8 occurs in
        // extension parameters (RFC 4475 §3.1.1.2). Slashes, `@`, equals signs and the rest occur in the wild.
        if table[byte] & TOKEN != 0
            || byte >= 0x80
            || matches!(
                c,
                b'[' | b']'
                    | b':'
                    | b'/'
                    | b'@'
                    | b'&'
                    | b'$'
                    | b'^'
                    | b'{'
                    | b'}'
                    | b'|'
                    | b'#'
                    | b'('
                    | b')'
                    | b'='
            )
        {
            table[byte] |= PARAM;
        }
        if matches!(c, b' ' | b'\t' | b'\r' | b'\n') {
            table[byte] |= LWS;
        }
        // Tokens and white space; UTF-8 and dots occur in the wild and are unambiguous before `<`.
        if table[byte] & (TOKEN | LWS) != 0 || byte >= 0x80 {
            table[byte] |= NAME_PART;
        }
        byte += 1;
    }
    table
};

pub(crate) fn is_token_byte(byte: u8) -> bool {
    CLASSES[byte as usize] & TOKEN != 0
}

/// Whether all of `text` is one non-empty token.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && span(text, TOKEN) == text.len()
}

/// Whether all of `text` may stand in a domain name.
pub(crate) fn is_host(text: &[u8]) -> bool {
    crate::scan::are_hostlike(text)
}

/// How many octets from the start on are of a class.
#[inline]
fn span(bytes: &[u8], class: u8) -> usize {
    let class_of = |byte: u8| CLASSES[byte as usize];
    let mut rest = bytes;
    // Four a step: the classes that they have in common.
    while let Some(([a, b, c, d], tail)) = rest.split_first_chunk::<4>() {
        if class_of(*a) & class_of(*b) & class_of(*c) & class_of(*d) & class == 0 {
            break;
        }
        rest = tail;
    }
    while let [first, tail @ ..] = rest
        && class_of(*first) & class != 0
    {
        rest = tail;
    }
    bytes.len() - rest.len()
}

/// White space between the pieces of a value. The index admits CR and LF inside a value only where a line is folded.
pub(crate) fn is_lws(byte: u8) -> bool {
    CLASSES[byte as usize] & LWS != 0
}

/// `text` without white space at its ends.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

/// `text` without white space before it.
#[inline(always)]
pub(crate) fn trim_start(text: &[u8]) -> &[u8] {
    match text {
        [first, ..] if *first <= b' ' => cut_start(text),
        _ => text,
    }
}

/// `text` without white space behind it.
#[inline(always)]
pub(crate) fn trim_end(text: &[u8]) -> &[u8] {
    match text {
        [.., last] if *last <= b' ' => cut_end(text),
        _ => text,
    }
}

fn cut_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_lws(*first)
    {
        text = rest;
    }
    text
}

fn cut_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text
        && is_lws(*last)
    {
        text = rest;
    }
    text
}

/// A name with spaces behind it.
pub(crate) const fn pad<const N: usize>(name: &[u8]) -> [u8; N] {
    let mut padded = [b' '; N];
    let (begin, _) = padded.split_at_mut(name.len());
    begin.copy_from_slice(name);
    padded
}

/// ASCII or UTF-8 bytes as text.
pub(crate) fn text<'a>(bytes: &'a [u8], offset: usize, rule: &'static str) -> Result<&'a str, ParseError> {
    std::str::from_utf8(bytes).map_err(|_| ParseError::new(offset, rule))
}

/// A number written in decimal digits only, leading zeros allowed; `None` where it does not fit.
pub(crate) fn decimal<T: TryFrom<u64>>(digits: &[u8]) -> Option<T> {
    if digits.is_empty() {
        return None;
    }
    if digits.len() > 18 {
        return long_decimal(digits).and_then(|value| T::try_from(value).ok());
    }
    // As many digits as always fit.
    let mut value = 0;
    for digit in digits {
        value = value * 10 + digit_of(*digit)?;
    }
    T::try_from(value).ok()
}

#[cold]
fn long_decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(digit_of(*digit)?))
}

#[inline(always)]
fn digit_of(octet: u8) -> Option<u64> {
    let digit = octet.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

/// Reads a value from left to right.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) input: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    pub(crate) fn error(&self, rule: &'static str) -> ParseError {
        ParseError::new(self.at, rule)
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.input[self.at..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.input.len()
    }

    pub(crate) fn skip_lws(&mut self) {
        while self.peek().is_some_and(is_lws) {
            self.at += 1;
        }
    }

    /// Takes `byte` when it comes next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes `byte` with the white space around it (`SEMI`, `SLASH`, `EQUAL` of the grammar).
    #[inline]
    pub(crate) fn eat_padded(&mut self, byte: u8) -> bool {
        match self.peek() {
            Some(next) if next == byte => {
                self.at += 1;
                self.skip_lws();
                true
            }
            Some(next) if is_lws(next) => self.eat_behind_space(byte),
            _ => false,
        }
    }

    #[cold]
    fn eat_behind_space(&mut self, byte: u8) -> bool {
        let before = self.at;
        self.skip_lws();
        if self.eat(byte) {
            self.skip_lws();
            true
        } else {
            self.at = before;
            false
        }
    }

    pub(crate) fn take_while(&mut self, accepts: impl Fn(u8) -> bool) -> &'a [u8] {
        let start = self.at;
        while self.peek().is_some_and(&accepts) {
            self.at += 1;
        }
        &self.input[start..self.at]
    }

    pub(crate) fn token(&mut self, rule: &'static str) -> Result<&'a str, ParseError> {
        let start = self.at;
        text(self.token_bytes(rule)?, start, rule)
    }

    /// What there is of a class.
    #[inline]
    fn take(&mut self, class: u8) -> &'a [u8] {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let (taken, _) = rest.split_at(span(rest, class));
        self.at += taken.len();
        taken
    }

    pub(crate) fn take_digits(&mut self) -> &'a [u8] {
        self.take(DIGIT)
    }

    /// What may stand in a domain name.
    pub(crate) fn take_host(&mut self) -> &'a [u8] {
        self.take(HOST)
    }

    /// What may stand in the value of a parameter without quotes.
    pub(crate) fn take_param_value(&mut self) -> &'a [u8] {
        self.take(PARAM)
    }

    /// What may stand in a display name without quotes.
    pub(crate) fn take_name_part(&mut self) -> &'a [u8] {
        self.take(NAME_PART)
    }

    /// A token that nobody needs as text yet.
    #[inline]
    pub(crate) fn token_bytes(&mut self, rule: &'static str) -> Result<&'a [u8], ParseError> {
        let token = self.take(TOKEN);
        if token.is_empty() { Err(self.error(rule)) } else { Ok(token) }
    }

    /// A `quoted-string` with its quotes; the cursor stands on the opening one.
    pub(crate) fn quoted(&mut self, rule: &'static str) -> Result<&'a [u8], ParseError> {
        let start = self.at;
        if !self.eat(b'"') {
            return Err(self.error(rule));
        }
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.input[start..self.at]);
                }
                Some(b'\\') if self.at + 1 < self.input.len() => self.at += 2,
                Some(b'\\') | None => return Err(ParseError::new(start, rule)),
                Some(_) => self.at += 1,
            }
        }
    }

    /// Asserts that only white space is left.
    pub(crate) fn finish(mut self, rule: &'static str) -> Result<(), ParseError> {
        self.skip_lws();
        if self.is_empty() { Ok(()) } else { Err(self.error(rule)) }
    }
}

/// What a quoted string says: without its quotes, quoted pairs resolved. Text without quotes is returned as it is.
pub(crate) fn unquote(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let [b'"', inner @ .., b'"'] = text else { return text.into() };
    if !inner.contains(&b'\\') {
        return inner.into();
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        out.push(if *byte == b'\\' { *bytes.next().unwrap_or(byte) } else { *byte });
    }
    out.into()
}

/// The comma-separated elements of a value; commas inside quotes and angle brackets do not separate.
#[derive(Clone)]
pub(crate) struct Elements<'a> {
    marks: Marks<'a, Commas>,
    /// Where the next element begins: behind the last comma that was passed. `None` behind the last element.
    start: Option<usize>,
    is_list: bool,
}

impl<'a> Elements<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self::of(input, true)
    }

    /// The elements of a list, or a value that is no list as its only element.
    #[inline]
    pub(crate) fn of(input: &'a [u8], is_list: bool) -> Self {
        let marks = if is_list { Marks::new(input, 0) } else { Marks::none(input) };
        Self { marks, start: Some(0), is_list }
    }
}

impl<'a> Iterator for Elements<'a> {
    /// Where the element starts in the value, and its bytes without outer white space.
    type Item = (usize, &'a [u8]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let start = self.start?;
        if !self.is_list {
            self.start = None;
            return Some((0, self.marks.bytes));
        }
        Some(self.first_of(start))
    }
}

impl<'a> Elements<'a> {
    #[inline(always)]
    fn first_of(&mut self, start: usize) -> (usize, &'a [u8]) {
        let input = self.marks.bytes;
        let (mut end, mark) = self.marks.next();
        if !matches!(mark, END | b',') {
            end = self.guarded(end);
        }
        self.start = if end < input.len() { Some(end + 1) } else { None };
        let element = match input.get(start..end).unwrap_or_default() {
            // What nearly all put behind a comma.
            [b' ', element @ ..] if element.first().is_some_and(|octet| *octet > b' ') => element,
            element => trim_start(element),
        };
        (end - element.len(), trim_end(element))
    }

    /// Where the element ends that has a quote or angle bracket at `mark`.
    #[inline(never)]
    fn guarded(&mut self, mark: usize) -> usize {
        let input = self.marks.bytes;
        // Most addresses are alone in their row.
        if memchr::memchr(b',', input.get(mark..).unwrap_or_default()).is_none() {
            return input.len();
        }
        let end = guarded_comma(input, mark);
        self.marks.go_on_behind(end);
        end
    }
}

/// Where the next comma is that separates, or the end; `at` is a quote or angle bracket before it.
fn guarded_comma(input: &[u8], mut at: usize) -> usize {
    let mut quoted = false;
    let mut bracketed = false;
    while let Some(byte) = input.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' if !bracketed => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            b',' if !quoted && !bracketed => return at,
            _ => {}
        }
        at += 1;
    }
    input.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_65_commas_in_quotes_and_brackets_do_not_separate() {
        let elements = |value: &'static str| {
            Elements::new(value.as_bytes()).map(|(_, e)| std::str::from_utf8(e).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(
            elements(r#""a, \" b" <sip:c,d@e>;x="1,2" , <sip:f>"#),
            [r#""a, \" b" <sip:c,d@e>;x="1,2""#, "<sip:f>"]
        );
        assert_eq!(elements("a,,b"), ["a", "", "b"]);
        assert_eq!(elements(""), [""]);
    }

    proptest::proptest! {
        #[test]
        fn elements_are_found_as_one_octet_at_a_time_finds_them(value in "([a ,<>\"\\\\é]{0,8}[a-z]{0,12}){0,4}") {
            let bytes = value.as_bytes();
            let mut slow = Vec::new();
            let mut start = 0;
            loop {
                let end = guarded_comma(bytes, start);
                slow.push(trim(&bytes[start..end.min(bytes.len())]));
                if end >= bytes.len() {
                    break;
                }
                start = end + 1;
            }
            let found: Vec<_> = Elements::new(bytes).collect();
            for (at, element) in &found {
                proptest::prop_assert_eq!(&bytes[*at..at + element.len()], *element);
            }
            proptest::prop_assert_eq!(found.into_iter().map(|(_, element)| element).collect::<Vec<_>>(), slow);
        }
    }

    #[test]
    fn unquote_resolves_quoted_pairs() {
        assert_eq!(&*unquote(br#""a\"b\\""#), br#"a"b\"#);
        assert_eq!(&*unquote(b"plain"), b"plain");
    }

    #[test]
    fn rule_76_decimal_never_wraps() {
        assert_eq!(decimal::<u32>(b"0068"), Some(68));
        assert_eq!(decimal::<u32>(b"4294967296"), None);
        assert_eq!(decimal::<u64>(b"36893488147419103232"), None);
        assert_eq!(decimal::<u32>(b"-1"), None);
        assert_eq!(decimal::<u32>(b"+5"), None);
        assert_eq!(decimal::<u32>(b""), None);
    }
}
