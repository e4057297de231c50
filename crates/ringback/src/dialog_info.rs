//! What the `dialog` package says: which calls somebody has (RFC 4235).

use ringback_message::header::NameAddr;
use roxmltree::{Document, ParsingOptions};
use std::fmt::Write as _;

/// What the package carries.
pub(crate) const DIALOG_INFO: &str = "application/dialog-info+xml";
/// More calls than a lamp can show.
const MOST_CALLS: usize = 16;

/// More elements than the state of somebody has.
const MOST_NODES: u32 = 4_096;

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Trying,
    Early,
    Confirmed,
}

/// One call, as others may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) call_id: String,
    pub(crate) is_caller: bool,
    pub(crate) progress: Progress,
    /// What From or To says of the other side.
    pub(crate) remote: String,
}

/// The whole state of `entity`, as the document of this version.
pub(crate) fn write<'a>(entity: &str, version: u32, calls: impl Iterator<Item = &'a Shown>) -> String {
    let mut xml = String::from("<?xml version=\"1.0\"?>\n");
    // Writing into a String does not fail.
    let _ = writeln!(
        xml,
        "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"full\" entity=\"{}\">",
        escape(entity)
    );
    for call in calls.take(MOST_CALLS) {
        let direction = if call.is_caller { "initiator" } else { "recipient" };
        let state = match call.progress {
            Progress::Trying => "trying",
            Progress::Early => "early",
            Progress::Confirmed => "confirmed",
        };
        let _ = writeln!(
            xml,
            "<dialog id=\"{}\" call-id=\"{}\" direction=\"{direction}\"><state>{state}</state>{}</dialog>",
            escape(&call.id),
            escape(&call.call_id),
            remote(&call.remote)
        );
    }
    xml.push_str("</dialog-info>\n");
    xml
}

/// What a document tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Whether it is the whole state, so that what it does not name is no more.
    pub(crate) is_full: bool,
    /// The calls by their names, and how far they are; `None` where they are over.
    pub(crate) calls: Vec<(String, Option<Progress>)>,
}

/// Reads a document; `None` where it is none.
pub(crate) fn read(body: &[u8]) -> Option<Told> {
    let text = std::str::from_utf8(body).ok()?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).ok()?;
    let root = document.root_element();
    if root.tag_name().name() != "dialog-info" {
        return None;
    }
    let calls = root.children().filter(|child| child.tag_name().name() == "dialog").filter_map(|call| {
        let state = call.children().find(|child| child.tag_name().name() == "state")?;
        let progress = match state.text()?.trim() {
            "confirmed" => Some(Progress::Confirmed),
            "terminated" => None,
            "trying" => Some(Progress::Trying),
            _ => Some(Progress::Early),
        };
        Some((call.attribute("id")?.to_owned(), progress))
    });
    Some(Told {
        is_full: root.attribute("state") != Some("partial"),
        calls: calls.take(MOST_CALLS).collect(),
    })
}

fn remote(field: &str) -> String {
    let Ok(address) = NameAddr::parse(field.as_bytes()) else { return String::new() };
    format!("<remote><identity>{}</identity></remote>", escape(&address.uri.to_string()))
}

/// Text in XML 1.0, without the characters that it has no way to write.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_written_and_nothing_breaks_out_of_its_quotes() {
        let call = Shown {
            id: "1".into(),
            call_id: "a\"><x>&\u{1b}".into(),
            is_caller: false,
            progress: Progress::Early,
            remote: "\"<b>\" <sip:bob@example.com>".into(),
        };
        let xml = write("sip:alice@example.com", 7, [&call].into_iter());
        assert!(xml.contains("version=\"7\" state=\"full\" entity=\"sip:alice@example.com\">"), "{xml}");
        assert!(
            xml.contains("call-id=\"a&quot;&gt;&lt;x&gt;&amp;\u{fffd}\" direction=\"recipient\""),
            "{xml}"
        );
        assert!(
            xml.contains("<state>early</state><remote><identity>sip:bob@example.com</identity>"),
            "{xml}"
        );
        assert_eq!(xml.matches("<dialog ").count(), 1);
        assert_eq!(write("sip:a@b", 0, std::iter::empty()).matches("<dialog ").count(), 0);
    }

    #[test]
    fn what_is_written_is_read_and_so_is_what_others_write() {
        let call = Shown {
            id: "7".into(),
            call_id: "a".into(),
            is_caller: true,
            progress: Progress::Confirmed,
            remote: "<sip:bob@example.com>".into(),
        };
        let xml = write("sip:alice@example.com", 1, [&call].into_iter());
        let told = read(xml.as_bytes()).unwrap();
        assert_eq!(told, Told { is_full: true, calls: vec![("7".into(), Some(Progress::Confirmed))] });
        let partial = "<d:dialog-info xmlns:d='urn:ietf:params:xml:ns:dialog-info' version='2' state='partial' entity='sip:a@b'>\
                       <d:dialog id='7'><d:state event='remote-bye'> terminated </d:state></d:dialog>\
                       <d:dialog id='8'><d:state>proceeding</d:state></d:dialog><d:dialog id='9'/></d:dialog-info>";
        let told = read(partial.as_bytes()).unwrap();
        let calls = vec![("7".into(), None), ("8".into(), Some(Progress::Early))];
        assert_eq!(told, Told { is_full: false, calls });
        for wrong in ["", "<presence/>", "<dialog-info>", "<!DOCTYPE a [<!ENTITY b 'c'>]><dialog-info/>"] {
            assert_eq!(read(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(read(b"\xff"), None);
    }
}
