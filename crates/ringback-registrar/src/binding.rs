//! One contact of an address of record.

use crate::{Aor, BindingKey, outbound};
use ringback_message::{Output, UriBuf, Value, header::NameAddr};
use ringback_sansio::{Flow, Protocol};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A contact at which a user can be reached for a while (RFC 3261 §10).
///
/// To keep one over a restart, write `Epoch::unix(expires_at)` and every other field but `flow`, which ends with the
/// program; to bring it back, take `Epoch::instant` of that and hand a [`Change::Put`] to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Where: the URI as registered, with its parameters and headers. Headers must not be copied into a request
    /// unseen.
    pub contact: UriBuf,
    /// The contact's parameters as registered, `;name=value` each, without `q` and `expires`. Unknown ones are kept. The
    /// instance comes first, where there is one, and then the number of its flow, where it was registered by RFC 5626.
    pub params: String,
    /// The preference in thousandths, 0 to 1000; `None` where none was given, which counts as 1000.
    pub q: Option<u16>,
    /// When it ends.
    pub expires_at: Instant,
    /// The Call-ID of the request that made it.
    pub call_id: String,
    /// The CSeq number of that request.
    pub cseq: u32,
    /// The proxies to visit on the way to it, first hop first, as Route values (RFC 3327).
    pub path: Vec<String>,
    /// How the request came, for sending back the same way; `None` after a restart.
    pub flow: Option<Flow>,
    /// The transport that the request came over.
    pub protocol: Protocol,
    /// Where the request came from: the phone, its NAT, or the last proxy of the path.
    pub received: SocketAddr,
    /// What the phone calls itself.
    pub user_agent: Option<String>,
}

/// What happened to a location store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The binding was added, or took the place of the one with the same key.
    Put(Aor, Arc<Binding>),
    /// The binding with this key is gone.
    Remove(Aor, BindingKey),
}

impl Change {
    /// Whose bindings changed.
    pub fn aor(&self) -> &Aor {
        match self {
            Self::Put(aor, _) | Self::Remove(aor, _) => aor,
        }
    }
}

impl Binding {
    /// Whether it has not ended.
    pub fn is_alive(&self, now: Instant) -> bool {
        self.expires_at > now
    }

    /// The whole seconds that remain, rounded up.
    pub fn remaining(&self, now: Instant) -> u64 {
        let remaining = self.expires_at.saturating_duration_since(now);
        remaining.as_secs() + u64::from(remaining > Duration::from_secs(remaining.as_secs()))
    }

    /// The preference in thousandths, 1000 where none was given.
    pub fn preference(&self) -> u16 {
        self.q.unwrap_or(1000)
    }

    /// Whether it says the same as `old` but for how long: what a refresh makes. A store that loses the refresh still leads to
    /// the same phone.
    pub fn refreshes(&self, old: &Self) -> bool {
        self.received == old.received
            && self.protocol == old.protocol
            && self.contact.as_str() == old.contact.as_str()
            && self.params == old.params
            && self.q == old.q
            && self.path == old.path
            && self.expires_at >= old.expires_at
    }

    /// The octets of text that it holds, all of which a peer chose.
    pub(crate) fn text_len(&self) -> usize {
        let path: usize = self.path.iter().map(String::len).sum();
        let agent = self.user_agent.as_ref().map_or(0, String::len);
        self.contact.as_str().len() + self.params.len() + self.call_id.len() + path + agent
    }
}

/// The Contact value that tells a user agent about a binding.
pub(crate) struct ToContact<'a> {
    pub(crate) binding: &'a Binding,
    pub(crate) now: Instant,
    /// More parameters, `;name=value` each.
    pub(crate) more: &'a str,
}

impl Value for ToContact<'_> {
    fn write(&self, out: &mut Output<'_>) {
        let Self { binding, now, more } = self;
        out.push(b'<');
        out.extend_from_slice(binding.contact.as_str().as_bytes());
        out.push(b'>');
        out.extend_from_slice(binding.params.as_bytes());
        if let Some(q) = binding.q {
            format_args!(";q={}", Q(q)).write(out);
        }
        out.extend_from_slice(b";expires=");
        out.push_number(binding.remaining(*now));
        out.extend_from_slice(more.as_bytes());
    }
}

/// Thousandths as a `qvalue`.
struct Q(u16);

impl fmt::Display for Q {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            1000.. => f.write_str("1"),
            q => f.write_str(format!("0.{q:03}").trim_end_matches('0')),
        }
    }
}

/// The parameters to keep of a contact, in one line; `reg_id` where it is registered as that flow.
pub(crate) fn kept_params(contact: &NameAddr<'_>, reg_id: Option<u32>) -> String {
    use fmt::Write as _;
    let instance = outbound::instance_of(contact);
    let mut kept = outbound::kept(instance.as_deref(), reg_id);
    for param in contact.params.iter() {
        let is = |name: &&str| name.eq_ignore_ascii_case(param.name);
        // What is ours to say, and what was said above.
        let own = ["q", "expires", "reg-id", "pub-gruu", "temp-gruu"];
        if own.iter().any(is) || (instance.is_some() && is(&"+sip.instance")) {
            continue;
        }
        let _ = write!(kept, ";{}", param.name);
        if let Some(value) = param.value {
            let _ = write!(kept, "={}", one_line(value));
        }
    }
    kept
}

/// Text without line ends, which can only be those of a folded line.
pub(crate) fn one_line(value: &[u8]) -> String {
    String::from_utf8_lossy(value).replace(['\r', '\n', '\0'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_written_as_short_as_they_go() {
        let written = [0, 1, 330, 500, 999, 1000].map(|q| Q(q).to_string());
        assert_eq!(written, ["0", "0.001", "0.33", "0.5", "0.999", "1"]);
    }

    #[test]
    fn unknown_parameters_are_kept_and_our_own_are_not() {
        let text = b"<sip:a@b;x>;Expires=5;flag;Reg-Id=1;+sip.instance=\"<urn:uuid:1>\";Q=0.5;pub-gruu=\"x\"";
        let contact = NameAddr::parse(text).unwrap();
        assert_eq!(kept_params(&contact, None), ";+sip.instance=\"<urn:uuid:1>\";flag");
        assert_eq!(kept_params(&contact, Some(1)), ";+sip.instance=\"<urn:uuid:1>\";reg-id=1;flag");
        let contact = NameAddr::parse(b"<sip:a@b>;+sip.instance=\"1\";reg-id=1").unwrap();
        assert_eq!(kept_params(&contact, None), ";+sip.instance=\"1\"");
    }
}
