//! What must hold after a flow.

use super::agent::{Agent, Seen};
use super::script::Line;
use super::stage::Stage;
use super::watching::Watched;
use ringback_ua::{Session, SubscriptionEnd};

/// Both ends of each call have the same of it: it is over, or up with the same media.
pub(super) fn agree(stage: &Stage) -> Result<(), String> {
    for agent in &stage.agents {
        if let Some(fault) = agent.faults.first() {
            return Err(format!("{}: {fault}", agent.name));
        }
        for own in agent.watching.own.iter().filter(|own| !own.ended) {
            watched(stage, own).map_err(|fault| format!("{}: {fault}: {own:?}", agent.name))?;
        }
        for seen in &agent.calls {
            let others = stage.agents.iter().filter(|other| other.name != agent.name);
            let ends = others.filter_map(|other| Some((other, end_of(other, &seen.call_id)?)));
            // It was sent away from here and has come back, which is another matter.
            if seen.redirected && end_of(agent, &seen.call_id).is_some_and(|end| end.key != seen.key) {
                continue;
            }
            // A call that forked: one of those who are called has it up, or none. The others ring on, as nobody keeps
            // count of the branches who could cancel them.
            let mut all = ends.clone().chain([(agent, seen)]);
            if all.any(|(_, call)| call.is_caller && stage.is_team(&call.peer)) {
                let is_up = |(_, call): &(&Agent, &Seen)| {
                    call.answered && !call.ended && call.is_caller != seen.is_caller
                };
                match ends.clone().find(is_up) {
                    Some(other) if seen.is_caller || (seen.answered && !seen.ended) => {
                        same((agent, seen), other)?;
                    }
                    None if seen.answered && !seen.ended => {
                        return Err(format!("{} talks to nobody: {seen:?}", agent.name));
                    }
                    _ => {}
                }
                continue;
            }
            // A call that was redirected has been to several.
            let other =
                ends.clone().find(|(other, _)| other.name == seen.peer).or_else(|| ends.clone().next());
            match other {
                Some((_, call)) if call.is_caller && call.peer != agent.name && seen.ended => {}
                Some((other, call)) => same((agent, seen), (other, call))?,
                // It never came in.
                None if seen.ended => {}
                None => return Err(format!("{} waits for nobody: {seen:?}", agent.name)),
            }
        }
    }
    Ok(())
}

/// The end of a call at somebody: where it was redirected and has come back, the later one.
fn end_of<'a>(agent: &'a Agent, call_id: &str) -> Option<&'a Seen> {
    let ends = || agent.calls.iter().filter(|call| call.call_id == call_id);
    ends().find(|call| !call.redirected).or_else(|| ends().next())
}

/// Rule 39: who is subscribed knows how the other is, or knows that it does not and subscribes anew.
fn watched(stage: &Stage, own: &Watched) -> Result<(), String> {
    if own.leaving {
        return Err("it was taken back, and goes on".into());
    }
    if own.lapsed {
        return Ok(());
    }
    if own.told.is_empty() {
        return Err("nobody tells anything".into());
    }
    // Of several notifiers one may be gone while the others still tell.
    if stage.is_team(&own.peer) {
        return Ok(());
    }
    let state = &stage.agent(&own.peer).watching.state;
    let is_right = own.told.values().all(|(who, told)| *who == own.peer && told == state);
    if is_right { Ok(()) } else { Err(format!("{} is {state}", own.peer)) }
}

fn same(one: (&Agent, &Seen), other: (&Agent, &Seen)) -> Result<(), String> {
    let fault = |what: &str| {
        let ends = [one, other].map(|(agent, seen)| format!("{}: {seen:?}", agent.name));
        Err(format!("{what}\n{}\n{}", ends[0], ends[1]))
    };
    // RFC 3261 §9.1: a caller to whom no response to this INVITE got through cannot cancel it either, and the callee rings
    // on. Nor does a CANCEL find a callee that has moved while it rang: it goes where the INVITE went.
    let rings_on = |(_, over): (&Agent, &Seen), (callee, rings): (&Agent, &Seen)| {
        let is_deaf = !over.responded || callee.moves != rings.moves;
        over.is_caller && over.ended && is_deaf && !rings.ended && !rings.answered
    };
    if rings_on(one, other) || rings_on(other, one) {
        return Ok(());
    }
    if one.1.ended != other.1.ended {
        return fault("one end has the call up and the other not");
    }
    if one.1.ended {
        return Ok(());
    }
    match (one.1.answered, other.1.answered) {
        (true, true) => {}
        // It rings, and nobody does anything.
        (false, false) => return Ok(()),
        _ => return fault("one end talks and the other waits"),
    }
    let [here, there] = [one, other].map(|(agent, seen)| agent.ua.session(seen.key));
    let (Some(here), Some(there)) = (here, there) else { return fault("a call is up without a session") };
    if is_mirrored(&here, &there) {
        return Ok(());
    }
    fault(&format!("they agreed on different things: {here:?} and {there:?}"))
}

fn is_mirrored(here: &Session, there: &Session) -> bool {
    (here.held_by_us, here.held_by_them) == (there.held_by_them, there.held_by_us)
        && here.audio.is_active() == there.audio.is_active()
}

/// What a flow says at its end.
pub(super) fn claim(stage: &Stage, claim: &Line) -> Result<(), String> {
    let live = |name: &str, with: &str| {
        let agent = stage.agent(name);
        let is_with = |seen: &&Seen| seen.peer == with || stage.is_team(&seen.peer);
        let call = agent.calls.iter().find(|seen| is_with(seen) && !seen.ended && seen.answered);
        call.map(|seen| (agent, seen))
    };
    match claim {
        Line::Talk(one, other) if live(one, other).is_none() || live(other, one).is_none() => {
            let [one, other] = [one, other].map(|name| (name, &stage.agent(name).calls));
            Err(format!("{one:?} and {other:?} do not talk"))
        }
        Line::IsHeld { who, by } => {
            let held = live(who, by).and_then(|(agent, seen)| agent.ua.session(seen.key));
            let is_held = held.is_some_and(|session| session.held_by_them);
            if is_held { Ok(()) } else { Err(format!("{who} is not held by {by}")) }
        }
        Line::HearEachOther(one, other) => {
            let hears = |one: &str, other: &str| {
                let (one, other) = (stage.agent(one), stage.agent(other).audio().rtp);
                let sessions =
                    one.calls.iter().filter(|seen| !seen.ended).filter_map(|seen| one.ua.session(seen.key));
                sessions.into_iter().any(|session| session.remote_rtp() == Some(other))
            };
            if hears(one, other) && hears(other, one) {
                return Ok(());
            }
            Err(format!("{one} and {other} do not hear each other"))
        }
        Line::Speak(one, other, codec) => {
            for (who, with) in [(one, other), (other, one)] {
                let session = live(who, with).and_then(|(agent, seen)| agent.ua.session(seen.key));
                let spoken = session.and_then(|session| session.codec().map(|codec| codec.name().to_owned()));
                if spoken.as_ref() != Some(codec) {
                    return Err(format!("{who} speaks {spoken:?} with {with}"));
                }
            }
            Ok(())
        }
        Line::GotText { who, text } => {
            let mut texts = stage.agent(who).calls.iter().flat_map(|seen| &seen.texts);
            if texts.any(|got| got == text) {
                Ok(())
            } else {
                Err(format!("{who} did not get the text {text}"))
            }
        }
        Line::GotDigits { who, digits } => {
            let got: String = stage.agent(who).calls.iter().map(|seen| seen.digits.as_str()).collect();
            if got == *digits { Ok(()) } else { Err(format!("{who} got the digits {got}")) }
        }
        Line::NobodyTalks => {
            let talks = |agent: &&Agent| agent.calls.iter().any(|seen| !seen.ended);
            stage.agents.iter().find(talks).map_or(Ok(()), |agent| Err(format!("{} talks", agent.name)))
        }
        Line::Knows { who, of, state } => {
            let own = &stage.agent(who).watching.own;
            let mut told = own.iter().flat_map(|own| own.told.values());
            let knows = told.any(|(name, told)| name == of && told == state);
            if knows { Ok(()) } else { Err(format!("{who} does not know that {of} is {state}: {own:?}")) }
        }
        Line::WatchesNobody(who) => {
            let live = stage.agent(who).watching.own.iter().find(|own| !own.ended);
            live.map_or(Ok(()), |own| Err(format!("{who} watches {}", own.peer)))
        }
        Line::WasTold { who, why } => {
            let end = SubscriptionEnd::Terminated(why.clone());
            let was = stage.agent(who).watching.own.iter().any(|own| own.reasons.contains(&end));
            if was { Ok(()) } else { Err(format!("{who} was not told {}", why.as_str())) }
        }
        Line::NeverAnswered(who) => {
            let was = stage.agent(who).calls.iter().any(|seen| seen.answered);
            if was { Err(format!("{who} was answered")) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// All calls ended once, and every table is empty.
pub(super) fn nothing_is_left(stage: &Stage) -> Result<(), String> {
    agree(stage)?;
    for agent in &stage.agents {
        if let Some(seen) = agent.calls.iter().find(|seen| !seen.ended) {
            return Err(format!("{}: {seen:?} never ended", agent.name));
        }
        if let Some(own) = agent.watching.own.iter().find(|own| !own.ended) {
            return Err(format!("{}: {own:?} never ended", agent.name));
        }
        if !agent.ua.is_empty() {
            return Err(format!("something is left at {}: {:?}", agent.name, agent.ua));
        }
    }
    Ok(())
}
