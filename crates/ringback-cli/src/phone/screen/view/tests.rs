//! The screen at 80×24, fed with keys and news as a user and a network would.

use super::super::contacts::Contact;
use super::super::model::{AccountRow, Action, App, MAX_LINES};
use super::super::news::{CallNews, News};
use super::draw;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ringback::{AudioStatus, Lamp, LegStats, MediaInfo, NegotiatedMedia, Receipt, Registration, StatusCode};
use ringback_sdp::MediaKind;
use std::time::{Duration, Instant};

/// An App and what time it is for it.
struct Stage {
    app: App,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        let now = Instant::now();
        let registration = Some(Registration::Active { expires: Duration::from_secs(3600) });
        let account = |address: &str| AccountRow {
            address: address.into(),
            registration: registration.clone(),
            is_quiet: false,
        };
        let accounts = vec![account("sip:alice@example.com"), account("sip:alice@example.org")];
        let contacts = vec![
            Contact { name: "Bob".into(), address: "sip:bob@example.com".into(), lamp: true },
            Contact { name: "Carol".into(), address: "sip:carol@example.com".into(), lamp: false },
        ];
        Self { app: App::new(now, accounts, contacts, "plays a file".into()), now }
    }

    fn press(&mut self, code: KeyCode) -> Vec<Action> {
        self.app.press(self.now, KeyEvent::new(code, KeyModifiers::NONE))
    }

    /// Presses the keys of a text, and gives what the last one asks for.
    fn keys(&mut self, text: &str) -> Vec<Action> {
        let mut actions = Vec::new();
        for c in text.chars() {
            actions = self.press(if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) });
        }
        actions
    }

    fn hear(&mut self, news: News) -> Vec<Action> {
        self.app.hear(self.now, news)
    }

    fn call(&mut self, number: u32, news: CallNews) -> Vec<Action> {
        self.hear(News::Call(number, news))
    }

    fn open(&mut self, number: u32, peer: &str, is_outgoing: bool) {
        let (peer, call_id) = (peer.to_owned(), format!("call-{number}"));
        self.hear(News::Opened { number, peer, call_id, is_outgoing });
    }

    /// A call that was answered.
    fn talk(&mut self, number: u32, peer: &str) -> Vec<Action> {
        self.open(number, peer, true);
        self.call(number, CallNews::Answered(media(false)))
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.app.now = self.now;
    }

    fn screen(&self) -> String {
        self.screen_of(80, 24)
    }

    fn screen_of(&self, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(&self.app, frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(row).collect::<Vec<_>>().join("\n")
    }

    /// Asserts that the screen has a row with all of these.
    #[track_caller]
    fn shows(&self, words: &[&str]) {
        let screen = self.screen();
        let has = screen.lines().any(|row| words.iter().all(|word| row.contains(word)));
        assert!(has, "no row with {words:?}:\n{screen}");
    }
}

fn media(held_by_us: bool) -> MediaInfo {
    MediaInfo {
        codec: "PCMU".into(),
        remote: None,
        encryption: Some("AEAD_AES_128_GCM".into()),
        video: None,
        held_by_us,
        held_by_them: false,
        has_text: false,
        agreed: NegotiatedMedia::disabled(MediaKind::AUDIO),
    }
}

#[test]
fn a_call_is_dialled_shown_and_ends_among_the_recent_ones() {
    let mut stage = Stage::new();
    stage.shows(&["ringback", "alice@example.com", "registered", "plays a file"]);
    assert_eq!(stage.press(KeyCode::Char('d')), []);
    stage.shows(&["dial:"]);
    assert_eq!(stage.keys("dave\n"), [Action::Dial { account: 0, target: "dave".into() }]);
    stage.open(1, "sip:dave@example.com", true);
    stage.shows(&["▶1 →", "dave@example.com", "calling"]);
    stage.call(1, CallNews::Ringing(StatusCode::RINGING));
    stage.shows(&["dave@example.com", "ringing"]);
    stage.call(1, CallNews::Answered(media(false)));
    stage.pass(65);
    stage.shows(&["dave@example.com", "talking", "1:05"]);
    assert_eq!(stage.press(KeyCode::Char('x')), [Action::HangUp(1)]);
    stage.call(1, CallNews::Ended("by us".into()));
    stage.shows(&["no call"]);
    stage.shows(&["call with dave@example.com ended by us"]);
    stage.press(KeyCode::F(2));
    stage.shows(&["→ dave@example.com  1:05", "just now"]);
    assert_eq!(
        stage.press(KeyCode::Enter),
        [Action::Dial { account: 0, target: "sip:dave@example.com".into() }]
    );
}

#[test]
fn who_calls_waits_is_taken_and_the_other_is_held() {
    let mut stage = Stage::new();
    stage.talk(1, "sip:bob@example.com");
    stage.open(2, "sip:carol@example.com", false);
    stage.shows(&["▶1", "Bob", "talking"]);
    stage.shows(&["Carol calls, waiting: a answers, b is busy"]);
    assert_eq!(stage.press(KeyCode::Char('a')), [Action::Hold(1), Action::Answer(2)]);
    // The hold is under way; it is not asked for twice.
    assert_eq!(stage.call(2, CallNews::Answered(media(false))), []);
    stage.call(1, CallNews::Changed(media(true)));
    stage.shows(&[" 1", "Bob", "on hold"]);
    stage.shows(&["▶2", "Carol", "talking"]);
    stage.press(KeyCode::Right);
    assert_eq!(stage.press(KeyCode::Char('h')), [Action::Hold(2), Action::Resume(1)]);
    stage.call(2, CallNews::Changed(media(true)));
    stage.call(1, CallNews::Changed(media(false)));
    assert_eq!(stage.press(KeyCode::Char('T')), [Action::Connect(1, 2)]);
}

#[test]
fn the_one_who_calls_can_be_refused_while_another_talks() {
    let mut stage = Stage::new();
    assert_eq!(stage.press(KeyCode::Char('b')), []);
    stage.shows(&["nobody calls"]);
    stage.talk(1, "sip:bob@example.com");
    stage.open(2, "sip:carol@example.com", false);
    assert_eq!(stage.press(KeyCode::Char('b')), [Action::Reject(2)]);
    stage.call(2, CallNews::Ended("by us".into()));
    stage.press(KeyCode::F(2));
    stage.shows(&["← missed Carol"]);
}

#[test]
fn digits_are_dialled_without_a_call_and_sent_within_one() {
    let mut stage = Stage::new();
    assert_eq!(stage.keys("42\n"), [Action::Dial { account: 0, target: "42".into() }]);
    stage.open(1, "sip:42@example.com", true);
    assert_eq!(stage.keys("5"), []);
    stage.shows(&["digits are sent in a call that was answered"]);
    stage.call(1, CallNews::Answered(media(false)));
    assert_eq!(stage.keys("5"), [Action::Digit(1, '5')]);
    stage.call(1, CallNews::Digit('7'));
    stage.call(1, CallNews::Digit('#'));
    stage.shows(&["42@example.com", "they pressed 7#"]);
}

#[test]
fn transfers_ask_for_whom_and_know_the_names_of_contacts() {
    let mut stage = Stage::new();
    stage.press(KeyCode::Char('t'));
    stage.shows(&["only a call that was answered can be transferred"]);
    stage.talk(1, "sip:bob@example.com");
    stage.press(KeyCode::Char('T'));
    stage.shows(&["there is no other call to connect with"]);
    stage.press(KeyCode::Char('t'));
    stage.shows(&["transfer call 1 to:"]);
    assert_eq!(stage.keys("carol\n"), [Action::Transfer(1, "sip:carol@example.com".into())]);
    stage.call(1, CallNews::Transferring(StatusCode::RINGING));
    stage.shows(&["Bob", "transfer: 180"]);
}

#[test]
fn three_calls_are_connected_by_number() {
    let mut stage = Stage::new();
    for (number, peer) in [(1, "sip:a@x"), (2, "sip:b@x"), (3, "sip:c@x")] {
        stage.talk(number, peer);
    }
    stage.press(KeyCode::Char('T'));
    stage.shows(&["connect call 3 with call number:"]);
    assert_eq!(stage.keys("3\n"), []);
    stage.shows(&["there is no other call 3"]);
    assert_eq!(stage.keys("T2\n"), [Action::Connect(3, 2)]);
}

#[test]
fn what_the_other_side_asks_for_is_asked_of_the_user() {
    let mut stage = Stage::new();
    stage.talk(1, "sip:bob@example.com");
    stage.press(KeyCode::Char('y'));
    stage.shows(&["nobody has asked for anything"]);
    stage.call(1, CallNews::Wish("sip:+8835100@example.net".into()));
    stage.shows(&["call 1 asks us to call sip:+8835100@example.net: y does, n does not"]);
    assert_eq!(stage.press(KeyCode::Char('n')), [Action::Refuse(1)]);
    stage.call(1, CallNews::WishDone);
    stage.shows(&["▶1", "Bob  talking"]);
}

#[test]
fn quality_and_levels_are_those_of_the_selected_call() {
    let mut stage = Stage::new();
    stage.talk(1, "sip:bob@example.com");
    let stats = LegStats {
        packets_received: 990,
        lost: 10,
        jitter: Duration::from_millis(3),
        delay: Duration::from_millis(40),
        round_trip: Some(Duration::from_millis(12)),
        ..LegStats::default()
    };
    stage.call(1, CallNews::Status(AudioStatus { stats, said: 127, heard: 30 }));
    stage.shows(&["PCMU SRTP AES-128-GCM", "MOS 4.", "loss 1.0 %", "jitter 3 ms", "delay 40 ms"]);
    stage.shows(&["we say  ····················", "we hear  ██████████··········", "rtt 12 ms"]);
    assert_eq!(stage.press(KeyCode::Char('m')), [Action::Mute(1, true)]);
    stage.call(1, CallNews::Muted(true));
    stage.shows(&["Bob", "talking · muted"]);
    assert_eq!(stage.press(KeyCode::Char('m')), [Action::Mute(1, false)]);
}

#[test]
fn calls_are_joined_and_parted() {
    let mut stage = Stage::new();
    stage.talk(1, "sip:bob@example.com");
    assert_eq!(stage.press(KeyCode::Char('j')), []);
    stage.shows(&["there is no other call to join"]);
    assert_eq!(stage.talk(2, "sip:carol@example.com"), [Action::Hold(1)]);
    stage.call(1, CallNews::Changed(media(true)));
    assert_eq!(stage.press(KeyCode::Char('j')), [Action::Join(vec![1, 2])]);
    for number in [1, 2] {
        stage.call(number, CallNews::Joined(true));
        stage.call(number, CallNews::Changed(media(false)));
    }
    stage.shows(&["1 →", "Bob", "talking · conference"]);
    stage.shows(&["2 →", "Carol", "talking · conference"]);
    // One of them is held and comes back; the other stays where it is.
    assert_eq!(stage.press(KeyCode::Char('h')), [Action::Hold(2)]);
    stage.call(2, CallNews::Changed(media(true)));
    assert_eq!(stage.press(KeyCode::Char('h')), [Action::Resume(2)]);
    stage.call(2, CallNews::Changed(media(false)));
    // Apart again: we go on with the one that is selected.
    assert_eq!(stage.press(KeyCode::Char('j')), [Action::Split(2), Action::Hold(1)]);
    for number in [1, 2] {
        stage.call(number, CallNews::Joined(false));
    }
    stage.shows(&["2 →", "Carol", "talking   "]);
}

#[test]
fn messages_are_written_read_and_told_when_they_fail() {
    let mut stage = Stage::new();
    stage.hear(News::Message { from: "sip:bob@example.com".into(), text: "where are you?".into(), id: 7 });
    stage.shows(&["alice@example.com", "✉ 1"]);
    stage.shows(&["Bob writes: where are you?"]);
    assert_eq!(stage.press(KeyCode::F(5)), [Action::Shown(7)]);
    stage.shows(&["← Bob: where are you?"]);
    stage.press(KeyCode::Char('w'));
    stage.shows(&["to bob@example.com:"]);
    let (to, text) = ("sip:bob@example.com".to_owned(), "at home".to_owned());
    assert_eq!(stage.keys("at home\n"), [Action::Write { account: 0, to, text, id: 1 }]);
    stage.shows(&["… Bob: at home"]);
    stage.hear(News::Sent { id: 1, failed: None });
    stage.shows(&["→ Bob: at home"]);
    stage.keys("wmore\n");
    stage.hear(News::Sent { id: 2, failed: Some("404 Not Found".into()) });
    stage.shows(&["✗ Bob: more"]);
    stage.shows(&["not delivered: 404 Not Found"]);
}

#[test]
fn contacts_have_lamps_and_calls_say_how_they_ring() {
    let mut stage = Stage::new();
    stage.press(KeyCode::F(3));
    stage.shows(&["Bob", "sip:bob@example.com"]);
    for (lamp, words) in [(Lamp::Idle, "○ Bob"), (Lamp::Ringing, "◌ Bob"), (Lamp::Busy, "● Bob")] {
        stage.hear(News::Lamp(0, lamp));
        stage.shows(&[words]);
    }
    stage.hear(News::Lamp(0, Lamp::Unknown));
    assert!(!stage.screen().contains("● Bob"));
    stage.open(1, "sip:carol@example.com", false);
    stage.call(1, CallNews::Alert("http://example.com/ring.wav".into()));
    stage.shows(&["Carol", "rings as http://example.com/ring.wav"]);
}

#[test]
fn receipts_are_ticks_and_what_is_shown_is_told_once() {
    let mut stage = Stage::new();
    stage.press(KeyCode::F(4));
    stage.keys("Wbob\nhello\n");
    stage.hear(News::Receipt { id: 1, receipt: Receipt::Displayed });
    stage.hear(News::Receipt { id: 1, receipt: Receipt::Delivered });
    stage.hear(News::Sent { id: 1, failed: None });
    stage.shows(&["✓✓ Bob: hello"]);
    stage.keys("Wbob\nagain\n");
    stage.hear(News::Sent { id: 2, failed: None });
    stage.hear(News::Receipt { id: 2, receipt: Receipt::Delivered });
    stage.shows(&["✓ Bob: again"]);
    let shown = stage.hear(News::Message { from: "sip:bob@example.com".into(), text: "yes".into(), id: 3 });
    assert_eq!(shown, [Action::Shown(3)], "the page is open");
    assert_eq!(stage.press(KeyCode::Esc), []);
}

#[test]
fn an_account_is_not_disturbed_and_its_missed_calls_are_seen() {
    let mut stage = Stage::new();
    assert_eq!(stage.press(KeyCode::Char('D')), [Action::Quiet(0, true)]);
    stage.hear(News::Quiet(0, true));
    stage.shows(&["registered  do not disturb"]);
    stage.hear(News::TurnedAway("sip:bob@example.com".into()));
    stage.press(KeyCode::F(1));
    stage.hear(News::Quiet(1, true));
    assert_eq!(stage.press(KeyCode::Char('D')), [Action::Quiet(0, false)]);
}

#[test]
fn fault_47_peers_cannot_steer_the_terminal() {
    let mut stage = Stage::new();
    stage.open(1, "sip:\u{1b}[2Jmallory@x", false);
    stage.hear(News::Message { from: "sip:m@x".into(), text: "\u{1b}]0;title\u{7}\u{202e}".into(), id: 8 });
    stage.call(1, CallNews::Redirected("sip:\u{9b}31m@x".into()));
    stage.press(KeyCode::F(5));
    let screen = stage.screen();
    assert!(!screen.replace('\n', "").chars().any(|c| c.is_control() || c == '\u{202e}'), "{screen:?}");
}

#[test]
fn pasted_text_is_no_command() {
    let mut stage = Stage::new();
    stage.app.paste("q\nd");
    assert!(!stage.app.over && stage.app.prompt.is_none());
    stage.press(KeyCode::Char('d'));
    stage.app.paste("sip:bob@example.com\n");
    stage.shows(&["dial: sip:bob@example.com"]);
}

#[test]
fn quitting_asks_while_there_are_calls() {
    let mut stage = Stage::new();
    stage.talk(1, "sip:bob@example.com");
    stage.press(KeyCode::Char('q'));
    stage.shows(&["there are calls; q or y hangs up and quits"]);
    stage.press(KeyCode::Esc);
    assert!(!stage.app.over && stage.app.prompt.is_none());
    stage.keys("qq");
    assert!(stage.app.over);
    let mut stage = Stage::new();
    stage.app.press(stage.now, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(stage.app.over);
}

#[test]
fn accounts_are_shown_and_taken_in_turn() {
    let mut stage = Stage::new();
    let status = StatusCode::FORBIDDEN;
    let failed = Registration::Failed { status, reason: "Forbidden".into(), retry_in: None };
    stage.hear(News::Registration(1, failed));
    stage.shows(&["sip:alice@example.org is not registered: Forbidden; R tries again"]);
    stage.press(KeyCode::F(6));
    stage.shows(&["sip:alice@example.org", "not registered: 403"]);
    stage.press(KeyCode::Char('o'));
    assert_eq!(stage.press(KeyCode::Char('R')), [Action::Register(1)]);
    assert_eq!(stage.keys("d9\n"), [Action::Dial { account: 1, target: "9".into() }]);
}

#[test]
fn the_ladder_keeps_its_head_and_scrolls_its_rows() {
    let mut stage = Stage::new();
    stage.app.ladder = ["phone", "│┬│"].into_iter().chain(["row"; 30]).map(str::to_owned).collect();
    (0..30).for_each(|row| stage.app.ladder[row + 2] = format!("row {row}."));
    stage.press(KeyCode::Char('l'));
    stage.shows(&["phone"]);
    // The last line is the end of the life lines.
    stage.shows(&["row 28."]);
    assert!(!stage.screen().contains("row 29."));
    stage.press(KeyCode::Up);
    assert!(!stage.screen().contains("row 28."), "{}", stage.screen());
    stage.shows(&["row 27."]);
    (0..100).for_each(|_| _ = stage.press(KeyCode::Up));
    stage.shows(&["row 0."]);
}

#[test]
fn every_page_and_the_fullest_screen_fit_into_any_size() {
    let mut stage = Stage::new();
    for number in 1..=MAX_LINES as u32 {
        stage.talk(number, &format!("sip:{}@example.com", "long".repeat(40)));
    }
    assert_eq!(stage.keys("dx\n"), []);
    stage.shows(&["as many calls as this phone can have"]);
    stage.hear(News::Message { from: "sip:x@y".into(), text: "長い話 ".repeat(200), id: 9 });
    for page in 1..=6 {
        stage.press(KeyCode::F(page));
        for (width, height) in [(1, 1), (10, 3), (60, 20), (80, 24), (200, 60)] {
            stage.screen_of(width, height);
        }
    }
    assert!(stage.screen_of(40, 10).contains("The phone needs 60 columns"));
}

#[test]
fn the_help_names_every_key() {
    let mut stage = Stage::new();
    stage.press(KeyCode::Char('?'));
    for (_, words) in super::super::keys::HELP {
        stage.shows(&[words]);
    }
}
