//! Caller preferences: which of a user's phones a caller wants (RFC 3841), by what they say that they can do (RFC 3840).

use crate::Binding;
use ringback_message::Request;
use ringback_message::header::{
    AcceptContact, Feature, FeatureKind, FeatureValue, NameAddr, RejectContact, RequestDisposition,
};

/// How many sets of a request are looked at.
const MOST_SETS: usize = 8;

/// What a request says of the phones that it wants, and of how they are asked.
#[derive(Clone, Debug)]
pub struct Preferences<'a> {
    accepted: Vec<AcceptContact<'a>>,
    rejected: Vec<RejectContact<'a>>,
    directives: Vec<&'a str>,
}

impl<'a> Preferences<'a> {
    /// Those of a request; `None` where it has none. What is out of its grammar is none either.
    pub fn of(request: &'a Request) -> Option<Self> {
        let preferences = Self {
            accepted: request.all().take(MOST_SETS).filter_map(Result::ok).collect(),
            rejected: request.all().take(MOST_SETS).filter_map(Result::ok).collect(),
            directives: request
                .all::<RequestDisposition<'_>>()
                .take(MOST_SETS)
                .filter_map(Result::ok)
                .map(|directive| directive.0)
                .collect(),
        };
        let is_empty = preferences.accepted.is_empty()
            && preferences.rejected.is_empty()
            && preferences.directives.is_empty();
        (!is_empty).then_some(preferences)
    }

    /// Whether the caller says this of how the request is handled: `no-fork`, `sequential`, `redirect` (RFC 3841 §9.1).
    pub fn wants(&self, directive: &str) -> bool {
        self.directives.iter().any(|own| own.eq_ignore_ascii_case(directive))
    }

    /// How well a binding fits, 0 to 1000; `None` where it must not be asked (RFC 3841 §7.2.4). Among bindings of the same q
    /// the ones that fit best are asked first.
    pub fn score(&self, binding: &Binding) -> Option<u16> {
        let text = format!("<{}>{}", binding.contact, binding.params);
        // A contact that was registered can be read again.
        let contact = NameAddr::parse(text.as_bytes()).ok()?;
        let own: Vec<Feature<'_>> = contact.features().collect();
        // Whoever says nothing of himself is immune to both.
        if own.is_empty() {
            return Some(1000);
        }
        if self.rejected.iter().any(|set| is_rejected(&own, set)) {
            return None;
        }
        let scores: Option<Vec<u32>> = self.accepted.iter().map(|set| accepts(&own, set)).collect();
        let scores = scores?;
        let count = scores.len() as u32;
        Some(scores.iter().sum::<u32>().checked_div(count).unwrap_or(1000) as u16)
    }
}

/// Whether the contact tells all features of the set, and each of them as the set has it.
fn is_rejected(own: &[Feature<'_>], set: &RejectContact<'_>) -> bool {
    let mut wanted = set.features().peekable();
    wanted.peek().is_some() && wanted.all(|wanted| of_tag(own, &wanted).is_some_and(|own| fits(own, &wanted)))
}

/// In thousandths the share of the features of the set that the contact has; `None` where the set leaves it out.
fn accepts(own: &[Feature<'_>], set: &AcceptContact<'_>) -> Option<u32> {
    let (mut all, mut told, mut contradicted) = (0, 0, false);
    for wanted in set.features() {
        all += 1;
        match of_tag(own, &wanted) {
            Some(own) if fits(own, &wanted) => told += 1,
            Some(_) => contradicted = true,
            None => {}
        }
    }
    let fits = !contradicted && (told == all || !set.is_explicit());
    match (fits, set.is_required()) {
        (false, true) => None,
        (false, false) => Some(0),
        (true, _) if all == 0 => Some(1000),
        (true, _) => Some(1000 * told / all),
    }
}

fn of_tag<'f, 'a>(own: &'f [Feature<'a>], wanted: &Feature<'_>) -> Option<&'f Feature<'a>> {
    own.iter().find(|own| own.name().eq_ignore_ascii_case(wanted.name()))
}

/// Whether any of the values is wanted.
fn fits(own: &Feature<'_>, wanted: &Feature<'_>) -> bool {
    own.values().any(|own| wanted.values().any(|wanted| meets(own, wanted)))
}

fn meets(own: FeatureValue<'_>, wanted: FeatureValue<'_>) -> bool {
    let is_same = match (own.kind, wanted.kind) {
        (FeatureKind::Boolean(own), FeatureKind::Boolean(wanted)) => own == wanted,
        (FeatureKind::Token(own), FeatureKind::Token(wanted)) => own.eq_ignore_ascii_case(wanted),
        (FeatureKind::Text(own), FeatureKind::Text(wanted)) => own == wanted,
        (FeatureKind::Range(from, to), FeatureKind::Range(least, most)) => from <= most && least <= to,
        _ => false,
    };
    match (own.negated, wanted.negated) {
        (false, false) => is_same,
        // All but one meets all but another.
        (true, true) => true,
        _ => !is_same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::Method;
    use ringback_sansio::Protocol;
    use std::time::{Duration, Instant};

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn binding(params: &str) -> Binding {
        Binding {
            contact: "sip:bob@192.0.2.4".parse().unwrap(),
            params: params.into(),
            q: None,
            expires_at: Instant::now() + Duration::from_secs(60),
            call_id: "a".into(),
            cseq: 1,
            path: Vec::new(),
            flow: None,
            protocol: Protocol::Udp,
            received: "192.0.2.4:5060".parse().unwrap(),
            user_agent: None,
        }
    }

    fn score(lines: &[(&str, &str)], params: &str) -> Option<u16> {
        let request = Request::builder(Method::INVITE, "sip:bob@example.com");
        let request = lines.iter().fold(request, |request, (name, value)| request.other(name, *value));
        let request = request.build().unwrap();
        // As it comes from the wire, where fields have their names.
        let request = ringback_message::Message::parse(request.render().to_vec()).unwrap();
        Preferences::of(&Request::try_from(request).unwrap()).unwrap().score(&binding(params))
    }

    #[test]
    fn rfc_3841_7_2_4_contacts_are_left_out_and_scored() {
        const VIDEO: &str = ";audio;video;mobility=\"fixed\"";
        let accept = |set, params| score(&[("Accept-Contact", set)], params);
        for (set, expected) in [
            ("*;video", Some(1000)),
            ("*;video;mobility=\"mobile\"", Some(0)),
            ("*;video;mobility=\"mobile\";require", None),
            ("*;video;text", Some(500)),
            ("*;video;text;require", Some(500)),
            ("*;video;text;explicit", Some(0)),
            ("*;video;text;explicit;require", None),
            ("*;mobility=\"!mobile\"", Some(1000)),
            ("*;mobility=\"!fixed\";require", None),
            ("*;mobility=\"mobile,fixed\"", Some(1000)),
            ("*;video=\"FALSE\";require", None),
            ("*", Some(1000)),
        ] {
            assert_eq!(accept(set, VIDEO), expected, "{set}");
        }
        assert_eq!(accept("*;video;require;explicit", ""), Some(1000), "immune");
        let reject = |set, params| score(&[("Reject-Contact", set)], params);
        for (set, expected) in [
            ("*;mobility=\"fixed\"", None),
            ("*;mobility=\"mobile\"", Some(1000)),
            ("*;audio;text", Some(1000)),
            ("*;audio;video", None),
            ("*", Some(1000)),
        ] {
            assert_eq!(reject(set, VIDEO), expected, "{set}");
        }
        let both = [("Accept-Contact", "*;video"), ("Accept-Contact", "*;text")];
        assert_eq!(score(&both, VIDEO), Some(500));
        assert_eq!(accept("*;+sip.priority=\"#>=5\";require", ";+sip.priority=\"#=7\""), Some(1000));
        assert_eq!(accept("*;+sip.priority=\"#>=5\";require", ";+sip.priority=\"#=4\""), None);
    }

    #[test]
    fn directives_are_read_without_regard_to_case() {
        let request = Request::builder(Method::INVITE, "sip:bob@example.com");
        let request =
            request.header(ringback_message::HeaderId::REQUEST_DISPOSITION, "proxy, No-Fork").build();
        let request = request.unwrap();
        let preferences = Preferences::of(&request).unwrap();
        assert!(preferences.wants("no-fork") && !preferences.wants("redirect"));
        let plain = Request::builder(Method::INVITE, "sip:bob@example.com").build().unwrap();
        assert!(Preferences::of(&plain).is_none());
    }
}
