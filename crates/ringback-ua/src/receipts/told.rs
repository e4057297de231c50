//! What receipts say: `message/imdn+xml` (RFC 5438 §11).

use super::{LONGEST, Receipt};
use roxmltree::{Document, Node, ParsingOptions};
use std::fmt::Write as _;

/// More elements than a receipt has.
const MOST_NODES: u32 = 256;

/// The kinds of notification and what each may say.
const WORDS: [(&str, &str, Receipt); 7] = [
    ("delivery-notification", "delivered", Receipt::Delivered),
    ("delivery-notification", "failed", Receipt::Failed),
    ("display-notification", "displayed", Receipt::Displayed),
    ("processing-notification", "processed", Receipt::Processed),
    ("processing-notification", "stored", Receipt::Stored),
    ("", "forbidden", Receipt::Forbidden),
    ("", "error", Receipt::Error),
];

/// Which message it is about, and what became of that.
pub(super) fn read(body: &[u8]) -> Option<(String, Receipt)> {
    let text = std::str::from_utf8(body).ok()?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).ok()?;
    let root = document.root_element();
    if root.tag_name().name() != "imdn" {
        return None;
    }
    let id = child(root, "message-id")?.text()?.trim().to_owned();
    let kind = root.children().find(|child| child.tag_name().name().ends_with("-notification"))?;
    let status = child(kind, "status")?.children().find(Node::is_element)?;
    let (kind, status) = (kind.tag_name().name(), status.tag_name().name());
    let said = WORDS.iter().find(|(of, word, _)| *word == status && (of.is_empty() || *of == kind));
    said.filter(|_| id.len() <= LONGEST).map(|(_, _, receipt)| (id, *receipt))
}

fn child<'a, 'input>(of: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    of.children().find(|child| child.tag_name().name() == name)
}

/// The notice that this became of a message that we have.
pub(super) fn write(id: &str, date: Option<&str>, recipient: &str, receipt: Receipt) -> String {
    let said = WORDS.iter().find(|(_, _, known)| *known == receipt);
    let (kind, word) = said.map_or(("", "error"), |(kind, word, _)| (*kind, *word));
    let kind = if kind.is_empty() { "delivery-notification" } else { kind };
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">\n",
    );
    // Writing into a String does not fail.
    let _ = writeln!(xml, "<message-id>{}</message-id>", escape(id));
    if let Some(date) = date {
        let _ = writeln!(xml, "<datetime>{}</datetime>", escape(date));
    }
    let _ = writeln!(xml, "<recipient-uri>{}</recipient-uri>", escape(recipient));
    let _ = writeln!(xml, "<{kind}><status><{word}/></status></{kind}>\n</imdn>");
    xml
}

/// Text in XML; control characters do not come here.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read() {
        for receipt in
            [Receipt::Delivered, Receipt::Displayed, Receipt::Stored, Receipt::Failed, Receipt::Forbidden]
        {
            let xml = write("a<b&c", Some("2026-11-30T20:00:00Z"), "sip:b@c?x=<1>&y", receipt);
            assert_eq!(read(xml.as_bytes()), Some(("a<b&c".to_owned(), receipt)), "{xml}");
        }
    }

    #[test]
    fn the_receipts_of_others_are_read_and_other_documents_are_none() {
        let around = |inner: &str| {
            format!(
                "<?xml version='1.0'?><i:imdn xmlns:i='urn:ietf:params:xml:ns:imdn'><i:message-id> 34jk324j </i:message-id>{inner}</i:imdn>"
            )
        };
        let shown =
            around("<i:display-notification><i:status>\n<i:displayed/></i:status></i:display-notification>");
        assert_eq!(read(shown.as_bytes()), Some(("34jk324j".to_owned(), Receipt::Displayed)));
        for wrong in [
            around(""),
            around("<i:display-notification><i:status/></i:display-notification>"),
            around("<i:display-notification><i:status><i:delivered/></i:status></i:display-notification>"),
            "<imdn/>".to_owned(),
            "<presence/>".to_owned(),
            "<!DOCTYPE imdn [<!ENTITY a 'b'>]><imdn><message-id>&a;</message-id></imdn>".to_owned(),
            format!("<imdn>{}</imdn>", "<a/>".repeat(1_000)),
            "\u{0}".to_owned(),
        ] {
            assert_eq!(read(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(read(b"<imdn>\xff</imdn>"), None);
    }
}
