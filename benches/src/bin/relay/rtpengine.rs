//! Calls by the protocol of rtpengine: bencoded dictionaries in datagrams, each behind a cookie.

use crate::ends::End;
use crate::{Outcome, Relay};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Four ports for each call, and some to spare.
const FIRST_PORT: usize = 33_000;

pub(crate) struct Control {
    socket: UdpSocket,
    asked: u64,
}

/// Starts one in user space.
pub(crate) fn start(calls: usize) -> Outcome<(Relay, Control)> {
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let mut command = Command::new("rtpengine");
    command.args(["--foreground", "--log-stderr", "--log-level=4", "--table=-1", "--config-file=none"]);
    command.args(["--interface=127.0.0.1", "--num-threads=2", "--delete-delay=0", "--timeout=600"]);
    command.arg(format!("--listen-ng=127.0.0.1:{port}")).arg(format!("--port-min={FIRST_PORT}"));
    command.arg(format!("--port-max={}", (FIRST_PORT + 8 * calls + 100).min(65_000)));
    let relay = Relay::start(command.stderr(Stdio::null()).stdout(Stdio::null()))?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut control = Control { socket, asked: 0 };
    control.ask(&[("command", text("ping"))])?;
    Ok((relay, control))
}

fn text(text: &str) -> Vec<u8> {
    [format!("{}:", text.len()).as_bytes(), text.as_bytes()].concat()
}

fn list(words: &[&str]) -> Vec<u8> {
    let words: Vec<u8> = words.iter().flat_map(|word| text(word)).collect();
    [b"l", &words[..], b"e"].concat()
}

impl Control {
    /// Asks, again while nothing comes, and gives the answer.
    fn ask(&mut self, entries: &[(&str, Vec<u8>)]) -> Outcome<Vec<u8>> {
        self.asked += 1;
        let mut entries = entries.to_vec();
        entries.sort();
        let entries: Vec<u8> =
            entries.into_iter().flat_map(|(key, value)| [text(key), value].concat()).collect();
        let cookie = format!("c{} ", self.asked);
        let question = [cookie.as_bytes(), b"d", &entries, b"e"].concat();
        let mut buffer = vec![0; 65_536];
        for _ in 0..20 {
            // Nobody may listen yet.
            let length = self.socket.send(&question).and_then(|_| self.socket.recv(&mut buffer));
            match length.map(|length| buffer[..length].strip_prefix(cookie.as_bytes())) {
                Ok(Some(answer)) => return Ok(answer.to_vec()),
                Ok(None) => {}
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
        Err("rtpengine does not answer".into())
    }

    /// Sets so many calls up; gives their ends.
    pub(crate) fn calls(&mut self, calls: usize, encrypts: bool) -> Outcome<Vec<End>> {
        let mut ends = Vec::with_capacity(2 * calls);
        for number in 0..calls as u64 {
            let (mut one, mut other) = (End::new(2 * number, encrypts)?, End::new(2 * number + 1, false)?);
            let call = text(&format!("call-{number}"));
            let common = [
                ("call-id", call),
                ("from-tag", text("a")),
                ("ICE", text("remove")),
                ("replace", list(&["origin"])),
                ("flags", list(&["trust-address"])),
            ];
            let say = |command: &str, description: &str, protocol: &str| {
                let own = [
                    ("command", text(command)),
                    ("sdp", text(description)),
                    ("transport-protocol", text(protocol)),
                    ("DTLS", text("off")),
                    ("SDES", list(&["only-AES_CM_128_HMAC_SHA1_80"])),
                    ("to-tag", text("b")),
                ];
                // The tag of who is called is not known when he is.
                let own = own.into_iter().filter(|(key, _)| *key != "to-tag" || command == "answer");
                own.chain(common.clone()).collect::<Vec<_>>()
            };
            let offered = self.ask(&say("offer", &one.description()?, "RTP/AVP"))?;
            other.agree(&description(&offered)?)?;
            let protocol = if encrypts { "RTP/SAVP" } else { "RTP/AVP" };
            let answered = self.ask(&say("answer", &other.description()?, protocol))?;
            one.agree(&description(&answered)?)?;
            ends.extend([one, other]);
        }
        Ok(ends)
    }
}

/// The description in an answer.
fn description(answer: &[u8]) -> Outcome<Vec<u8>> {
    let fault = || format!("not understood: {}", String::from_utf8_lossy(answer));
    let at = answer.windows(5).position(|window| window == b"3:sdp").ok_or_else(fault)? + 5;
    let rest = &answer[at..];
    let colon = rest.iter().position(|octet| *octet == b':').ok_or_else(fault)?;
    let length: usize = std::str::from_utf8(&rest[..colon])?.parse()?;
    Ok(rest.get(colon + 1..colon + 1 + length).ok_or_else(fault)?.to_vec())
}
