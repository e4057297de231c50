//! What hostile connections do. Each attack is one visit: it opens a connection, misbehaves, and is gone.

use crate::dice::Dice;
use crate::wire::{Goal, Kind, Wire, frame, framed, upgrade};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long somebody who behaves may have to wait for his answers.
const PATIENCE: Duration = Duration::from_secs(20);
/// How soon the server has to be rid of a connection that it cannot read.
const RID: Duration = Duration::from_secs(15);

/// A visit in the making.
pub(crate) struct Visit<'a> {
    pub(crate) goal: &'a Goal,
    pub(crate) kind: Kind,
    pub(crate) dice: Dice,
    /// The storm is over: whoever waits goes home.
    pub(crate) over: &'a AtomicBool,
}

/// What must not be, in words. Connections that break are part of the game.
type Fault = Option<String>;
type Attack = fn(&mut Visit<'_>) -> io::Result<Fault>;

/// Every attack and its name. Those that take the server's time stand once, the others more often.
pub(crate) const ATTACKS: &[(&str, Attack)] = &[
    ("random splits", splits),
    ("reset in mid-message", reset),
    ("stall in mid-message", stall),
    ("garbage", garbage),
    ("half a handshake", half_handshake),
    ("huge frame", huge_frame),
    ("flood", flood),
    ("connect and sit", sit),
    ("lies about length", lies),
    ("nonsense in frames", nonsense),
    ("random splits", splits),
    ("reset in mid-message", reset),
    ("garbage", garbage),
    ("half a handshake", half_handshake),
    ("connect and sit", sit),
];

/// Sends for as long as it can, and hears nothing. Dear for both sides, so only few do it.
pub(crate) const DEAF: (&str, Attack) = ("never reads", deaf);

fn options(dice: &mut Dice) -> Vec<u8> {
    let (branch, call) = (dice.next(), dice.next());
    format!(
        "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{branch:x};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:storm@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: {call:x}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn count(seen: &[u8], what: &[u8]) -> usize {
    seen.windows(what.len()).filter(|window| window == &what).count()
}

impl Visit<'_> {
    fn open(&mut self) -> io::Result<Wire> {
        self.goal.open(self.kind, &mut self.dice)
    }

    /// A few requests as this kind of connection carries them.
    fn requests(&mut self, many: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        for _ in 0..many {
            let request = options(&mut self.dice);
            match self.kind.is_web() {
                true => octets.extend(framed(&request, &mut self.dice)),
                false => octets.extend(request),
            }
        }
        octets
    }

    /// Waits in silence, until the storm is over at most.
    fn wait(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The server must end the connection by itself.
    fn expect_end(&mut self, wire: &mut Wire, of: &str) -> Fault {
        // Whoever is caught by the end of the storm has not waited long enough to tell.
        let closed = wire.is_closed_within(RID) || self.over.load(Ordering::Relaxed);
        (!closed).then(|| format!("{}: {of} is not closed", self.kind.name()))
    }
}

/// Behaves, but cuts what it says anywhere: every request is answered.
fn splits(visit: &mut Visit<'_>) -> io::Result<Fault> {
    let mut wire = visit.open()?;
    let many = visit.dice.between(1, 6);
    let requests = visit.requests(many);
    wire.write_split(&requests, &mut visit.dice)?;
    let answered = wire.read_for(PATIENCE, |seen| count(seen, b"SIP/2.0 200 ") >= many);
    let fault = answered.err().map(|error| format!("{}: {many} requests: {error}", visit.kind.name()));
    match visit.dice.coin() {
        true => wire.end(),
        false => wire.reset(),
    }
    Ok(fault)
}

fn reset(visit: &mut Visit<'_>) -> io::Result<Fault> {
    let mut wire = visit.open()?;
    let requests = visit.requests(2);
    let cut = visit.dice.between(1, requests.len());
    wire.write_split(&requests[..cut], &mut visit.dice)?;
    match visit.dice.coin() {
        true => wire.reset(),
        false => wire.end(),
    }
    Ok(None)
}

fn stall(visit: &mut Visit<'_>) -> io::Result<Fault> {
    let mut wire = visit.open()?;
    let requests = visit.requests(1);
    // Neither nothing nor a whole message.
    let cut = visit.dice.between(8, requests.len() - 8);
    wire.write(&requests[..cut])?;
    Ok(visit.expect_end(&mut wire, "half a message"))
}

/// Whatever it is, it is not what is spoken here.
fn garbage(visit: &mut Visit<'_>) -> io::Result<Fault> {
    let mut wire = match visit.dice.coin() {
        true => visit.open()?,
        false => Wire::Plain(visit.goal.dial(visit.kind)?),
    };
    let size = visit.dice.between(1, 8 << 10);
    let mut octets = visit.dice.octets(size);
    if visit.dice.coin() {
        octets.extend(b"\r\n\r\n");
    }
    wire.write_split(&octets, &mut visit.dice)?;
    let pause = visit.dice.millis(0, 2_000);
    let _ = wire.read_for(pause, |_| false);
    wire.reset();
    Ok(None)
}

fn half_handshake(visit: &mut Visit<'_>) -> io::Result<Fault> {
    let mut hello = Vec::new();
    match visit.kind {
        Kind::Tls | Kind::Wss => drop(visit.goal.hand()?.write_tls(&mut hello)?),
        Kind::Ws => hello.extend(upgrade().as_bytes()),
        Kind::Tcp => hello.extend(options(&mut visit.dice)),
    }
    let mut wire = Wire::Plain(visit.goal.dial(visit.kind)?);
    let cut = visit.dice.between(1, hello.len() - 1);
    wire.write(&hello[..cut])?;
    match visit.dice.between(0, 4) {
        0 => return Ok(visit.expect_end(&mut wire, "half a handshake")),
        1 => wire.reset(),
        2 => {
            let pause = visit.dice.millis(100, 2_000);
            visit.wait(pause);
        }
        _ => {
            let more = visit.dice.octets(600);
            wire.write(&more)?;
        }
    }
    Ok(None)
}

/// A frame that claims two GiB and more, and begins to come.
fn huge_frame(visit: &mut Visit<'_>) -> io::Result<Fault> {
    visit.kind = if visit.dice.coin() { Kind::Ws } else { Kind::Wss };
    let mut wire = visit.open()?;
    let claimed = *visit.dice.pick(&[1u64 << 31, (1 << 31) - 1, 1 << 40, (1 << 63) - 1, u64::MAX]);
    let size = visit.dice.between(0, 16 << 10);
    let payload = visit.dice.octets(size);
    let first = *visit.dice.pick(&[0x81, 0x82, 0x01, 0x02]);
    let octets = frame(first, claimed, &payload, &mut visit.dice);
    wire.write_split(&octets, &mut visit.dice)?;
    Ok(visit.expect_end(&mut wire, "a huge frame"))
}

/// Many requests at once; the answers are all read, or none is.
fn flood(visit: &mut Visit<'_>) -> io::Result<Fault> {
    let mut wire = visit.open()?;
    let many = visit.dice.between(50, 200);
    let requests = visit.requests(many);
    wire.write(&requests)?;
    if visit.dice.coin() {
        wire.reset();
        return Ok(None);
    }
    let answered = wire.read_for(PATIENCE, |seen| count(seen, b"SIP/2.0 200 ") >= many);
    Ok(answered.err().map(|error| format!("{}: a flood of {many}: {error}", visit.kind.name())))
}

fn deaf(visit: &mut Visit<'_>) -> io::Result<Fault> {
    visit.kind = Kind::Tcp;
    let mut wire = visit.open()?;
    wire.narrow();
    for _ in 0..600 {
        let requests = visit.requests(50);
        if wire.write(&requests).is_err() || visit.over.load(Ordering::Relaxed) {
            return Ok(None);
        }
    }
    Ok(Some("somebody who never reads may ask 30,000 questions".to_owned()))
}

fn sit(visit: &mut Visit<'_>) -> io::Result<Fault> {
    let wire = match visit.dice.coin() {
        true => visit.open()?,
        false => Wire::Plain(visit.goal.dial(visit.kind)?),
    };
    let pause = visit.dice.millis(500, 8_000);
    visit.wait(pause);
    drop(wire);
    Ok(None)
}

/// Lengths that are none, and headers without end.
fn lies(visit: &mut Visit<'_>) -> io::Result<Fault> {
    if visit.kind.is_web() {
        visit.kind = Kind::Tcp;
    }
    let mut wire = visit.open()?;
    let request = String::from_utf8_lossy(&options(&mut visit.dice)).into_owned();
    let with = |length: &str| request.replace("Content-Length: 0", length);
    let lie = match visit.dice.between(0, 6) {
        0 => with("Content-Length: 9223372036854775808"),
        1 => with("Content-Length: -1"),
        2 => with("Content-Length: 99999999999999999999999999999999999999"),
        3 => with("Content-Length: 5\r\nContent-Length: 7") + "12345",
        4 => with(&format!("Subject: {}", "x".repeat(100_000))),
        _ => with(&"X: y\r\n".repeat(15_000)),
    };
    wire.write_split(lie.as_bytes(), &mut visit.dice)?;
    Ok(visit.expect_end(&mut wire, "a lie about length"))
}

/// What RFC 6455 forbids, and what it allows to no good end.
fn nonsense(visit: &mut Visit<'_>) -> io::Result<Fault> {
    visit.kind = if visit.dice.coin() { Kind::Ws } else { Kind::Wss };
    let mut wire = visit.open()?;
    let dice = &mut visit.dice;
    let octets = match dice.between(0, 7) {
        // Without a mask.
        0 => vec![0x81, 5, b'h', b'e', b'l', b'l', b'o'],
        // An opcode and bits that nobody has defined.
        1 => frame(0xf3, 4, b"abcd", dice),
        // Text that is none.
        2 => frame(0x81, 4, &[0xff, 0xfe, 0xc0, 0x80], dice),
        // Goes on with what has not begun.
        3 => frame(0x80, 4, b"abcd", dice),
        // A ping that is too long.
        4 => frame(0x89, 200, &[0; 200], dice),
        // A farewell that means nothing.
        5 => frame(0x88, 2, &[0, 1], dice),
        // No SIP, in many small messages.
        _ => (0..100).flat_map(|_| frame(0x82, 12, b"hello there\n", dice)).collect(),
    };
    wire.write_split(&octets, dice)?;
    let pause = visit.dice.millis(0, 1_000);
    let _ = wire.read_for(pause, |_| false);
    wire.reset();
    Ok(None)
}
