//! Feature parameters: what a user agent can do, as Contact, Accept-Contact and Reject-Contact say it (RFC 3840 §9).

use super::NameAddr;
use crate::Params;

/// One feature of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Feature<'a> {
    /// The feature tag as written: `audio`, `+sip.instance`.
    pub tag: &'a str,
    value: Option<&'a str>,
}

/// One value of a feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeatureValue<'a> {
    /// Whether the value is excluded (`!`).
    pub negated: bool,
    /// What is said.
    pub kind: FeatureKind<'a>,
}

/// What a value of a feature is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FeatureKind<'a> {
    /// `TRUE`, `FALSE`, or no value at all, which is true.
    Boolean(bool),
    /// A token such as `fixed`.
    Token(&'a str),
    /// A string between angle brackets, compared with regard to case.
    Text(&'a str),
    /// Numbers from the first to the second, both among them.
    Range(f64, f64),
}

/// The tags that have no plus sign before them, `base-tags` of RFC 3840 §9.
const BASE: [&str; 20] = [
    "audio",
    "automata",
    "class",
    "duplex",
    "data",
    "control",
    "mobility",
    "description",
    "events",
    "priority",
    "methods",
    "schemes",
    "application",
    "video",
    "language",
    "type",
    "isfocus",
    "actor",
    "text",
    "extensions",
];

/// The parameters that are features.
pub(super) fn features<'a>(params: Params<'a>) -> impl Iterator<Item = Feature<'a>> + use<'a> {
    params.iter().filter_map(|param| {
        let known = || BASE.iter().any(|tag| param.name.eq_ignore_ascii_case(tag));
        if !param.name.starts_with('+') && !known() {
            return None;
        }
        let value = match param.value {
            None => None,
            Some(value) => Some(std::str::from_utf8(value).ok()?),
        };
        Some(Feature { tag: param.name, value })
    })
}

impl<'a> NameAddr<'a> {
    /// What the user agent of a contact can do (RFC 3840 §9).
    pub fn features(&self) -> impl Iterator<Item = Feature<'a>> + use<'a> {
        features(self.params)
    }
}

impl<'a> Feature<'a> {
    /// The tag without its plus sign, as RFC 3840 §9 compares it.
    pub fn name(&self) -> &'a str {
        self.tag.strip_prefix('+').unwrap_or(self.tag)
    }

    /// The values in order. What is out of its grammar is passed over.
    pub fn values(&self) -> impl Iterator<Item = FeatureValue<'a>> + use<'a> {
        let text = self.value.map_or("TRUE", |value| value.trim_matches('"'));
        // A string holds commas and quotes, and is a value alone.
        let (whole, list) =
            if text.starts_with('<') { (Some(text), None) } else { (None, Some(text.split(','))) };
        whole.into_iter().chain(list.into_iter().flatten()).filter_map(FeatureValue::parse)
    }
}

impl<'a> FeatureValue<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (negated, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let kind = if let Some(number) = text.strip_prefix('#') {
            range(number)?
        } else if let Some(inner) = text.strip_prefix('<') {
            FeatureKind::Text(inner.strip_suffix('>')?)
        } else if text.eq_ignore_ascii_case("TRUE") {
            FeatureKind::Boolean(true)
        } else if text.eq_ignore_ascii_case("FALSE") {
            FeatureKind::Boolean(false)
        } else if text.is_empty() {
            return None;
        } else {
            FeatureKind::Token(text)
        };
        Some(Self { negated, kind })
    }
}

/// `=4`, `>=5`, `<=5` or `4:5`.
fn range<'a>(text: &str) -> Option<FeatureKind<'a>> {
    // A sign, digits, a point and digits; Rust would take exponents and names as well.
    let is_plain = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.'));
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| is_plain(text) && number.is_finite());
    Some(if let Some(least) = text.strip_prefix(">=") {
        FeatureKind::Range(number(least)?, f64::INFINITY)
    } else if let Some(most) = text.strip_prefix("<=") {
        FeatureKind::Range(f64::NEG_INFINITY, number(most)?)
    } else if let Some(one) = text.strip_prefix('=') {
        FeatureKind::Range(number(one)?, number(one)?)
    } else {
        let (least, most) = text.split_once(':')?;
        FeatureKind::Range(number(least)?, number(most)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{AcceptContact, Header as _};

    #[test]
    fn features_of_the_examples_of_rfc_3840_and_3841() {
        let set = AcceptContact::parse(
            b"*;audio;video;mobility=\"fixed\";methods=\"INVITE,!BYE\";schemes=\"http\"\
              ;+sip.newparam=\"<urn:x,\xc3\xa9>\";priority=\"#>=5\";+n=\"#1:2.5\";require;class=\"!personal\"",
        )
        .unwrap();
        let found: Vec<_> = set
            .features()
            .flat_map(|feature| feature.values().map(move |value| (feature.name(), value)))
            .collect();
        let value = |negated, kind| FeatureValue { negated, kind };
        assert_eq!(
            found,
            [
                ("audio", value(false, FeatureKind::Boolean(true))),
                ("video", value(false, FeatureKind::Boolean(true))),
                ("mobility", value(false, FeatureKind::Token("fixed"))),
                ("methods", value(false, FeatureKind::Token("INVITE"))),
                ("methods", value(true, FeatureKind::Token("BYE"))),
                ("schemes", value(false, FeatureKind::Token("http"))),
                ("sip.newparam", value(false, FeatureKind::Text("urn:x,é"))),
                ("priority", value(false, FeatureKind::Range(5.0, f64::INFINITY))),
                ("n", value(false, FeatureKind::Range(1.0, 2.5))),
                ("class", value(true, FeatureKind::Token("personal"))),
            ]
        );
    }

    #[test]
    fn what_is_no_value_is_passed_over() {
        for text in ["#", "#x", "#=nan", "<open", ""] {
            assert_eq!(FeatureValue::parse(text), None, "{text}");
        }
    }
}
