//! Corners of the grammars of header fields that are rarely met: folds, comments, brackets, feature tags.

use proptest::prelude::*;
use ringback_message::header::{
    Accept, Contact, FeatureKind, Header as _, Identity, RetryAfter, Via, check, has_type, normal_form,
};
use ringback_message::{HeaderId, Message};

/// Values with a fold where their grammars take one.
#[test]
fn rule_84_folds_inside_of_quotes_are_not_written_again() {
    for (id, value) in [
        (HeaderId::P_VISITED_NETWORK_ID, "\"Visited\r\n network\""),
        (HeaderId::USER_TO_USER, "\"56a3\r\n 90f3\";encoding=hex"),
        (HeaderId::P_CHARGING_VECTOR, "icid-value=\"a\r\n b\""),
        (HeaderId::IDENTITY, "\"abc\r\n def\""),
        (HeaderId::FROM, "\"A\r\n B\" <sip:a@b>;x=\"c\r\n d\""),
        (HeaderId::AUTHORIZATION, "Digest username=\"a\r\n b\""),
        (HeaderId::WARNING, "399 a \"b\r\n c\""),
    ] {
        let written = normal_form(id, value.as_bytes()).unwrap_or_else(|| panic!("{id}: {value}"));
        assert!(
            !written.as_slice().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
            "{id}: {written:?}"
        );
    }
}

#[test]
fn comments_of_retry_after_nest_and_quote() {
    for value in ["18000 (a (b) c)", "120 (I'm \\) in a meeting)", "120 ();duration=60"] {
        assert!(RetryAfter::parse(value.as_bytes()).is_ok(), "{value}");
    }
    for value in ["120 (a (b)", "120 (a))", "120 (\\)", "120 ) x", &format!("120 {}", "(".repeat(40_000))] {
        assert!(RetryAfter::parse(value.as_bytes()).is_err(), "{}", &value[..value.len().min(40)]);
    }
}

#[test]
fn parameters_of_an_identity_may_hold_semicolons() {
    let identity =
        Identity::parse(b"a.b.c;info=<https://x.example/c;v=1?alg=z>;ppt=\"a;alg=y\";alg=ES384").unwrap();
    assert_eq!(identity.info().unwrap().as_str(), "https://x.example/c;v=1?alg=z");
    assert_eq!((identity.algorithm(), identity.extension()), ("ES384", Some("a;alg=y")));
    let escaped = Identity::parse(br#"a.b.c;ppt="x\";alg=y";alg=ES384"#).unwrap();
    assert_eq!(escaped.algorithm(), "ES384", "a quoted quote ends nothing");
}

#[test]
fn contacts_tell_the_features_of_rfc_3840() {
    let contact = Contact::parse(
        b"<sip:user@host.example.com>;audio;video;methods=\"INVITE,!BYE\";actor=\"msg-taker\";image;q=0.5\
          ;+n=\"#-1.5:2\";+e=\"#=1e5\"",
    )
    .unwrap();
    let address = contact.address().unwrap();
    let tags: Vec<_> = address.features().map(|feature| feature.tag).collect();
    // What has no plus sign is a feature by the grammar of section 9 alone: image and q are parameters.
    assert_eq!(tags, ["audio", "video", "methods", "actor", "+n", "+e"]);
    let values = |tag: &str| -> Vec<_> {
        let feature = address.features().find(|feature| feature.tag == tag).unwrap();
        feature.values().map(|value| (value.negated, value.kind)).collect()
    };
    assert_eq!(values("+n"), [(false, FeatureKind::Range(-1.5, 2.0))]);
    assert_eq!(values("+e"), [], "numbers have no exponents");
}

proptest! {
    /// Whatever is read, no line is broken by writing it.
    #[test]
    fn rule_84_no_value_breaks_its_line(
        id in prop::sample::select(HeaderId::all().filter(|id| has_type(*id)).collect::<Vec<_>>()),
        value in prop_oneof![
            "(\"([a-z;]|\r\n |\\\\\0){0,4}\"|[a-z1*]{1,3}|<sip:a@b>|1 INVITE|Digest a=\"\r\n b\"|1 a \"\r\n \")(;[a-z]{1,2}(=(\"([a-z]|\r\n ){0,3}\"|[a-z]{1,2})){0,1}){0,2}",
            "icid-value=\"([a-z]|\r\n |\\\\\0){0,4}\"",
        ],
    ) {
        if let Some(written) = normal_form(id, value.as_bytes()) {
            prop_assert!(!written.as_slice().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{written:?}");
            prop_assert_eq!(check(id, written.as_slice()), Ok(()));
        }
    }
}

#[test]
fn lists_of_no_values_have_none() {
    let text = "SIP/2.0 406 Not Acceptable\r\nAccept:\r\nSupported: \r\nVia: \r\n\r\n";
    let message = Message::parse(text.as_bytes()).unwrap();
    assert!(message.has(HeaderId::ACCEPT) && message.all::<Accept<'_>>().next().is_none());
    assert!(message.first::<Accept<'_>>().is_none());
    assert!(message.values(HeaderId::SUPPORTED).next().is_none());
    assert!(message.first::<Via<'_>>().is_some_and(|via| via.is_err()));
}
