//! Globally routable user agent URIs (RFC 5627): addresses that lead to one instance of a user.
//!
//! A public one names user and instance. A temporary one names neither to those who see it: what it stands for is encrypted
//! and authenticated in its user part (appendix A.2), so that nothing has to be remembered of those that were given away.

use crate::{Aor, Binding};
use aes_siv::KeyInit as _;
use aes_siv::siv::Aes128Siv;
use data_encoding::BASE64URL_NOPAD;
use ringback_message::{Request, SipUri, SipUriBuf, header::To, unescape};
use ringback_sansio::Seal;
use std::fmt;
use std::hash::BuildHasher as _;

/// What the user of a temporary one begins with.
const PREFIX: &str = "gr.";
/// The longest user part that is looked into, in octets.
const LONGEST: usize = 1_024;

/// Makes and reads GRUUs. Those of one key are understood by all who have it, also after a restart.
#[derive(Clone)]
pub struct Gruus {
    key: [u8; 32],
}

impl fmt::Debug for Gruus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gruus")
    }
}

/// What a GRUU leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gruu {
    /// The user.
    pub aor: Aor,
    instance: String,
    /// The registration that it was given to, by the hash of its Call-ID; any for a public one.
    registration: Option<u64>,
}

impl Gruu {
    /// Whether a binding is of the instance, and of the registration where that matters: a phone that registers anew, under
    /// another Call-ID, gives up its temporary ones (RFC 5627 §3.3).
    pub fn leads_to(&self, binding: &Binding) -> bool {
        binding.is_of_instance(&self.instance)
            && self.registration.is_none_or(|registration| registration == hash(&binding.call_id))
    }
}

impl Gruus {
    /// Under a secret key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The contact parameters by which a user agent is told its GRUUs (RFC 5627 §5); empty where it names no instance. They
    /// begin with the address that the request was to.
    pub(crate) fn params(&self, request: &Request, aor: &Aor, binding: &Binding) -> String {
        let told = || {
            let to = request.first::<To<'_>>()?.ok()?;
            let instance = binding.instance()?;
            let public =
                address(to.uri.as_sip()?, &unescape(aor.user())).param("gr", instance).build().ok()?;
            let user = self.write(aor, instance, binding)?;
            let temporary = address(to.uri.as_sip()?, user.as_bytes()).flag("gr").build().ok()?;
            Some(format!(";pub-gruu=\"{public}\";temp-gruu=\"{temporary}\""))
        };
        told().unwrap_or_default()
    }

    /// A user part that nobody else can make or read. It changes with each request of the registration.
    fn write(&self, aor: &Aor, instance: &str, binding: &Binding) -> Option<String> {
        let mut text = hash(&binding.call_id).to_be_bytes().to_vec();
        text.extend(binding.cseq.to_be_bytes());
        text.extend(aor.as_str().as_bytes());
        text.push(0);
        text.extend(instance.as_bytes());
        let sealed = Aes128Siv::new(&self.key.into()).encrypt([PREFIX.as_bytes()], &text).ok()?;
        Some(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&sealed)))
    }

    /// What a URI leads to; `None` where it is no GRUU, or a temporary one that this key did not make.
    pub fn read(&self, uri: &SipUri<'_>) -> Option<Gruu> {
        let gr = uri.gruu()?;
        if let Some(value) = gr.value {
            let instance = String::from_utf8(unescape(value).into_owned()).ok()?;
            return Some(Gruu { aor: Aor::of(uri)?, instance, registration: None });
        }
        let text = uri.user().filter(|user| user.len() <= LONGEST)?.strip_prefix(PREFIX)?;
        let sealed = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let text = Aes128Siv::new(&self.key.into()).decrypt([PREFIX.as_bytes()], &sealed).ok()?;
        let (registration, rest) = text.split_first_chunk::<8>()?;
        let (_, rest) = rest.split_first_chunk::<4>()?;
        let (aor, instance) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
        Some(Gruu {
            aor: Aor::parse(aor)?,
            instance: instance.to_owned(),
            registration: Some(u64::from_be_bytes(*registration)),
        })
    }
}

/// Of a Call-ID; only seen encrypted.
fn hash(call_id: &str) -> u64 {
    Seal::default().hash_one(call_id)
}

/// The address that somebody registers for, for another user.
fn address(to: &SipUri<'_>, user: &[u8]) -> SipUriBuf {
    let uri = SipUriBuf::new(&to.host().to_string()).user(user);
    let uri = to.port().map_or_else(|| uri.clone(), |port| uri.clone().port(port));
    if to.is_secure() { uri.secure() } else { uri }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::UriBuf;
    use ringback_sansio::Protocol;
    use std::time::{Duration, Instant};

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn binding(instance: &str, call_id: &str, cseq: u32) -> Binding {
        Binding {
            contact: "sip:bob@192.0.2.4".parse().unwrap(),
            params: crate::outbound::kept(Some(instance), Some(1)),
            q: None,
            expires_at: Instant::now() + Duration::from_secs(60),
            call_id: call_id.into(),
            cseq,
            path: Vec::new(),
            flow: None,
            protocol: Protocol::Udp,
            received: "192.0.2.4:5060".parse().unwrap(),
            user_agent: None,
        }
    }

    fn temporary(gruus: &Gruus, binding: &Binding) -> UriBuf {
        let aor = Aor::parse("sip:b%23b@example.com").unwrap();
        let user = gruus.write(&aor, binding.instance().unwrap(), binding).unwrap();
        SipUriBuf::new("example.com").user(user).flag("gr").build().unwrap()
    }

    #[test]
    fn temporary_gruus_are_of_one_registration_and_change_with_each_request() {
        let gruus = Gruus::new([7; 32]);
        let first = binding("urn:uuid:1", "a", 1);
        let uri = temporary(&gruus, &first);
        assert_ne!(uri, temporary(&gruus, &binding("urn:uuid:1", "a", 2)));
        let read = gruus.read(&uri.as_sip().unwrap()).unwrap();
        assert_eq!(read.aor.as_str(), "sip:b%23b@example.com");
        assert!(read.leads_to(&first) && read.leads_to(&binding("urn:uuid:1", "a", 9)));
        assert!(
            !read.leads_to(&binding("urn:uuid:2", "a", 1)) && !read.leads_to(&binding("urn:uuid:1", "b", 1))
        );
        assert!(!uri.as_str().contains("uuid"));
    }

    #[test]
    fn forged_gruus_lead_nowhere() {
        let gruus = Gruus::new([7; 32]);
        let uri = temporary(&gruus, &binding("urn:uuid:1", "a", 1)).to_string();
        assert!(Gruus::new([8; 32]).read(&uri.parse::<UriBuf>().unwrap().as_sip().unwrap()).is_none());
        let at = uri.find("gr.").unwrap() + 3;
        for place in at..uri.find('@').unwrap() {
            let mut forged = uri.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            let forged: UriBuf = String::from_utf8(forged).unwrap().parse().unwrap();
            assert!(gruus.read(&forged.as_sip().unwrap()).is_none(), "{forged}");
        }
        for text in ["sip:gr.@b;gr", "sip:gr.A@b;gr", "sip:bob@b;gr", "sip:b;gr", "sip:b;gr=x", "sip:bob@b"] {
            assert!(gruus.read(&text.parse::<UriBuf>().unwrap().as_sip().unwrap()).is_none(), "{text}");
        }
    }
}
