//! The small rules of RFC 3261 §25.1 to the letter, read from left to right.

use super::{Found, Severity};
use crate::lex::{is_lws, is_token_byte};

/// What may be wrong.
#[derive(Clone, Copy)]
pub(super) struct Fault {
    pub(super) rule: &'static str,
    pub(super) what: &'static str,
    pub(super) section: &'static str,
    pub(super) help: Option<&'static str>,
    pub(super) severity: Severity,
}

impl Fault {
    pub(super) const fn new(rule: &'static str, what: &'static str) -> Self {
        Self { rule, what, section: "RFC 3261 §25.1", help: None, severity: Severity::Tolerated }
    }

    /// Who says so, where it is not the grammar of RFC 3261.
    pub(super) const fn by(self, section: &'static str) -> Self {
        Self { section, ..self }
    }

    /// What [`Message::validate`](crate::Message::validate) refuses in any case.
    pub(super) const fn refused(self) -> Self {
        Self { severity: Severity::Refused, ..self }
    }

    /// What to write instead.
    pub(super) const fn help(self, help: &'static str) -> Self {
        Self { help: Some(help), ..self }
    }
}

/// A fault was noted, and the rest of the value makes no sense.
pub(super) struct Stop;

/// Whether reading can go on.
pub(super) type Check<T = ()> = Result<T, Stop>;

/// Reads one value by its grammar.
pub(super) struct Scan<'a, 'f> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    /// Where the value stands in its message.
    pub(super) base: usize,
    pub(super) found: &'f mut Found,
}

impl<'a, 'f> Scan<'a, 'f> {
    pub(super) fn new(text: &'a [u8], base: usize, found: &'f mut Found) -> Self {
        Self { text, at: 0, base, found }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn is_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Notes a fault of `length` octets at `at` and goes on.
    pub(super) fn note(&mut self, at: usize, length: usize, fault: Fault) {
        self.found.note(self.base + at, length, fault);
    }

    /// Notes a fault here, up to the end of the word, and gives up.
    pub(super) fn fail<T>(&mut self, fault: Fault) -> Check<T> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let word = rest.iter().take_while(|byte| !is_lws(**byte) && !b",;<>\"".contains(byte)).count();
        self.note(self.at, word.max(1).min(rest.len()), fault);
        Err(Stop)
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// `SWS`: white space that may be there.
    pub(super) fn sws(&mut self) {
        while self.peek().is_some_and(is_lws) {
            self.at += 1;
        }
    }

    /// `LWS`: white space that must be there.
    pub(super) fn lws(&mut self, rule: &'static str) -> Check {
        if !self.peek().is_some_and(is_lws) {
            return self.fail(Fault::new(rule, "white space is missing"));
        }
        self.sws();
        Ok(())
    }

    /// `SEMI`, `COMMA`, `EQUAL`, `SLASH`, `COLON`: the octet with the white space around it.
    pub(super) fn sep(&mut self, byte: u8) -> bool {
        let before = self.at;
        self.sws();
        if self.eat(byte) {
            self.sws();
            return true;
        }
        self.at = before;
        false
    }

    pub(super) fn take_while(&mut self, accepts: impl Fn(u8) -> bool) -> &'a [u8] {
        let start = self.at;
        while self.peek().is_some_and(&accepts) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    pub(super) fn token(&mut self, rule: &'static str) -> Check<&'a [u8]> {
        let token = self.take_while(is_token_byte);
        if token.is_empty() {
            let what = match self.peek() {
                None => "something is missing here",
                Some(b',' | b';') => "nothing stands before this separator",
                Some(_) => "no token begins with this",
            };
            return self.fail(Fault::new(rule, what));
        }
        Ok(token)
    }

    pub(super) fn digits(&mut self, rule: &'static str) -> Check<&'a [u8]> {
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() {
            return self.fail(Fault::new(rule, "a number in digits belongs here"));
        }
        Ok(digits)
    }

    /// `quoted-string`, with its quotes.
    pub(super) fn quoted(&mut self, rule: &'static str) -> Check<&'a [u8]> {
        let start = self.at;
        if !self.eat(b'"') {
            return self.fail(Fault::new(rule, "quotes are missing").help("put the value in quotes"));
        }
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at]);
                }
                Some(b'\\') if self.text.get(self.at + 1).is_some_and(u8::is_ascii) => {
                    let escaped = self.text[self.at + 1];
                    if matches!(escaped, b'\r' | b'\n') {
                        self.note(self.at, 1, Fault::new("quoted-pair", "no line end can be escaped"));
                    }
                    self.at += 2;
                }
                Some(b'\\') if self.at + 1 < self.text.len() => {
                    let fault = Fault::new("quoted-pair", "only octets of ASCII can be escaped");
                    self.note(self.at, 1, fault.help("leave the backslash out"));
                    self.at += 1;
                }
                Some(_) if self.at + 1 < self.text.len() => self.at += 1,
                _ => {
                    self.at = start;
                    let fault = Fault::new(rule, "the quotes are never closed").help("write a closing quote");
                    self.note(start, 1, fault);
                    self.at = self.text.len();
                    return Err(Stop);
                }
            }
        }
    }

    /// `comment`, comments in it included.
    pub(super) fn comment(&mut self) -> Check {
        let start = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
        self.note(
            start,
            1,
            Fault::new("comment", "the bracket is never closed").help("write a closing bracket"),
        );
        self.at = self.text.len();
        Err(Stop)
    }

    /// Asserts that the value ends here.
    pub(super) fn finish(&mut self, rule: &'static str) -> Check {
        self.sws();
        match self.peek() {
            None => Ok(()),
            Some(b',') => {
                let fault = Fault::new(rule, "this field holds one value, not a list").by("RFC 3261 §7.3.1");
                self.fail(fault)
            }
            Some(_) => self.fail(Fault::new(rule, "this does not belong to the value")),
        }
    }

    /// Reads elements and the commas between them. After a fault it goes on behind the next comma.
    pub(super) fn list(
        &mut self,
        rule: &'static str,
        may_be_empty: bool,
        mut one: impl FnMut(&mut Self) -> Check,
    ) {
        self.sws();
        if self.is_end() && may_be_empty {
            return;
        }
        loop {
            let start = self.at;
            let before = self.found.deviations.len();
            let mut sound = one(self).is_ok();
            if sound && !self.is_end() && !self.sep(b',') {
                self.sws();
                if self.is_end() {
                    return;
                }
                sound = self.fail::<()>(Fault::new(rule, "this does not belong to the value")).is_ok();
            } else if sound {
                if self.is_end() {
                    if self.text.get(self.at.wrapping_sub(1)).is_some() && self.ends_in_comma() {
                        self.note(self.at - 1, 1, Fault::new(rule, "nothing follows this comma"));
                    }
                    return;
                }
                continue;
            }
            debug_assert!(!sound && (self.found.deviations.len() > before || self.found.is_full()));
            self.at = self.at.max(start);
            if !self.skip_element() || self.found.is_full() {
                return;
            }
        }
    }

    fn ends_in_comma(&self) -> bool {
        self.text.iter().rev().find(|byte| !is_lws(**byte)) == Some(&b',')
    }

    /// Goes behind the next comma that is neither in quotes nor in angle brackets; `false` at the end.
    fn skip_element(&mut self) -> bool {
        let (mut quoted, mut bracketed) = (false, false);
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' if quoted => self.at += 1,
                b'"' if !bracketed => quoted = !quoted,
                b'<' if !quoted => bracketed = true,
                b'>' if !quoted => bracketed = false,
                b',' if !quoted && !bracketed => {
                    self.sws();
                    return true;
                }
                _ => {}
            }
        }
        self.at = self.text.len();
        false
    }

    /// `*(SEMI generic-param)`: hands each to `one`, with where its value begins.
    pub(super) fn params(&mut self, mut one: impl FnMut(&mut Self, Param<'a>)) -> Check {
        let mut names: [&[u8]; 32] = [b""; 32];
        let mut count = 0;
        while self.sep(b';') {
            let name_at = self.at;
            let name = self.token("generic-param")?;
            if names[..count].iter().any(|known| known.eq_ignore_ascii_case(name)) {
                let fault = Fault::new("generic-param", "the same parameter was there before");
                self.note(name_at, name.len(), fault.by("RFC 3261 §7.3.1"));
            } else if let Some(place) = names.get_mut(count) {
                *place = name;
                count += 1;
            }
            let mut param = Param { name, name_at, value: None, at: self.at };
            if self.sep(b'=') {
                param.at = self.at;
                param.value = Some(self.gen_value(name)?);
            }
            one(self, param);
        }
        Ok(())
    }

    /// `gen-value`: a token, a host or a quoted string.
    fn gen_value(&mut self, name: &[u8]) -> Check<&'a [u8]> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => return self.quoted("quoted-string"),
            Some(b'[') => {
                self.take_while(|byte| {
                    byte == b'[' || byte == b']' || byte == b':' || byte == b'.' || byte.is_ascii_hexdigit()
                });
            }
            // RFC 3261 §25.1 has IPv6 addresses without brackets in one parameter.
            _ if name.eq_ignore_ascii_case(b"received") => {
                self.take_while(|byte| byte == b':' || is_token_byte(byte));
            }
            _ => {
                self.take_while(is_token_byte);
            }
        }
        let value = &self.text[start..self.at];
        let next = self.peek();
        if value.is_empty() && matches!(next, None | Some(b';' | b',')) {
            let fault = Fault::new("gen-value", "the parameter has an equals sign and no value");
            self.note(start.saturating_sub(1), 1, fault.help("leave the equals sign out"));
        } else if !matches!(next, None | Some(b';' | b',' | b' ' | b'\t' | b'\r' | b'\n')) {
            self.take_while(|byte| !is_lws(byte) && !b";,\"".contains(&byte));
            let fault = Fault::new("gen-value", "the value is neither a token nor a host");
            let length = self.at - start;
            self.note(start, length.max(1), fault.help("put the value in quotes"));
            if self.peek() == Some(b'"') {
                self.quoted("quoted-string")?;
            }
        }
        Ok(&self.text[start..self.at])
    }
}

/// One parameter.
#[derive(Clone, Copy)]
pub(super) struct Param<'a> {
    pub(super) name: &'a [u8],
    pub(super) name_at: usize,
    pub(super) value: Option<&'a [u8]>,
    /// Where the value begins, or would.
    pub(super) at: usize,
}

impl Param<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    pub(super) fn value(&self) -> &[u8] {
        self.value.unwrap_or_default()
    }
}

/// Whether all of `text` is digits, and not larger than `most`.
pub(super) fn number_within(text: &[u8], least: u64, most: u64) -> bool {
    crate::lex::decimal::<u64>(text).is_some_and(|number| (least..=most).contains(&number))
}
