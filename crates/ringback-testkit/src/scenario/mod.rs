//! Call flows in a language that reads as the ladders of RFCs do, with user agents of ours in all roles.
//!
//! A line says what a user does, or what becomes of a message:
//!
//! | line | meaning |
//! |---|---|
//! | `alice calls bob`, `bob rings`, `bob rings reliably`, `bob answers`, `bob rejects 486`, `bob redirects to carol` | a user does that; `.. with carol` names the call |
//! | `alice holds`, `alice resumes`, `alice hangs up` | the same, in a call that is up |
//! | `alice moves` | to another address; nobody is at the old one any more |
//! | `bob transfers to carol`, `bob transfers to the call of carol`, `alice accepts the transfer` | REFER, without and with Replaces |
//! | `alice calls bob without an offer`, `.. and answers later`, `.. on hold` | who describes the audio first, and how |
//! | `page passes alice on to bob` | what alice has described is described to bob: by a call, an answer or a re-INVITE |
//! | `alice takes bob back` | describes alice's own audio to bob again |
//! | `alice speaks PCMA alone` | describes this codec and no other from now on |
//! | `alice dials 12 by INFO`, `alice writes hello` | in a call that is up, or will be |
//! | `bob must not be disturbed`, `bob may be disturbed` | calls that come are refused, or not |
//! | `alice subscribes to bob`, `alice unsubscribes`, `bob refuses subscriptions 403` | who does not refuse takes whoever subscribes |
//! | `bob tells busy`, `bob ends the subscription as noresource` | to all who watch; before, all are `idle` |
//! | `alice sends BYE by hand` | in an early dialog, which our user agent itself does not |
//! | `alice -> bob: INVITE`, `bob -> alice: 180 INVITE` | it is sent, and arrives |
//! | `alice -x bob: ACK` | it is sent, and gets lost |
//! | `alice ~> bob: BYE`, and later `bob gets BYE` | it is sent, and arrives later: whatever stands between crosses it |
//! | `after 3 s` | time passes |
//! | `team is bob and carol` | who calls `team` calls them all, by a proxy that forks, holds refusals back while others may still answer, and cancels nobody |
//! | `sessions last 90 s` | all of them have that session timer |
//! | `alice and bob talk`, `alice and bob hear each other` (whoever signals), `alice and bob speak PCMA`, `bob is held by alice`, `nobody talks`, `alice was never answered`, `bob got the digits 12`, `bob got the text hello`, `alice knows that bob is busy`, `alice was told noresource`, `alice watches nobody` | how it ends |
//!
//! A message that no line names, such as a 100 or a copy, is held until the last line, and then comes late. Where a line
//! names a message that was not sent, time passes until it is, so a line may be about a copy that a timer sends.
//!
//! The same flow can be played in bad weather ([`in_weather`]): then messages get lost, doubled and late as a seed says,
//! users do what they do as soon as they can, and lines about messages only make them wait. How that ends nobody knows
//! beforehand; but however it is played, in the end both ends have the same of each call, each call is answered and ends
//! once at most, and when all have hung up every table is empty. Who is subscribed knows the last state of the other, or knows
//! that it does not.
//!
//! ```
//! let flow = "
//!     alice calls bob
//!     alice -> bob: INVITE
//!     bob answers
//!     bob -x alice: 200 INVITE
//!     bob -> alice: 200 INVITE      # again, after T1
//!     alice -> bob: ACK
//!     alice and bob talk
//! ";
//! ringback_testkit::scenario::as_written(flow)?;
//! ringback_testkit::scenario::in_weather(flow, 7)?;
//! # Ok::<(), String>(())
//! ```

mod agent;
mod laws;
mod script;
mod stage;
mod walk;
mod watching;

/// Plays a flow as it is written. Gives all that was sent and done, a line each.
///
/// # Errors
/// What is wrong, with the line that shows it and what had been sent.
pub fn as_written(flow: &str) -> Result<String, String> {
    play(flow, None)
}

/// Plays a flow in bad weather, all of which follows from the seed.
///
/// # Errors
/// The law that was broken, with what had been sent.
pub fn in_weather(flow: &str, seed: u64) -> Result<String, String> {
    play(flow, Some(seed)).map_err(|fault| format!("seed {seed}: {fault}"))
}

/// Plays a random walk in bad weather: two to four users who call, hold before and after the answer, redirect, dial, write,
/// transfer, connect others, change the codec, watch each other, do not want to be disturbed, move to another address and hang
/// up at any time, some of them with sessions that want signs of life. What is not possible
/// is not done, and the laws are those of flows.
///
/// # Errors
/// The law that was broken, with what had been sent.
pub fn random_walk(seed: u64) -> Result<String, String> {
    let lines = walk::draw(seed);
    let mut stage = stage::Stage::new(&lines, Some(seed));
    stage.waits = false;
    match stage.play(&lines) {
        Ok(()) => Ok(stage.into_ladder()),
        Err(fault) => Err(format!("walk {seed}: {fault}\n{}", stage.into_ladder())),
    }
}

fn play(flow: &str, seed: Option<u64>) -> Result<String, String> {
    let lines = script::read(flow)?;
    let mut stage = stage::Stage::new(&lines, seed);
    match stage.play(&lines) {
        Ok(()) => Ok(stage.into_ladder()),
        Err(fault) => Err(format!("{fault}\n{}", stage.into_ladder())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "alice calls bob\nalice -> bob: INVITE\nbob answers\nbob -> alice: 200 INVITE\n";

    #[test]
    fn what_is_not_so_is_told_with_its_line() {
        for (flow, fault) in [
            ("bob -> alice: 180 INVITE", "line 5: bob sends no 180 INVITE to alice"),
            ("bob gets ACK\nnobody talks", "line 6: alice talks"),
            ("alice is held by bob", "line 5: alice is not held by bob"),
            ("alice was never answered", "line 5: alice was answered"),
            ("alice answers", "line 5: alice cannot: the call is not in a state for this"),
            ("bob gets BYE", "line 5: no BYE is under way to bob"),
        ] {
            let told = as_written(&format!("{CALL}{flow}")).unwrap_err();
            assert!(told.starts_with(fault), "{told}");
        }
    }

    #[test]
    fn who_does_not_know_the_state_of_whom_he_watches_is_named() {
        let subscribed = "alice subscribes to bob\nalice -> bob: SUBSCRIBE\nbob -> alice: 200 SUBSCRIBE\n\
                          bob -> alice: NOTIFY\nalice -> bob: 200 NOTIFY\nbob tells busy\n";
        for (flow, fault) in [
            ("alice knows that bob is idle", "line 7: alice does not know that bob is idle"),
            ("alice watches nobody", "line 7: alice watches bob"),
            ("alice was told rejected", "line 7: alice was not told rejected"),
            ("bob unsubscribes", "line 7: bob cannot"),
        ] {
            let told = as_written(&format!("{subscribed}{flow}")).unwrap_err();
            assert!(told.starts_with(fault), "{told}");
        }
    }

    #[test]
    fn bad_weather_follows_from_its_seed() {
        let flow = format!("{CALL}alice -> bob: ACK\nalice holds\nbob hangs up\n");
        assert_eq!(in_weather(&flow, 3), in_weather(&flow, 3));
        let ladder = in_weather(&flow, 7).unwrap();
        assert!(ladder.contains(" -x "), "{ladder}");
        assert_ne!(Ok(ladder), in_weather(&flow, 8));
    }
}
