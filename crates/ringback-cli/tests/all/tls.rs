//! TLS through the real server: phones, strangers, certificates that change and ones that are over.

use crate::support::{Folder, Running, run, text};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A certificate authority, and what it signed, in a folder.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(folder: &Folder, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.path(&format!("{name}.pem")), issuer.pem()).unwrap();
        Self { issuer }
    }

    /// Signs a certificate for a domain, into `FILE.pem` and `FILE.key`.
    fn sign(&self, folder: &Folder, file: &str, domain: &str, is_over: bool) {
        let mut params = CertificateParams::new(vec![domain.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if is_over {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 29);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(folder.path(&format!("{file}.pem")), certificate.pem()).unwrap();
        fs::write(folder.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}

struct Server {
    _process: Running,
    address: String,
}

impl Server {
    fn start(more: &[&str]) -> Self {
        let mut args = vec!["serve", "--listen", "tls:127.0.0.1:0", "--domain", "example.com", "--ephemeral"];
        args.extend(["--user", "alice:wonderland", "--user", "bob:builder"]);
        args.extend(more);
        let mut process = Running::start(&args);
        let address = process.wait_for("listening tls:").trim_start_matches("listening tls:").to_owned();
        process.wait_for("ready");
        Self { _process: process, address }
    }

    fn with_certificate(folder: &Folder, file: &str, more: &[&str]) -> Self {
        let (certificate, key) = (folder.path(&format!("{file}.pem")), folder.path(&format!("{file}.key")));
        Self::start(&[&["--tls-cert", &certificate, "--tls-key", &key], more].concat())
    }
}

fn phone<'a>(command: &'a str, who: &'a str, server: &'a Server, more: &[&'a str]) -> Vec<&'a str> {
    let (from, password) = match who {
        "alice" => ("sip:alice@example.com", "ALICE"),
        _ => ("sip:bob@example.com", "BOB"),
    };
    let mut args = vec![command, "--from", from, "--server", &server.address, "--transport", "tls"];
    args.extend(["--password-env", password]);
    args.extend(more);
    args
}

/// What `openssl s_client` says of the server, and its exit status.
fn s_client(server: &Server, more: &[&str]) -> (bool, String) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &server.address, "-servername", "example.com"]).args(more);
    let output = command.stdin(Stdio::null()).output().expect("openssl is installed");
    (output.status.success(), text(&output))
}

#[test]
fn phones_call_each_other_through_the_server_and_either_hangs_up() {
    let folder = Folder::new("tls-call");
    let authority = Authority::new(&folder, "ca");
    authority.sign(&folder, "server", "example.com", false);
    let server = Server::with_certificate(&folder, "server", &[]);
    let ca = folder.path("ca.pem");
    let mut bob = Running::start(&phone("answer", "bob", &server, &["--tls-ca", &ca, "--calls", "2"]));
    bob.wait_for("ready");
    let output = run(&phone("call", "alice", &server, &["bob", "--tls-ca", &ca, "--duration", "0.5"]));
    assert!(output.status.success(), "{}", text(&output));
    bob.wait_for("ended by the peer");
    drop(bob);
    let mut bob = Running::start(&phone(
        "answer",
        "bob",
        &server,
        &["--tls-ca", &ca, "--calls", "1", "--duration", "0.5"],
    ));
    bob.wait_for("ready");
    let output = run(&phone("call", "alice", &server, &["bob", "--tls-ca", &ca]));
    assert!(output.status.success() && text(&output).contains("ended by the peer"), "{}", text(&output));
}

#[test]
fn rule_36_sips_addresses_work() {
    let folder = Folder::new("tls-sips");
    let authority = Authority::new(&folder, "ca");
    authority.sign(&folder, "server", "example.com", false);
    let server = Server::with_certificate(&folder, "server", &[]);
    let ca = folder.path("ca.pem");
    let target = format!("sips:{}", server.address);
    let output =
        run(&["ping", &target, "--tls-verify", "off", "--transport", "tls", "--server", &server.address]);
    assert!(output.status.success(), "{}", text(&output));
    let output = run(&[
        "register",
        "--from",
        "sips:alice@example.com",
        "--server",
        &server.address,
        "--transport",
        "tls",
        "--tls-ca",
        &ca,
        "--password-env",
        "ALICE",
        "--duration",
        "0",
    ]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn certificates_that_prove_nothing_are_refused_in_plain_words() {
    let folder = Folder::new("tls-untrusted");
    let authority = Authority::new(&folder, "ca");
    let ca = folder.path("ca.pem");
    Authority::new(&folder, "stranger").sign(&folder, "strange", "example.com", false);
    authority.sign(&folder, "over", "example.com", true);
    authority.sign(&folder, "other", "example.org", false);
    for (file, said) in [
        ("strange", "signed by nobody whom we trust"),
        ("over", "its certificate expired on 2020-02-29"),
        ("other", "its certificate is not for example.com but for example.org"),
    ] {
        let server = Server::with_certificate(&folder, file, &[]);
        let output = run(&phone("register", "alice", &server, &["--tls-ca", &ca, "--duration", "0"]));
        assert!(!output.status.success() && text(&output).contains(said), "{file}: {}", text(&output));
        let output = run(&phone("register", "alice", &server, &["--tls-verify", "off", "--duration", "0"]));
        assert!(output.status.success(), "{file} without checks: {}", text(&output));
        assert!(text(&output).contains("DANGEROUS"), "{}", text(&output));
    }
}

#[test]
fn mutual_tls_refuses_strangers() {
    let folder = Folder::new("tls-mutual");
    let authority = Authority::new(&folder, "ca");
    authority.sign(&folder, "server", "example.com", false);
    authority.sign(&folder, "phone", "phone.example.com", false);
    Authority::new(&folder, "strangers").sign(&folder, "strange", "phone.example.com", false);
    let path = |name: &str| folder.path(name);
    let ca = path("ca.pem");
    let server =
        Server::with_certificate(&folder, "server", &["--tls-verify", "mutual", "--tls-client-ca", &ca]);
    let with = |file: &str| {
        let (certificate, key) = (path(&format!("{file}.pem")), path(&format!("{file}.key")));
        let more = ["--tls-ca", &ca, "--tls-cert", &certificate, "--tls-key", &key, "--duration", "0"];
        run(&phone("register", "alice", &server, &more))
    };
    let known = with("phone");
    assert!(known.status.success(), "{}", text(&known));
    let begun = Instant::now();
    let (strange, own) = thread::scope(|scope| {
        let strange = scope.spawn(|| with("strange"));
        let own = run(&phone("register", "alice", &server, &["--tls-ca", &ca, "--duration", "0"]));
        (strange.join().unwrap(), own)
    });
    // At once, and not when the transaction has run out.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(!strange.status.success(), "{}", text(&strange));
    assert!(text(&strange).contains("cannot be reached: the certificate was refused"), "{}", text(&strange));
    assert!(!own.status.success(), "a certificate that the phone made itself: {}", text(&own));
    assert!(text(&own).contains("it refuses our certificate"), "{}", text(&own));
}

#[test]
fn rotated_certificates_are_served_while_an_old_connection_and_its_call_go_on() {
    let folder = Folder::new("tls-rotation");
    let authority = Authority::new(&folder, "ca");
    authority.sign(&folder, "server", "example.com", false);
    let server = Server::with_certificate(&folder, "server", &[]);
    let ca = folder.path("ca.pem");
    let mut bob = Running::start(&phone("answer", "bob", &server, &["--tls-ca", &ca, "--calls", "2"]));
    bob.wait_for("ready");
    let serial = |server: &Server| {
        let (_, said) = s_client(server, &["-showcerts"]);
        let begin = said.find("-----BEGIN CERTIFICATE").unwrap_or_else(|| panic!("no certificate: {said}"));
        said[begin..].lines().take_while(|line| !line.starts_with("-----END")).collect::<String>()
    };
    let before = serial(&server);
    // A call is up over the connections of both, and stays up.
    let mut alice = Running::start(&phone("call", "alice", &server, &["bob", "--tls-ca", &ca]));
    alice.wait_for("answered");
    authority.sign(&folder, "server", "example.com", false);
    let begun = Instant::now();
    while serial(&server) == before {
        assert!(begun.elapsed() < Duration::from_secs(20), "the new certificate is not served");
    }
    // It ends over the connections on which it began, and Bob can be called over his.
    alice.signal("-INT");
    bob.wait_for("ended by the peer");
    let output = run(&phone("call", "alice", &server, &["bob", "--tls-ca", &ca, "--duration", "0.3"]));
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn fault_29_only_safe_versions_are_spoken_and_stalled_handshakes_are_closed() {
    let folder = Folder::new("tls-faults");
    Authority::new(&folder, "ca").sign(&folder, "server", "example.com", false);
    let server = Server::with_certificate(&folder, "server", &["--tls-verify", "off"]);
    let begun = Instant::now();
    let mut stalled = TcpStream::connect(&server.address).unwrap();
    // The beginning of a ClientHello, and no more.
    stalled.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    for (version, spoken) in [("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)] {
        let (_, said) = s_client(&server, &[version, "-alpn", "sip", "-CAfile", &folder.path("ca.pem")]);
        assert_eq!(!said.contains("Cipher is (NONE)"), spoken, "{version}: {said}");
        assert!(!spoken || said.contains("Verification: OK"), "{version}: {said}");
        assert_eq!(said.contains("ALPN protocol: sip"), spoken, "{version}: {said}");
    }
    let (_, said) = s_client(&server, &["-tls1_2", "-cipher", "AES128-SHA:AES256-SHA:DES-CBC3-SHA"]);
    assert!(said.contains("Cipher is (NONE)"), "no suite without forward secrecy: {said}");
    let mut rubbish = TcpStream::connect(&server.address).unwrap();
    rubbish.write_all(b"OPTIONS sip:example.com SIP/2.0\r\n\r\n").unwrap();
    let mut rest = Vec::new();
    let _ = rubbish.read_to_end(&mut rest);
    stalled.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut rest = [0; 16];
    assert!(matches!(stalled.read(&mut rest), Ok(0) | Err(_)), "closed");
    assert!(begun.elapsed() < Duration::from_secs(25), "and in time: {:?}", begun.elapsed());
}

#[test]
fn without_a_certificate_one_is_made_kept_and_told_of() {
    let folder = Folder::new("tls-own");
    let data = folder.path("data");
    let args =
        ["serve", "--listen", "tls:127.0.0.1:0", "--domain", "example.com", "--no-auth", "--data", &data];
    let certificate = |args: &[&str]| {
        let mut process = Running::start(args);
        process.wait_for("ready");
        fs::read_to_string(format!("{data}/tls-certificate.pem")).unwrap()
    };
    let first = certificate(&args);
    assert_eq!(certificate(&args), first, "the same in the next run");
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-ext", "subjectAltName", "-in", &format!("{data}/tls-certificate.pem")])
        .output()
        .unwrap();
    assert!(text(&output).contains("DNS:example.com"), "{}", text(&output));
}
