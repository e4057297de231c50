//! What a run of calls is made of, from the options.

use super::options::{Kind, Load, Transport};
use crate::outcome::Failure;
use bytes::Bytes;
use ringback_message::UriBuf;
use ringback_net::{Protocol, Target, local_ip_towards};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// The same for all threads of a caller.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    /// The Request-URI.
    pub(crate) uri: String,
    /// Where messages go first.
    pub(crate) hop: Target,
    /// Where that is from here.
    pub(crate) own_ip: IpAddr,
    pub(crate) users: Vec<User>,
    pub(crate) hold: Duration,
    pub(crate) timeout: Duration,
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// The address: `sip:alice@example.com`.
    pub(crate) address: String,
    pub(crate) login: Option<(String, String)>,
}

impl Plan {
    /// Reads the options, and asks for the address of the target.
    pub(crate) async fn of(load: &Load) -> Result<Self, Failure> {
        let target = load.target.as_deref().unwrap_or_default();
        let uri = uri_of(target).ok_or_else(|| {
            Failure::Usage(format!(
                "`{target}` is no SIP address; write for example sip:bob@example.com or 192.0.2.1:5060"
            ))
        })?;
        let sip = uri.as_sip().ok_or_else(|| Failure::Usage(format!("`{target}` is no SIP address")))?;
        if sip.is_secure() {
            return Err(Failure::Usage(format!("`{target}`: calls by TLS are not made here")));
        }
        let protocol = match load.transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        };
        let domain = sip.host().to_string();
        let authority = match (&load.server, sip.port()) {
            (Some(server), _) => server.clone(),
            (None, Some(port)) => format!("{domain}:{port}"),
            (None, None) => domain.clone(),
        };
        let peer = look_up(&authority, protocol).await?;
        let own_ip = local_ip_towards(peer)
            .map_err(|error| Failure::Failed(format!("there is no way to {peer}: {error}")))?;
        let uri = match load.kind() {
            // RFC 3261 §10.2: the domain, without a user.
            Kind::Register => match sip.port() {
                Some(port) => format!("sip:{domain}:{port}"),
                None => format!("sip:{domain}"),
            },
            Kind::Invite | Kind::Options | Kind::Message => sip.without_headers().to_owned(),
        };
        let users = users(load, &domain)?;
        Ok(Self {
            kind: load.kind(),
            uri,
            hop: Target::Address(protocol, peer),
            own_ip,
            users,
            hold: load.hold,
            timeout: load.timeout,
        })
    }

    /// A description of audio that is not sent: the calls are signalling only.
    pub(crate) fn offer(&self) -> Bytes {
        let ip = self.own_ip;
        let family = if ip.is_ipv6() { "IP6" } else { "IP4" };
        Bytes::from(format!(
            "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\na=inactive\r\n"
        ))
    }
}

impl Load {
    fn kind(&self) -> Kind {
        self.method
    }
}

fn uri_of(target: &str) -> Option<UriBuf> {
    let is_sip = ["sip:", "sips:"]
        .iter()
        .any(|scheme| target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)));
    let text = if is_sip { target.to_owned() } else { format!("sip:{target}") };
    UriBuf::new(&text).ok().filter(|uri| uri.as_sip().is_some_and(|sip| !sip.host().to_string().is_empty()))
}

async fn look_up(authority: &str, protocol: Protocol) -> Result<SocketAddr, Failure> {
    let has_port = authority.parse::<SocketAddr>().is_ok()
        || authority.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let place =
        if has_port { authority.to_owned() } else { format!("{authority}:{}", protocol.default_port()) };
    let found = tokio::net::lookup_host(&place).await;
    let mut found: Vec<SocketAddr> = found
        .map_err(|error| Failure::Failed(format!("no address is known for {authority}: {error}")))?
        .collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    let found = found.first().copied();
    match found {
        Some(place) if place.port() == 0 => {
            Err(Failure::Usage(format!("{authority}: nobody listens on port 0")))
        }
        Some(place) => Ok(place),
        None => Err(Failure::Failed(format!("no address is known for {authority}"))),
    }
}

fn users(load: &Load, domain: &str) -> Result<Vec<User>, Failure> {
    if let Some(path) = &load.users {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::Usage(format!("--users: {}: {error}", path.display())))?;
        return read_users(&text, domain, path);
    }
    let password = match (&load.password, &load.password_env) {
        (Some(password), _) => Some(password.clone()),
        (None, Some(variable)) => Some(crate::phone::password(variable)?),
        (None, None) => None,
    };
    let address = match (&load.from, &load.user) {
        (Some(from), _) => uri_of(from)
            .ok_or_else(|| Failure::Usage(format!("--from: `{from}` is no SIP address")))?
            .as_str()
            .to_owned(),
        (None, Some(user)) => address_of(user, domain),
        (None, None) => address_of("load", domain),
    };
    Ok(vec![User { address, login: load.user.clone().zip(password) }])
}

/// One user a line: `name,password`. A first line that calls the columns is left out, and so are empty lines and
/// those that begin with `#`.
fn read_users(text: &str, domain: &str, path: &Path) -> Result<Vec<User>, Failure> {
    let mut users = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, password) = match line.split_once(',') {
            Some((name, password)) => (name.trim(), Some(password.trim())),
            None => (line, None),
        };
        if users.is_empty() && ["user", "name"].contains(&name) && password.is_none_or(|it| it == "password")
        {
            continue;
        }
        if name.is_empty() {
            let place = format!("{}:{}", path.display(), number + 1);
            return Err(Failure::Usage(format!("--users: {place}: a name is needed, such as alice,secret")));
        }
        let login = password.map(|password| (name.to_owned(), password.to_owned()));
        users.push(User { address: address_of(name, domain), login });
    }
    match users.is_empty() {
        true => Err(Failure::Usage(format!("--users: {} names nobody", path.display()))),
        false => Ok(users),
    }
}

fn address_of(name: &str, domain: &str) -> String {
    format!("sip:{}@{domain}", ringback_message::escape_user(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_lines_with_and_without_a_heading() {
        let path = Path::new("users.csv");
        let users =
            read_users("name,password\r\nalice,won,der\n\n# no\nbob , x\ncarol\n", "example.com", path)
                .unwrap();
        let told: Vec<_> = users.iter().map(|user| (user.address.as_str(), user.login.clone())).collect();
        let login = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        let expected = [
            ("sip:alice@example.com", login("alice", "won,der")),
            ("sip:bob@example.com", login("bob", "x")),
            ("sip:carol@example.com", None),
        ];
        assert_eq!(told, expected);
        assert!(read_users("user\n", "example.com", path).is_err());
        let failure = read_users("alice,x\n,y\n", "example.com", path).unwrap_err();
        assert!(failure.to_string().contains("users.csv:2"), "{failure}");
    }

    #[test]
    fn targets_may_lack_the_scheme() {
        for (text, uri) in [
            ("bob@192.0.2.1:5070", Some("sip:bob@192.0.2.1:5070")),
            ("192.0.2.1", Some("sip:192.0.2.1")),
            ("SIP:bob@x", Some("SIP:bob@x")),
            ("not an address", None),
            ("", None),
        ] {
            assert_eq!(uri_of(text).as_ref().map(UriBuf::as_str), uri, "{text}");
        }
    }
}
