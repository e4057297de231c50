//! Who we are.

use crate::registration::Registration;
use ringback_auth::DigestClient;
use ringback_message::header::{CSeq, NameAddr};
use ringback_message::{HeaderId, Method, Request, RequestBuilder, UriBuf};
use ringback_sansio::{Protocol, Target};
use std::fmt;
use std::time::Duration;

/// Names one account of a [`UserAgent`](crate::UserAgent).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountKey(pub(crate) ringback_sansio::Key<Known>);

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {:?}", self.0)
    }
}

/// Where the requests of an account go first that belong to no dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// To the proxy of this URI, which becomes a Route.
    Uri(UriBuf),
    /// To this address, without a Route: a server that is its own domain's proxy.
    Target(Target),
}

/// An address of record and the way to its home.
///
/// ```
/// use ringback_ua::{Account, Protocol};
///
/// let alice = Account::new("sip:alice@example.com".parse()?)
///     .display("Alice")
///     .credentials("alice", "secret")
///     .transport(Protocol::Tcp);
/// assert!(!format!("{alice:?}").contains("secret"));
/// # Ok::<(), ringback_message::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Account {
    /// The address of record: `sip:alice@example.com`.
    pub aor: UriBuf,
    /// The name that is shown to others.
    pub display: Option<String>,
    /// Who registers; by default the host of the address of record.
    pub registrar: Option<UriBuf>,
    /// Where requests go first that belong to no dialog; by default to where their URI leads.
    pub outbound: Option<Outbound>,
    /// The transport to use where the URI of the next hop names none.
    pub transport: Option<Protocol>,
    /// How long a registration shall last, in whole seconds.
    pub expires: Duration,
    /// The URN that names this user agent to registrars, whatever its address and run (RFC 5626 §4.1); without one each
    /// user agent makes one up for as long as it lives.
    pub instance: Option<String>,
    credentials: Option<(String, String)>,
}

impl Account {
    /// An account with an hour of registration and no password.
    pub fn new(aor: UriBuf) -> Self {
        Self {
            aor,
            display: None,
            registrar: None,
            outbound: None,
            transport: None,
            expires: Duration::from_secs(3600),
            instance: None,
            credentials: None,
        }
    }

    /// The name that is shown to others.
    #[must_use]
    pub fn display(mut self, name: impl Into<String>) -> Self {
        self.display = Some(name.into());
        self
    }

    /// User name and password for whatever realm asks.
    #[must_use]
    pub fn credentials(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some((username.into(), password.into()));
        self
    }

    /// Who registers.
    #[must_use]
    pub fn registrar(mut self, uri: UriBuf) -> Self {
        self.registrar = Some(uri);
        self
    }

    /// Where requests go first that belong to no dialog.
    #[must_use]
    pub fn outbound(mut self, outbound: Outbound) -> Self {
        self.outbound = Some(outbound);
        self
    }

    /// The transport to use where the URI of the next hop names none.
    #[must_use]
    pub fn transport(mut self, protocol: Protocol) -> Self {
        self.transport = Some(protocol);
        self
    }

    /// How long a registration shall last.
    #[must_use]
    pub fn expires(mut self, expires: Duration) -> Self {
        self.expires = expires;
        self
    }

    /// The URN that names this user agent to registrars: `urn:uuid:…`, the same after each start.
    #[must_use]
    pub fn instance(mut self, urn: impl Into<String>) -> Self {
        self.instance = Some(urn.into());
        self
    }

    /// What From says, without tag.
    pub(crate) fn from(&self) -> String {
        match &self.display {
            None => format!("<{}>", self.aor),
            Some(name) => {
                let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
                format!("\"{quoted}\" <{}>", self.aor)
            }
        }
    }

    /// The rows of Route that lead to the outbound proxy.
    pub(crate) fn routes(&self) -> Vec<String> {
        match &self.outbound {
            Some(Outbound::Uri(uri)) if uri.as_sip().is_some_and(|sip| sip.is_loose_router()) => {
                vec![format!("<{uri}>")]
            }
            Some(Outbound::Uri(uri)) => vec![format!("<{uri};lr>")],
            Some(Outbound::Target(_)) | None => Vec::new(),
        }
    }

    /// The Request-URI of REGISTER: a host without user (RFC 3261 §10.2).
    pub(crate) fn registrar_uri(&self) -> Option<UriBuf> {
        if let Some(registrar) = &self.registrar {
            return Some(registrar.clone());
        }
        let aor = self.aor.as_sip()?;
        let scheme = if aor.is_secure() { "sips" } else { "sip" };
        let port = aor.port().map(|port| format!(":{port}")).unwrap_or_default();
        UriBuf::new(&format!("{scheme}:{}{port}", aor.host())).ok()
    }

    /// Starts a request outside of dialogs that takes these routes.
    pub(crate) fn request(
        &self,
        method: Method,
        uri: &str,
        ids: &Ids<'_>,
        routes: Vec<String>,
    ) -> RequestBuilder {
        let mut request = Request::builder(method.clone(), uri).header(HeaderId::MAX_FORWARDS, 70u8);
        for route in routes {
            request = request.header(HeaderId::ROUTE, route);
        }
        request
            .header(HeaderId::FROM, format_args!("{};tag={}", self.from(), ids.tag))
            .header(HeaderId::TO, ids.to)
            .header(HeaderId::CALL_ID, ids.call_id)
            .header(HeaderId::CSEQ, CSeq { number: ids.number, method })
    }
}

/// What identifies a request outside of dialogs.
pub(crate) struct Ids<'a> {
    pub(crate) to: &'a str,
    pub(crate) tag: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) number: u32,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("aor", &self.aor)
            .field("display", &self.display)
            .field("registrar", &self.registrar)
            .field("outbound", &self.outbound)
            .field("transport", &self.transport)
            .field("expires", &self.expires)
            .field("instance", &self.instance)
            .field("username", &self.credentials.as_ref().map(|(username, _)| username))
            .finish_non_exhaustive()
    }
}

/// An account and what is known about it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) account: Account,
    pub(crate) digest: DigestClient,
    pub(crate) registration: Registration,
    /// Which calls it refuses by itself.
    pub(crate) quiet: Option<crate::DoNotDisturb>,
}

impl Known {
    pub(crate) fn new(account: Account, registration: Registration) -> Self {
        let digest = match &account.credentials {
            Some((username, password)) => DigestClient::new(username, password),
            None => DigestClient::default(),
        };
        Self { account, digest, registration, quiet: None }
    }

    /// The rows of Route that calls and other requests outside of dialogs carry: to the outbound proxy, and then the way
    /// that the registrar has told (RFC 3608 §5). REGISTER takes the first part alone.
    pub(crate) fn routes(&self) -> Vec<String> {
        let mut routes = self.account.routes();
        let told = &self.registration.service_route;
        // The outbound proxy may be the first hop of that way.
        let is_told = |route: &String| told.first().is_some_and(|first| is_same_hop(first, route));
        if routes.last().is_some_and(is_told) {
            routes.pop();
        }
        routes.extend(told.iter().cloned());
        routes
    }

    /// Whether a request for this URI is for the account: the same user, wherever.
    pub(crate) fn is_meant(&self, uri: &ringback_message::SipUri<'_>) -> bool {
        let aor = self.account.aor.as_sip();
        uri.user().is_none() || aor.is_some_and(|aor| aor.user_octets() == uri.user_octets())
    }
}

fn is_same_hop(one: &str, other: &str) -> bool {
    let route = |text: &str| NameAddr::parse(text.as_bytes()).ok().map(|route| route.uri.to_owned());
    matches!((route(one), route(other)), (Some(one), Some(other)) if one.as_uri().equivalent(&other.as_uri()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(aor: &str) -> Account {
        Account::new(aor.parse().unwrap())
    }

    #[test]
    fn display_names_cannot_break_out_of_their_quotes() {
        let mallory = account("sip:m@example.com").display("M\" <sip:alice@example.com>, \"\\");
        assert_eq!(mallory.from(), r#""M\" <sip:alice@example.com>, \"\\" <sip:m@example.com>"#);
    }

    #[test]
    fn the_registrar_is_the_host_of_the_address_unless_told() {
        let uri = |account: &Account| account.registrar_uri().unwrap().to_string();
        assert_eq!(uri(&account("sip:a@example.com:5070;transport=tcp")), "sip:example.com:5070");
        assert_eq!(uri(&account("sips:a@[::1]")), "sips:[::1]");
        assert_eq!(uri(&account("sip:a@b").registrar("sip:c".parse().unwrap())), "sip:c");
        assert!(account("tel:+1").registrar_uri().is_none());
    }

    #[test]
    fn an_outbound_proxy_is_visited_as_a_loose_router() {
        let routes = |uri: &str| account("sip:a@b").outbound(Outbound::Uri(uri.parse().unwrap())).routes();
        assert_eq!(routes("sip:p"), ["<sip:p;lr>"]);
        assert_eq!(routes("sip:p;lr"), ["<sip:p;lr>"]);
    }
}
