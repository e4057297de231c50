//! What idle connections cost the real server. Not part of every run, for it opens thousands of them:
//! `cargo test --release -p ringback-cli --test idle -- --ignored --nocapture`.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

mod support;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use support::{Folder, Running};

/// As many as the usual limit of open files allows, less what else is open.
const CONNECTIONS: usize = 19_900;
/// Done before it is counted, so that what is there once is not counted for each.
const WARM_UP: usize = 500;

/// There are ports for one of them at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const REQUEST: &str = "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1;rport\r\n\
    Max-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: idle\r\n\
    CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

/// The resident memory of a process, in KiB.
fn resident(process: &Running) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Opens connections, each of which has a question answered, and tells what each costs, in KiB.
fn cost<C>(process: &Running, open: impl Fn() -> C) -> f64 {
    let warm: Vec<C> = (0..WARM_UP).map(|_| open()).collect();
    let before = resident(process);
    let held: Vec<C> = (WARM_UP..CONNECTIONS).map(|_| open()).collect();
    let each = (resident(process) - before) / held.len() as f64;
    drop((warm, held));
    each
}

fn start(protocol: &str) -> (Folder, Running, String) {
    let folder = Folder::new(&format!("idle-{protocol}"));
    let config = folder.path("ringback.toml");
    std::fs::write(&config, "[limits]\nstreams = 20000\nstreams_per_source = 20000\n").unwrap();
    let (data, listen) = (folder.path("data"), format!("{protocol}:127.0.0.1:0"));
    let mut process = Running::start(&[
        "serve",
        "--config",
        &config,
        "--data",
        &data,
        "--no-auth",
        "--domain",
        "example.com",
        "--listen",
        &listen,
    ]);
    let begin = format!("listening {protocol}:");
    let address = process.wait_for(&begin).trim_start_matches(&begin).to_owned();
    process.wait_for("ready");
    (folder, process, address)
}

#[test]
#[ignore = "opens thousands of connections"]
fn idle_tcp_connections_are_cheap() {
    let _alone = alone();
    let (_folder, process, address) = start("tcp");
    let each = cost(&process, || {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(REQUEST.as_bytes()).unwrap();
        assert!(stream.read(&mut [0; 2_048]).unwrap() > 12);
        stream
    });
    println!("{CONNECTIONS} idle TCP connections: {each:.1} KiB each");
    assert!(each < 6.0, "{each} KiB");
}

#[test]
#[ignore = "opens thousands of connections"]
fn idle_tls_connections_are_cheap() {
    let _alone = alone();
    let (folder, process, address) = start("tls");
    let mut roots = RootCertStore::empty();
    let certificate = folder.path("data/tls-certificate.pem");
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let config = Arc::new(config);
    let each = cost(&process, || {
        let mut stream = TcpStream::connect(&address).unwrap();
        let name = ServerName::try_from("example.com").unwrap();
        let mut tls = ClientConnection::new(config.clone(), name).unwrap();
        let mut both = rustls::Stream::new(&mut tls, &mut stream);
        both.write_all(REQUEST.as_bytes()).unwrap();
        assert!(both.read(&mut [0; 2_048]).unwrap() > 12);
        (tls, stream)
    });
    println!("{CONNECTIONS} idle TLS connections: {each:.1} KiB each");
    assert!(each < 20.0, "{each} KiB");
}
