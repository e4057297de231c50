//! The handshake, by whatever library does it.
//!
//! [`Handshake`] is what the rest of the crate needs of one; [`Rtc`] is the one there is, on the crate `rtc-dtls`.

use crate::certificate::is_announced;
use crate::keys::{self, SrtpKeys};
use crate::{Certificate, DtlsFailure};
use bytes::BytesMut;
use ringback_sdp::DtlsRole;
use ringback_srtp::Profile;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig, VerifyPeerCertificateFn};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The label of RFC 5764 §4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";
/// Handshake messages are cut so that they pass everywhere with the headers of a relay.
const MTU: usize = 1_200;
/// Between a flight and its repetition.
const FLIGHT: Duration = Duration::from_millis(500);

/// What a datagram or a moment brought.
#[derive(Debug)]
pub(crate) enum Progress {
    /// It goes on.
    None,
    Done(Box<SrtpKeys>),
    /// The peer has said good-bye.
    Closed,
    Failed(DtlsFailure),
    /// The peer does not answer; it may be tried once more.
    Silent,
}

/// One handshake with one peer.
pub(crate) trait Handshake: Send {
    fn handle(&mut self, now: Instant, datagram: &[u8]) -> Progress;
    fn handle_timeout(&mut self, now: Instant) -> Progress;
    fn poll_transmit(&mut self) -> Option<Vec<u8>>;
    fn poll_timeout(&self) -> Option<Instant>;
    /// Says good-bye, in what is polled then.
    fn close(&mut self, now: Instant);
}

/// The handshake of `rtc-dtls`: DTLS 1.2.
pub(crate) struct Rtc {
    endpoint: Endpoint,
    role: DtlsRole,
    fingerprints: Arc<[String]>,
    /// Whether the peer showed another certificate than was announced.
    is_stranger: Arc<AtomicBool>,
}

/// The library tells associations apart by address. Ours tells them apart itself, so all are here.
const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9));
const OWN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 9));

impl Rtc {
    pub(crate) fn new(
        now: Instant,
        certificate: &Certificate,
        role: DtlsRole,
        fingerprints: Arc<[String]>,
    ) -> Result<Self, DtlsFailure> {
        let is_stranger = Arc::new(AtomicBool::new(false));
        let (announced, stranger) = (Arc::clone(&fingerprints), Arc::clone(&is_stranger));
        let verify: VerifyPeerCertificateFn = Arc::new(move |chain, _| match chain.first() {
            Some(der) if is_announced(der, &announced) => Ok(()),
            _ => {
                stranger.store(true, Ordering::Relaxed);
                Err(Error::Other("another certificate than was announced".to_owned()))
            }
        });
        let config = config(certificate, role, verify).map_err(|error| failed(&error))?;
        let (is_client, config) = (role == DtlsRole::Client, Arc::new(config));
        let server = (!is_client).then(|| Arc::clone(&config));
        let mut endpoint = Endpoint::new(OWN, TransportProtocol::UDP, server);
        if is_client {
            endpoint.connect(now, PEER, config, None).map_err(|error| failed(&error))?;
        }
        Ok(Self { endpoint, role, fingerprints, is_stranger })
    }

    fn keys(&self) -> Result<Box<SrtpKeys>, DtlsFailure> {
        let state = self.endpoint.get_connection_state(PEER).ok_or(DtlsFailure::Closed)?;
        // Looked at once more: keys of a stranger must not come of any order of messages.
        if !state.peer_certificates.first().is_some_and(|der| is_announced(der, &self.fingerprints)) {
            return Err(DtlsFailure::Fingerprint);
        }
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => Profile::AeadAes256Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::AesCm128HmacSha1_80,
            _ => return Err(DtlsFailure::Profile),
        };
        let secret = state
            .export_keying_material(LABEL, &[], keys::length(profile))
            .map_err(|error| failed(&error))?;
        let keys = keys::split(profile, secret.as_ref(), self.role == DtlsRole::Client);
        keys.map(Box::new).ok_or(DtlsFailure::Profile)
    }

    fn failure(&self, error: &Error) -> DtlsFailure {
        match self.is_stranger.load(Ordering::Relaxed) {
            true => DtlsFailure::Fingerprint,
            false => failed(error),
        }
    }
}

fn config(
    certificate: &Certificate,
    role: DtlsRole,
    verify: VerifyPeerCertificateFn,
) -> Result<HandshakeConfig, Error> {
    let profiles = vec![
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    ];
    ConfigBuilder::default()
        .with_crypto_provider(Arc::clone(&certificate.provider))
        .with_certificates(vec![(*certificate.own).clone()])
        .with_srtp_protection_profiles(profiles)
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        // No authority vouches for anybody here: the fingerprint does, and the callback looks at it.
        .with_insecure_skip_verify(true)
        .with_verify_peer_certificate(Some(verify))
        .with_flight_interval(FLIGHT)
        .with_mtu(MTU)
        .build(role == DtlsRole::Client, Some(PEER))
}

fn failed(error: &Error) -> DtlsFailure {
    DtlsFailure::Handshake(error.to_string())
}

impl Handshake for Rtc {
    fn handle(&mut self, now: Instant, datagram: &[u8]) -> Progress {
        match self.endpoint.read(now, PEER, None, BytesMut::from(datagram)) {
            Ok(events) => {
                let mut progress = Progress::None;
                for event in events {
                    progress = match event {
                        EndpointEvent::HandshakeComplete => match self.keys() {
                            Ok(keys) => Progress::Done(keys),
                            Err(failure) => return Progress::Failed(failure),
                        },
                        EndpointEvent::PeerClosed => return Progress::Closed,
                        // Nobody agreed on data.
                        _ => progress,
                    };
                }
                progress
            }
            Err(error) => Progress::Failed(self.failure(&error)),
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Progress {
        match self.endpoint.handle_timeout(PEER, now) {
            Ok(()) | Err(Error::InvalidRemoteAddress(_)) => Progress::None,
            Err(_) => Progress::Silent,
        }
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message.to_vec())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout(&PEER)
    }

    fn close(&mut self, now: Instant) {
        let _ = self.endpoint.stop(now, PEER);
    }
}
