//! Rust source without its words: comments and literals are blanked, so that a search finds code only.

/// Replaces comments, and the insides of text and byte literals, by spaces; lines keep their numbers.
pub(crate) fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => block_end(bytes, at),
            b'r' if !after_word(bytes, at) && raw_end(bytes, at).is_some() => {
                raw_end(bytes, at).unwrap_or(at)
            }
            b'b' if !after_word(bytes, at) && bytes.get(at + 1) == Some(&b'"') => text_end(bytes, at + 1),
            b'"' => text_end(bytes, at),
            b'\'' => char_end(bytes, at),
            _ => {
                at += 1;
                continue;
            }
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether `word` stands in `code` as a word of its own.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn after_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && is_word(bytes[at - 1] as char) && bytes[at - 1] != b'b'
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn block_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut here) = (0_usize, at);
    while here < bytes.len() {
        if bytes[here..].starts_with(b"/*") {
            depth += 1;
            here += 2;
        } else if bytes[here..].starts_with(b"*/") {
            depth -= 1;
            here += 2;
            if depth == 0 {
                return here;
            }
        } else {
            here += 1;
        }
    }
    bytes.len()
}

/// The end of `r"…"` or `r#"…"#`; none where `r` begins something else.
fn raw_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = at + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let length = bytes[open + 1..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(bytes.len(), |length| open + 1 + length + close.len()))
}

fn text_end(bytes: &[u8], at: usize) -> usize {
    let mut here = at + 1;
    while here < bytes.len() {
        match bytes[here] {
            b'\\' => here += 2,
            b'"' => return here + 1,
            _ => here += 1,
        }
    }
    bytes.len()
}

/// The end of a character literal; a lifetime is passed over.
fn char_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'\\') => bytes[at + 3..]
            .iter()
            .position(|byte| *byte == b'\'')
            .map_or(bytes.len(), |length| at + 4 + length),
        // Up to four bytes of one character, then the closing quote; otherwise it was a lifetime.
        _ => (at + 2..(at + 6).min(bytes.len()))
            .find(|end| bytes[*end] == b'\'')
            .filter(|end| std::str::from_utf8(&bytes[at + 1..*end]).is_ok_and(|c| c.chars().count() == 1))
            .map_or(at, |end| end + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_vanish_and_code_stays() {
        let source = "let a = \"unsafe \\\" x\"; // unsafe\n/* unsafe /* */ unsafe */ let b = r#\"un\"safe\"#;\nunsafe { b'\"' }\n";
        let code = code_only(source);
        assert_eq!(code.lines().count(), 3);
        assert!(!has_word(code.lines().next().unwrap(), "unsafe"));
        assert!(!code.lines().nth(1).unwrap().contains("safe"));
        assert!(has_word(code.lines().nth(2).unwrap(), "unsafe"));
    }

    #[test]
    fn lifetimes_and_quotes_do_not_open_a_literal() {
        let code = code_only(
            "fn f<'a>(x: &'a str) { let q = '\"'; let e = '\\''; let u = 'ä'; keep(b\"x\", br\"y\") }",
        );
        assert!(code.contains("fn f<'a>(x: &'a str)") && code.contains("keep("), "{code}");
    }

    #[test]
    fn a_word_is_found_only_whole() {
        assert!(has_word("x.unwrap(); unsafe{}", "unsafe"));
        assert!(!has_word("unsafe_code = forbid", "unsafe"));
    }
}
