//! The side of the predecessor.

use super::{Offer, Stage, VERSION, word};
use crate::admin::Asked;
use crate::trace;
use ringback_net::send_descriptors;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// How long a successor may take to read the store.
const PATIENCE: Duration = Duration::from_secs(300);

/// Hands everything over to who asked for it by this stream; `answer` makes the line that is answered. Says whether it has gone on:
/// otherwise everything is as it was.
pub(crate) fn give(
    stream: &UnixStream,
    asked: &Asked,
    answer: impl Fn(Result<Offer, String>) -> io::Result<String>,
) -> io::Result<bool> {
    let Asked { core, net, reloader, .. } = asked;
    let mut stream = stream.try_clone()?;
    let refusal = if core.jobs.is_none() {
        Some("a server that keeps nothing on disk has nothing to hand over; --data DIR keeps it")
    } else if core.hand_over.has_predecessor.load(Ordering::Acquire) {
        Some("this server has just taken over itself, and the one before it has not ended yet")
    } else {
        None
    };
    if let Some(refusal) = refusal {
        stream.write_all(answer(Err(refusal.to_owned()))?.as_bytes())?;
        return Ok(false);
    }
    let listening = net.duplicates()?;
    let http = core.hand_over.http.lock().unwrap_or_else(PoisonError::into_inner);
    let http =
        http.as_ref().map(|(asked, socket)| socket.try_clone().map(|own| (*asked, OwnedFd::from(own))));
    let http = http.transpose()?;
    let offer = Offer {
        version: VERSION,
        listeners: listening.iter().map(|own| own.listen.to_string()).collect(),
        workers: listening.first().map_or(0, |own| own.sockets.len()),
        http: http.as_ref().map(|(asked, _)| *asked),
    };
    stream.write_all(answer(Ok(offer))?.as_bytes())?;
    for own in listening {
        send_descriptors(&stream, &own.sockets)?;
    }
    if let Some((_, socket)) = http {
        send_descriptors(&stream, &[socket])?;
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    // What is passed on must not be given up because the successor is slow for a moment.
    stream.set_write_timeout(None)?;
    hear(&mut stream, word::FREEZE)?;
    core.hand_over.begin_to_pass(&stream)?;
    core.set_draining(true);
    // Who had the lock of a shard before has begun what it begins, and everybody after it passes on.
    core.pass_every_shard();
    net.accept_connections(false);
    if let Some(jobs) = &core.jobs {
        jobs.flush();
    }
    let begun = core.hand_over.say_frozen().and_then(|()| hear(&mut stream, word::STARTED));
    if let Err(error) = begun {
        tracing::error!(%error, "the successor did not begin; this server goes on");
        core.hand_over.pass_no_more();
        core.set_draining(false);
        net.accept_connections(true);
        return Ok(false);
    }
    // One file is not written by two.
    if let Err(error) = reloader.trace_to(trace::Places::nowhere()) {
        tracing::error!(%error, "the trace goes on, beside that of the successor");
    }
    core.hand_over.stage.send_replace(Stage::Over);
    tracing::info!("a successor has taken over");
    let core = core.clone();
    let watch = move || {
        // Nothing more is said: when this returns the successor has ended, or is told that we do.
        let _ = stream.set_read_timeout(None);
        let _ = stream.read(&mut [0]);
        core.hand_over.stage.send_replace(Stage::Orphaned);
    };
    thread::Builder::new().name("successor".into()).spawn(watch)?;
    Ok(true)
}

fn hear(stream: &mut UnixStream, word: u8) -> io::Result<()> {
    let mut heard = [0];
    stream.read_exact(&mut heard)?;
    if heard == [word] { Ok(()) } else { Err(io::Error::other("the successor says something else")) }
}
