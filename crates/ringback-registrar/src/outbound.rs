//! Instances of user agents and their flows (RFC 5626): what stands in a contact of them, and what tells their bindings apart.

use crate::{Binding, Refusal};
use ringback_message::header::{Contact, NameAddr, Path, Via};
use ringback_message::{Request, SipUri, UriBuf, UrnUri};
use std::fmt;

/// The longest name of an instance that is understood, in octets.
const INSTANCE_LEN: usize = 256;
/// RFC 5626 §4.2: a number from 1 to 2^31 - 1.
const MOST: u32 = u32::MAX >> 1;
/// How the names begin what is kept of a contact, where it has them.
const INSTANCE: &str = ";+sip.instance=\"<";
const REG_ID: &str = ";reg-id=";

/// What tells a binding from the others of its address of record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BindingKey {
    /// Its contact, as written (RFC 3261 §10.3).
    Contact(UriBuf),
    /// The instance and the number of its flow, whatever the contact says (RFC 5626 §6).
    Flow {
        /// The `+sip.instance`, a URN without quotes and angle brackets.
        instance: Box<str>,
        /// The `reg-id`.
        reg_id: u32,
    },
}

impl BindingKey {
    /// Whether it is that of this binding.
    pub fn is_of(&self, binding: &Binding) -> bool {
        match self {
            Self::Contact(contact) => binding.reg_id().is_none() && binding.contact == *contact,
            Self::Flow { instance, reg_id } => {
                binding.reg_id() == Some(*reg_id) && binding.instance() == Some(instance)
            }
        }
    }
}

/// One line that no other key of the same address of record has: for a disk.
impl fmt::Display for BindingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contact(contact) => f.write_str(contact.as_str()),
            // No URI begins with an angle bracket.
            Self::Flow { instance, reg_id } => write!(f, "<{instance}>{REG_ID}{reg_id}"),
        }
    }
}

impl Binding {
    /// What tells it from the others of its address of record.
    pub fn key(&self) -> BindingKey {
        match (self.instance(), self.reg_id()) {
            (Some(instance), Some(reg_id)) => BindingKey::Flow { instance: instance.into(), reg_id },
            _ => BindingKey::Contact(self.contact.clone()),
        }
    }

    /// Whether both have one key. Asked without making the keys, for those hold copies.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self.reg_id(), other.reg_id()) {
            (Some(one), Some(two)) => one == two && self.instance() == other.instance(),
            (None, None) => self.contact == other.contact,
            _ => false,
        }
    }

    /// The user agent that it leads to, as it names itself: the URN of `+sip.instance` (RFC 5626 §4.1).
    pub fn instance(&self) -> Option<&str> {
        Some(self.split_instance()?.0)
    }

    /// Which of the flows of its instance it is (RFC 5626 §4.2); `None` where the binding was not made by the rules of
    /// outbound, whatever its contact said.
    pub fn reg_id(&self) -> Option<u32> {
        let rest = self.split_instance()?.1.strip_prefix(REG_ID)?;
        rest.split(';').next()?.parse().ok()
    }

    fn split_instance(&self) -> Option<(&str, &str)> {
        self.params.strip_prefix(INSTANCE)?.split_once(">\"")
    }

    /// Whether it leads to that user agent.
    pub fn is_of_instance(&self, instance: &str) -> bool {
        self.instance().is_some_and(|own| same_instance(own, instance))
    }
}

/// Whether two URNs name the same user agent: UUIDs without regard to case, and so on.
pub(crate) fn same_instance(one: &str, other: &str) -> bool {
    one == other
        || match (UrnUri::parse(one.as_bytes()), UrnUri::parse(other.as_bytes())) {
            (Ok(one), Ok(other)) => one.equivalent(&other),
            _ => false,
        }
}

/// The instance that a contact names.
pub(crate) fn instance_of(contact: &NameAddr<'_>) -> Option<String> {
    let text = contact.params.find("+sip.instance")?.text()?;
    let urn = text.strip_prefix('<')?.strip_suffix('>')?;
    let is_urn = urn.len() <= INSTANCE_LEN && UrnUri::parse(urn.as_bytes()).is_ok();
    is_urn.then(|| urn.to_owned())
}

/// The instance and the flow that a contact names.
pub(crate) fn flow_of(contact: &NameAddr<'_>) -> Option<(String, u32)> {
    let reg_id = contact.params.find("reg-id")?.text()?.parse().ok()?;
    (1..=MOST).contains(&reg_id).then_some(())?;
    Some((instance_of(contact)?, reg_id))
}

/// What of instance and flow begins the kept parameters.
pub(crate) fn kept(instance: Option<&str>, reg_id: Option<u32>) -> String {
    let reg_id = reg_id.map(|reg_id| format!("{REG_ID}{reg_id}")).unwrap_or_default();
    instance.map(|instance| format!("{INSTANCE}{instance}>\"{reg_id}")).unwrap_or_default()
}

/// Whether a REGISTER is one by the rules of outbound (RFC 5626 §6).
///
/// # Errors
/// When it is and there is more than the one contact that lasts, or the proxy that it came to first keeps no flows.
pub(crate) fn uses_outbound(request: &Request, contacts: &[(&NameAddr<'_>, u32)]) -> Result<bool, Refusal> {
    if !names_flow(request) {
        return Ok(false);
    }
    let lasting = contacts.iter().filter(|(_, seconds)| *seconds > 0);
    if lasting.clone().any(|(contact, _)| flow_of(contact).is_some()) && lasting.count() > 1 {
        return Err(Refusal::Flows);
    }
    // A request that came straight to us has one Via, and we keep flows.
    let is_direct = request.all::<Via<'_>>().nth(1).is_none();
    let first = request.all::<Path<'_>>().last().and_then(Result::ok);
    let keeps_flows = first.is_some_and(|hop| hop.uri.as_sip().is_some_and(SipUri::is_outbound));
    if is_direct || keeps_flows { Ok(true) } else { Err(Refusal::FirstHop) }
}

/// Whether a request of a user agent that knows outbound names one of its flows.
pub(crate) fn names_flow(request: &Request) -> bool {
    let mut contacts = request.all::<Contact<'_>>().flatten();
    crate::decide::supports(request, "outbound")
        && contacts.any(|contact| contact.address().is_some_and(|contact| flow_of(contact).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_and_flows_are_read_where_they_can_be_told() {
        let of = |text: &str| {
            let contact = NameAddr::parse(text.as_bytes()).unwrap();
            (instance_of(&contact).is_some(), flow_of(&contact).map(|flow| flow.1))
        };
        for (params, expected) in [
            ("+sip.instance=\"<urn:uuid:1>\";reg-id=1", (true, Some(1))),
            ("Reg-ID=7;+SIP.instance=\"<urn:uuid:1>\"", (true, Some(7))),
            ("+sip.instance=\"<urn:uuid:1>\"", (true, None)),
            ("+sip.instance=\"<urn:uuid:1>\";reg-id=0", (true, None)),
            ("+sip.instance=\"<urn:uuid:1>\";reg-id=2147483648", (true, None)),
            ("+sip.instance=\"<urn:uuid:1>\";reg-id=x", (true, None)),
            ("+sip.instance=\"urn:uuid:1\";reg-id=1", (false, None)),
            ("+sip.instance=\"<sip:a@b>\";reg-id=1", (false, None)),
            ("+sip.instance;reg-id=1", (false, None)),
            ("reg-id=1", (false, None)),
        ] {
            assert_eq!(of(&format!("<sip:a@b>;{params}")), expected, "{params}");
        }
        let long = format!("<sip:a@b>;+sip.instance=\"<urn:x-y:{}>\"", "a".repeat(INSTANCE_LEN));
        assert_eq!(of(&long), (false, None));
    }

    #[test]
    fn one_instance_may_be_spelt_in_two_ways() {
        let upper = "urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6";
        assert!(same_instance(upper, &upper.to_lowercase()) && same_instance("x", "x"));
        assert!(!same_instance(upper, "urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF7"));
    }
}
