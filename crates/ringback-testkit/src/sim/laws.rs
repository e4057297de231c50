//! What must hold after a simulation.

use super::phone::Seen;
use super::world::World;
use ringback_message::StatusCode;
use ringback_ua::{CallKey, EndedBy};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How far apart the two ends of a call may hear of its end where nothing gets lost.
const APART: Duration = Duration::from_secs(40);
/// How long hold and resume may take where nothing gets lost, glare included.
const SETTLED: Duration = Duration::from_secs(15);

pub(super) fn check(world: &World) -> Result<(), String> {
    every_message_is_by_the_letter(world)?;
    every_call_ended_once(world)?;
    both_ends_saw_the_same(world)?;
    nothing_is_left(world)
}

fn every_message_is_by_the_letter(world: &World) -> Result<(), String> {
    let phones = world.phones.iter().map(|phone| &phone.deviates);
    let servers = world.servers.iter().map(|server| &server.deviates);
    match phones.chain(servers).flatten().next() {
        Some(deviation) => Err(format!("a message was sent with {deviation}")),
        None => Ok(()),
    }
}

fn every_call_ended_once(world: &World) -> Result<(), String> {
    for (number, phone) in world.phones.iter().enumerate() {
        for (key, seen) in &phone.core.calls {
            if let Some(fault) = seen.faults.first() {
                return Err(format!("phone{number}, {key:?}: {fault}"));
            }
            if seen.ended.is_none() {
                return Err(format!("phone{number}, {key:?}: it never ended"));
            }
        }
    }
    Ok(())
}

fn nothing_is_left(world: &World) -> Result<(), String> {
    let phones =
        world.phones.iter().all(|phone| phone.core.ua.is_empty() && phone.transport.open_streams() == 0);
    let mut servers = world.servers.iter();
    if !phones || servers.any(|server| !server.core.is_empty() || server.transport.open_streams() > 0) {
        return Err(format!("something is left: {}", world.remains()));
    }
    let phones = world.phones.iter().map(|phone| phone.malformed);
    let malformed = phones.chain(world.servers.iter().map(|server| server.malformed)).sum::<usize>();
    if malformed > 0 {
        return Err(format!("{malformed} messages could not be read"));
    }
    Ok(())
}

fn both_ends_saw_the_same(world: &World) -> Result<(), String> {
    let all = || world.phones.iter().flat_map(|phone| phone.core.calls.values());
    for caller in all().filter(|seen| seen.is_caller) {
        let callees: Vec<&Seen> =
            all().filter(|seen| !seen.is_caller && seen.call_id == caller.call_id).collect();
        let fault = match &callees[..] {
            [] => never_came_in(world, caller),
            [callee] if !world.plan.is_calm => contradict(caller, callee),
            _ if !world.plan.is_calm => callees.iter().find_map(|callee| wronged_by_weather(callee)),
            _ => one_saw_the_same(caller, &callees),
        };
        if let Some(fault) = fault {
            return Err(format!("{}: {fault}\ncaller: {caller:?}\ncallees: {callees:?}", caller.call_id));
        }
    }
    for phone in &world.phones {
        let mut last: BTreeMap<(&String, bool), &Seen> = BTreeMap::new();
        let mut calls: Vec<&Seen> = phone.core.calls.values().collect();
        calls.sort_by_key(|call| call.begun);
        for call in calls {
            let before = last.insert((&call.call_id, call.is_caller), call);
            if before.is_some_and(|before| !may_come_again(before, call)) {
                return Err(format!("{} came in twice", call.call_id));
            }
        }
    }
    Ok(())
}

/// A proxy whose connection to a phone breaks finds that out after 64·T1, and then tries another way: the phone, which has refused
/// the call meanwhile, has forgotten it by then.
fn may_come_again(before: &Seen, call: &Seen) -> bool {
    const FORGOTTEN: Duration = Duration::from_secs(32);
    let is_over = before.ended.as_ref().is_some_and(|(at, _)| *at <= call.begun);
    is_over && call.begun.saturating_duration_since(before.begun) >= FORGOTTEN
}

/// Where a call rang at several phones, one of them saw what the caller saw, and the others were told to stop.
fn one_saw_the_same(caller: &Seen, callees: &[&Seen]) -> Option<String> {
    let fault = |callee: &&Seen| differ(caller, callee).or_else(|| differ_much(caller, callee));
    match callees.iter().position(|callee| fault(callee).is_none()) {
        Some(at) => {
            let others = callees.iter().enumerate().filter(|(other, _)| *other != at);
            others.filter_map(|(_, other)| wronged(other)).next()
        }
        None => callees.iter().find_map(fault),
    }
}

fn never_came_in(world: &World, caller: &Seen) -> Option<String> {
    if !world.plan.is_calm {
        return caller.answered.map(|_| "somebody answered who was never called".to_owned());
    }
    // Given up before the server knew who was calling, or before the new address was.
    let redirected = caller.redirected || end(caller).2 == Some(StatusCode::MOVED_TEMPORARILY);
    let unknown = (world.plan.asks_for_passwords || redirected) && caller.given_up.is_some();
    (!unknown).then(|| "it never came in".to_owned())
}

/// A phone that rang beside the one that the caller talked to: it was told to stop, or had refused itself.
fn wronged(other: &Seen) -> Option<String> {
    match end(other).1 {
        EndedBy::Peer => None,
        EndedBy::Us if other.given_up.is_some() => None,
        // It answered with an offer, and was turned away without an answer.
        EndedBy::Us if other.answered.is_none() => None,
        by => Some(format!("another phone saw it end by {by:?}")),
    }
}

fn wronged_by_weather(other: &Seen) -> Option<String> {
    wronged(other).filter(|_| end(other).1 != EndedBy::Network)
}

fn end(seen: &Seen) -> (Instant, EndedBy, Option<StatusCode>) {
    let (at, ending) = seen.ended.as_ref().expect("checked before: it ended");
    (*at, ending.by, ending.status)
}

/// Where nothing gets lost: one side ended it, the other was told, with the same words.
fn differ(caller: &Seen, callee: &Seen) -> Option<String> {
    let ((_, by_caller, told), (_, by_callee, said)) = (end(caller), end(callee));
    let crossed = caller.given_up.is_some() && caller.answered.is_none() && said.is_none();
    let both_gave_up = caller.given_up.is_some() && callee.given_up.is_some();
    match (by_caller, by_callee) {
        (EndedBy::Us, EndedBy::Peer) if caller.given_up.is_some() => {}
        (EndedBy::Peer, EndedBy::Us) if callee.given_up.is_some() => {}
        (EndedBy::Us, EndedBy::Us) if both_gave_up => {}
        // The caller gave up while the offer was on its way to it, and had no answer for it (rule 46).
        (EndedBy::Us, EndedBy::Us) if crossed => {}
        other => return Some(format!("ended by {other:?}")),
    }
    match (caller.answered.is_some(), callee.answered.is_some()) {
        (true, true) => None,
        // Rule 15: the answer crossed the CANCEL, and the caller never knew.
        (false, true) if caller.given_up.is_some() => None,
        // Without an offer of the caller's the callee is not told before the ACK: so may the end come first.
        (true, false) if caller.given_up.is_some() || callee.given_up.is_some() => None,
        // Or the callee was not told yet that it had answered: the offer was its own.
        (false, false) if crossed => None,
        (false, false) if by_caller != by_callee && told != said => Some(format!("{told:?} is not {said:?}")),
        (false, false) => None,
        other => Some(format!("answered: {other:?}")),
    }
}

fn differ_much(caller: &Seen, callee: &Seen) -> Option<String> {
    let (one, other) = (end(caller).0, end(callee).0);
    let apart = one.max(other).duration_since(one.min(other));
    (apart > APART).then(|| format!("ended {apart:?} apart"))
}

/// Where messages get lost: not all is heard, but nothing is heard that was never said.
fn contradict(caller: &Seen, callee: &Seen) -> Option<String> {
    let ((_, by_caller, told), (_, by_callee, _)) = (end(caller), end(callee));
    if caller.answered.is_some()
        && callee.answered.is_none()
        && caller.given_up.is_none()
        && by_callee == EndedBy::Us
    {
        return Some("answered by nobody".to_owned());
    }
    // Of its own accord a proxy says that the callee, or nobody, answered in time, or that it could not be reached.
    let by_proxy = matches!(told.map(StatusCode::as_u16), Some(408 | 480 | 481 | 500 | 502 | 503));
    match (by_caller, by_callee) {
        (EndedBy::Peer, EndedBy::Peer) if !by_proxy => Some("each says the other ended it".to_owned()),
        (EndedBy::Peer, _) if !by_proxy && callee.given_up.is_none() && by_callee == EndedBy::Us => {
            Some("ended by somebody who did not want to".to_owned())
        }
        (EndedBy::Us, _) if caller.given_up.is_none() && told.is_none() && callee.given_up.is_none() => {
            Some("ended by nobody".to_owned())
        }
        _ => None,
    }
}

/// While a call is up and nothing was changed for a while, both sides know who holds whom.
pub(super) fn both_sides_agree(world: &World, number: usize, key: CallKey, now: Instant) -> Option<String> {
    if !world.plan.is_calm {
        return None;
    }
    let ours = world.phones[number].core.calls.get(&key)?;
    let phones = world.phones.iter();
    let all = phones.flat_map(|phone| phone.core.calls.iter().map(move |(key, seen)| (phone, *key, seen)));
    let same: Vec<_> = all.filter(|(_, _, seen)| seen.call_id == ours.call_id).collect();
    let is_up = |seen: &Seen| seen.answered.is_some() && seen.ended.is_none();
    let is_settled = |seen: &Seen| {
        let last = seen.changed.max(seen.answered);
        seen.given_up.is_none() && last.is_some_and(|at| now.duration_since(at) > SETTLED)
    };
    let talks = |seen: &Seen| !seen.is_caller && is_up(seen) && is_settled(seen);
    if same.iter().filter(|(_, _, seen)| talks(seen)).count() > 1 {
        return Some("two phones talk in one call".to_owned());
    }
    let (phone, other, theirs) =
        same.iter().find(|(_, _, seen)| seen.is_caller != ours.is_caller && is_up(seen))?;
    if !is_up(ours) || !is_settled(ours) || !is_settled(theirs) {
        return None;
    }
    let one = world.phones[number].core.ua.session(key)?;
    let Some(two) = phone.core.ua.session(*other) else { return Some("up on one side only".to_owned()) };
    let mirrored = (one.held_by_us, one.held_by_them) == (two.held_by_them, two.held_by_us);
    (!mirrored).then(|| format!("they do not agree who holds whom: {one:?} and {two:?}"))
}
