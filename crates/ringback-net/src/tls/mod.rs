//! TLS: our certificate, whom we trust, and what is said when it fails (RFC 3261 §26.3, RFC 5922).

mod error;
mod facts;
mod identity;
mod own;

pub use error::TlsError;
pub(crate) use error::{explain, is_about_trust};
pub use facts::CertificateFacts;

pub(crate) use identity::{domains_of, is_for};

use identity::{AnyPeer, SipPeer};
use ringback_sansio::Protocol;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What the IANA registry calls SIP in ALPN.
const ALPN: &[u8] = b"sip";
/// What WebSocket begins as (RFC 6455 §4).
const ALPN_WEB: &[u8] = b"http/1.1";
/// How often it is looked whether files have changed, at most.
const LOOK: Duration = Duration::from_secs(1);

/// Whose certificates are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVerify {
    /// Those of servers that we connect to.
    #[default]
    On,
    /// Nobody's. **Dangerous**: whoever is on the way can read and change everything.
    Off,
    /// Those of servers that we connect to, and of clients, who have to have one.
    Mutual,
}

/// How TLS is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Our certificate with its chain and our key. A listener needs one.
    pub identity: Option<TlsIdentity>,
    /// Whose certificates servers that we connect to must have, in PEM; without a file those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Whose certificates clients must have, in PEM. [`TlsVerify::Mutual`] needs one.
    pub client_ca: Option<PathBuf>,
    /// Whose certificates are checked.
    pub verify: TlsVerify,
}

/// Our certificate and key.
#[derive(Clone, PartialEq, Eq)]
pub enum TlsIdentity {
    /// In these files, which are read again when they change.
    Files {
        /// The certificate and those that it is signed with, in PEM.
        certificate: PathBuf,
        /// The key in PEM.
        key: PathBuf,
    },
    /// These texts, in PEM.
    Pem {
        /// The certificate and those that it is signed with.
        certificate: String,
        /// The key.
        key: String,
    },
}

impl std::fmt::Debug for TlsIdentity {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Files { certificate, key } => {
                write!(f, "Files {{ certificate: {certificate:?}, key: {key:?} }}")
            }
            Self::Pem { .. } => f.write_str("Pem"),
        }
    }
}

/// TLS, ready to be used.
#[derive(Debug)]
pub struct Tls {
    has_identity: bool,
    current: Mutex<Current>,
}

/// Ours for SIP itself, and for SIP over WebSocket: they differ in what they offer by ALPN.
#[derive(Debug)]
struct Both<T> {
    sip: Arc<T>,
    web: Arc<T>,
}

impl<T> Clone for Both<T> {
    fn clone(&self) -> Self {
        Self { sip: self.sip.clone(), web: self.web.clone() }
    }
}

impl<T> Both<T> {
    fn of(self, protocol: Protocol) -> Arc<T> {
        if protocol == Protocol::Wss { self.web } else { self.sip }
    }
}

#[derive(Debug)]
struct Current {
    settings: TlsSettings,
    /// `None` without a certificate of our own.
    server: Option<Both<ServerConfig>>,
    client: Both<ClientConfig>,
    looked: Option<Instant>,
    files: Vec<Option<SystemTime>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Names the file that cannot be used, and why.
    pub fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        let files = changed(&settings);
        let (server, client) = load(&settings)?;
        warn_of(&settings);
        let has_identity = settings.identity.is_some();
        let current = Current { settings, server, client, looked: None, files };
        Ok(Self { has_identity, current: Mutex::new(current) })
    }

    /// Goes on with other settings, or with the same and files that have changed; says whether anything is another one than
    /// before. Connections that are open go on with what they began with.
    ///
    /// # Errors
    /// Names the file that cannot be used, and why; then everything stays as it was.
    pub fn replace(&self, settings: TlsSettings) -> Result<bool, TlsError> {
        let files = changed(&settings);
        // Read whether they changed or not: a file that was broken meanwhile has to be told of.
        let (server, client) = load(&settings)?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if settings == current.settings && files == current.files {
            return Ok(false);
        }
        if settings.verify != current.settings.verify {
            warn_of(&settings);
        }
        *current = Current { settings, server, client, looked: current.looked, files };
        Ok(true)
    }

    /// Whether we can accept connections.
    pub fn has_identity(&self) -> bool {
        self.has_identity
    }

    pub(crate) fn server(&self, now: Instant, protocol: Protocol) -> Option<Arc<ServerConfig>> {
        self.current(now).server.clone().map(|server| server.of(protocol))
    }

    pub(crate) fn client(&self, now: Instant, protocol: Protocol) -> Arc<ClientConfig> {
        self.current(now).client.clone().of(protocol)
    }

    /// What new connections are made with. Those that are open go on with what they began with.
    fn current(&self, now: Instant) -> MutexGuard<'_, Current> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK) {
            current.looked = Some(now);
            let files = changed(&current.settings);
            if files != current.files {
                current.files = files;
                match load(&current.settings) {
                    Ok((server, client)) => {
                        (current.server, current.client) = (server, client);
                        tracing::info!("changed certificates are in use");
                    }
                    Err(error) => {
                        tracing::warn!(%error, "changed certificates cannot be used; the old ones stay")
                    }
                }
            }
        }
        current
    }
}

fn warn_of(settings: &TlsSettings) {
    if settings.verify == TlsVerify::Off {
        tracing::warn!("DANGEROUS: certificates of peers are not checked; anybody on the way can listen in");
    }
}

/// When the files were changed last.
fn changed(settings: &TlsSettings) -> Vec<Option<SystemTime>> {
    let identity = match &settings.identity {
        Some(TlsIdentity::Files { certificate, key }) => [Some(certificate), Some(key)],
        Some(TlsIdentity::Pem { .. }) | None => [None, None],
    };
    let files = identity.into_iter().chain([settings.ca.as_ref(), settings.client_ca.as_ref()]);
    files.map(|file| std::fs::metadata(file?).ok()?.modified().ok()).collect()
}

/// For a connection on which no SIP is spoken: whom we trust is the same, but a certificate names a host as on the web
/// (RFC 6125), and not a SIP domain. `alpn` is what is spoken.
pub(crate) fn plain_client(settings: &TlsSettings, alpn: &[u8]) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let client = client.expect("TLS 1.2 and 1.3 are built in").dangerous();
    let verifier: Arc<dyn ServerCertVerifier> = match (settings.verify, &settings.ca) {
        (TlsVerify::Off, _) => Arc::new(AnyPeer::new(&provider)),
        (TlsVerify::On | TlsVerify::Mutual, file) => {
            let (of, roots) = match file {
                Some(file) => (file.as_path(), roots(file)?),
                None => (Path::new("certificates of the system"), system_roots()),
            };
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
            verifier.build().map_err(|error| TlsError::new(of, error.to_string()))?
        }
    };
    let mut client = client.with_custom_certificate_verifier(verifier).with_no_client_auth();
    client.alpn_protocols = vec![alpn.to_vec()];
    Ok(Arc::new(client))
}

type Loaded = (Option<Both<ServerConfig>>, Both<ClientConfig>);

fn load(settings: &TlsSettings) -> Result<Loaded, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let identity = settings.identity.as_ref().map(|identity| certified(identity, &provider)).transpose()?;
    let identity = identity.map(|key| Arc::new(SingleCertAndKey::from(key)));
    let versions = "TLS 1.2 and 1.3 are built in";

    let client = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let client = client.expect(versions).dangerous();
    let client = match settings.verify {
        TlsVerify::Off => client.with_custom_certificate_verifier(Arc::new(AnyPeer::new(&provider))),
        TlsVerify::On | TlsVerify::Mutual => {
            let roots = match &settings.ca {
                Some(file) => roots(file)?,
                None => system_roots(),
            };
            client.with_custom_certificate_verifier(Arc::new(SipPeer::new(roots, &provider)))
        }
    };
    let mut client = match &identity {
        Some(identity) => client.with_client_cert_resolver(identity.clone()),
        None => client.with_no_client_auth(),
    };
    let mut web = client.clone();
    web.alpn_protocols = vec![ALPN_WEB.to_vec()];
    client.alpn_protocols = vec![ALPN.to_vec()];
    let client = Both { sip: Arc::new(client), web: Arc::new(web) };

    let Some(identity) = identity else { return Ok((None, client)) };
    // To seed random numbers takes 50 ms of work the first time, for which the first peer would wait.
    let _ = provider.secure_random.fill(&mut [0]);
    let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let server = server.expect(versions);
    let server = match (settings.verify, &settings.client_ca) {
        (TlsVerify::Mutual, Some(file)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(file)?), provider);
            let verifier = verifier.build().map_err(|error| TlsError::new(file, error.to_string()))?;
            server.with_client_cert_verifier(verifier)
        }
        (TlsVerify::Mutual, None) => return Err(TlsError::NoClientCa),
        (TlsVerify::On | TlsVerify::Off, _) => server.with_no_client_auth(),
    };
    let mut server = server.with_cert_resolver(identity);
    let mut web = server.clone();
    web.alpn_protocols = vec![ALPN_WEB.to_vec()];
    server.alpn_protocols = vec![ALPN.to_vec()];
    Ok((Some(Both { sip: Arc::new(server), web: Arc::new(web) }), client))
}

fn certified(identity: &TlsIdentity, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let (of, certificate, key_of, key) = match identity {
        TlsIdentity::Files { certificate, key } => {
            (certificate.as_path(), read(certificate)?, key.as_path(), read(key)?)
        }
        TlsIdentity::Pem { certificate, key } => {
            let own = Path::new("own certificate");
            (own, certificate.clone().into(), own, key.clone().into())
        }
    };
    let chain = certificates(of, &certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| TlsError::new(key_of, format!("holds no private key in PEM ({error:?})")))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        TlsError::new(key_of, format!("the key does not fit to the certificate in {}: {error}", of.display()))
    })
}

fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, &read(file)?)? {
        roots.add(certificate).map_err(|error| TlsError::new(file, error.to_string()))?;
    }
    Ok(roots)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        tracing::warn!(
            "the system trusts nobody: name a file with certificates, else no TLS server can be reached"
        );
    }
    roots
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(TlsError::new(file, "holds no certificate in PEM")),
        Err(error) => Err(TlsError::new(file, format!("is no PEM: {error:?}"))),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| TlsError::new(file, error.to_string()))
}
