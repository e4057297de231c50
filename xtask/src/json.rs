//! Reading JSON: what cargo, criterion and `ringback --json` write.
//!
//! Not here: writing it, and numbers beyond what an `f64` holds.

use std::iter::Peekable;
use std::str::Chars;

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Deeper nesting is refused rather than recursed into.
const MAX_DEPTH: usize = 64;

impl Json {
    /// Reads one value; the text may hold nothing after it but white space.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text.chars().peekable() };
        let value = reader.value(0)?;
        reader.skip_space();
        match reader.rest.next() {
            None => Ok(value),
            Some(extra) => Err(format!("unexpected `{extra}` after the JSON value")),
        }
    }

    /// The member of an object, or null where there is none.
    pub(crate) fn get(&self, name: &str) -> &Self {
        const NULL: &Json = &Json::Null;
        match self {
            Self::Object(members) => {
                members.iter().find(|(key, _)| key == name).map_or(NULL, |(_, value)| value)
            }
            _ => NULL,
        }
    }

    /// The items of a list, or none.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The text, where this is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, where this is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > MAX_DEPTH {
            return Err("JSON nested too deeply".into());
        }
        self.skip_space();
        match self.rest.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.list(depth),
            Some('"') => self.string().map(Json::Text),
            Some('t') => self.word("true", Json::Bool(true)),
            Some('f') => self.word("false", Json::Bool(false)),
            Some('n') => self.word("null", Json::Null),
            Some('-' | '0'..='9') => self.number(),
            Some(other) => Err(format!("unexpected `{other}` in JSON")),
            None => Err("JSON ends too early".into()),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        self.expect('{')?;
        let mut members = Vec::new();
        self.skip_space();
        while self.rest.peek() != Some(&'}') {
            if !members.is_empty() {
                self.expect(',')?;
                self.skip_space();
            }
            let name = self.string()?;
            self.skip_space();
            self.expect(':')?;
            members.push((name, self.value(depth + 1)?));
            self.skip_space();
        }
        self.expect('}')?;
        Ok(Json::Object(members))
    }

    fn list(&mut self, depth: usize) -> Result<Json, String> {
        self.expect('[')?;
        let mut items = Vec::new();
        self.skip_space();
        while self.rest.peek() != Some(&']') {
            if !items.is_empty() {
                self.expect(',')?;
            }
            items.push(self.value(depth + 1)?);
            self.skip_space();
        }
        self.expect(']')?;
        Ok(Json::List(items))
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.rest.next().ok_or("JSON text without an end")? {
                '"' => return Ok(text),
                '\\' => match self.rest.next().ok_or("JSON text without an end")? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'u' => text.push(self.escaped_unit()?),
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
    }

    /// Reads `\uXXXX`, and the second half of a surrogate pair with it.
    fn escaped_unit(&mut self) -> Result<char, String> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.expect('\\')?;
        self.expect('u')?;
        let second = self.four_digits()?;
        let code = 0x1_0000 + ((first - 0xd800) << 10) + second.wrapping_sub(0xdc00);
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits(&mut self) -> Result<u32, String> {
        let digits: String = (0..4).filter_map(|_| self.rest.next()).collect();
        u32::from_str_radix(&digits, 16).map_err(|_| format!("`\\u{digits}` is no JSON escape"))
    }

    fn number(&mut self) -> Result<Json, String> {
        let mut digits = String::new();
        while let Some(digit) = self.rest.next_if(|c| c.is_ascii_digit() || "+-.eE".contains(*c)) {
            digits.push(digit);
        }
        digits.parse().map(Json::Number).map_err(|_| format!("`{digits}` is no JSON number"))
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, String> {
        word.chars().try_for_each(|letter| self.expect(letter))?;
        Ok(value)
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        match self.rest.next() {
            Some(found) if found == wanted => Ok(()),
            Some(found) => Err(format!("`{wanted}` wanted in JSON, found `{found}`")),
            None => Err(format!("`{wanted}` wanted in JSON, found its end")),
        }
    }

    fn skip_space(&mut self) {
        while self.rest.next_if(char::is_ascii_whitespace).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_items_numbers_and_escapes_are_read() {
        let json = Json::parse(r#" {"a": [1, -2.5e3, true, null], "b": {"c": "x\n\u00e4\ud83d\ude00\""}} "#)
            .unwrap();
        assert_eq!(json.get("a").items()[1].number(), Some(-2500.0));
        assert_eq!(json.get("b").get("c").text(), Some("x\nä😀\""));
        assert_eq!(json.get("none").get("deeper"), &Json::Null);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for bad in ["", "{", "[1 2]", "{\"a\" 1}", "\"open", "tru", "1 2", "-", "\"\\u12\""] {
            assert!(Json::parse(bad).is_err(), "{bad}");
        }
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
    }
}
