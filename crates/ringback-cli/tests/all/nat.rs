//! A phone, and a server, behind somebody who rewrites addresses.

use crate::support::{Running, run, text};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// Rewrites the source of datagrams, as a NAT or a container does: each sender gets a port of 127.0.0.2.
struct Nat {
    inside: UdpSocket,
    passed: Arc<Mutex<Vec<String>>>,
}

impl Nat {
    fn new() -> Self {
        let inside = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self { inside, passed: Arc::default() }
    }

    fn address(&self) -> String {
        self.inside.local_addr().unwrap().to_string()
    }

    /// Carries datagrams to there and back from now on.
    fn lead_to(&self, server: &str) {
        let server: SocketAddr = server.parse().unwrap();
        let (inside, passed) = (self.inside.try_clone().unwrap(), self.passed.clone());
        thread::spawn(move || {
            let mut outside: HashMap<SocketAddr, UdpSocket> = HashMap::new();
            let mut buffer = [0; 65_536];
            while let Ok((len, from)) = inside.recv_from(&mut buffer) {
                let socket = outside.entry(from).or_insert_with(|| {
                    let socket = UdpSocket::bind("127.0.0.2:0").unwrap();
                    let (back, passed) = (socket.try_clone().unwrap(), passed.clone());
                    let inside = inside.try_clone().unwrap();
                    thread::spawn(move || {
                        let mut buffer = [0; 65_536];
                        while let Ok((len, _)) = back.recv_from(&mut buffer) {
                            passed.lock().unwrap().push(String::from_utf8_lossy(&buffer[..len]).into());
                            let _ = inside.send_to(&buffer[..len], from);
                        }
                    });
                    socket
                });
                passed.lock().unwrap().push(String::from_utf8_lossy(&buffer[..len]).into());
                let _ = socket.send_to(&buffer[..len], server);
            }
        });
    }

    /// The messages so far that begin like this.
    fn passed(&self, begin: &str) -> Vec<String> {
        self.passed.lock().unwrap().iter().filter(|message| message.starts_with(begin)).cloned().collect()
    }
}

fn server(more: &[&str]) -> (Running, String) {
    let mut args = vec!["serve", "--listen", "udp:127.0.0.1:0", "--domain", "example.com", "--ephemeral"];
    args.extend(["--user", "alice:wonderland", "--user", "bob:builder"]);
    args.extend(more);
    let mut process = Running::start(&args);
    let address = process.wait_for("listening udp:").trim_start_matches("listening udp:").to_owned();
    process.wait_for("ready");
    (process, address)
}

fn bob(server: &str) -> Running {
    let args = ["answer", "--from", "sip:bob@example.com", "--server", server, "--password-env", "BOB"];
    let mut bob = Running::start(&[&args[..], &["--calls", "1"]].concat());
    bob.wait_for("ready");
    bob
}

fn alice_calls(server: &str) {
    let args =
        ["call", "bob", "--from", "sip:alice@example.com", "--server", server, "--password-env", "ALICE"];
    let output = run(&[&args[..], &["--duration", "0.3"]].concat());
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_phone_behind_a_nat_is_known_by_the_address_that_the_registrar_sees() {
    let (_server, address) = server(&[]);
    let nat = Nat::new();
    nat.lead_to(&address);
    let mut bob = bob(&nat.address());
    alice_calls(&address);
    let seen = bob.rest();
    assert!(seen.contains("ended by the peer"), "{seen}");

    let registers = nat.passed("REGISTER");
    let contacts: Vec<Vec<&str>> = registers
        .iter()
        .map(|register| register.lines().filter(|line| line.starts_with("Contact:")).collect())
        .collect();
    let last = contacts.last().unwrap();
    assert!(last.len() == 1 || last.len() == 2, "{contacts:?}");
    assert!(last[0].starts_with("Contact: <sip:bob@127.0.0.2:"), "{contacts:?}");
    let moved = contacts.iter().find(|contacts| contacts.len() == 2).expect("it has moved");
    assert!(moved[1].starts_with("Contact: <sip:bob@127.0.0.1:") && moved[1].ends_with(";expires=0"));
    // Challenged once, moved once: no more.
    assert!(registers.len() <= 4, "{registers:#?}");
    let learned = last[0].trim_start_matches("Contact: <").split('>').next().unwrap();
    assert!(!nat.passed(&format!("INVITE {learned} ")).is_empty(), "{learned}");
    let ok = nat.passed("SIP/2.0 200").into_iter().find(|ok| ok.contains("INVITE")).unwrap();
    assert!(ok.contains(&format!("Contact: <{learned}>")), "{ok}");
}

#[test]
fn a_server_in_a_container_tells_the_address_that_leads_to_it() {
    let nat = Nat::new();
    let advertise = format!("udp:127.0.0.1:0={}", nat.address());
    let (_server, address) = server(&["--advertise", &advertise]);
    assert_ne!(address, nat.address());
    nat.lead_to(&address);
    let mut bob = bob(&nat.address());
    alice_calls(&nat.address());
    let seen = bob.rest();
    assert!(seen.contains("ended by the peer"), "{seen}");
    let invite = nat.passed("INVITE sip:bob@127").pop().expect("the server has called him");
    let told = format!("{};branch=", nat.address());
    assert!(invite.contains(&told), "Via: {invite}");
    assert!(invite.contains(&format!("Record-Route: <sip:{};lr>", nat.address())), "{invite}");
    // What follows in the dialog takes the same way, both before the server and behind it.
    assert!(nat.passed("BYE").len() >= 2 && nat.passed("ACK").len() >= 2);
}

#[test]
fn a_phone_tells_the_address_that_it_is_given_and_learns_none() {
    let (_server, address) = server(&[]);
    let nat = Nat::new();
    nat.lead_to(&address);
    let there = nat.address();
    let args =
        ["call", "bob", "--from", "sip:alice@example.com", "--server", &there, "--password-env", "ALICE"];
    let _ = run(&[&args[..], &["--advertise", "203.0.113.7"]].concat());
    let invite = nat.passed("INVITE").pop().unwrap();
    for line in ["Via: SIP/2.0/UDP 203.0.113.7:", "Contact: <sip:alice@203.0.113.7:", "c=IN IP4 203.0.113.7"]
    {
        assert!(invite.contains(line), "{line}: {invite}");
    }
    assert!(!run(&[&args[..], &["--advertise", "nowhere"]].concat()).status.success());
}
