//! Two phones whose audio goes through the ports of a server.

use crate::support::{Folder, Running, Server, run, text};
use ringback_media::{Law, read_wav};
use std::net::UdpSocket;
use std::time::Duration;

const SAID: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/alice.wav");

/// How many samples are louder than silence.
fn speech(path: &str) -> usize {
    let samples = read_wav(std::fs::File::open(path).expect("a recording"), 8_000).expect("a WAV file");
    samples.iter().filter(|sample| sample.unsigned_abs() > 500).count()
}

#[test]
fn relayed_audio_arrives_encrypted_and_in_clear() {
    let folder = Folder::new("relay");
    let config = folder.path("ringback.toml");
    std::fs::write(&config, "[media]\nmode = 'relay'\nports = [0, 0]\n").expect("a writable folder");
    let users = ["--user", "alice:wonderland", "--user", "bob:builder"];
    let server = Server::start(&[&["--config", &config, "--ephemeral"][..], &users].concat());
    for (srtp, said) in [("offer", "media: SRTP AEAD_AES_128_GCM"), ("off", "media: RTP, not encrypted")] {
        let heard = folder.path(&format!("{srtp}.wav"));
        let as_user = |name, variable| -> [&str; 6] {
            ["--from", name, "--server", &server.address, "--password-env", variable]
        };
        let answer =
            [&["answer", "--calls", "1", "--record", &heard][..], &as_user("sip:bob@example.com", "BOB")];
        let mut bob = Running::start(&answer.concat());
        bob.wait_for("ready");
        let call = [
            &["call", "bob", "--play", SAID, "--srtp", srtp][..],
            &as_user("sip:alice@example.com", "ALICE"),
        ];
        let output = run(&call.concat());
        assert!(output.status.success() && text(&output).contains(said), "{}", text(&output));
        bob.rest();
        let (spoken, heard) = (speech(SAID), speech(&heard));
        assert!(spoken > 4_000 && heard.abs_diff(spoken) < spoken / 20, "{heard} of {spoken} samples");
    }
}

/// One phone wants encryption and the other knows none, each way round.
#[test]
fn each_side_encrypts_as_it_can() {
    let folder = Folder::new("bridge");
    let config = folder.path("ringback.toml");
    std::fs::write(&config, "[media]\nmode = 'bridge'\nports = [0, 0]\n").expect("a writable folder");
    let users = ["--user", "alice:wonderland", "--user", "bob:builder"];
    let server = Server::start(&[&["--config", &config, "--ephemeral"][..], &users].concat());
    let (srtp, plain) = ("media: SRTP AEAD_AES_128_GCM", "media: RTP, not encrypted");
    for (asks, answers, said) in
        [("require", "off", srtp), ("off", "require", plain), ("offer", "offer", srtp)]
    {
        let heard = [folder.path(&format!("{asks}-alice.wav")), folder.path(&format!("{asks}-bob.wav"))];
        let as_user = |name, variable| -> [&str; 6] {
            ["--from", name, "--server", &server.address, "--password-env", variable]
        };
        let answer = ["answer", "--calls", "1", "--record", &heard[1], "--play", SAID, "--srtp", answers];
        let mut bob = Running::start(&[&answer[..], &as_user("sip:bob@example.com", "BOB")].concat());
        bob.wait_for("ready");
        let call = ["call", "bob", "--play", SAID, "--record", &heard[0], "--srtp", asks];
        let output = run(&[&call[..], &as_user("sip:alice@example.com", "ALICE")].concat());
        assert!(output.status.success() && text(&output).contains(said), "{asks}: {}", text(&output));
        bob.rest();
        let spoken = speech(SAID);
        for heard in &heard {
            let heard = speech(heard);
            assert!(heard.abs_diff(spoken) < spoken / 10, "{asks}: {heard} of {spoken} samples");
        }
    }
}

/// The call is only signalling here: what the other phone says comes to a socket of another program.
#[test]
fn audio_may_be_elsewhere() {
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    elsewhere.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let address = elsewhere.local_addr().unwrap().to_string();
    let mut bob = Running::start(&["answer", "--listen", "udp:127.0.0.1:0", "--calls", "1", "--play", SAID]);
    let line = bob.wait_for("listening udp:");
    let target = format!("sip:bob@{}", line.trim_start_matches("listening udp:"));
    let call = ["call", &target, "--audio-at", &address, "--duration", "2", "--hold-after", "1"];
    let output = run(&call);
    assert!(output.status.success() && text(&output).contains("answered, talking PCM"), "{}", text(&output));
    assert!(text(&output).contains("held by us"), "{}", text(&output));
    let (mut packet, mut loudest) = ([0; 2_048], 0);
    elsewhere.set_nonblocking(true).unwrap();
    let mut packets = 0;
    while let Ok(length) = elsewhere.recv(&mut packet) {
        // RTP without extensions: twelve octets before the samples.
        let spoken = packet[12..length].iter().map(|octet| Law::Mu.decode(*octet).unsigned_abs());
        packets += 1;
        loudest = spoken.max().unwrap_or_default().max(loudest);
    }
    assert!(packets > 30 && loudest > 3_000, "{packets} packets, {loudest}");
    bob.rest();
    let refused = run(&["call", &target, "--audio-at", &address, "--dtmf", "1"]);
    assert!(!refused.status.success() && text(&refused).contains("--audio-at"), "{}", text(&refused));
}
