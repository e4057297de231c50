//! Two phones whose audio goes through the ports of a server.

use crate::support::{Folder, Running, Server, run, text};
use ringback_media::read_wav;

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
