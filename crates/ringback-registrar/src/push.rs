//! Push notifications for user agents that sleep (RFC 8599): what a contact says of them, and what is answered.
//!
//! A phone that may be suspended puts into its Contact URI by which service it can be woken, and under which name. Here
//! those parameters are read and judged, and the response tells what is supported. Waking it is the proxy's.

use crate::{Binding, Refusal};
use ringback_message::header::Contact;
use ringback_message::{Request, Uri, UriParam, unescape};

/// How long each value may be, in octets. Tokens of the known services have a few hundred at most.
const LONGEST: usize = 1_024;
/// The media feature by which a phone says that it wakes by itself to register again (RFC 8599 §8.5).
const REFRESHES: &str = ";+sip.pnsreg";

/// How a device is woken: its name at a push notification service (RFC 8599 §8.7), escapes resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Push {
    /// `pn-provider`: the service, in lower case.
    pub provider: String,
    /// `pn-param`: what else the service has to know, such as the application.
    pub param: Option<String>,
    /// `pn-prid`: the name of the application on the device.
    pub prid: String,
}

/// The push notification services that are to be had, and what is told of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushPolicy {
    /// The services.
    pub services: Vec<PushService>,
    /// How many seconds before its end a phone that says that it can wake by itself has to refresh its binding
    /// (RFC 8599 §8.4); without a number such phones are woken like all others.
    pub own_refresh: Option<u32>,
}

/// A push notification service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushService {
    /// Its name, as `pn-provider` has it: `apns`, `fcm`, `webpush`.
    pub name: String,
    /// The public key by which we are known to it (RFC 8292, RFC 8599 §8.3).
    pub vapid: Option<String>,
}

/// What a contact asks for.
enum Asked {
    Nothing,
    /// Which services there are (RFC 8599 §4.1.5).
    Which,
    Service(String),
}

impl Push {
    /// How the device at this contact is woken; nothing where it is not, or the contact says too little.
    pub fn of(contact: &Uri<'_>) -> Option<Self> {
        let uri = contact.as_sip()?;
        let [mut provider, mut param, mut prid] = [None, None, None];
        for own in uri.params() {
            let known = [("pn-provider", &mut provider), ("pn-param", &mut param), ("pn-prid", &mut prid)];
            if let Some((_, value)) = known.into_iter().find(|(name, _)| own.is(name)) {
                *value = value_of(&own);
            }
        }
        Some(Self { provider: provider?.to_ascii_lowercase(), param, prid: prid? })
    }
}

impl Binding {
    /// How its device is woken.
    pub fn push(&self) -> Option<Push> {
        Push::of(&self.contact.as_uri())
    }

    /// Whether its phone says that it wakes by itself to refresh it (RFC 8599 §4.1.4).
    pub fn refreshes_itself(&self) -> bool {
        let found = self.params.split_once(REFRESHES);
        found.is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with([';', '=']))
    }
}

impl PushPolicy {
    /// Whether a contact may be registered: it asks for nothing, or for what there is (RFC 8599 §5.6.1).
    ///
    /// # Errors
    /// [`Refusal::PushService`] where the service is none of ours, [`Refusal::Push`] where the contact does not say whom to wake.
    pub(crate) fn check(&self, contact: &Uri<'_>) -> Result<(), Refusal> {
        match asked(contact) {
            Asked::Nothing | Asked::Which => Ok(()),
            Asked::Service(name) if self.service(&name).is_none() => Err(Refusal::PushService),
            Asked::Service(_) => Push::of(contact).map(drop).ok_or(Refusal::Push),
        }
    }

    /// What the 200 to a request tells those who asked: the value of Feature-Caps (RFC 6809, RFC 8599 §5.4).
    pub(crate) fn capabilities(&self, request: &Request) -> Option<String> {
        let mut told: Vec<String> = Vec::new();
        let contacts: Vec<Contact<'_>> = request.all().flatten().collect();
        for contact in contacts.iter().filter_map(Contact::address) {
            match asked(&contact.uri) {
                Asked::Nothing => {}
                Asked::Which => told.extend(self.services.iter().map(PushService::capability)),
                Asked::Service(name) => told.extend(self.service(&name).map(|service| {
                    let wakes = contact.params.find("+sip.pnsreg").is_some();
                    let refresh = self.own_refresh.filter(|_| wakes);
                    let refresh = refresh.map(|seconds| format!(";+sip.pnsreg=\"{seconds}\""));
                    service.capability() + &refresh.unwrap_or_default()
                })),
            }
        }
        told.dedup();
        (!told.is_empty()).then(|| told.join(", "))
    }

    fn service(&self, name: &str) -> Option<&PushService> {
        self.services.iter().find(|service| service.name.eq_ignore_ascii_case(name))
    }
}

impl PushService {
    fn capability(&self) -> String {
        let vapid = self.vapid.as_ref().map(|key| format!(";+sip.vapid=\"{key}\"")).unwrap_or_default();
        format!("*;+sip.pns=\"{}\"{vapid}", self.name)
    }
}

fn asked(contact: &Uri<'_>) -> Asked {
    let Some(param) = contact.as_sip().and_then(|uri| uri.param("pn-provider")) else {
        return Asked::Nothing;
    };
    match param.value {
        None | Some("") => Asked::Which,
        Some(value) => Asked::Service(String::from_utf8_lossy(&unescape(value)).into_owned()),
    }
}

/// A value that is there and no longer than it may be. Control characters have no place in a name.
fn value_of(param: &UriParam<'_>) -> Option<String> {
    let value = unescape(param.value?).into_owned();
    let value = String::from_utf8(value).ok()?;
    let fits = !value.is_empty() && value.len() <= LONGEST && !value.contains(char::is_control);
    fits.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Push> {
        Push::of(&Uri::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_contact_says_how_its_device_is_woken() {
        let found =
            of("sip:bob@192.0.2.4;PN-Provider=APNS;pn-param=AB.com.example;pn-prid=x%3Avoip;ob").unwrap();
        assert_eq!(found.provider, "apns");
        assert_eq!((found.param.as_deref(), found.prid.as_str()), (Some("AB.com.example"), "x:voip"));
        for too_little in [
            "sip:bob@192.0.2.4",
            "sip:bob@192.0.2.4;pn-provider=apns",
            "sip:bob@192.0.2.4;pn-provider;pn-prid=x",
            "sip:bob@192.0.2.4;pn-provider=apns;pn-prid=",
            "sip:bob@192.0.2.4;pn-provider=apns;pn-prid=a%0Ab",
            "sip:bob@192.0.2.4;pn-provider=apns;pn-prid=%FF",
            "tel:+44;pn-provider=apns;pn-prid=x",
        ] {
            assert_eq!(of(too_little), None, "{too_little}");
        }
        assert_eq!(of(&format!("sip:bob@h;pn-provider=a;pn-prid={}", "x".repeat(LONGEST + 1))), None);
    }
}
