//! Registering with a password: each is challenged, and answers by a digest (RFC 3261 §22.4, RFC 2617 §3).

use std::collections::BTreeMap;

use super::accounts::{REALM, ha1};
use super::load::{Load, Ports, REGISTERING, Send, registration, value, values};
use super::md5;

/// How often a nonce has been used: each is new.
const COUNT: &str = "00000001";

/// What became of one who registers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Asked,
    /// The challenge is answered. Another one would say that the answer was wrong, and is not answered.
    Answered,
}

/// Users who register with passwords in turns.
pub(super) struct Digests {
    /// Of every user. They are computed once, as the one who asks has little time.
    ha1: Vec<String>,
    /// Method and URI in one digest, for the server at this port.
    ha2: (u16, String),
    under_way: BTreeMap<u64, Stage>,
}

impl Digests {
    pub(super) fn new() -> Self {
        let ha1 = (0..REGISTERING).map(ha1).collect();
        Self { ha1, ha2: (0, ha2(0)), under_way: BTreeMap::new() }
    }

    /// Registers with the answer to a challenge; `None` where it is not one that we know how to answer.
    fn authorised(&self, ports: Ports, number: u64, response: &[u8]) -> Option<Vec<u8>> {
        let challenge = values(response, "WWW-Authenticate").find_map(challenge)?;
        let user = number % REGISTERING;
        let ha1 = self.ha1.get(user as usize)?;
        let cnonce = format!("{number:08x}");
        let cnonce = challenge.qop.then_some(cnonce.as_str());
        let digest = respond(ha1, &self.ha2.1, challenge.nonce, cnonce);
        let mut more = format!(
            "Authorization: Digest username=\"u{user}\",realm=\"{REALM}\",nonce=\"{}\",uri=\"{}\",\
             response=\"{digest}\",algorithm=MD5",
            challenge.nonce,
            uri(ports.server)
        );
        if let Some(cnonce) = cnonce {
            more.push_str(&format!(",cnonce=\"{cnonce}\",qop=auth,nc={COUNT}"));
        }
        if let Some(opaque) = challenge.opaque {
            more.push_str(&format!(",opaque=\"{opaque}\""));
        }
        more.push_str("\r\n");
        Some(registration(ports, user, &number.to_string(), 2, &more))
    }
}

impl Load for Digests {
    /// Half as many as of those without a password: of 128 challenges some find our receive buffer full.
    fn most(&self) -> u64 {
        64
    }

    fn begin(&mut self, ports: Ports, number: u64, send: Send<'_>) {
        if self.ha2.0 != ports.server {
            self.ha2 = (ports.server, ha2(ports.server));
        }
        self.under_way.insert(number, Stage::Asked);
        send(&registration(ports, number % REGISTERING, &number.to_string(), 1, ""));
    }

    fn take(&mut self, ports: Ports, datagram: &[u8], send: Send<'_>) -> bool {
        let Some(number) = number(datagram) else { return false };
        let stage = self.under_way.get(&number).copied();
        if stage == Some(Stage::Asked) && datagram.starts_with(b"SIP/2.0 401 ") {
            if let Some(request) = self.authorised(ports, number, datagram) {
                self.under_way.insert(number, Stage::Answered);
                send(&request);
            }
            return false;
        }
        // A server that lets users in without a password is not what is measured.
        let well = stage == Some(Stage::Answered) && datagram.starts_with(b"SIP/2.0 200 ");
        if well {
            self.under_way.remove(&number);
        }
        well
    }

    fn forget(&mut self) {
        self.under_way.clear();
    }
}

/// Which of ours it is about: the number is the third word of its Call-ID.
fn number(datagram: &[u8]) -> Option<u64> {
    let call = std::str::from_utf8(value(datagram, "Call-ID")?).ok()?;
    call.strip_prefix("r-")?.split('-').nth(1)?.parse().ok()
}

/// What the server at this port is asked as.
fn uri(server: u16) -> String {
    format!("sip:127.0.0.1:{server}")
}

fn ha2(server: u16) -> String {
    md5::hex(format!("REGISTER:{}", uri(server)).as_bytes())
}

/// The response of RFC 2617 §3.2.2.1: with `qop=auth` where there is a cnonce, else as in RFC 2069.
fn respond(ha1: &str, ha2: &str, nonce: &str, cnonce: Option<&str>) -> String {
    let text = match cnonce {
        Some(cnonce) => format!("{ha1}:{nonce}:{COUNT}:{cnonce}:auth:{ha2}"),
        None => format!("{ha1}:{nonce}:{ha2}"),
    };
    md5::hex(text.as_bytes())
}

/// What a challenge asks.
#[derive(Debug, PartialEq)]
struct Challenge<'a> {
    nonce: &'a str,
    opaque: Option<&'a str>,
    /// Whether `qop=auth` is offered.
    qop: bool,
}

/// Reads a challenge; `None` where it is not one by MD5 for our realm, or asks for more than `auth`.
fn challenge(value: &[u8]) -> Option<Challenge<'_>> {
    let (scheme, mut rest) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let (mut nonce, mut opaque, mut qop, mut ours) =
        (None, None, None, scheme.eq_ignore_ascii_case("Digest"));
    while let Some((name, after)) = rest.split_once('=') {
        // What is quoted may have commas in it. Neither server quotes a quote.
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "nonce" => nonce = Some(value),
            "opaque" => opaque = Some(value),
            "qop" => qop = Some(value.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth"))),
            "realm" => ours &= value == REALM,
            "algorithm" => ours &= value.trim().eq_ignore_ascii_case("MD5"),
            _ => {}
        }
        rest = after.trim_start_matches([',', ' ']);
    }
    Some(Challenge { nonce: nonce?, opaque, qop: qop.unwrap_or(false) })
        .filter(|_| ours && qop != Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    const PORTS: Ports = Ports { own: 9, server: 5_060 };

    /// The example of RFC 2617 §3.5.
    #[test]
    fn mufasa_is_let_in() {
        let ha1 = md5::hex(b"Mufasa:testrealm@host.com:Circle Of Life");
        let ha2 = md5::hex(b"GET:/dir/index.html");
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        assert_eq!(respond(&ha1, &ha2, nonce, Some("0a4f113b")), "6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn a_challenge_is_read_if_it_can_be_answered() {
        let read = |text: &'static str| challenge(text.as_bytes());
        let all = r#"Digest realm="127.0.0.1", nonce="a,b=c", qop="auth-int,auth", opaque="o", stale=false"#;
        assert_eq!(read(all), Some(Challenge { nonce: "a,b=c", opaque: Some("o"), qop: true }));
        let old = r#"digest algorithm=md5,realm="127.0.0.1",nonce="n""#;
        assert_eq!(read(old), Some(Challenge { nonce: "n", opaque: None, qop: false }));
        for other in [
            r#"Digest realm="127.0.0.1",nonce="n",algorithm=SHA-256,qop="auth""#,
            r#"Digest realm="127.0.0.1",nonce="n",qop="auth-int""#,
            r#"Digest realm="elsewhere",nonce="n""#,
            r#"Digest realm="127.0.0.1",nonce="n"#,
            r#"Digest realm="127.0.0.1""#,
            r#"Basic realm="127.0.0.1",nonce="n""#,
            "Digest",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    /// A response to a request of ours, with these lines more.
    fn response(request: &[u8], status: &str, more: &str) -> Vec<u8> {
        let call = String::from_utf8_lossy(value(request, "Call-ID").unwrap()).into_owned();
        format!("SIP/2.0 {status}\r\nCall-ID: {call}\r\n{more}\r\n").into_bytes()
    }

    /// Both ends without a server between them.
    #[test]
    fn a_challenge_is_answered_once_and_by_the_right_digest() {
        let challenges = "WWW-Authenticate: Digest realm=\"127.0.0.1\",nonce=\"long\",algorithm=SHA-256,qop=\"auth\"\r\n\
             WWW-Authenticate: Digest realm=\"127.0.0.1\",nonce=\"fresh\",algorithm=MD5,qop=\"auth\"\r\n";
        let mut load = Digests::new();
        let sent = RefCell::new(Vec::new());
        let send = |datagram: &[u8]| sent.borrow_mut().push(datagram.to_vec());
        load.begin(PORTS, 10_007, &send);
        let first = sent.borrow_mut().remove(0);
        assert_eq!((value(&first, "CSeq"), value(&first, "Authorization")), (Some(&b"1 REGISTER"[..]), None));
        assert!(!load.take(PORTS, &response(&first, "200 OK", ""), &send), "let in without a password");
        assert!(!load.take(PORTS, &response(&first, "401 Unauthorized", challenges), &send));
        let second = sent.borrow_mut().remove(0);
        for (name, same) in [("Call-ID", true), ("From", true), ("To", true), ("Via", false), ("CSeq", false)]
        {
            assert_eq!(value(&first, name) == value(&second, name), same, "{name}");
        }
        assert_eq!(value(&second, "CSeq"), Some(&b"2 REGISTER"[..]));
        // By `md5sum`.
        assert_eq!(
            String::from_utf8_lossy(value(&second, "Authorization").unwrap()),
            "Digest username=\"u7\",realm=\"127.0.0.1\",nonce=\"fresh\",uri=\"sip:127.0.0.1:5060\",\
             response=\"27c4dc37050e23c5a4b3af219fbbb20c\",algorithm=MD5,cnonce=\"00002717\",qop=auth,nc=00000001"
        );
        assert!(!load.take(PORTS, &response(&second, "401 Unauthorized", challenges), &send));
        assert!(load.take(PORTS, &response(&second, "200 OK", ""), &send));
        assert!(!load.take(PORTS, &response(&second, "200 OK", ""), &send), "it ended before");
        assert_eq!((sent.borrow().len(), load.under_way.len()), (0, 0));
    }

    #[test]
    fn what_is_lost_is_not_answered_later() {
        let mut load = Digests::new();
        let sent = RefCell::new(Vec::new());
        let send = |datagram: &[u8]| sent.borrow_mut().push(datagram.to_vec());
        load.begin(PORTS, 1, &send);
        load.forget();
        let first = sent.borrow_mut().remove(0);
        let challenge = "WWW-Authenticate: Digest realm=\"127.0.0.1\",nonce=\"n\"\r\n";
        assert!(!load.take(PORTS, &response(&first, "401 Unauthorized", challenge), &send));
        assert!(sent.borrow().is_empty());
    }
}
