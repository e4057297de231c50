//! What a peer wrote, made fit for a terminal or a page (fault 47): no control characters, no change of the writing
//! direction, no markup, and never longer than asked for.

use std::fmt::Write;

/// Octets as text in which nothing acts on a terminal. At most about `limit` characters; `…` tells of more.
pub(crate) fn printable(octets: &[u8], limit: usize) -> String {
    let mut out = String::new();
    // A character has at most four octets, so that no more than that has to be looked at.
    let looked_at = &octets[..octets.len().min(limit.saturating_mul(4))];
    let mut count = 0;
    for chunk in looked_at.utf8_chunks() {
        for it in chunk.valid().chars() {
            if count >= limit {
                out.push('…');
                return out;
            }
            count += 1;
            match it {
                it if is_harmful(it) => _ = write!(out, "\\u{{{:x}}}", u32::from(it)),
                it => out.push(it),
            }
        }
        for octet in chunk.invalid() {
            count += 1;
            _ = write!(out, "\\x{octet:02x}");
        }
    }
    if looked_at.len() < octets.len() {
        out.push('…');
    }
    out
}

/// Control characters, invisible ones, and those that turn the direction of what follows.
fn is_harmful(it: char) -> bool {
    it.is_control()
        || matches!(it, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(it, '\u{ad}' | '\u{61c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The cells that a text takes in a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(it: char) -> usize {
    match u32::from(it) {
        0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f | 0x20d0..=0x20ff => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
        0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The text itself when it fits into `cells`, else its beginning and `…`.
pub(crate) fn fitted(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for it in text.chars() {
        used += char_width(it);
        if used > cells {
            break;
        }
        out.push(it);
    }
    if cells > 0 {
        out.push('…');
    }
    out
}

/// Text between tags or in an attribute of XML. Characters that XML forbids have been replaced by [`printable`].
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            it if it.is_control() || matches!(it, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            it => out.push(it),
        }
    }
    out
}

/// A span as people read it: `340 ms`, `12.3 s`, `4 min 5 s`.
pub(crate) fn span(span: std::time::Duration) -> String {
    match span.as_millis() {
        millis @ 0..1_000 => format!("{millis} ms"),
        millis @ 1_000..100_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        millis => format!("{} min {} s", millis / 60_000, millis / 1_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn fault_47_nothing_acts_on_a_terminal_or_a_page() {
        assert_eq!(printable(b"486 \x1b[31mBusy\r\n\x07", 40), "486 \\u{1b}[31mBusy\\u{d}\\u{a}\\u{7}");
        assert_eq!(printable("a\u{202e}b\u{9b}c".as_bytes(), 40), "a\\u{202e}b\\u{9b}c");
        assert_eq!(printable(b"caf\xe9 \xc3\xa9", 40), "caf\\xe9 é");
        assert_eq!(printable(&[b'x'; 1_000_000], 5), "xxxxx…");
        assert_eq!(xml("<script a=\"1\">&'\u{1}"), "&lt;script a=&quot;1&quot;&gt;&amp;&#39;\u{fffd}");
    }

    #[test]
    fn texts_are_fitted_by_cells() {
        assert_eq!((fitted("ringing", 7), fitted("ringing", 5)), ("ringing".into(), "ring…".into()));
        assert_eq!((width("通話中"), fitted("通話中", 5)), (6, "通話…".into()));
        assert_eq!(fitted("abc", 0), "");
    }

    #[test]
    fn spans_are_read_at_a_glance() {
        for (millis, text) in [(0, "0 ms"), (999, "999 ms"), (12_345, "12.3 s"), (245_000, "4 min 5 s")] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }
}
