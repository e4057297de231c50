//! A connection to a server on which no SIP is spoken, such as one that relays media: TCP, or TLS on it.

use crate::tls::{explain, plain_client};
use crate::{TlsError, TlsSettings};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;

/// Writes that may wait. More of them wait with who makes them, and can be dropped there.
const WAITING: usize = 8;
/// A peer that takes nothing for so long is gone.
const STUCK: Duration = Duration::from_secs(10);

/// Whom we trust on such connections, and what is spoken there.
#[derive(Clone, Debug)]
pub struct StreamTls(Arc<ClientConfig>);

impl StreamTls {
    /// Reads the files. Of `settings` it takes whose certificates are to be trusted; `alpn` is what is spoken (RFC 7301).
    ///
    /// # Errors
    /// Names the file that cannot be used, and why.
    pub fn new(settings: &TlsSettings, alpn: &[u8]) -> Result<Self, TlsError> {
        plain_client(settings, alpn).map(Self)
    }
}

/// A connection. Used inside a tokio runtime of the caller's own. What was given to [`send`](Self::send) before it is
/// dropped is written yet.
pub struct ByteStream {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    queue: mpsc::Sender<Vec<u8>>,
    local: SocketAddr,
}

impl ByteStream {
    /// Connects. With TLS, the certificate has to be for that name or address.
    ///
    /// # Errors
    /// When there is nobody, or, in words, when there is no TLS with him.
    pub async fn connect(to: SocketAddr, tls: Option<(&StreamTls, &str)>) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        // A packet of media waits for no other.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr()?;
        match tls {
            None => {
                let (reader, writer) = stream.into_split();
                Ok(Self::over(local, reader, writer))
            }
            Some((tls, name)) => {
                let name = ServerName::try_from(name.to_owned())
                    .map_err(|_| io::Error::other(format!("no certificate can name {name}")))?;
                let shaken = TlsConnector::from(tls.0.clone()).connect(name, stream).await;
                let stream = shaken.map_err(|error| io::Error::other(explain(&error)))?;
                let (reader, writer) = tokio::io::split(stream);
                Ok(Self::over(local, reader, writer))
            }
        }
    }

    fn over(
        local: SocketAddr,
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        tokio::spawn(write(writer, waiting));
        Self { reader: Box::new(reader), queue, local }
    }

    /// Our end of it.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Waits for octets; 0 when the peer has closed it. Cancel safe.
    ///
    /// # Errors
    /// When it is broken.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).await
    }

    /// Waits for octets, as [`receive`](Self::receive) does, or until there is room to [send](Self::send), which is `None`.
    /// Cancel safe.
    ///
    /// # Errors
    /// When it is broken, or the peer has taken nothing for ten seconds.
    pub async fn receive_or_room(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        tokio::select! {
            read = self.reader.read(buffer) => read.map(Some),
            room = self.queue.reserve() => match room {
                Ok(_) => Ok(None),
                Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
            },
        }
    }

    /// Whether there is room.
    pub fn has_room(&self) -> bool {
        self.queue.capacity() > 0
    }

    /// Sends. What there is no [room](Self::has_room) for is lost.
    pub fn send(&self, octets: Vec<u8>) {
        let _ = self.queue.try_send(octets);
    }
}

impl std::fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByteStream").field("local", &self.local).finish_non_exhaustive()
    }
}

/// Writes what is queued, until nobody queues any more.
async fn write(mut writer: impl AsyncWrite + Unpin, mut waiting: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut octets) = waiting.recv().await {
        while let Ok(more) = waiting.try_recv() {
            octets.extend(more);
        }
        let written = async {
            writer.write_all(&octets).await?;
            writer.flush().await
        };
        match tokio::time::timeout(STUCK, written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "a stream is broken");
                return;
            }
            Err(_) => {
                tracing::debug!("a stream is not read by its peer");
                return;
            }
        }
    }
    let _ = tokio::time::timeout(STUCK, writer.shutdown()).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TlsIdentity, TlsVerify};
    use rustls::ServerConfig;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        (listener, at)
    }

    #[tokio::test]
    async fn octets_go_both_ways_and_the_last_ones_are_written_after_it_is_dropped() {
        let (listener, at) = listener().await;
        let mut stream = ByteStream::connect(at, None).await.unwrap();
        let (mut peer, from) = listener.accept().await.unwrap();
        assert_eq!(stream.local(), from);
        peer.write_all(b"hello").await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(stream.receive(&mut buffer).await.unwrap(), 5);
        stream.send(b"last ".to_vec());
        stream.send(b"words".to_vec());
        drop(stream);
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"last words");
    }

    #[tokio::test]
    async fn a_peer_that_reads_nothing_leaves_no_room_and_costs_no_memory() {
        let (listener, at) = listener().await;
        let mut stream = ByteStream::connect(at, None).await.unwrap();
        let _peer = listener.accept().await.unwrap();
        let (mut sent, mut buffer) = (0, [0; 16]);
        let patience = Duration::from_millis(500);
        while let Ok(room) = tokio::time::timeout(patience, stream.receive_or_room(&mut buffer)).await {
            assert_eq!(room.unwrap(), None);
            stream.send(vec![0; 1 << 20]);
            sent += 1;
            assert!(sent < 200, "everything is taken");
        }
        assert!(!stream.has_room());
    }

    #[tokio::test]
    async fn nobody_there_is_an_error() {
        let (listener, at) = listener().await;
        drop(listener);
        let refused = ByteStream::connect(at, None).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    /// Shakes hands once, with a certificate for `named`.
    async fn secure_server(named: &str, folder: &std::path::Path) -> (SocketAddr, TlsSettings) {
        let Ok(TlsIdentity::Pem { certificate, key }) = TlsIdentity::self_signed(&[named.to_owned()]) else {
            panic!("no certificate");
        };
        let ca = folder.join("ca.pem");
        std::fs::write(&ca, &certificate).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let (listener, at) = listener().await;
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
                let mut buffer = [0; 16];
                let length = stream.read(&mut buffer).await.unwrap();
                stream.write_all(&buffer[..length]).await.unwrap();
                stream.flush().await.unwrap();
            }
        });
        (at, TlsSettings { ca: Some(ca), ..TlsSettings::default() })
    }

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("ringback-stream-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[tokio::test]
    async fn with_tls_the_name_has_to_be_that_of_the_certificate_and_who_signed_it_trusted() {
        let folder = folder("names");
        let (at, settings) = secure_server("turn.example.com", &folder).await;
        let tls = StreamTls::new(&settings, b"stun.turn").unwrap();
        let mut stream = ByteStream::connect(at, Some((&tls, "turn.example.com"))).await.unwrap();
        stream.send(b"echo".to_vec());
        let mut buffer = [0; 16];
        assert_eq!(stream.receive(&mut buffer).await.unwrap(), 4);

        let (at, settings) = secure_server("turn.example.com", &folder).await;
        let tls = StreamTls::new(&settings, b"stun.turn").unwrap();
        let refused = ByteStream::connect(at, Some((&tls, "turn.example.org"))).await.unwrap_err();
        assert!(refused.to_string().contains("turn.example.com"), "{refused}");

        let (at, _) = secure_server("turn.example.com", &folder).await;
        // The same name, signed by another.
        assert!(ByteStream::connect(at, Some((&tls, "turn.example.com"))).await.is_err());

        let (at, settings) = secure_server("turn.example.com", &folder).await;
        let anybody =
            StreamTls::new(&TlsSettings { verify: TlsVerify::Off, ..settings }, b"stun.turn").unwrap();
        assert!(ByteStream::connect(at, Some((&anybody, "turn.example.org"))).await.is_ok());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
