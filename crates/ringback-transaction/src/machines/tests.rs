//! The four machines as tables: every state, every stimulus, over both kinds of transport.
//!
//! A row reads `transport | states | stimuli | next state: effects | section`. `=` says that nothing happens. `timers-A,B`
//! is every timer but those. Each combination must be in exactly one row, so one that is forgotten fails the test.

use super::*;
use crate::{End, Timings};
use std::collections::BTreeMap;
use std::time::Duration;

const INVITE_CLIENT: &str = "
udp | Calling Calling+cancel | start | Calling: send:kept arm:A=500 arm:B=32000 | RFC 3261 §17.1.1.2
tcp | Calling Calling+cancel | start | Calling: send:kept arm:B=32000 | RFC 3261 §17.1.1.2, no timer A over reliable transports
any | Calling | A | Calling/2000: send:kept arm:A=1000 | RFC 3261 §17.1.1.2, doubles without a cap
any | Calling+cancel | A | Calling/2000+cancel: send:kept arm:A=1000 | RFC 3261 §17.1.1.2
any | Calling Calling+cancel | B | Terminated: end:timed-out | RFC 3261 §17.1.1.2
any | Calling Calling+cancel | failed | Terminated: end:failed | RFC 3261 §17.1.1.2
any | Calling Calling+cancel | cancel | Calling+cancel: | RFC 3261 §9.1, not before a provisional response
any | Calling | 1xx | Proceeding: up disarm:A disarm:B | RFC 3261 §17.1.1.2
any | Calling+cancel | 1xx | Proceeding+cancelled: up cancel disarm:A disarm:B arm:Cancelled=32000 | RFC 3261 §9.1
any | Calling Calling+cancel Proceeding Proceeding+cancelled | 2xx | Accepted: up disarm:A disarm:B disarm:Cancelled arm:M=32000 | RFC 6026 §7.2
udp | Calling Calling+cancel Proceeding Proceeding+cancelled | 3xx 4xx 5xx 6xx | Completed: up send:ack disarm:A disarm:B disarm:Cancelled arm:D=32000 | RFC 3261 §17.1.1.2
tcp | Calling Calling+cancel Proceeding Proceeding+cancelled | 3xx 4xx 5xx 6xx | Terminated: up send:ack disarm:A disarm:B disarm:Cancelled end:completed | RFC 3261 §17.1.1.2, timer D is zero
any | Calling Calling+cancel | timers-A,B | = | not running
any | Proceeding Proceeding+cancelled | start | = | once only
any | Proceeding | 1xx | Proceeding: up | RFC 3261 §17.1.1.2
any | Proceeding | cancel | Proceeding+cancelled: cancel arm:Cancelled=32000 | RFC 3261 §9.1
any | Proceeding+cancelled | 1xx | Proceeding+cancelled: up | RFC 3261 §17.1.1.2
any | Proceeding+cancelled | cancel | = | RFC 3261 §9.1, one CANCEL
any | Proceeding+cancelled | Cancelled | Terminated: end:timed-out | RFC 3261 §9.1, no answer within 64·T1
any | Proceeding Proceeding+cancelled | failed | = | the request has arrived
any | Proceeding | timers | = | RFC 3261 §17.1.1.2, no retransmission and no time-out after a 1xx
any | Proceeding+cancelled | timers-Cancelled | = | not running
any | Completed | 3xx 4xx 5xx 6xx | Completed: send:kept | RFC 3261 §17.1.1.2, acknowledged again
any | Completed | D | Terminated: end:completed | RFC 3261 §17.1.1.2
any | Completed | failed | Terminated: end:failed | RFC 3261 §17.1.1.2
any | Completed | start 1xx 2xx cancel | = | RFC 3261 §17.1.1.2
any | Completed | timers-D | = | not running
any | Accepted | 2xx | Accepted: up | RFC 6026 §7.2
any | Accepted | M | Terminated: end:completed | RFC 6026 §7.2
any | Accepted | start 1xx 3xx 4xx 5xx 6xx cancel | = | RFC 6026 §7.2
any | Accepted | failed | = | RFC 6026 §8.4, nothing is sent
any | Accepted | timers-M | = | not running
any | Terminated | start 1xx 2xx 3xx 4xx 5xx 6xx cancel failed timers | = | over
";

const NON_INVITE_CLIENT: &str = "
udp | Trying | start | Trying: send:kept arm:E=500 arm:F=32000 | RFC 3261 §17.1.2.2
tcp | Trying | start | Trying: send:kept arm:F=32000 | RFC 3261 §17.1.2.2, no timer E over reliable transports
any | Trying | E | Trying/2000: send:kept arm:E=1000 | RFC 3261 §17.1.2.2
any | Trying+late | E | Trying/4000: send:kept arm:E=4000 | RFC 3261 §17.1.2.2, capped by T2
udp | Trying+late | start | Trying: send:kept arm:E=500 arm:F=32000 | RFC 3261 §17.1.2.2
tcp | Trying+late | start | Trying: send:kept arm:F=32000 | RFC 3261 §17.1.2.2
any | Proceeding | E | Proceeding: send:kept arm:E=4000 | RFC 3261 §17.1.2.2, slowed down, not stopped
any | Trying Trying+late Proceeding | F | Terminated: end:timed-out | RFC 3261 §17.1.2.2
any | Trying Trying+late Proceeding | failed | Terminated: end:failed | RFC 3261 §17.1.2.2
any | Trying Trying+late Proceeding | 1xx | Proceeding: up | RFC 3261 §17.1.2.2
udp | Trying Trying+late Proceeding | 2xx 3xx 4xx 5xx 6xx | Completed: up disarm:E disarm:F arm:K=5000 | RFC 3261 §17.1.2.2
tcp | Trying Trying+late Proceeding | 2xx 3xx 4xx 5xx 6xx | Terminated: up disarm:E disarm:F end:completed | RFC 3261 §17.1.2.2, timer K is zero
any | Trying Trying+late Proceeding | cancel | = | RFC 3261 §9.1, of no use
any | Trying Trying+late Proceeding | timers-E,F | = | not running
any | Proceeding | start | = | once only
any | Completed | K | Terminated: end:completed | RFC 3261 §17.1.2.2
any | Completed | start 1xx 2xx 3xx 4xx 5xx 6xx cancel failed timers-K | = | RFC 3261 §17.1.2.2, copies are absorbed
any | Terminated | start 1xx 2xx 3xx 4xx 5xx 6xx cancel failed timers | = | over
";

const INVITE_SERVER: &str = "
any | Proceeding | start | Proceeding: arm:Trying=200 | RFC 3261 §17.2.1, 100 unless the user answers within 200 ms
any | Proceeding | start-at-once | Proceeding: send:trying | RFC 3261 §16.2
any | Proceeding | Trying | Proceeding: send:trying | RFC 3261 §17.2.1
any | Proceeding | 1xx | Proceeding: send:response disarm:Trying | RFC 3261 §17.2.1
any | Proceeding | again | Proceeding: send:kept | RFC 3261 §17.2.1
any | Proceeding | 2xx | Accepted: send:response disarm:Trying arm:L=32000 | RFC 6026 §7.1
udp | Proceeding | 3xx 4xx 5xx 6xx | Completed: send:response disarm:Trying arm:G=500 arm:H=32000 | RFC 3261 §17.2.1
tcp | Proceeding | 3xx 4xx 5xx 6xx | Completed: send:response disarm:Trying arm:H=32000 | RFC 3261 §17.2.1, no timer G over reliable transports
any | Proceeding | failed | Terminated: end:failed | RFC 3261 §17.2.4
any | Proceeding | ack timers-Trying | = | nothing to acknowledge
any | Accepted | 2xx | Accepted: send:response | RFC 6026 §7.1
any | Accepted | ack | Accepted: up | RFC 6026 §7.1
any | Accepted | L | Terminated: end:completed | RFC 6026 §7.1
any | Accepted | again | = | RFC 6026 §7.1, absorbed
any | Accepted | failed | = | RFC 6026 §7.1 and §8.8, the user goes on trying
any | Accepted | start start-at-once 1xx 3xx 4xx 5xx 6xx timers-L | = | RFC 6026 §7.1
any | Completed | again | Completed: send:kept | RFC 3261 §17.2.1
any | Completed | G | Completed/2000: send:kept arm:G=1000 | RFC 3261 §17.2.1
any | Completed+late | G | Completed/4000: send:kept arm:G=4000 | RFC 3261 §17.2.1, capped by T2
any | Completed+late | again | Completed/4000: send:kept | RFC 3261 §17.2.1
any | Completed Completed+late | H | Terminated: end:timed-out | RFC 3261 §17.2.1
udp | Completed Completed+late | ack | Confirmed: disarm:G disarm:H arm:I=5000 | RFC 3261 §17.2.1
tcp | Completed Completed+late | ack | Terminated: disarm:G disarm:H end:completed | RFC 3261 §17.2.1, timer I is zero
any | Completed Completed+late | failed | Terminated: end:failed | RFC 3261 §17.2.4
any | Completed Completed+late | start start-at-once 1xx 2xx 3xx 4xx 5xx 6xx timers-G,H | = | RFC 3261 §17.2.1, one final response
any | Confirmed | I | Terminated: end:completed | RFC 3261 §17.2.1
any | Confirmed | start start-at-once again ack 1xx 2xx 3xx 4xx 5xx 6xx failed timers-I | = | RFC 3261 §17.2.1, absorbed
any | Terminated | start start-at-once again ack 1xx 2xx 3xx 4xx 5xx 6xx failed timers | = | over
";

const NON_INVITE_SERVER: &str = "
any | Trying | start start-at-once | Trying: arm:Trying=3500 arm:Abandoned=32000 | RFC 4320 §4.1 and §4.2
any | Trying | Trying | Proceeding: send:trying | RFC 4320 §4.1
tcp | Trying | 100 | Proceeding: send:response disarm:Trying | RFC 4320 §4.1, at any time over reliable transports
udp | Trying | 100 | = | RFC 4320 §4.1, not early over unreliable ones
any | Trying | 1xx | = | RFC 4320 §4.1, no provisional response but 100
any | Proceeding | 100 1xx | = | RFC 4320 §4.1
udp | Trying Proceeding | 2xx 3xx 4xx 5xx 6xx | Completed: send:response disarm:Trying disarm:Abandoned arm:J=32000 | RFC 3261 §17.2.2
tcp | Trying Proceeding | 2xx 3xx 4xx 5xx 6xx | Terminated: send:response disarm:Trying disarm:Abandoned end:completed | RFC 3261 §17.2.2, timer J is zero
udp | Trying Proceeding | 408 | Completed: forget disarm:Trying disarm:Abandoned arm:J=32000 | RFC 4320 §4.2, never on the wire
tcp | Trying Proceeding | 408 | Terminated: forget disarm:Trying disarm:Abandoned end:completed | RFC 4320 §4.2
any | Trying Proceeding | Abandoned | Terminated: end:timed-out | RFC 4320 §4.2, nobody waits any more
any | Trying Proceeding Completed | failed | Terminated: end:failed | RFC 3261 §17.2.4
any | Trying | again | = | RFC 3261 §17.2.2, nothing was sent yet
any | Trying | ack timers-Trying,Abandoned | = | none to non-INVITE
any | Proceeding | again | Proceeding: send:kept | RFC 3261 §17.2.2
any | Proceeding | start start-at-once ack timers-Abandoned | = | not running
any | Completed | again | Completed: send:kept | RFC 3261 §17.2.2
any | Completed | J | Terminated: end:completed | RFC 3261 §17.2.2
any | Completed | start start-at-once ack 100 1xx 2xx 3xx 4xx 5xx 6xx 408 timers-J | = | RFC 3261 §17.2.2, one final response
any | Terminated | start start-at-once again ack 100 1xx 2xx 3xx 4xx 5xx 6xx 408 failed timers | = | over
";

/// A stimulus by its name in the tables, and whether INVITE is answered 100 at once.
type Named<S> = (String, S, bool);

/// Runs every combination through the machine and compares with its row.
fn check<M: Copy, S: Copy>(
    table: &str,
    states: &[(&str, M)],
    stimuli: &[Named<S>],
    step: impl Fn(M, S, &Pace<'_>, &mut Effects) -> M,
    name: impl Fn(M) -> String,
) {
    let timings = Timings::default();
    let rows = rows(table, &stimuli.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>());
    let mut used = 0;
    for (transport, reliable) in [("udp", false), ("tcp", true)] {
        for (state, machine) in states {
            for (stimulus, on, trying_at_once) in stimuli {
                let at = format!("{transport} | {state} | {stimulus}");
                let expected = rows.get(&at).unwrap_or_else(|| panic!("no row for {at}"));
                let pace = Pace { timings: &timings, reliable, trying_at_once: *trying_at_once };
                let mut effects = Effects::default();
                let next = name(step(*machine, *on, &pace, &mut effects));
                let got = outcome(&next, &effects);
                let unchanged = outcome(&name(*machine), &Effects::default());
                let expected = if expected == "=" { &unchanged } else { expected };
                assert_eq!(&got, expected, "{at}");
                used += 1;
            }
        }
    }
    assert_eq!(used, rows.len(), "a row names a state or stimulus that does not exist");
}

/// The table taken apart: what is expected for each combination.
fn rows(table: &str, stimuli: &[&str]) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for line in table.trim().lines() {
        let columns: Vec<&str> = line.split(" | ").collect();
        let [transport, states, named, expected, section] = columns[..] else {
            panic!("five columns: {line}")
        };
        assert!(!section.is_empty(), "{line}");
        let transports: &[&str] = if transport == "any" { &["udp", "tcp"] } else { &[transport] };
        for transport in transports {
            for state in states.split(' ') {
                for stimulus in named.split(' ').flat_map(|named| expand(named, stimuli)) {
                    let at = format!("{transport} | {state} | {stimulus}");
                    let old = rows.insert(at.clone(), sorted(expected));
                    assert_eq!(old, None, "two rows for {at}");
                }
            }
        }
    }
    rows
}

fn expand(named: &str, stimuli: &[&str]) -> Vec<String> {
    let Some(but) = named.strip_prefix("timers") else { return vec![named.to_owned()] };
    let but: Vec<&str> = but.trim_start_matches('-').split(',').collect();
    let is_timer = |name: &&&str| Timer::ALL.iter().any(|timer| format!("{timer:?}") == **name);
    stimuli
        .iter()
        .filter(is_timer)
        .filter(|name| !but.contains(name))
        .map(|name| (*name).to_owned())
        .collect()
}

/// Effects in one order.
fn sorted(expected: &str) -> String {
    let Some((state, effects)) = expected.split_once(':') else { return expected.to_owned() };
    let mut effects: Vec<&str> = effects.split_whitespace().collect();
    effects.sort_unstable();
    format!("{state}: {}", effects.join(" "))
}

fn outcome(state: &str, effects: &Effects) -> String {
    let mut words = Vec::new();
    match effects.send {
        Send::Nothing => {}
        Send::Kept => words.push("send:kept".to_owned()),
        Send::Response => words.push("send:response".to_owned()),
        Send::Trying => words.push("send:trying".to_owned()),
        Send::Ack => words.push("send:ack".to_owned()),
    }
    for (flag, word) in [(effects.cancel, "cancel"), (effects.pass_up, "up"), (effects.forget, "forget")] {
        words.extend(flag.then(|| word.to_owned()));
    }
    words.extend(effects.disarm.iter().map(|timer| format!("disarm:{timer:?}")));
    words.extend(effects.arm.iter().map(|(timer, after)| format!("arm:{timer:?}={}", after.as_millis())));
    words.extend(effects.end.map(|end| match end {
        End::Completed => "end:completed".to_owned(),
        End::TimedOut => "end:timed-out".to_owned(),
        End::TransportFailed(_) => "end:failed".to_owned(),
    }));
    sorted(&format!("{state}: {}", words.join(" ")))
}

fn status(code: u16) -> StatusCode {
    StatusCode::new(code).expect("a status")
}

const CLASSES: [(&str, u16); 6] =
    [("1xx", 180), ("2xx", 202), ("3xx", 302), ("4xx", 486), ("5xx", 503), ("6xx", 603)];

fn client_stimuli() -> Vec<Named<ClientStimulus>> {
    let mut stimuli = vec![
        ("start".to_owned(), ClientStimulus::Start, false),
        ("cancel".to_owned(), ClientStimulus::Cancel, false),
        ("failed".to_owned(), ClientStimulus::TransportFailed(CloseReason::Reset), false),
    ];
    stimuli
        .extend(CLASSES.map(|(name, code)| (name.to_owned(), ClientStimulus::Response(status(code)), false)));
    stimuli.extend(Timer::ALL.map(|timer| (format!("{timer:?}"), ClientStimulus::Timer(timer), false)));
    stimuli
}

fn server_stimuli(more: &[(&str, u16)]) -> Vec<Named<ServerStimulus>> {
    let mut stimuli = vec![
        ("start".to_owned(), ServerStimulus::Start, false),
        ("start-at-once".to_owned(), ServerStimulus::Start, true),
        ("again".to_owned(), ServerStimulus::Retransmission, false),
        ("ack".to_owned(), ServerStimulus::Ack, false),
        ("failed".to_owned(), ServerStimulus::TransportFailed(CloseReason::Reset), false),
    ];
    let responses = CLASSES.iter().chain(more);
    stimuli.extend(
        responses.map(|(name, code)| ((*name).to_owned(), ServerStimulus::Respond(status(*code)), false)),
    );
    stimuli.extend(Timer::ALL.map(|timer| (format!("{timer:?}"), ServerStimulus::Timer(timer), false)));
    stimuli
}

/// Gaps of one second, the first, are not written.
fn with_gap(name: &str, gap: Duration) -> String {
    if gap == Duration::from_secs(1) { name.to_owned() } else { format!("{name}/{}", gap.as_millis()) }
}

const FIRST: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(4);

#[test]
fn the_invite_client_is_as_its_table_says() {
    use InviteClient as M;
    let states = [
        ("Calling", M::Calling { gap: FIRST, cancel: false }),
        ("Calling+cancel", M::Calling { gap: FIRST, cancel: true }),
        ("Proceeding", M::Proceeding { cancelled: false }),
        ("Proceeding+cancelled", M::Proceeding { cancelled: true }),
        ("Completed", M::Completed),
        ("Accepted", M::Accepted),
        ("Terminated", M::Terminated),
    ];
    let name = |machine| match machine {
        M::Calling { gap, cancel } => with_gap("Calling", gap) + if cancel { "+cancel" } else { "" },
        M::Proceeding { cancelled } => {
            if cancelled {
                "Proceeding+cancelled".to_owned()
            } else {
                "Proceeding".to_owned()
            }
        }
        M::Completed | M::Accepted | M::Terminated => format!("{machine:?}"),
    };
    check(INVITE_CLIENT, &states, &client_stimuli(), M::step, name);
}

#[test]
fn the_non_invite_client_is_as_its_table_says() {
    use NonInviteClient as M;
    let states = [
        ("Trying", M::Trying { gap: FIRST }),
        ("Trying+late", M::Trying { gap: LATE }),
        ("Proceeding", M::Proceeding),
        ("Completed", M::Completed),
        ("Terminated", M::Terminated),
    ];
    let name = |machine| match machine {
        M::Trying { gap } => with_gap("Trying", gap),
        M::Proceeding | M::Completed | M::Terminated => format!("{machine:?}"),
    };
    check(NON_INVITE_CLIENT, &states, &client_stimuli(), M::step, name);
}

#[test]
fn the_invite_server_is_as_its_table_says() {
    use InviteServer as M;
    let states = [
        ("Proceeding", M::Proceeding),
        ("Accepted", M::Accepted),
        ("Completed", M::Completed { gap: FIRST }),
        ("Completed+late", M::Completed { gap: LATE }),
        ("Confirmed", M::Confirmed),
        ("Terminated", M::Terminated),
    ];
    let name = |machine| match machine {
        M::Completed { gap } => with_gap("Completed", gap),
        M::Proceeding | M::Accepted | M::Confirmed | M::Terminated => format!("{machine:?}"),
    };
    check(INVITE_SERVER, &states, &server_stimuli(&[]), M::step, name);
}

#[test]
fn the_non_invite_server_is_as_its_table_says() {
    use NonInviteServer as M;
    let states = [
        ("Trying", M::Trying),
        ("Proceeding", M::Proceeding),
        ("Completed", M::Completed),
        ("Terminated", M::Terminated),
    ];
    let stimuli = server_stimuli(&[("100", 100), ("408", 408)]);
    check(NON_INVITE_SERVER, &states, &stimuli, M::step, |machine| format!("{machine:?}"));
}

#[test]
fn what_a_user_may_send_is_what_a_step_sends() {
    let timings = Timings::default();
    let pace = Pace { timings: &timings, reliable: true, trying_at_once: false };
    let sends = |effects: &Effects| effects.send == Send::Response;
    for code in [100, 180, 200, 302, 486, 503, 603] {
        let status = status(code);
        for machine in [
            InviteServer::Proceeding,
            InviteServer::Accepted,
            InviteServer::Completed { gap: FIRST },
            InviteServer::Confirmed,
            InviteServer::Terminated,
        ] {
            let mut effects = Effects::default();
            machine.step(ServerStimulus::Respond(status), &pace, &mut effects);
            assert_eq!(machine.takes(status), sends(&effects), "{machine:?} {code}");
        }
    }
}
