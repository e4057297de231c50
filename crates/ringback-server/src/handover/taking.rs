//! The side of the successor.

use super::frame::{self, Frame};
use super::{Offer, word};
use crate::admin;
use crate::core::ServerCore;
use crate::locations::Locations;
use crate::server::StartError;
use crate::store::Store;
use bytes::Bytes;
use ringback_net::{Inherited, Listen, Net, Protocol, receive_descriptors};
use ringback_registrar::{Aor, Change, LocationStore as _};
use ringback_sansio::Epoch;
use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

/// The server that goes, and what it hands over.
pub(crate) struct Predecessor {
    stream: UnixStream,
    listeners: Vec<Listen>,
    sockets: Vec<Inherited>,
    http: Option<(SocketAddr, TcpListener)>,
    /// What it passed on before it was frozen.
    early: Vec<(usize, SocketAddr, Bytes)>,
    is_gone: bool,
}

impl Predecessor {
    /// Asks the server behind an admin socket for what it has; nothing where there is none.
    pub(crate) fn find(socket: &Path) -> Result<Option<Self>, StartError> {
        let stream = match UnixStream::connect(socket) {
            Ok(stream) => stream,
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(StartError::TakeOver(error.to_string())),
        };
        let failed = |error: io::Error| StartError::TakeOver(error.to_string());
        let offer = admin::ask_for_sockets(&stream).map_err(failed)?;
        Self::receive(stream, &offer).map(Some).map_err(failed)
    }

    fn receive(stream: UnixStream, offer: &Offer) -> io::Result<Self> {
        let listeners = offer.listeners()?;
        let mut sockets = Vec::new();
        for listen in &listeners {
            sockets
                .push(Inherited { listen: *listen, sockets: receive_descriptors(&stream, offer.workers)? });
        }
        let http = match offer.http {
            Some(asked) => receive_descriptors(&stream, 1)?.pop().map(|own| (asked, TcpListener::from(own))),
            None => None,
        };
        Ok(Self { stream, listeners, sockets, http, early: Vec::new(), is_gone: false })
    }

    /// Its sockets, once.
    pub(crate) fn sockets(&mut self) -> Vec<Inherited> {
        std::mem::take(&mut self.sockets)
    }

    /// The socket of its admin API, where it is to be at the same place.
    pub(crate) fn http(&mut self, listen: Option<SocketAddr>) -> Option<TcpListener> {
        self.http.take_if(|(asked, _)| Some(*asked) == listen).map(|(_, socket)| socket)
    }

    /// Has it take nothing new any more, and reads what was written since the store was read.
    pub(crate) fn freeze(
        &mut self,
        store: &Store,
        locations: &Locations,
        epoch: Epoch,
    ) -> Result<(), StartError> {
        if let Err(error) = self.wait_until_frozen() {
            // All that it acknowledged is on the disk, and its sockets are ours.
            tracing::warn!(%error, "the server that was to be taken over from is gone");
            self.is_gone = true;
        }
        for aor in store.changed()? {
            let Some(aor) = Aor::parse(&aor) else { continue };
            let mut bindings = Vec::new();
            store.bindings_of(&aor, epoch.at, &epoch, |binding| bindings.push(binding))?;
            locations.with(&aor, |all| {
                let known = all.lookup(epoch.at, &aor).into_iter();
                let gone: Vec<Change> = known.map(|own| Change::Remove(aor.clone(), own.key())).collect();
                // What is taken out makes room for what is put in; where it was full before, it stays so.
                let _ = all.commit(epoch.at, &gone);
                bindings.into_iter().all(|binding| all.restore(epoch.at, aor.clone(), binding).is_ok())
            });
        }
        store.watch_no_more()?;
        Ok(())
    }

    fn wait_until_frozen(&mut self) -> io::Result<()> {
        self.stream.write_all(&[word::FREEZE])?;
        loop {
            match frame::read(&mut self.stream)? {
                Frame::Frozen => return Ok(()),
                Frame::Datagram(listener, peer, bytes) => self.early.push((listener, peer, bytes)),
            }
        }
    }

    /// Tells it that everything runs here, and takes what it passes on; when it has ended, datagrams are read here.
    pub(crate) fn succeed(mut self, core: &Arc<ServerCore>, net: &Arc<Net<ServerCore>>) -> io::Result<()> {
        if !self.is_gone && self.stream.write_all(&[word::STARTED]).is_err() {
            self.is_gone = true;
        }
        core.hand_over.has_predecessor.store(!self.is_gone, Ordering::Release);
        net.accept_connections(true);
        let ours = self.listener_numbers(net.asked());
        let (core, net) = (core.clone(), net.clone());
        let run = move || {
            let take = |(listener, peer, bytes): (usize, SocketAddr, Bytes)| {
                if let Some(Some(number)) = ours.get(listener) {
                    net.take_datagram(*number, peer, bytes);
                }
            };
            self.early.drain(..).for_each(take);
            if !self.is_gone {
                let mut stream = BufReader::with_capacity(1 << 16, &self.stream);
                while let Ok(Frame::Datagram(listener, peer, bytes)) = frame::read(&mut stream) {
                    take((listener, peer, bytes));
                }
            }
            core.hand_over.has_predecessor.store(false, Ordering::Release);
            tracing::info!("the server that was taken over from has ended");
            if let Err(error) = net.read_datagrams() {
                tracing::error!(%error, "datagrams are not read");
            }
        };
        thread::Builder::new().name("predecessor".into()).spawn(run).map(drop)
    }

    /// For each of its listeners for datagrams, the number of ours, where we have it as well.
    fn listener_numbers(&self, ours: &[Listen]) -> Vec<Option<usize>> {
        let is_udp = |listen: &&Listen| listen.protocol == Protocol::Udp;
        let ours: Vec<&Listen> = ours.iter().filter(is_udp).collect();
        let theirs = self.listeners.iter().filter(is_udp);
        theirs.map(|theirs| ours.iter().position(|own| *own == theirs)).collect()
    }
}
