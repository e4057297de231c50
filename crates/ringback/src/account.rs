//! Accounts: who we are towards whom.

use crate::call::CallBuilder;
use crate::endpoint::Endpoint;
use crate::node::Reply;
use crate::publication::PublicationBuilder;
use crate::subscription::SubscriptionBuilder;
use crate::{RegisterError, RequestFailed};
use bytes::Bytes;
use ringback_message::{Host, StatusCode, UriBuf};
use ringback_net::{Protocol, Target};
use ringback_ua::{AccountKey, CommandError, Content, Outbound, RequestKey};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// How a registration is doing.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Registration {
    /// Not asked for, or under way.
    Pending,
    /// It stands, and is refreshed before it expires.
    Active {
        /// For how long the registrar granted it.
        expires: Duration,
    },
    /// It was refused, or nobody answered.
    Failed {
        /// What the registrar said; 408 when nothing came, 503 when it could not be reached.
        status: StatusCode,
        /// Why.
        reason: String,
        /// When it is tried again; `None` when it is not.
        retry_in: Option<Duration>,
    },
    /// It was taken back.
    Removed,
}

/// Describes an account.
pub struct AccountBuilder {
    endpoint: Endpoint,
    address: String,
    display: Option<String>,
    username: Option<String>,
    password: Option<String>,
    server: Option<String>,
    transport: Option<Protocol>,
    expires: Option<Duration>,
    instance: Option<String>,
}

impl AccountBuilder {
    pub(crate) fn new(endpoint: Endpoint, address: String) -> Self {
        Self {
            endpoint,
            address,
            display: None,
            username: None,
            password: None,
            server: None,
            transport: None,
            expires: None,
            instance: None,
        }
    }

    /// The name that is shown to others.
    #[must_use]
    pub fn display(mut self, name: impl Into<String>) -> Self {
        self.display = Some(name.into());
        self
    }

    /// The password, for the user part of the address unless [`username`](Self::username) names another.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The name that the password belongs to.
    #[must_use]
    pub fn username(mut self, name: impl Into<String>) -> Self {
        self.username = Some(name.into());
        self
    }

    /// The server that requests go to first, `host` or `host:port`, instead of where their addresses lead.
    #[must_use]
    pub fn server(mut self, server: impl Into<String>) -> Self {
        self.server = Some(server.into());
        self
    }

    /// How to reach others where their addresses do not say; UDP by default.
    #[must_use]
    pub fn transport(mut self, protocol: Protocol) -> Self {
        self.transport = Some(protocol);
        self
    }

    /// For how long to register at a time; an hour by default.
    #[must_use]
    pub fn expires(mut self, expires: Duration) -> Self {
        self.expires = Some(expires);
        self
    }

    /// The URN that names this user agent to its registrar, `urn:uuid:…`, the same after each start (RFC 5626 §4.1). Without
    /// one it makes one up.
    #[must_use]
    pub fn instance(mut self, urn: impl Into<String>) -> Self {
        self.instance = Some(urn.into());
        self
    }

    /// Makes the account without registering it.
    ///
    /// # Errors
    /// When the address is no SIP URI or the server cannot be found.
    pub async fn open(self) -> Result<Account, RegisterError> {
        let aor = UriBuf::new(&self.address).map_err(RegisterError::Address)?;
        let user = aor.as_sip().and_then(|uri| uri.user().map(str::to_owned));
        let domain = aor.as_sip().and_then(|uri| match uri.host() {
            Host::Name(name) => Some(name.to_owned()),
            Host::Ip(_) => None,
        });
        let mut account = ringback_ua::Account::new(aor);
        if let Some(display) = self.display {
            account = account.display(display);
        }
        if let Some(password) = self.password {
            account = account.credentials(self.username.or(user).unwrap_or_default(), password);
        }
        if let Some(protocol) = self.transport {
            account = account.transport(protocol);
        }
        if let Some(expires) = self.expires {
            account = account.expires(expires);
        }
        if let Some(instance) = self.instance {
            account = account.instance(instance);
        }
        if let Some(server) = self.server {
            let protocol = self.transport.unwrap_or(Protocol::Udp);
            let address = look_up(&server, protocol.default_port()).await;
            let address = address.ok_or_else(|| RegisterError::Server(server.clone()))?;
            // Where the server is named by its address alone, the domain that it serves is what it has to prove.
            let named = host_of(&server).filter(|host| host.parse::<IpAddr>().is_err());
            let target = match named.or(domain.as_deref()) {
                Some(domain) => self.endpoint.inner.net.target(protocol, address, domain),
                None => Target::Address(protocol, address),
            };
            account = account.outbound(Outbound::Target(target));
        }
        let (sender, registration) = watch::channel(Registration::Pending);
        let key = self.endpoint.inner.command(|state, _| {
            let key = state.ua.add_account(account);
            state.accounts.insert(key, sender);
            key
        });
        Ok(Account { endpoint: self.endpoint, key, address: self.address, registration })
    }

    /// Makes the account and registers it. It stays registered until [`Account::unregister`].
    ///
    /// # Errors
    /// As [`open`](Self::open), and when the registrar refuses or does not answer. What can be tried again, such as a
    /// server that did not answer, is given up then.
    pub async fn register(self) -> Result<Account, RegisterError> {
        let mut account = self.open().await?;
        match account.register().await {
            Ok(_) => Ok(account),
            Err(error) => {
                account.forget();
                Err(error)
            }
        }
    }
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host_of(server: &str) -> Option<&str> {
    let host = match server.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') || host.ends_with(']') => host,
        _ => server,
    };
    Some(host.trim_start_matches('[').trim_end_matches(']')).filter(|host| !host.is_empty())
}

/// Finds the first address of `host`, `host:port`, `[v6]` or `[v6]:port`.
async fn look_up(server: &str, default_port: u16) -> Option<SocketAddr> {
    if let Ok(address) = server.parse::<SocketAddr>() {
        return Some(address);
    }
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()?),
        _ => (server, default_port),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut found = tokio::net::lookup_host((host, port)).await.ok()?.collect::<Vec<_>>();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied()
}

/// One of our addresses, ready to call and to be called. Clones are the same account.
#[derive(Clone)]
pub struct Account {
    pub(crate) endpoint: Endpoint,
    pub(crate) key: AccountKey,
    address: String,
    registration: watch::Receiver<Registration>,
}

impl Account {
    /// Our address, as it was given.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How the registration is doing.
    pub fn registration(&self) -> Registration {
        self.registration.borrow().clone()
    }

    /// Waits until the registration changes, and says how it is then; `None` when the endpoint is shut down. Cancel
    /// safe.
    pub async fn registration_changed(&mut self) -> Option<Registration> {
        self.registration.changed().await.ok()?;
        Some(self.registration.borrow_and_update().clone())
    }

    /// Registers, and keeps registered. Returns for how long at a time.
    ///
    /// # Errors
    /// When the registrar refuses or does not answer.
    pub async fn register(&mut self) -> Result<Duration, RegisterError> {
        self.settle(|state, now, key| state.ua.register(now, key)).await
    }

    /// Begins to register, and keeps registered; what becomes of it is told by
    /// [`registration_changed`](Self::registration_changed).
    ///
    /// # Errors
    /// When the endpoint cannot send it.
    pub fn start_registering(&self) -> Result<(), CommandError> {
        let key = self.key;
        self.endpoint.inner.command(|state, now| state.ua.register(now, key))
    }

    /// Takes the registration back.
    ///
    /// # Errors
    /// When the registrar refuses or does not answer.
    pub async fn unregister(&mut self) -> Result<(), RegisterError> {
        self.settle(|state, now, key| state.ua.unregister(now, key)).await.map(drop)
    }

    async fn settle(
        &mut self,
        command: impl FnOnce(&mut crate::node::State, Instant, AccountKey) -> Result<(), CommandError>,
    ) -> Result<Duration, RegisterError> {
        self.registration.mark_unchanged();
        let key = self.key;
        self.endpoint.inner.command(|state, now| command(state, now, key)).map_err(RegisterError::Command)?;
        loop {
            match self.registration_changed().await.ok_or(RegisterError::Shutdown)? {
                Registration::Pending => {}
                Registration::Active { expires } => return Ok(expires),
                Registration::Removed => return Ok(Duration::ZERO),
                Registration::Failed { status, reason, retry_in } => {
                    return Err(RegisterError::Refused { status, reason, retry_in });
                }
            }
        }
    }

    /// Begins to describe a call to `target`: `sip:bob@example.com`.
    pub fn call(&self, target: impl Into<String>) -> CallBuilder {
        CallBuilder::new(self.endpoint.clone(), self.key, target.into())
    }

    /// Begins to describe a subscription to a state of `target`: to the event package `message-summary`, `dialog`, `presence`.
    pub fn subscribe(&self, target: impl Into<String>, package: impl Into<String>) -> SubscriptionBuilder {
        SubscriptionBuilder::new(self.endpoint.clone(), self.key, target.into(), package.into())
    }

    /// Begins to describe a publication of a state of ours, in an event package such as `presence`.
    pub fn publish(
        &self,
        package: impl Into<String>,
        content_type: impl Into<String>,
        body: impl Into<Bytes>,
    ) -> PublicationBuilder {
        let content = Content::new(content_type, body);
        PublicationBuilder::new(
            self.endpoint.clone(),
            self.key,
            self.address.clone(),
            package.into(),
            content,
        )
    }

    /// Sends an instant message (RFC 3428). Returns the status that it was taken with: 200, or 202 when it waits
    /// somewhere.
    ///
    /// # Errors
    /// When it was refused or nobody answered.
    pub async fn message(&self, target: &str, text: &str) -> Result<StatusCode, RequestFailed> {
        let target = UriBuf::new(target).map_err(RequestFailed::Target)?;
        let body = text.to_owned();
        let reply =
            self.ask(|state, now, key| state.ua.message(now, key, &target, "text/plain", body)).await?;
        accepted(&reply)
    }

    /// Asks what the other side can do (OPTIONS), or whether it is there at all. Returns the status and how long
    /// the answer took.
    ///
    /// # Errors
    /// When nobody answered. A refusal is an answer.
    pub async fn ping(&self, target: &str) -> Result<(StatusCode, Duration), RequestFailed> {
        let target = UriBuf::new(target).map_err(RequestFailed::Target)?;
        let asked = Instant::now();
        let reply = self.ask(|state, now, key| state.ua.options(now, key, &target)).await?;
        match reply.response {
            Some(_) => Ok((reply.status, asked.elapsed())),
            None => Err(RequestFailed::Refused(reply.status, reply.reason)),
        }
    }

    async fn ask(
        &self,
        command: impl FnOnce(&mut crate::node::State, Instant, AccountKey) -> Result<RequestKey, CommandError>,
    ) -> Result<Reply, RequestFailed> {
        let (sender, receiver) = oneshot::channel();
        let key = self.key;
        self.endpoint
            .inner
            .command(|state, now| {
                command(state, now, key).map(|request| state.requests.insert(request, sender))
            })
            .map_err(RequestFailed::Command)?;
        receiver.await.map_err(|_| RequestFailed::Shutdown)
    }

    /// Forgets an account that could not be registered.
    fn forget(self) {
        let key = self.key;
        self.endpoint.inner.command(|state, _| {
            state.ua.remove_account(key);
            state.accounts.remove(&key);
        });
    }
}

pub(crate) fn accepted(reply: &Reply) -> Result<StatusCode, RequestFailed> {
    if reply.status.is_success() {
        Ok(reply.status)
    } else {
        Err(RequestFailed::Refused(reply.status, reply.reason.clone()))
    }
}
