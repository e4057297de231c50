//! openssl and sslscan: which versions and suites the server speaks, and with whom.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::certificates::Authority;
use super::server::Server;
use super::{Case, Lab};
use crate::failure::{Failure, Outcome};
use crate::process::output;

pub(crate) const CASES: &[Case] = &[
    ("only safe versions and suites", suites),
    ("sslscan finds nothing else", scan),
    ("strangers are refused where certificates are mutual", mutual),
];

/// Suites with forward secrecy and authenticated encryption, as openssl calls them; those of TLS 1.3 all are.
const SAFE: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

/// Every version and every suite that openssl has, one at a time.
fn suites(lab: &Lab) -> Outcome<String> {
    let authority = Authority::new(&lab.folder)?;
    let server = Server::start_with("tls", &authority, lab)?;
    let at = server.address("tls");
    // What openssl would not do by itself it is made to try.
    for version in ["-tls1", "-tls1_1"] {
        if speaks(at, &[version, "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"])? {
            return Err(Failure::Failed(format!("the server speaks {version}")));
        }
    }
    let (mut spoken, mut refused) = (Vec::new(), 0);
    for (version, list, flag) in [
        ("-tls1_2", "ALL:COMPLEMENTOFALL:@SECLEVEL=0", "-cipher"),
        ("-tls1_3", "ALL:@SECLEVEL=0", "-ciphersuites"),
    ] {
        let known = output(Command::new("openssl").args(["ciphers", "-s", version, list]))?;
        for suite in known.trim().split(':') {
            let wanted = if flag == "-cipher" { format!("{suite}:@SECLEVEL=0") } else { suite.to_owned() };
            match speaks(at, &[version, flag, &wanted])? {
                true => spoken.push(suite.to_owned()),
                false => refused += 1,
            }
        }
    }
    server.stop()?;
    let unsafe_one = spoken.iter().find(|suite| !SAFE.contains(&suite.as_str()));
    match unsafe_one {
        Some(suite) => Err(Failure::Failed(format!("the server speaks {suite}"))),
        None if spoken.len() < 4 => Err(Failure::Failed(format!("the server speaks only {spoken:?}"))),
        None => {
            Ok(format!("{} suites of TLS 1.2 and 1.3, {refused} refused, no older version", spoken.len()))
        }
    }
}

/// Another program's own way of asking, with its own TLS.
fn scan(lab: &Lab) -> Outcome<String> {
    let authority = Authority::new(&lab.folder)?;
    let server = Server::start_with("tls", &authority, lab)?;
    let at = server.address("tls").to_string();
    let said = output(Command::new("sslscan").args(["--no-colour", "--no-check-certificate", &at]))?;
    let file = lab.folder.join("sslscan.log");
    std::fs::write(&file, &said).map_err(|error| format!("{}: {error}", file.display()))?;
    server.stop()?;
    let words = said.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let (mut versions, mut suites) = (Vec::new(), Vec::new());
    for words in words {
        match words[..] {
            [version, "enabled"] => versions.push(version.to_owned()),
            ["Preferred" | "Accepted", _, _, "bits", suite, ..] => suites.push(suite.to_owned()),
            _ => {}
        }
    }
    let odd = suites.iter().find(|suite| !SAFE.contains(&suite.as_str()));
    match (versions.as_slice(), odd) {
        (_, Some(suite)) => {
            Err(Failure::Failed(format!("the server speaks {suite}; see {}", file.display())))
        }
        ([one, two], None) if one == "TLSv1.2" && two == "TLSv1.3" && !suites.is_empty() => {
            Ok(format!("TLS 1.2 and 1.3 with {} suites", suites.len()))
        }
        _ => Err(Failure::Failed(format!("versions {versions:?}; see {}", file.display()))),
    }
}

/// Three clients: one whom the authority knows, one whom another authority knows, one without a certificate.
fn mutual(lab: &Lab) -> Outcome<String> {
    let authority = Authority::new(&lab.folder)?;
    let elsewhere = lab.folder.join("elsewhere");
    std::fs::create_dir_all(&elsewhere).map_err(|error| format!("{}: {error}", elsewhere.display()))?;
    let stranger = Authority::new(&elsewhere)?;
    let server = Server::start_mutual(&authority, lab)?;
    let at = server.address("tls");
    for version in ["-tls1_2", "-tls1_3"] {
        for (who, certificate, is_served) in [
            ("a friend", Some(&authority), true),
            ("a stranger", Some(&stranger), false),
            ("nobody", None, false),
        ] {
            let answered = asks(at, version, certificate)?;
            if answered != is_served {
                let how = if answered { "was answered" } else { "was not answered" };
                return Err(Failure::Failed(format!("{who} {how} over {version}")));
            }
        }
    }
    server.stop()?;
    Ok("a friend is answered, a stranger and nobody are not, by TLS 1.2 and 1.3".into())
}

/// Whether a handshake of that kind succeeds.
fn speaks(at: SocketAddr, how: &[&str]) -> Outcome<bool> {
    let mut command = s_client(at);
    let done = command.args(how).stdin(Stdio::null()).output();
    let done = done.map_err(|error| format!("cannot start openssl: {error}"))?;
    let said = String::from_utf8_lossy(&done.stdout);
    Ok(said.contains("Cipher is ") && !said.contains("Cipher is (NONE)"))
}

/// Whether OPTIONS is answered. In TLS 1.3 a client learns of a refusal only when it reads.
fn asks(at: SocketAddr, version: &str, own: Option<&Authority>) -> Outcome<bool> {
    use std::io::Write as _;
    let mut command = s_client(at);
    command.args([version, "-quiet"]);
    if let Some(own) = own {
        command.arg("-cert").arg(&own.certificate).arg("-key").arg(&own.key);
    }
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|error| format!("cannot start openssl: {error}"))?;
    let request = format!(
        "OPTIONS sip:{at} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:1;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:{at}>\r\nCall-ID: {version}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let mut input = child.stdin.take().ok_or("openssl takes no input")?;
    // It may have gone by now, and then there is nothing to be read either.
    let _ = input.write_all(request.as_bytes());
    let mut answer = String::new();
    let out = child.stdout.take().ok_or("openssl says nothing")?;
    // With -quiet it stays until the server closes: the first line tells all.
    let _ = std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut answer);
    drop(input);
    let _ = child.kill();
    let _ = child.wait();
    Ok(answer.starts_with("SIP/2.0 200"))
}

fn s_client(at: SocketAddr) -> Command {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &at.to_string()]);
    command
}
