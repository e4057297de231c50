//! A connection under TLS, once the handshake is over: whoever has something for it encrypts and writes it there and then.
//!
//! The session stands behind a lock, which is held while what was read at once is decrypted, or what is written in one turn
//! is encrypted. What the system does not take stays in the session, in its order.

use super::direct::Taken;
use super::pipe::{Part, READ, Sink, Source};
use crate::streams::Queued;
use bytes::Bytes;
use rustls::Connection;
use socket2::SockRef;
use std::future::poll_fn;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::ready;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The session, and the way out.
pub(crate) struct Sealed {
    stream: OwnedWriteHalf,
    session: Mutex<Connection>,
}

/// The end that is read from.
pub(super) struct Opened {
    stream: OwnedReadHalf,
    sealed: Arc<Sealed>,
}

/// The end that its task writes into.
pub(super) struct Seal(pub(super) Arc<Sealed>);

/// What can be done with a connection whose handshake is over.
pub(super) fn split(stream: TcpStream, mut session: Connection) -> (Opened, Arc<Sealed>) {
    // Nothing waits here but what one turn writes; all that comes after it is in the queue, which has limits.
    session.set_buffer_limit(None);
    let (reader, writer) = stream.into_split();
    let sealed = Arc::new(Sealed { stream: writer, session: Mutex::new(session) });
    (Opened { stream: reader, sealed: sealed.clone() }, sealed)
}

impl Sealed {
    fn session(&self) -> MutexGuard<'_, Connection> {
        // Whoever panicked with the lock left a session that refuses to go on, if it cannot.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encrypts some messages and writes what the system takes of that.
    pub(super) fn write_now(&self, messages: &[Bytes]) -> Taken {
        let mut session = self.session();
        // A session that is over is found so by its task, who knows what to do.
        if seal(&mut session, messages.iter()).is_err() {
            return Taken::Nothing;
        }
        match self.drain(&mut session) {
            Ok(true) => Taken::Whole,
            Ok(false) | Err(_) => Taken::Part(Queued::Sealed(messages.iter().map(Bytes::len).sum())),
        }
    }

    /// Writes what the system takes of all that is encrypted; tells whether that was all.
    fn drain(&self, session: &mut Connection) -> io::Result<bool> {
        while session.wants_write() {
            match session.write_tls(&mut Now(&self.stream)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn drained(&self) -> io::Result<()> {
        while !self.drain(&mut self.session())? {
            self.stream.writable().await?;
        }
        Ok(())
    }

    /// Takes what was read; nothing is the end of the stream.
    fn take(&self, mut read: &[u8]) -> io::Result<Option<Part>> {
        let mut session = self.session();
        let mut plain = Vec::new();
        loop {
            session.read_tls(&mut read)?;
            match session.process_new_packets() {
                Ok(state) => plain.reserve_exact(state.plaintext_bytes_to_read()),
                Err(error) => {
                    // The peer is told why, if that goes at once.
                    let _ = self.drain(&mut session);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
            open(&mut session, &mut plain);
            if read.is_empty() {
                break;
            }
        }
        // What the session itself has to say goes along with the next message at the latest.
        let _ = self.drain(&mut session);
        Ok((!plain.is_empty()).then(|| Part::Octets(plain.into())))
    }

    /// What was decrypted already, `None` at the end of the stream; fails with `WouldBlock` where more has to be read.
    fn ready(&self) -> io::Result<Option<Part>> {
        let mut session = self.session();
        let mut plain = Vec::new();
        open(&mut session, &mut plain);
        if plain.is_empty() {
            return session.reader().read(&mut [0]).map(|_| None);
        }
        Ok(Some(Part::Octets(plain.into())))
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// Encrypts messages, in as few records as they fit into.
fn seal<'a>(session: &mut Connection, messages: impl Iterator<Item = &'a Bytes>) -> io::Result<()> {
    let all: Vec<IoSlice<'_>> = messages.map(|bytes| IoSlice::new(bytes)).collect();
    // Without a limit it takes all of them.
    session.writer().write_vectored(&all).map(drop)
}

/// Takes what is decrypted: no more than what was read, and what was left of the handshake.
fn open(session: &mut Connection, plain: &mut Vec<u8>) {
    // An error says that nothing more is there now, or ever.
    let _ = session.reader().read_to_end(plain);
}

impl Source for Opened {
    async fn next(&mut self) -> io::Result<Option<Part>> {
        loop {
            match self.sealed.ready() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                ready => return ready,
            }
            let Self { stream, sealed } = self;
            let part = poll_fn(|cx| {
                // On the stack of this poll, so that it is there only while something is read.
                let mut space = [const { MaybeUninit::uninit() }; READ];
                let mut buffer = ReadBuf::uninit(&mut space);
                ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
                sealed.take(buffer.filled()).into()
            });
            if let Some(part) = part.await? {
                return Ok(Some(part));
            }
        }
    }
}

impl Sink for Seal {
    async fn write(&mut self, batch: &[Queued]) -> io::Result<()> {
        seal(&mut self.0.session(), batch.iter().filter_map(Queued::octets))?;
        self.0.drained().await
    }

    async fn end(&mut self) {
        self.0.session().send_close_notify();
        let _ = self.0.drained().await;
        let _ = SockRef::from(self.0.stream.as_ref()).shutdown(Shutdown::Write);
    }
}

/// Writes what goes without waiting.
struct Now<'a>(&'a OwnedWriteHalf);

impl io::Write for Now<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.try_write(octets)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::direct::{Direct, End};
    use crate::tls::{Tls, TlsIdentity, TlsSettings, TlsVerify};
    use ringback_sansio::{Flow, FlowId, Protocol};
    use rustls::pki_types::ServerName;
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::client::TlsStream;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    /// Our end of a connection, and a client's that another library drives.
    async fn pair() -> (Opened, Arc<Sealed>, TlsStream<TcpStream>) {
        let identity = TlsIdentity::self_signed(&["127.0.0.1".into()]).unwrap();
        let tls = Tls::new(TlsSettings {
            identity: Some(identity),
            verify: TlsVerify::Off,
            ..TlsSettings::default()
        });
        let (tls, now) = (tls.unwrap(), Instant::now());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (here, _) = listener.accept().await.unwrap();
        let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
        let connector = TlsConnector::from(tls.client(now, Protocol::Tls));
        let acceptor = TlsAcceptor::from(tls.server(now, Protocol::Tls).unwrap());
        let (here, there) = tokio::join!(acceptor.accept(here), connector.connect(name, there));
        let (stream, session) = here.unwrap().into_inner();
        let (opened, sealed) = split(stream, session.into());
        (opened, sealed, there.unwrap())
    }

    fn flow() -> Flow {
        let address = (Ipv4Addr::LOCALHOST, 1).into();
        Flow { id: FlowId(1), protocol: Protocol::Tls, local: address, peer: address }
    }

    #[tokio::test]
    async fn what_the_system_does_not_take_waits_encrypted_and_what_follows_comes_after_it() {
        let (_opened, sealed, mut there) = pair().await;
        let queued = Arc::new(AtomicUsize::new(0));
        let direct = Direct::new(flow(), End::Sealed(sealed.clone()), queued.clone());
        let (mut waiting, mut sent) = (Vec::new(), Vec::new());
        for round in 0..4_000_u32 {
            let message: Vec<u8> = round.to_be_bytes().repeat(5_000);
            sent.extend_from_slice(&message);
            direct.write(&[message.into()], |what| {
                queued.fetch_add(what.len(), Ordering::Relaxed);
                waiting.push(what);
            });
            if waiting.len() == 3 {
                break;
            }
        }
        assert!(matches!(waiting[..], [Queued::Sealed(20_000), Queued::Message(_), Queued::Message(_)]));
        let mut task = Seal(sealed);
        let mut read = vec![0; sent.len()];
        let (written, came) = tokio::join!(task.write(&waiting), there.read_exact(&mut read));
        assert_eq!((written.is_ok(), came.ok()), (true, Some(sent.len())));
        assert!(read == sent, "octets came in another order");
        queued.store(0, Ordering::Release);
        let two = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        assert!(direct.write(&two, |_| panic!("nothing waits any more")));
        let mut read = [0; 6];
        there.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"onetwo");
        task.end().await;
        assert_eq!(there.read(&mut read).await.unwrap(), 0, "the end is said, and not only there");
    }

    #[tokio::test]
    async fn all_that_is_said_is_read_up_to_the_end_and_a_stream_that_is_cut_is_no_end() {
        for is_cut in [false, true] {
            let (mut opened, _sealed, mut there) = pair().await;
            let said: Vec<u8> = (0..25_000_u32).flat_map(u32::to_be_bytes).collect();
            let (expected, mut read) = (said.clone(), Vec::new());
            let saying = async move {
                there.write_all(&said).await.unwrap();
                there.flush().await.unwrap();
                if is_cut {
                    there.get_mut().0.shutdown().await.unwrap();
                } else {
                    there.shutdown().await.unwrap();
                }
                there
            };
            let reading = async {
                loop {
                    match opened.next().await {
                        Ok(Some(Part::Octets(octets))) => read.extend_from_slice(&octets),
                        ended => return ended.map_err(|error| error.kind()),
                    }
                }
            };
            let (_there, ended) = tokio::join!(saying, reading);
            assert_eq!(ended, if is_cut { Err(io::ErrorKind::UnexpectedEof) } else { Ok(None) });
            assert!(read == expected);
        }
    }

    #[tokio::test]
    async fn octets_that_are_no_tls_end_the_connection_and_the_peer_is_told_why() {
        let (mut opened, _sealed, there) = pair().await;
        let (mut stream, _session) = there.into_inner();
        stream.write_all(&[0x17, 3, 3, 0, 20].into_iter().chain([9; 20]).collect::<Vec<u8>>()).await.unwrap();
        let error = opened.next().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[0], 0x17, "an alert, which is encrypted");
    }
}
