//! `ringback doctor`: what it finds on a machine that is well, and on one that is not.

use crate::support::{Folder, Server, run, text};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::net::UdpSocket;

fn certificate(folder: &Folder, name: &str, domain: &str, last_year: i32) -> [String; 2] {
    let mut params = CertificateParams::new(vec![domain.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(last_year, 12, 31);
    let key = KeyPair::generate().unwrap();
    let files = [folder.path(&format!("{name}.pem")), folder.path(&format!("{name}.key"))];
    std::fs::write(&files[0], params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&files[1], key.serialize_pem()).unwrap();
    files
}

#[test]
fn a_server_that_would_run_is_tried_on_every_transport() {
    let folder = Folder::new("doctor-well");
    let [cert, key] = certificate(&folder, "good", "example.com", 2099);
    let config = folder.path("ringback.toml");
    let text_of_config = "domains = ['example.com']\n[hosts]\n'example.com' = ['127.0.0.1']\n\
        'far.example' = ['198.51.100.1']\n[limits]\nstreams = 100\n";
    std::fs::write(&config, text_of_config).unwrap();
    // It answers questions to STUN as well.
    let helper = Server::with_users();
    let mut args = vec!["doctor", "--config", &config, "--data", "no-such-folder", "--stun", &helper.address];
    let listen = ["udp", "tcp", "tls", "ws", "wss"].map(|protocol| format!("{protocol}:127.0.0.1:0"));
    for listen in &listen {
        args.extend(["--listen", listen]);
    }
    args.extend(["--tls-cert", &cert, "--tls-key", &key, "--look-up", "far.example"]);
    let output = run(&args);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for protocol in ["udp", "tcp", "tls", "ws", "wss"] {
        let answers =
            |line: &str| line.starts_with(&format!("ok   {protocol}:")) && line.contains("answers in");
        assert!(said.lines().any(answers), "{protocol}: {said}");
    }
    for line in [
        "good.pem is for example.com, until 2099-12-31",
        "no NAT:",
        "example.com leads to udp:127.0.0.1:5060",
        "which IPv4 addresses has example.com (A)? 127.0.0.1",
        "far.example leads to udp:198.51.100.1:5060",
        "the clock says 20",
        "nobody else can reach them",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!std::path::Path::new("no-such-folder").exists(), "nothing is kept");
}

#[test]
fn what_will_not_work_is_named_with_what_to_do_and_fails() {
    let folder = Folder::new("doctor-ill");
    let [cert, key] = certificate(&folder, "old", "example.com", 2021);
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = format!("udp:{}", silent.local_addr().unwrap());
    let mut args = vec!["doctor", "--ephemeral", "--listen", &taken, "--listen", "tls:127.0.0.1:0", "--json"];
    args.extend(["--tls-cert", &cert, "--tls-key", &key]);
    let output = run(&args);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let bad: Vec<&str> = said.lines().filter(|line| line.contains("\"state\":\"bad\"")).collect();
    for word in
        ["has expired on 2021-12-31", "does not answer: nothing came back", "another program has the port"]
    {
        assert!(bad.iter().any(|line| line.contains(word)), "{word}: {said}");
    }
    let [cert, key] = certificate(&folder, "other", "example.org", 2099);
    let args = ["doctor", "--ephemeral", "--listen", "tls:127.0.0.1:0", "--domain", "example.com"];
    let output = run(&[&args[..], &["--tls-cert", &cert, "--tls-key", &key]].concat());
    let said = text(&output);
    assert!(output.status.code() == Some(1) && said.contains("and not for example.com"), "{said}");
}

#[test]
fn a_server_that_runs_is_asked() {
    let server = Server::with_users();
    let listen = format!("udp:{}", server.address);
    let output = run(&["doctor", "--ephemeral", "--listen", &listen]);
    let said = text(&output);
    assert!(output.status.success() && said.contains("of a server that runs already"), "{said}");
}
