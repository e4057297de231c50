//! Two phones whose audio goes through the ports of a server.

use crate::support::{Folder, Running, Server, run, text};
use ringback_media::{Law, read_wav, read_wav_at_its_rate};
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

/// How loud each 20 ms of a recording at 8 kHz are.
fn loudness(path: &str) -> Vec<f64> {
    let samples = read_wav(std::fs::File::open(path).expect("a recording"), 8_000).expect("a WAV file");
    let root = |frame: &[i16]| frame.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>().sqrt();
    samples.chunks(160).map(root).collect()
}

/// How alike two recordings rise and fall, -1 to 1, at the best of all shifts up to a second.
fn likeness(said: &[f64], heard: &[f64]) -> f64 {
    let correlation = |said: &[f64], heard: &[f64]| {
        let length = said.len().min(heard.len());
        let (said, heard) = (&said[..length], &heard[..length]);
        let mean = |all: &[f64]| all.iter().sum::<f64>() / length.max(1) as f64;
        let (a, b) = (mean(said), mean(heard));
        let sum =
            |of: &dyn Fn(f64, f64) -> f64| said.iter().zip(heard).map(|(x, y)| of(x - a, y - b)).sum::<f64>();
        sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt().max(1.0)
    };
    let later = (0..50).map(|shift| correlation(said, heard.get(shift..).unwrap_or_default()));
    later
        .chain((0..50).map(|shift| correlation(said.get(shift..).unwrap_or_default(), heard)))
        .fold(-1.0, f64::max)
}

/// Two phones without a codec in common, each way round, and one of them encrypts.
#[test]
fn each_side_speaks_what_it_can() {
    let folder = Folder::new("transcode");
    let config = folder.path("ringback.toml");
    std::fs::write(&config, "[media]\nmode = 'bridge'\nports = [0, 0]\n").expect("a writable folder");
    let users = ["--user", "alice:wonderland", "--user", "bob:builder"];
    let server = Server::start(&[&["--config", &config, "--ephemeral"][..], &users].concat());
    for (asks, answers, said) in [("pcma", "opus", "talking PCMA"), ("opus", "g722", "talking opus")] {
        let heard = [folder.path(&format!("{asks}-alice.wav")), folder.path(&format!("{asks}-bob.wav"))];
        let as_user = |name, variable| -> [&str; 6] {
            ["--from", name, "--server", &server.address, "--password-env", variable]
        };
        let answer = [
            "answer", "--calls", "1", "--record", &heard[1], "--play", SAID, "--codec", answers, "--srtp",
            "require",
        ];
        let mut bob = Running::start(&[&answer[..], &as_user("sip:bob@example.com", "BOB")].concat());
        bob.wait_for("ready");
        let call = ["call", "bob", "--play", SAID, "--record", &heard[0], "--codec", asks, "--srtp", "off"];
        let output = run(&[&call[..], &as_user("sip:alice@example.com", "ALICE")].concat());
        assert!(output.status.success() && text(&output).contains(said), "{asks}: {}", text(&output));
        bob.rest();
        for heard in &heard {
            let likeness = likeness(&loudness(SAID), &loudness(heard));
            assert!(likeness > 0.9, "{asks}: {heard}: {likeness:.3}");
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

#[test]
fn a_phone_that_is_killed_leaves_a_recording_that_plays() {
    let folder = Folder::new("killed");
    for (codec, kind, rate) in [("opus", "wav", 48_000), ("pcma", "wav", 8_000), ("opus", "opus", 48_000)] {
        let heard = folder.path(&format!("{codec}.{kind}"));
        let listen = ["--listen", "udp:127.0.0.1:0", "--no-register", "--codec", codec];
        let mut bob = Running::start(&[&["answer", "--record", &heard, "--json"][..], &listen].concat());
        let listener = bob.wait_for("listening");
        let address = listener.split("udp:").nth(1).and_then(|it| it.split('"').next()).expect("a listener");
        let target = format!("sip:bob@{address}");
        let call = ["call", &target, "--play", SAID, "--duration", "60", "--listen", "udp:127.0.0.1:0"];
        let mut alice = Running::start(&call);
        alice.wait_for("answered, talking");
        let begun = std::time::Instant::now();
        // Of Opus this is 48 kbit/s, which speech needs half of.
        let two_seconds = if kind == "wav" { 44 + 2 * 2 * rate } else { 6_000 };
        while std::fs::metadata(&heard).map_or(0, |file| file.len()) < two_seconds {
            assert!(begun.elapsed() < std::time::Duration::from_secs(30), "the recording does not grow");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        bob.signal("-KILL");
        drop(bob);
        if kind == "opus" {
            plays_as_ogg(&heard);
            continue;
        }
        // It says of itself that it is as long as what it holds, less at most what was being written.
        let file = std::fs::File::open(&heard).expect("a recording");
        let (samples, of_file) = read_wav_at_its_rate(file).expect("a WAV file that plays");
        assert_eq!(u64::from(of_file), rate);
        assert!(samples.len() as u64 >= rate, "{} samples", samples.len());
        assert!(samples.iter().filter(|sample| sample.unsigned_abs() > 500).count() > 2_000);
    }
}

/// Whether a file is one of Ogg and Opus with a second of sound, as ffmpeg decodes it where that is installed.
fn plays_as_ogg(path: &str) {
    let octets = std::fs::read(path).expect("a recording");
    assert!(octets.starts_with(b"OggS") && octets[28..].starts_with(b"OpusHead"));
    let decode = ["-v", "error", "-i", path, "-f", "s16le", "-ar", "8000", "-ac", "1", "-"];
    let Ok(decoded) = std::process::Command::new("ffmpeg").args(decode).output() else { return };
    assert!(decoded.status.success(), "{}", String::from_utf8_lossy(&decoded.stderr));
    let samples = decoded.stdout.as_chunks::<2>().0.iter().map(|octets| i16::from_le_bytes(*octets));
    let (all, loud) = samples
        .fold((0, 0), |(all, loud), sample| (all + 1, loud + usize::from(sample.unsigned_abs() > 500)));
    assert!(all >= 8_000 && loud > 2_000, "{all} samples, {loud} of them loud");
}

#[test]
fn the_codec_that_is_asked_for_is_spoken_and_the_score_is_told() {
    let folder = Folder::new("codec");
    for (asked, spoken, rate) in [("g722,opus", "talking G722", 16_000), ("l16/8000", "talking L16", 8_000)] {
        let heard = folder.path("heard.wav");
        let answers =
            ["answer", "--listen", "udp:127.0.0.1:0", "--no-register", "--calls", "1", "--record", &heard];
        let mut bob = Running::start(&[&answers[..], &["--codec", "opus,l16/8000,g722"]].concat());
        let listener = bob.wait_for("listening udp:");
        let target = format!("sip:bob@{}", listener.trim_start_matches("listening udp:"));
        let output =
            run(&["call", &target, "--codec", asked, "--play", SAID, "--score", "--jitter-buffer", "60"]);
        let text = text(&output);
        assert!(output.status.success() && text.contains(spoken), "{text}");
        assert!(text.contains("score: what we heard MOS 4."), "{text}");
        bob.rest();
        let file = std::fs::File::open(&heard).expect("a recording");
        let (samples, of_file) = read_wav_at_its_rate(file).expect("a WAV file");
        assert_eq!(of_file, rate);
        assert!(samples.iter().filter(|sample| sample.unsigned_abs() > 500).count() > 4_000);
    }
    let output = run(&["call", "sip:bob@127.0.0.1", "--codec", "opus,speex"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output).contains("there is no codec `speex`"), "{}", text(&output));
}

#[test]
fn a_recording_of_opus_is_played_and_so_are_the_tones_of_a_country() {
    let folder = Folder::new("plays");
    let (coded, decoded, tones) =
        (folder.path("said.opus"), folder.path("heard.wav"), folder.path("tones.wav"));
    let called = |record: &str, call: &[&str]| {
        let listen = ["--listen", "udp:127.0.0.1:0", "--no-register", "--calls", "1", "--codec", "pcmu"];
        let mut bob = Running::start(&[&["answer", "--record", record][..], &listen].concat());
        let listener = bob.wait_for("listening udp:");
        let target = format!("sip:bob@{}", listener.trim_start_matches("listening udp:"));
        let output = run(&[&["call", &target][..], call].concat());
        assert!(output.status.success(), "{}", text(&output));
        bob.rest();
    };
    called(&coded, &["--play", SAID]);
    // It ends when it was played, as with WAV.
    called(&decoded, &["--play", &coded]);
    let alike = likeness(&loudness(SAID), &loudness(&decoded));
    assert!(alike > 0.9, "{alike}");

    called(&tones, &["--tone", "busy", "--country", "us", "--duration", "3"]);
    let loud: Vec<bool> = loudness(&tones).iter().map(|it| *it > 1_000.0).collect();
    let changes = loud.windows(2).filter(|two| two[0] != two[1]).count();
    assert!((4..=7).contains(&changes), "half a second on and off, for three: {loud:?}");

    let broken = folder.path("broken.opus");
    std::fs::write(&broken, &std::fs::read(&coded).expect("a recording")[..60]).expect("a writable folder");
    for (words, complaint) in [
        (["--play", &broken], "not an Opus file that can be played"),
        (["--tone", "howler"], "`howler` is neither a tone"),
        (["--country", "xx"], "`xx` is neither a tone"),
    ] {
        let output = run(&[&["call", "sip:bob@127.0.0.1:9"][..], &words].concat());
        assert!(!output.status.success() && text(&output).contains(complaint), "{}", text(&output));
    }
}
