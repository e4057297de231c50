//! A server that is taken over by another process while requests come, from the outside.

use crate::support::{Folder, Running, run, text};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing is sent twice, so whatever is lost is missed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who speaks SIP by hand.
struct Peer {
    name: String,
    socket: UdpSocket,
    server: String,
}

impl Peer {
    fn new(name: &str, server: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { name: name.to_owned(), socket, server: server.to_owned() }
    }

    fn own(&self) -> String {
        format!("sip:{}@{}", self.name, self.socket.local_addr().unwrap())
    }

    /// A request of ours, `more` being its further fields, each with its line end.
    fn request(&self, method: &str, uri: &str, to: &str, (call, number): (&str, u32), more: &str) -> String {
        let Self { name, socket, .. } = self;
        let here = socket.local_addr().unwrap();
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{call}{number}{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@localhost>;tag={name}\r\nTo: {to}\r\nCall-ID: {call}\r\n\
             CSeq: {number} {method}\r\n{more}Content-Length: 0\r\n\r\n"
        )
    }

    fn send(&self, message: &str) {
        self.socket.send_to(message.as_bytes(), &self.server).unwrap();
    }

    fn receive(&self) -> String {
        let mut bytes = [0; 65_536];
        let length = self.socket.recv(&mut bytes).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// The next message that begins so.
    fn receive_only(&self, begin: &str) -> String {
        let found =
            std::iter::repeat_with(|| self.receive()).take(20).find(|message| message.starts_with(begin));
        found.unwrap_or_else(|| panic!("{} got no {begin}", self.name))
    }

    fn register(&self, call: &str) {
        let contact = format!("Contact: <{}>\r\nExpires: 600\r\n", self.own());
        let to = format!("<sip:{}@localhost>", self.name);
        self.send(&self.request("REGISTER", "sip:localhost", &to, (call, 1), &contact));
        let answer = self.receive_only("SIP/2.0");
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }
}

/// The values of a field, each with its name and line end.
fn fields(message: &str, name: &str) -> String {
    let begin = format!("{name}:");
    message.split_inclusive("\r\n").filter(|line| line.starts_with(&begin)).collect()
}

/// An answer to a request.
fn answer(request: &str, status: &str, tag: &str, more: &str) -> String {
    let mut to = fields(request, "To").trim_end().to_owned();
    if !to.contains(";tag=") {
        to.push_str(tag);
    }
    let [via, route, from, call, cseq] =
        ["Via", "Record-Route", "From", "Call-ID", "CSeq"].map(|name| fields(request, name));
    format!("SIP/2.0 {status}\r\n{via}{route}{from}{to}\r\n{call}{cseq}{more}Content-Length: 0\r\n\r\n")
}

/// A server that keeps its bindings in a folder, and where it listens.
struct Kept {
    folder: Folder,
    /// Its arguments.
    args: Vec<String>,
    process: Running,
    address: String,
}

impl Kept {
    fn start(name: &str) -> Self {
        Self::start_in(Folder::new(name), &[])
    }

    fn start_in(folder: Folder, more: &[&str]) -> Self {
        let data = folder.path("data");
        let mut words =
            vec!["serve", "--no-auth", "--data", &data, "--listen", "udp:127.0.0.1:0", "--listen"];
        words.extend(["tcp:127.0.0.1:0", "--drain", "30s"]);
        words.extend(more);
        let mut process = Running::start(&words);
        let args = words.into_iter().map(str::to_owned).collect();
        let address = process.wait_for("listening udp:").trim_start_matches("listening udp:").to_owned();
        process.wait_for("ready");
        Self { folder, args, process, address }
    }

    /// Starts another process that takes over, and gives it when it has.
    fn succeed(&mut self) -> Running {
        let args = self.args.iter().map(String::as_str).chain(["--take-over"]);
        let mut successor = Running::start(&args.collect::<Vec<&str>>());
        let listens = successor.wait_for("listening udp:");
        assert_eq!(listens, format!("listening udp:{}", self.address));
        successor.wait_for("ready");
        self.process.wait_for("handed over");
        successor
    }
}

#[test]
fn under_load_nothing_goes_unanswered_and_every_binding_that_was_promised_is_there() {
    const SENDERS: usize = 4;
    let mut server = Kept::start("takeover");
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let promised: Mutex<BTreeMap<String, String>> = Mutex::default();
    let wait_for_more = || {
        let (until, begin) = (Instant::now() + PATIENCE, answered.load(Ordering::SeqCst));
        while answered.load(Ordering::SeqCst) < begin + 400 {
            assert!(Instant::now() < until, "nobody is answered any more");
            thread::yield_now();
        }
    };
    let Kept { folder, mut process, address, .. } = thread::scope(|scope| {
        // Whatever fails ends the others as well.
        struct Ends<'a>(&'a AtomicBool);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let ends = Ends(&is_over);
        let address = server.address.clone();
        let send = {
            let (is_over, answered, promised) = (&is_over, &answered, &promised);
            move |sender: usize| {
                let _ends = Ends(is_over);
                let mut sent = 0;
                while !is_over.load(Ordering::SeqCst) {
                    sent += 1;
                    let peer = Peer::new(&format!("user-{sender}-{sent}"), &address);
                    peer.register(&format!("register-{sender}-{sent}"));
                    promised.lock().unwrap().insert(peer.name.clone(), peer.own());
                    let call = format!("options-{sender}-{sent}");
                    peer.send(&peer.request("OPTIONS", "sip:localhost", "<sip:localhost>", (&call, 1), ""));
                    let answer = peer.receive_only("SIP/2.0");
                    assert!(answer.starts_with("SIP/2.0 200") && answer.contains(&call), "{answer}");
                    answered.fetch_add(2, Ordering::SeqCst);
                }
            }
        };
        for sender in 0..SENDERS {
            let send = send.clone();
            scope.spawn(move || send(sender));
        }
        wait_for_more();
        let successor = server.succeed();
        wait_for_more();
        server.process.wait_for("drained: calls up: 0");
        let Kept { folder, args, process, address } = server;
        assert!(process.wait().success());
        wait_for_more();
        drop(ends);
        Kept { folder, args, process: successor, address }
    });
    let promised = promised.into_inner().unwrap();
    assert!(promised.len() > 500, "{}", promised.len());
    for (name, contact) in &promised {
        let peer = Peer::new(name, &address);
        let to = format!("<sip:{name}@localhost>");
        peer.send(&peer.request("REGISTER", "sip:localhost", &to, (&format!("fetch-{name}"), 1), ""));
        let answer = peer.receive_only("SIP/2.0");
        assert!(
            answer.starts_with("SIP/2.0 200") && answer.contains(contact.as_str()),
            "{contact}: {answer}"
        );
    }
    let stats = run(&["stats", "--data", &folder.path("data")]);
    assert!(stats.status.success(), "{}", text(&stats));
    process.signal("-TERM");
    process.wait_for("drained");
    assert!(process.wait().success());
}

#[test]
fn a_call_that_rings_meanwhile_is_answered_and_hung_up() {
    let mut server = Kept::start("takeover-call");
    let (alice, bob) = (Peer::new("alice", &server.address), Peer::new("bob", &server.address));
    bob.register("bob");
    let to = "<sip:bob@localhost>";
    let contact = format!("Contact: <{}>\r\n", alice.own());
    let invite = alice.request("INVITE", "sip:bob@localhost", to, ("call", 1), &contact);
    alice.send(&invite);
    let received = bob.receive_only("INVITE");
    bob.send(&answer(&received, "180 Ringing", ";tag=bob", ""));
    alice.receive_only("SIP/2.0 180");

    let mut successor = server.succeed();
    // A copy of the INVITE is no second call, and one that is new goes to the successor.
    alice.send(&invite);
    alice.receive_only("SIP/2.0 180");
    let other = Peer::new("carol", &server.address);
    other.register("carol");
    let contact = format!("Contact: <{}>\r\n", bob.own());
    bob.send(&answer(&received, "200 OK", ";tag=bob", &contact));
    let ok = alice.receive_only("SIP/2.0 200");
    let route = fields(&ok, "Record-Route").replace("Record-Route", "Route");
    let to = fields(&ok, "To").trim_start_matches("To: ").trim_end().to_owned();
    alice.send(&alice.request("ACK", &bob.own(), &to, ("call", 1), &route));
    bob.receive_only("ACK");
    server.process.wait_for("drained: calls up: 0");
    assert!(server.process.wait().success(), "nothing is left to do for the first one");
    alice.send(&alice.request("BYE", &bob.own(), &to, ("call", 2), &route));
    let bye = bob.receive_only("BYE");
    bob.send(&answer(&bye, "200 OK", "", ""));
    assert!(alice.receive_only("SIP/2.0 200").contains("CSeq: 2 BYE"));
    successor.signal("-TERM");
    successor.wait_for("drained");
    assert!(successor.wait().success());
}

/// A call that is up: what its caller writes into To from then on, and the Route of its requests.
fn call(alice: &Peer, bob: &Peer, id: &str) -> (String, String) {
    let contact = format!("Contact: <{}>\r\n", alice.own());
    alice.send(&alice.request("INVITE", "sip:bob@localhost", "<sip:bob@localhost>", (id, 1), &contact));
    let received = bob.receive_only("INVITE");
    let contact = format!("Contact: <{}>\r\n", bob.own());
    bob.send(&answer(&received, "200 OK", ";tag=bob", &contact));
    let ok = alice.receive_only("SIP/2.0 200");
    let route = fields(&ok, "Record-Route").replace("Record-Route", "Route");
    let to = fields(&ok, "To").trim_start_matches("To: ").trim_end().to_owned();
    alice.send(&alice.request("ACK", &bob.own(), &to, (id, 1), &route));
    bob.receive_only("ACK");
    (to, route)
}

fn hang_up(alice: &Peer, bob: &Peer, id: &str, (to, route): &(String, String)) {
    alice.send(&alice.request("BYE", &bob.own(), to, (id, 2), route));
    let bye = bob.receive_only("BYE");
    bob.send(&answer(&bye, "200 OK", "", ""));
    assert!(alice.receive_only("SIP/2.0 200").contains("CSeq: 2 BYE"));
}

#[test]
fn whoever_began_to_keep_the_record_of_a_call_writes_it() {
    let folder = Folder::new("takeover-records");
    let (config, records) = (folder.path("ringback.toml"), folder.path("records.sqlite"));
    std::fs::write(&config, format!("[records]\nsqlite = '{records}'\n")).unwrap();
    let mut server = Kept::start_in(folder, &["--config", &config]);
    let (alice, bob) = (Peer::new("alice", &server.address), Peer::new("bob", &server.address));
    bob.register("bob");
    let first = call(&alice, &bob, "before-it");
    let mut successor = server.succeed();
    assert!(server.process.seen.contains("handed over: calls up: 1"), "{}", server.process.seen);
    // What comes meanwhile is the successor's, which has a record of its own to keep.
    let second = call(&alice, &bob, "after-it");
    hang_up(&alice, &bob, "before-it", &first);
    server.process.wait_for("drained: calls up: 0");
    assert!(server.process.wait().success());
    hang_up(&alice, &bob, "after-it", &second);
    successor.signal("-TERM");
    successor.wait_for("drained: calls up: 0");
    assert!(successor.wait().success());
    let listed = run(&["records", "--file", &records]);
    let listed = text(&listed);
    for call in ["before-it", "after-it"] {
        let line =
            listed.lines().find(|line| line.contains(call)).unwrap_or_else(|| panic!("{call}: {listed}"));
        assert!(line.contains("hung up by the caller"), "{line}");
    }
}

#[test]
fn a_command_and_a_signal_start_the_successor() {
    let mut server = Kept::start("restart");
    let data = server.folder.path("data");
    let address = server.address.clone();
    let ping = || {
        let uri = format!("sip:{address}");
        let done = run(&["ping", &uri, "--server", &address]);
        assert!(done.status.success(), "{}", text(&done));
    };
    server.process.signal("-USR2");
    server.process.wait_for("handed over");
    ping();
    let kill = |signal: &str, process: &str| {
        Command::new("kill").args([signal, process]).status().unwrap().success()
    };
    // As soon as the first one has ended, the second one can be restarted in turn.
    let until = Instant::now() + PATIENCE;
    let next = loop {
        let done = run(&["restart", "--data", &data, "--json"]);
        if done.status.success() {
            let told: serde_json::Value = serde_json::from_str(text(&done).trim()).unwrap();
            break told["process"].as_u64().unwrap().to_string();
        }
        assert!(text(&done).contains("has not ended yet") && Instant::now() < until, "{}", text(&done));
    };
    ping();
    assert!(kill("-TERM", &next));
}

#[test]
fn without_a_server_it_just_starts_and_without_a_folder_it_does_not() {
    let folder = Folder::new("takeover-none");
    let data = folder.path("data");
    let mut server =
        Running::start(&["serve", "--data", &data, "--listen", "udp:127.0.0.1:0", "--take-over"]);
    server.wait_for("ready");
    let refused = run(&["serve", "--ephemeral", "--listen", "udp:127.0.0.1:0", "--take-over"]);
    assert!(!refused.status.success());
    assert!(text(&refused).contains("takes a data directory"), "{}", text(&refused));
    server.signal("-TERM");
    server.wait_for("drained");
    assert!(server.wait().success());
}
