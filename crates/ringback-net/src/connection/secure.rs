//! Connections under TLS: the handshake, and what is said when it fails.

use super::direct::End;
use super::sealed::{self, Seal};
use super::{Ends, Handshake, prepared, web_socket};
use crate::Core;
use crate::shared::Shared;
use crate::tls::{domains_of, explain, is_about_trust, is_for};
use ringback_sansio::{CloseReason, Protocol, Target};
use ringback_transport::Identity;
use rustls::Connection;
use rustls::pki_types::{CertificateDer, DnsName, ServerName};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A connection that we made, and where our end of it is.
pub(super) struct Outgoing {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) local: SocketAddr,
    /// Whom the other side has proved to be.
    pub(super) name: String,
}

/// Shakes hands with a client. Fault 29: one that stalls is closed, and so are more than we have room for.
pub(super) async fn accept<C: Core>(
    shared: Arc<Shared<C>>,
    protocol: Protocol,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let tls = shared.config.tls.as_ref();
    let Some(config) = tls.and_then(|tls| tls.server(Instant::now(), protocol)) else { return };
    let guard = Handshake::new(shared.clone());
    if !guard.has_room() {
        return;
    }
    let local = prepared(&stream, peer);
    let end = tokio::time::Instant::now() + shared.config.handshake;
    let shaken = tokio::time::timeout_at(end, TlsAcceptor::from(config).accept(stream)).await;
    match shaken {
        Ok(Ok(stream)) if protocol == Protocol::Wss => {
            let upgraded = web_socket::accept(&shared.config, stream, peer);
            let upgraded = tokio::time::timeout_at(end, upgraded).await;
            drop(guard);
            match upgraded {
                Ok(Some(socket)) => {
                    web_socket::serve(shared, None, Ends::new(protocol, local, peer), socket).await;
                }
                Ok(None) => shared.drops.count("no_web_socket"),
                Err(_) => shared.drops.count("handshake_too_slow"),
            }
        }
        Ok(Ok(stream)) => {
            drop(guard);
            let identities = identities(&shared, stream.get_ref().1.peer_certificates(), peer);
            let (stream, session) = stream.into_inner();
            let ends = Ends { identities, ..Ends::new(protocol, local, peer) };
            run(shared, None, ends, stream, session.into()).await;
        }
        Ok(Err(error)) if is_about_trust(&error) => {
            shared.drops.count("tls_untrusted");
            tracing::warn!(%peer, "no TLS with a client: {}", explain(&error));
        }
        // Scanners do this all day.
        Ok(Err(error)) => {
            shared.drops.count("no_tls");
            tracing::debug!(%peer, "no TLS with a client: {}", explain(&error));
        }
        Err(_) => {
            shared.drops.count("handshake_too_slow");
            tracing::debug!(%peer, "no TLS with a client: it does not finish the handshake");
        }
    }
}

/// Shakes hands with a server, which has to be whom the target means.
pub(super) async fn connect<C: Core>(
    shared: &Arc<Shared<C>>,
    to: Target,
    stream: TcpStream,
) -> Result<Box<Outgoing>, CloseReason> {
    let Some(tls) = &shared.config.tls else { return Err(CloseReason::NoRoute) };
    let peer = to.peer();
    let name = match to {
        Target::Domain(_, _, domain) => {
            // Forgotten, or nothing that a certificate can name.
            let domain = shared.finder.domains.name(domain).ok_or(CloseReason::NoRoute)?;
            let domain = DnsName::try_from(domain.as_ref()).map_err(|_| CloseReason::NoRoute)?;
            ServerName::DnsName(domain.to_owned())
        }
        Target::Address(..) | Target::Flow(_) => ServerName::from(peer.ip()),
    };
    let local = prepared(&stream, peer);
    let shown = name.to_str().into_owned();
    match TlsConnector::from(tls.client(Instant::now(), to.protocol())).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(Outgoing { stream, local, name: shown })),
        Err(error) => {
            tracing::warn!(%peer, "no TLS with {shown}: {}", explain(&error));
            Err(reason(&error))
        }
    }
}

/// Who a client has proved to be. One that shows a certificate was asked for it, and then it was checked.
fn identities<C: Core>(
    shared: &Shared<C>,
    shown: Option<&[CertificateDer<'_>]>,
    peer: SocketAddr,
) -> Vec<Identity> {
    let Some(certificate) = shown.and_then(<[_]>::first) else { return Vec::new() };
    let domain = |name: String| {
        let id = shared.finder.domains.id(&name);
        Identity::Domain(name.into(), id)
    };
    let mut identities: Vec<Identity> = domains_of(certificate).into_iter().map(domain).collect();
    if is_for(certificate, peer.ip()) {
        identities.push(Identity::Address(peer.ip()));
    }
    identities
}

fn reason(error: &io::Error) -> CloseReason {
    if is_about_trust(error) { CloseReason::Untrusted } else { CloseReason::Reset }
}

/// Runs a connection that we made.
pub(super) async fn serve<C: Core>(
    shared: Arc<Shared<C>>,
    to: Option<Target>,
    outgoing: Outgoing,
    peer: SocketAddr,
) {
    let (stream, session) = outgoing.stream.into_inner();
    run(shared, to, Ends::new(Protocol::Tls, outgoing.local, peer), stream, session.into()).await;
}

async fn run<C: Core>(
    shared: Arc<Shared<C>>,
    to: Option<Target>,
    ends: Ends,
    stream: TcpStream,
    session: Connection,
) {
    let (source, sealed) = sealed::split(stream, session);
    let ends = Ends { direct: Some(End::Sealed(sealed.clone())), ..ends };
    super::serve(shared, to, ends, source, Seal(sealed)).await;
}
