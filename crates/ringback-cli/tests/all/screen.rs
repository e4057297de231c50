//! The phone on a screen of its own (tmux, 80×24), driven by keys, against a real server and phones that answer.

use crate::support::{Folder, Running, Server};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How long something may take to show; a machine that builds at the same time is slow.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the screen is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A terminal with a phone in it. Its tmux server is its own, and ends with it.
struct Screen {
    socket: String,
    _folder: Folder,
}

impl Screen {
    fn start(name: &str, args: &[&str]) -> Self {
        let folder = Folder::new(&format!("screen-{name}"));
        let screen = Self { socket: folder.path("tmux"), _folder: folder };
        // What it says at its end stays readable.
        let mut command = vec!["new-session", "-d", "-x", "80", "-y", "24", "-s", "phone", "sh", "-c"];
        let script = "\"$0\" phone \"$@\"; printf 'ended with %d\n' $?; exec cat";
        command.extend([script, env!("CARGO_BIN_EXE_ringback")]);
        command.extend(args);
        let output = screen.tmux(&command);
        assert!(output.status.success(), "tmux: {}", String::from_utf8_lossy(&output.stderr));
        screen
    }

    fn tmux(&self, args: &[&str]) -> Output {
        let output = Command::new("tmux")
            .args(["-f", "/dev/null", "-S", &self.socket, "-u"])
            .args(args)
            .env("ALICE", "wonderland")
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8")
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .output();
        output.expect("tmux is installed: apt-get install tmux")
    }

    /// Keys by their tmux names, or texts.
    fn keys(&self, keys: &[&str]) {
        let args: Vec<&str> = ["send-keys", "-t", "phone"].iter().chain(keys).copied().collect();
        assert!(self.tmux(&args).status.success());
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p", "-t", "phone"]).stdout).into_owned()
    }

    /// Waits until one row has all of these, and gives the screen.
    #[track_caller]
    fn wait_for(&self, words: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text();
            if text.lines().any(|row| words.iter().all(|word| row.contains(word))) {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "no row with {words:?}:\n{text}");
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn phone_of_alice(server: &Server, name: &str, more: &[&str]) -> Screen {
    let mut args =
        vec!["--from", "sip:alice@example.com", "--server", &server.address, "--password-env", "ALICE"];
    args.extend(more);
    let screen = Screen::start(name, &args);
    screen.wait_for(&["alice@example.com", "● ", "registered"]);
    screen
}

fn answering(server: &Server, name: &str, more: &[&str]) -> Running {
    let from = format!("sip:{name}@example.com");
    let mut args =
        vec!["answer", "--from", &from, "--server", &server.address, "--password-env", "BOB", "--echo"];
    args.extend(more);
    let mut phone = Running::start(&args);
    phone.wait_for("ready");
    phone
}

fn server() -> Server {
    let users = ["--user", "alice:wonderland", "--user", "bob:builder", "--user", "carol:builder"];
    Server::start(&[&["--ephemeral"][..], &users].concat())
}

#[test]
fn a_call_is_placed_held_transferred_and_hung_up() {
    let server = server();
    let (mut bob, mut carol) = (answering(&server, "bob", &[]), answering(&server, "carol", &[]));
    let speech = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/alice.wav");
    let alice = phone_of_alice(&server, "transfer", &["--play", speech]);

    alice.keys(&["d"]);
    alice.wait_for(&["dial:"]);
    alice.keys(&["bob", "Enter"]);
    alice.wait_for(&["▶1 → bob@example.com", "talking"]);
    alice.wait_for(&["we say", "we hear", "█"]);
    // A busy machine may lose some of it.
    alice.wait_for(&["opus", "SRTP AES-128-GCM", "MOS", "loss", "jitter", "delay"]);

    alice.keys(&["5"]);
    bob.wait_for("digit 5");
    alice.keys(&["h"]);
    alice.wait_for(&["bob@example.com", "on hold"]);
    bob.wait_for("held by the other side");
    alice.keys(&["h"]);
    bob.wait_for("talking again");
    alice.wait_for(&["bob@example.com", "talking"]);
    alice.keys(&["m"]);
    alice.wait_for(&["bob@example.com", "talking · muted"]);

    alice.keys(&["l"]);
    alice.wait_for(&["phone", "server"]);
    alice.wait_for(&["200 OK"]);

    alice.keys(&["t"]);
    alice.wait_for(&["transfer call 1 to:"]);
    alice.keys(&["carol", "Enter"]);
    bob.wait_for("asked to call sip:carol@example.com");
    carol.wait_for("<sip:bob@example.com> calls");
    // What became of it is told, and our call ends.
    alice.wait_for(&["│ no call  "]);
    alice.keys(&["F2"]);
    alice.wait_for(&["→ bob@example.com", "0:"]);

    // Another call, to be hung up.
    alice.keys(&["d", "carol", "Enter"]);
    alice.wait_for(&["carol@example.com", "talking"]);
    alice.keys(&["x"]);
    alice.wait_for(&["│ no call  "]);
    alice.wait_for(&["call with carol@example.com ended by us"]);
    alice.keys(&["q"]);
    alice.wait_for(&["ended with 0"]);
}

#[test]
fn who_calls_is_answered_the_first_is_held_and_both_are_connected() {
    let server = server();
    let mut bob = answering(&server, "bob", &[]);
    let alice = phone_of_alice(&server, "waiting", &[]);
    alice.keys(&["d", "bob", "Enter"]);
    alice.wait_for(&["▶1 → bob@example.com", "talking"]);

    let as_carol = ["--from", "sip:carol@example.com", "--server", &server.address, "--password-env", "BOB"];
    let mut carol = Running::start(&[&["call", "alice", "--register"][..], &as_carol].concat());
    alice.wait_for(&["2 ← carol@example.com", "calls us"]);
    alice.keys(&["a"]);
    alice.wait_for(&["▶2 ← carol@example.com", "talking"]);
    alice.wait_for(&["1 → bob@example.com", "on hold"]);
    bob.wait_for("held by the other side");
    carol.wait_for("answered");

    // Carol is asked to take our place in the call with Bob.
    alice.keys(&["T"]);
    carol.wait_for("asked to call");
    bob.wait_for("<sip:carol@example.com> calls");
    alice.wait_for(&["│ no call  "]);
    alice.keys(&["q"]);
    alice.wait_for(&["ended with 0"]);
}

/// A WAV file of so many seconds of a tone.
fn tone(folder: &Folder, name: &str, hertz: f64, seconds: usize) -> String {
    let mut samples = vec![0; seconds * 16_000];
    ringback_media::AudioSource::tone(hertz, -20.0).fill(16_000, &mut samples);
    let path = folder.path(name);
    let file = std::fs::File::create(&path).expect("a file");
    let mut wav = ringback_media::WavWriter::new(file, 16_000).expect("a header");
    wav.write(&samples).expect("samples");
    wav.finish().expect("an end");
    path
}

/// Which of these tones sound together in some half second of a recording.
fn together(path: &str, tones: &[f64]) -> Vec<Vec<u32>> {
    let file = std::fs::File::open(path).expect("a recording");
    // Before there is any sound it is empty.
    let Ok((samples, rate)) = ringback_media::read_wav_at_its_rate(file) else { return Vec::new() };
    let strength = |piece: &[i16], hertz: f64| {
        let step = hertz / f64::from(rate) * std::f64::consts::TAU;
        let sum = |wave: fn(f64) -> f64| -> f64 {
            piece.iter().zip(0..).map(|(sample, n)| f64::from(*sample) * wave(step * f64::from(n))).sum()
        };
        (sum(f64::sin).powi(2) + sum(f64::cos).powi(2)).sqrt() / piece.len() as f64 * 2.0 / 32_767.0
    };
    let heard = |piece: &[i16]| -> Vec<u32> {
        tones.iter().filter(|hertz| strength(piece, **hertz) > 0.05).map(|hertz| *hertz as u32).collect()
    };
    samples.chunks_exact(rate as usize / 2).map(heard).collect()
}

#[test]
fn two_calls_are_joined_and_each_hears_the_others() {
    let (server, folder) = (server(), Folder::new("joined"));
    let tones = [400.0, 700.0, 1_100.0];
    let files: Vec<String> = ["alice", "bob", "carol"]
        .iter()
        .zip(tones)
        .map(|(name, hertz)| tone(&folder, name, hertz, 60))
        .collect();
    let answering = |name: &str, file: &str, codecs: &str, heard: &str| {
        let from = format!("sip:{name}@example.com");
        let mut phone = Running::start(&[
            "answer",
            "--from",
            &from,
            "--server",
            &server.address,
            "--password-env",
            "BOB",
            "--play",
            file,
            "--record",
            heard,
            "--codec",
            codecs,
            "--calls",
            "1",
            "--duration",
            "60",
        ]);
        phone.wait_for("ready");
        phone
    };
    let (bob_heard, carol_heard) = (folder.path("bob-heard.wav"), folder.path("carol-heard.wav"));
    let mut bob = answering("bob", &files[1], "g722", &bob_heard);
    let mut carol = answering("carol", &files[2], "pcmu", &carol_heard);
    let alice_heard = folder.path("alice-heard.wav");
    let alice = phone_of_alice(&server, "joined", &["--play", &files[0], "--record", &alice_heard]);
    alice.keys(&["d", "bob", "Enter"]);
    alice.wait_for(&["▶1 → bob@example.com", "talking"]);
    alice.keys(&["d", "carol", "Enter"]);
    alice.wait_for(&["▶2 → carol@example.com", "talking"]);
    alice.wait_for(&["1 → bob@example.com", "on hold"]);
    alice.keys(&["j"]);
    alice.wait_for(&["1 → bob@example.com", "talking · conference"]);
    alice.wait_for(&["2 → carol@example.com", "talking · conference"]);
    bob.wait_for("talking again");
    // Until it is on the disk of both, or the test takes too long.
    let begun = Instant::now();
    let has = |path: &str, wanted: [u32; 2]| together(path, &tones).iter().any(|heard| heard[..] == wanted);
    while !(has(&bob_heard, [400, 1_100]) && has(&carol_heard, [400, 700])) {
        assert!(begun.elapsed() < PATIENCE, "bob: {:?}", together(&bob_heard, &tones));
        std::thread::sleep(LOOK);
    }
    // Apart again, Carol goes on alone with us.
    alice.keys(&["j"]);
    alice.wait_for(&["1 → bob@example.com", "on hold"]);
    alice.keys(&["x"]);
    carol.wait_for("ended");
    alice.wait_for(&["▶1 → bob@example.com"]);
    alice.keys(&["x"]);
    bob.wait_for("ended");
    alice.wait_for(&["│ no call  "]);
    alice.keys(&["q"]);
    alice.wait_for(&["ended with 0"]);
    // Of nobody comes back what it said itself.
    for (path, own) in [(&bob_heard, 700), (&carol_heard, 1_100)] {
        assert!(together(path, &tones).iter().all(|heard| !heard.contains(&own)), "{path}");
    }
    assert!(together(&alice_heard, &tones).iter().any(|heard| heard[..] == [700]), "Bob's call, as it came");
}

#[test]
fn messages_come_and_go_and_a_caller_can_be_refused() {
    let server = server();
    let mut bob = answering(&server, "bob", &[]);
    let alice = phone_of_alice(&server, "chat", &[]);
    let as_bob = ["--from", "sip:bob@example.com", "--server", &server.address, "--password-env", "BOB"];
    let written = crate::support::run(&[&["message", "alice", "where are you?"][..], &as_bob].concat());
    assert!(written.status.success(), "{}", crate::support::text(&written));
    alice.wait_for(&["bob@example.com writes: where are you?"]);
    alice.keys(&["F5"]);
    alice.wait_for(&["← bob@example.com: where are you?"]);
    alice.keys(&["w", "at home", "Enter"]);
    bob.wait_for("message from <sip:alice@example.com>: at home");
    // It was delivered, and shown.
    alice.wait_for(&["✓✓ bob@example.com: at home"]);

    let mut call = Running::start(&[&["call", "alice"][..], &as_bob].concat());
    alice.wait_for(&["▶1 ← bob@example.com", "calls us"]);
    alice.keys(&["b"]);
    call.wait_for("486");
    alice.wait_for(&["│ no call  "]);
    alice.keys(&["C-c"]);
    alice.wait_for(&["ended with 0"]);
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let output = crate::support::run(&["phone"]);
    assert_eq!(output.status.code(), Some(64));
    let text = crate::support::text(&output);
    assert!(text.contains("the phone needs a terminal; in scripts use `ringback call`"), "{text}");
}
