//! From a telephone number to a SIP URI (ENUM, RFC 6116): which question to ask DNS, and what follows from the answer.
//!
//! A machine that asks and never resolves. What DNS holds is written by strangers: expressions are bounded in length and in
//! what they may become, matched in linear time, and may do nothing but replace the number.

use regex::bytes::{Regex, RegexBuilder};
use ringback_message::UriBuf;
use ringback_transport::locate::{Answer, Kind, Question, Record};

/// More records are not looked at.
const MOST_RECORDS: usize = 32;
/// How often a record may lead to another name (RFC 6116 §3.2.1 has five), an alias counted as one.
const MOST_STEPS: u8 = 5;
/// Longer expressions do not fit into a record (RFC 3403 §4.1: a character string).
const LONGEST_RULE: usize = 255;
/// Longer URIs are not believed.
const LONGEST_URI: usize = 1_024;
/// What an expression may become, in bytes.
const LARGEST_PROGRAM: usize = 64 << 10;
/// The digits of a number: E.164 has 15, and some networks a few more.
const MOST_DIGITS: usize = 20;

/// What a lookup wants, or has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask this, and give the answer to [`Lookup::answer`] in any case.
    Ask(Question),
    /// Where the number is reached by SIP; nowhere when it is not, or the answer cannot be had.
    Done(Result<UriBuf, NoUri>),
}

/// Why a number leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoUri {
    /// It has no record for SIP that can be used.
    None,
    /// DNS does not answer; it may do so later.
    Unanswered,
}

/// Finds the SIP URI of one number.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// The application unique string (RFC 6116 §3.1): `+` and digits.
    number: String,
    steps: u8,
}

/// Whether this is a number that can be asked for: `+` and digits.
pub(crate) fn is_number(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (2..=MOST_DIGITS).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

impl Lookup {
    /// Begins to look for `number`, which [`is_number`] has passed, below `root`: `e164.arpa`.
    pub(crate) fn new(number: &str, root: &str) -> (Self, Step) {
        let mut name = String::with_capacity(2 * number.len() + root.len());
        for digit in number.chars().rev().filter(char::is_ascii_digit) {
            name.push(digit);
            name.push('.');
        }
        name.push_str(root);
        (Self { number: number.to_owned(), steps: 0 }, ask(name))
    }

    /// Takes the answer to the question that was asked last.
    pub(crate) fn answer(&mut self, answer: Answer) -> Step {
        let records = match answer {
            Answer::Records(records) => records,
            Answer::NoRecords | Answer::NoSuchName => return Step::Done(Err(NoUri::None)),
            Answer::Failed => return Step::Done(Err(NoUri::Unanswered)),
        };
        let mut rules: Vec<Rule<'_>> = records.iter().take(MOST_RECORDS).filter_map(Rule::of).collect();
        rules.sort_by_key(|rule| (rule.order, rule.preference));
        for rule in &rules {
            if rule.is_terminal
                && let Some(uri) = substitute(rule.regexp, &self.number)
            {
                return Step::Done(Ok(uri));
            }
            if !rule.is_terminal {
                return self.go_on(rule.replacement);
            }
        }
        let alias = records.iter().rev().find_map(|record| match record {
            Record::Cname(name) => Some(name.as_str()),
            _ => None,
        });
        match alias.filter(|_| rules.is_empty()) {
            Some(alias) => self.go_on(alias),
            None => Step::Done(Err(NoUri::None)),
        }
    }

    fn go_on(&mut self, name: &str) -> Step {
        let name = name.trim_end_matches('.');
        self.steps += 1;
        if self.steps > MOST_STEPS || name.is_empty() || name.len() > 253 {
            return Step::Done(Err(NoUri::None));
        }
        ask(name.to_owned())
    }
}

fn ask(name: String) -> Step {
    Step::Ask(Question { name, kind: Kind::Naptr })
}

/// A record that concerns us.
struct Rule<'a> {
    order: u16,
    preference: u16,
    /// Whether it gives a URI; else it leads to another name.
    is_terminal: bool,
    regexp: &'a str,
    replacement: &'a str,
}

impl<'a> Rule<'a> {
    fn of(record: &'a Record) -> Option<Self> {
        let Record::Naptr { order, preference, flags, service, regexp, replacement } = record else {
            return None;
        };
        let is_terminal = match flags.as_str() {
            "u" | "U" if is_sip(service) => true,
            // RFC 6116 §3.4.1: without flags it leads on, whatever its services.
            "" if service.is_empty() || is_sip(service) => false,
            _ => return None,
        };
        Some(Self { order: *order, preference: *preference, is_terminal, regexp, replacement })
    }
}

/// Whether a service is ENUM with SIP among its kinds (RFC 6116 §3.4.3, RFC 3764): `E2U+sip`, `E2U+pres+sip:x`.
fn is_sip(service: &str) -> bool {
    let mut parts = service.split('+');
    let is_enum = parts.next().is_some_and(|first| first.eq_ignore_ascii_case("E2U"));
    is_enum && parts.any(|part| part.split(':').next().is_some_and(|kind| kind.eq_ignore_ascii_case("sip")))
}

/// Applies an expression to a number (RFC 3402 §3.2): `!^\+44(.*)$!sip:\1@example.com!`.
fn substitute(rule: &str, number: &str) -> Option<UriBuf> {
    if rule.len() > LONGEST_RULE {
        return None;
    }
    let delimiter = rule.chars().next()?;
    // A digit, a backslash or the flag could not be told from what they delimit.
    if delimiter.is_ascii_digit() || delimiter == '\\' || delimiter == 'i' {
        return None;
    }
    let [pattern, substitution, flags] = split(rule.get(delimiter.len_utf8()..)?, delimiter)?;
    let ignores_case = match flags.as_str() {
        "" => false,
        "i" => true,
        _ => return None,
    };
    let captures = compile(&pattern, ignores_case)?;
    let captures = captures.captures(number.as_bytes())?;
    let matched = captures.get(0)?;
    let mut text = number[..matched.start()].to_owned();
    let mut letters = substitution.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next()? {
                digit @ '1'..='9' => {
                    let group = digit.to_digit(10)? as usize;
                    // A group that there is not makes the record wrong (RFC 3402 §3.2).
                    if group >= captures.len() {
                        return None;
                    }
                    let group = captures.get(group).map(|group| group.range());
                    text.push_str(number.get(group.unwrap_or_default())?);
                }
                '0' => return None,
                other => text.push(other),
            },
            other => text.push(other),
        }
        if text.len() > LONGEST_URI {
            return None;
        }
    }
    text.push_str(&number[matched.end()..]);
    let uri = UriBuf::new(&text).ok()?;
    uri.as_sip().is_some().then_some(uri)
}

/// The three parts of a rule; a delimiter behind a backslash stands for itself.
fn split(text: &str, delimiter: char) -> Option<[String; 3]> {
    let mut parts = [String::new(), String::new(), String::new()];
    let mut at = 0;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == delimiter {
            at += 1;
        } else if letter == '\\' {
            let next = letters.next()?;
            let part = parts.get_mut(at)?;
            if next != delimiter {
                part.push('\\');
            }
            part.push(next);
        } else {
            parts.get_mut(at)?.push(letter);
        }
    }
    (at == 2).then_some(parts)
}

/// An extended expression of POSIX: what our matcher knows beyond it is refused.
fn compile(pattern: &str, ignores_case: bool) -> Option<Regex> {
    let mut is_escaped = false;
    for letter in pattern.chars() {
        // POSIX escapes punctuation alone; classes such as \d, \p and boundaries are not of it.
        if is_escaped && letter.is_ascii_alphanumeric() || !letter.is_ascii() {
            return None;
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    if ["(?", "&&", "--", "~~"].iter().any(|other| pattern.contains(other)) {
        return None;
    }
    let mut builder = RegexBuilder::new(pattern);
    builder.case_insensitive(ignores_case).unicode(false);
    builder.size_limit(LARGEST_PROGRAM).dfa_size_limit(LARGEST_PROGRAM).nest_limit(16);
    builder.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naptr(
        order: u16,
        preference: u16,
        flags: &str,
        service: &str,
        regexp: &str,
        replacement: &str,
    ) -> Record {
        let [flags, service, regexp, replacement] = [flags, service, regexp, replacement].map(str::to_owned);
        Record::Naptr { order, preference, flags, service, regexp, replacement }
    }

    fn question(name: &str) -> Step {
        ask(name.to_owned())
    }

    fn found(records: Vec<Record>) -> Result<String, NoUri> {
        let (mut lookup, _) = Lookup::new("+441632960083", "e164.arpa");
        match lookup.answer(Answer::Records(records)) {
            Step::Done(found) => found.map(|uri| uri.to_string()),
            Step::Ask(question) => panic!("{question:?}"),
        }
    }

    #[test]
    fn a_number_is_asked_for_backwards() {
        let (lookup, step) = Lookup::new("+441632960083", "e164.arpa");
        assert_eq!(step, question("3.8.0.0.6.9.2.3.6.1.4.4.e164.arpa"));
        assert_eq!(lookup.number, "+441632960083");
        for (text, is) in [
            ("+44", true),
            ("+4", false),
            ("44123", false),
            ("+44a", false),
            ("+1234567890123456789012", false),
            ("+", false),
        ] {
            assert_eq!(is_number(text), is, "{text}");
        }
    }

    #[test]
    fn the_first_record_that_gives_a_sip_uri_wins() {
        let uri = |user: &str| format!("!^.*$!sip:{user}@example.com!");
        let records = || {
            vec![
                naptr(20, 1, "u", "E2U+sip", &uri("third"), "."),
                naptr(10, 2, "U", "e2u+pres+SIP:voice", &uri("second"), "."),
                naptr(10, 1, "u", "E2U+email:mailto", "!^.*$!mailto:a@example.com!", "."),
                naptr(1, 1, "s", "SIP+D2U", "", "_sip._udp.example.com"),
                naptr(5, 1, "u", "E2U+sip", "!^.*$!http://example.com!", "."),
                naptr(6, 1, "u", "E2U+sip", "!^\\+49.*$!sip:german@example.com!", "."),
            ]
        };
        assert_eq!(found(records()).as_deref(), Ok("sip:second@example.com"));
        assert_eq!(found(records().split_off(2)), Err(NoUri::None));
    }

    #[test]
    fn expressions_replace_the_number_and_do_nothing_else() {
        for (rule, uri) in [
            ("!^.*$!sip:info@example.com!", Some("sip:info@example.com")),
            ("!^(.*)$!sip:\\1@example.com!", Some("sip:+441632960083@example.com")),
            (
                "!^\\+44(.*)$!sips:0\\1@example.com;user=phone!",
                Some("sips:01632960083@example.com;user=phone"),
            ),
            ("/^\\+(44)(1632)(.*)$/sip:\\3.\\2.\\1@example.com/i", Some("sip:960083.1632.44@example.com")),
            ("!^[+]([0-9]{2})[[:digit:]]+$!SIP:\\1@example.com!", Some("SIP:44@example.com")),
            // A delimiter, and a backslash, that stand for themselves.
            ("!^.*$!sip:a\\!b@example.com!", Some("sip:a!b@example.com")),
            // Groups that there are not, or that are not of the form.
            ("!^(.*)$!sip:\\2@example.com!", None),
            ("!^(.*)$!sip:\\0@example.com!", None),
            ("!^.*$!sip:a@example.com!g", None),
            ("!^.*$!sip:a@example.com", None),
            ("!^.*$!sip:a@example.com!!", None),
            ("1^.*$1sip:a@example.com1", None),
            ("!^(?i).*$!sip:a@example.com!", None),
            ("!^\\d+$!sip:a@example.com!", None),
            ("!^(((((((((((((((((((((((.)))))))))))))))))))))))*$!sip:a@example.com!", None),
            ("!^(.{999}){999}$!sip:a@example.com!", None),
            ("!^(!sip:a@example.com!", None),
            ("!^.*$!sip:a b@example.com\r\nX: y!", None),
            ("!^.*$!tel:+44!", None),
            ("!", None),
            ("", None),
        ] {
            assert_eq!(
                substitute(rule, "+441632960083").map(|uri| uri.to_string()).as_deref(),
                uri,
                "{rule}"
            );
        }
        let long = format!("!^(.*)$!sip:{}@example.com!", "\\1".repeat(110));
        assert_eq!(substitute(&long, "+441632960083"), None, "it would grow");
        let slow = format!("!^{}$!sip:a@example.com!", "(.*)*".repeat(20));
        substitute(&slow, "+441632960083");
    }

    #[test]
    fn other_names_are_followed_a_few_times() {
        let (mut lookup, _) = Lookup::new("+441632960083", "e164.arpa");
        let on = |name: &str| Answer::Records(vec![naptr(1, 1, "", "E2U+sip", "", name)]);
        let alias = |name: &str| Answer::Records(vec![Record::Cname(name.to_owned())]);
        assert_eq!(lookup.answer(on("a.example.")), question("a.example"));
        assert_eq!(lookup.answer(alias("b.example.")), question("b.example"));
        let uri = naptr(1, 1, "u", "E2U+sip", "!^.*$!sip:a@example.com!", ".");
        assert!(matches!(lookup.answer(Answer::Records(vec![uri])), Step::Done(Ok(_))));
        let mut steps = 0;
        while let Step::Ask(_) = lookup.answer(alias("loop.example.")) {
            steps += 1;
            assert!(steps < 10);
        }
    }

    #[test]
    fn what_is_not_there_is_told_from_what_is_not_answered() {
        for (answer, why) in [
            (Answer::NoSuchName, NoUri::None),
            (Answer::NoRecords, NoUri::None),
            (Answer::Failed, NoUri::Unanswered),
            (Answer::Records(Vec::new()), NoUri::None),
        ] {
            let (mut lookup, _) = Lookup::new("+44", "e164.arpa");
            assert_eq!(lookup.answer(answer), Step::Done(Err(why)));
        }
    }
}
