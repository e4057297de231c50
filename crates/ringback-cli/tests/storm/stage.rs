//! The server that is stormed, and the calls that go through it meanwhile.

use crate::support::{Folder, Running, run, text};
use crate::wire::{Goal, Kind};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Calls begun in a second, half of them over UDP and half over TCP.
const RATE: u64 = 50;
/// Transactions outlive their calls for 32 s; connections that are given up for less.
const QUIET: Duration = Duration::from_secs(90);

/// What a run remembers of the past is filled by the first storm, so that it does not count as growth.
const CONFIG: &str = "no_auth = true\n[history]\nmessages = 2048\nbytes = 1048576\n";

/// The server and those who answer calls behind it.
pub(crate) struct Stage {
    folder: Folder,
    serve: Running,
    /// Of the listener for UDP, and for TCP.
    addresses: [String; 2],
    pub(crate) goal: Goal,
    _answerers: [Running; 2],
}

/// Somebody who makes calls, and where his report will be.
pub(crate) struct Caller {
    process: Running,
    report: String,
}

impl Stage {
    pub(crate) fn start() -> Self {
        let folder = Folder::new("storm");
        let (config, data) = (folder.path("ringback.toml"), folder.path("data"));
        std::fs::write(&config, CONFIG).unwrap();
        let listen: Vec<String> =
            ["udp", "tcp", "tls", "ws", "wss"].map(|protocol| format!("{protocol}:127.0.0.1:0")).into();
        let mut args = vec!["serve", "--config", &config, "--data", &data, "--domain", "example.com"];
        args.extend(listen.iter().flat_map(|listen| ["--listen", listen.as_str()]));
        let mut serve = Running::logged(&args, &folder.path("log"));
        serve.wait_for("ready");
        let address = |protocol: &str| {
            let begin = format!("listening {protocol}:");
            let mut lines = serve.seen.lines();
            lines.find_map(|line| line.strip_prefix(&begin)).expect("it listens there").to_owned()
        };
        let addresses = ["udp", "tcp"].map(address);
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(folder.path("data/tls-certificate.pem")).unwrap();
        roots.add(certificate).unwrap();
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let goal = Goal { addresses: Kind::ALL.map(|kind| address(kind.name())), tls: Arc::new(tls) };
        let answerers = ["udp", "tcp"].map(|protocol| answering(protocol, &addresses[0]));
        Self { folder, serve, addresses, goal, _answerers: answerers }
    }

    /// What panicked: a task that does takes down nothing but its connection, and would go unseen.
    pub(crate) fn panics(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.path("log")).unwrap();
        log.lines().filter(|line| line.contains("panicked at")).map(str::to_owned).collect()
    }

    /// Begins to make calls over both transports, for so many seconds.
    pub(crate) fn call(&self, seconds: u64) -> [Caller; 2] {
        let calls = (seconds * RATE / 2).to_string();
        let rate = (RATE / 2).to_string();
        [("udp", 0), ("tcp", 1)].map(|(protocol, index)| {
            let (report, target) = (self.folder.path(protocol), format!("sip:{protocol}@example.com"));
            let process = Running::start(&[
                "load",
                "--calls",
                &calls,
                "--rate",
                &rate,
                "--hold",
                "500ms",
                "--transport",
                protocol,
                "--server",
                &self.addresses[index],
                "--json",
                &report,
                &target,
            ]);
            Caller { process, report }
        })
    }

    /// The counters of the server.
    pub(crate) fn stats(&self) -> Value {
        let output = run(&["stats", "--data", &self.folder.path("data"), "--json"]);
        assert!(output.status.success(), "{}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Waits until nothing is left of calls and connections.
    pub(crate) fn until_quiet(&self) {
        let begun = Instant::now();
        loop {
            let stats = self.stats();
            let held = |name: &str| stats[name].as_u64().unwrap();
            // The one over which calls reach their answerer stays.
            if held("transactions") == 0 && held("contexts") == 0 && held("connections") <= 1 {
                return;
            }
            assert!(begun.elapsed() < QUIET, "the server does not come to rest: {stats:#}");
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// The resident memory of the server, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.serve.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Caller {
    /// Waits for the last call; hands back the report.
    pub(crate) fn finish(mut self) -> Value {
        let said = self.process.rest();
        let succeeded = self.process.wait().success();
        let report = std::fs::read_to_string(&self.report).unwrap_or_default();
        assert!(succeeded, "calls failed:\n{said}\n{report}");
        serde_json::from_str(&report).unwrap()
    }
}

/// Somebody who answers, and is registered under the name of his transport.
fn answering(protocol: &str, server: &str) -> Running {
    let mut process = Running::start(&["load", "--answer", "--listen", &format!("{protocol}:127.0.0.1:0")]);
    let line = process.wait_for("listening ");
    process.wait_for("ready");
    let address = line.rsplit_once(&format!("{protocol}:")).expect("it tells where").1.to_owned();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let register = format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{protocol};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{protocol}@example.com>;tag=1\r\nTo: <sip:{protocol}@example.com>\r\n\
         Call-ID: {protocol}\r\nCSeq: 1 REGISTER\r\nContact: <sip:{protocol}@{address};transport={protocol}>\r\n\
         Expires: 3600\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(register.as_bytes(), server).unwrap();
    let mut answer = [0; 2_048];
    let length = socket.recv(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    process
}
