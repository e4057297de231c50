//! Whatever is done and lost, every call ends once on each side and nothing is left.

use crate::world::{Fate, World, audio};
use proptest::prelude::*;
use ringback_message::StatusCode;
use ringback_sansio::{Entropy, SeededEntropy};
use ringback_ua::{CallKey, UaEvent};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Call {
        from: usize,
        offers: bool,
    },
    /// A call that is answered after a while.
    Connect {
        from: usize,
        after: u64,
    },
    Ring(usize, usize),
    Answer(usize, usize),
    Reject(usize, usize),
    HangUp(usize, usize),
    Hold(usize, usize),
    Resume(usize, usize),
    Message(usize),
    Register(usize),
    Wait(u64),
    /// A message that was sent before, with some bytes changed, comes again.
    Garble {
        which: usize,
        at: usize,
        byte: u8,
    },
    /// A message that was sent before goes to the other side again.
    Replay(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let agent = 0usize..2;
    let call = (0usize..2, 0usize..4);
    prop_oneof![
        2 => (agent.clone(), any::<bool>()).prop_map(|(from, offers)| Step::Call { from, offers }),
        3 => (agent.clone(), 0u64..2_000).prop_map(|(from, after)| Step::Connect { from, after }),
        2 => call.clone().prop_map(|(agent, which)| Step::Ring(agent, which)),
        4 => call.clone().prop_map(|(agent, which)| Step::Answer(agent, which)),
        1 => call.clone().prop_map(|(agent, which)| Step::Reject(agent, which)),
        2 => call.clone().prop_map(|(agent, which)| Step::HangUp(agent, which)),
        3 => call.clone().prop_map(|(agent, which)| Step::Hold(agent, which)),
        3 => call.clone().prop_map(|(agent, which)| Step::Resume(agent, which)),
        1 => agent.clone().prop_map(Step::Message),
        1 => agent.prop_map(Step::Register),
        8 => prop_oneof![0u64..30, 30u64..1_000, 1_000u64..40_000].prop_map(Step::Wait),
        2 => (any::<usize>(), any::<usize>(), any::<u8>()).prop_map(|(which, at, byte)| Step::Garble { which, at, byte }),
        1 => any::<usize>().prop_map(Step::Replay),
    ]
}

type Ua = ringback_ua::UserAgent<SeededEntropy>;

/// What an application knows of its calls.
#[derive(Default)]
struct Application {
    /// Whether each is over.
    calls: BTreeMap<CallKey, bool>,
    answered: Vec<CallKey>,
}

impl Application {
    fn note(&mut self, world: &mut World, agent: usize) {
        for event in std::mem::take(&mut world.agents[agent].events) {
            let call = match event {
                UaEvent::Incoming(incoming) => {
                    assert!(self.calls.insert(incoming.call, false).is_none(), "a call comes once");
                    continue;
                }
                UaEvent::Ended { call, .. } => {
                    assert_eq!(self.calls.insert(call, true), Some(false), "a call ends once");
                    continue;
                }
                UaEvent::Answered { call, .. } => {
                    assert!(!self.answered.contains(&call), "a call is answered once");
                    self.answered.push(call);
                    call
                }
                UaEvent::SessionChanged { call, .. } | UaEvent::ChangeRefused { call, .. } => {
                    assert!(self.answered.contains(&call), "only what is up can change");
                    call
                }
                UaEvent::Trying { call }
                | UaEvent::Ringing { call, .. }
                | UaEvent::EarlyMedia { call, .. } => call,
                _ => continue,
            };
            assert_eq!(self.calls.get(&call), Some(&false), "nothing happens to a call that is over");
        }
    }

    fn live(&self) -> Vec<CallKey> {
        self.calls.iter().filter(|(_, is_over)| !**is_over).map(|(call, _)| *call).collect()
    }
}

fn play(steps: Vec<Step>, seed: u64, loss: u64) {
    let mut world = World::direct(2);
    world.names = vec![ringback_ua::Target::Address(ringback_ua::Protocol::Udp, world.agents[0].address)];
    let mut chance = SeededEntropy::new(seed);
    world.fate = Box::new(move |_| match chance.below(100) {
        number if number < loss => Fate::IsLost,
        number if number < 80 => Fate::Arrives,
        number if number < 90 => Fate::Doubles,
        _ => Fate::Takes(Duration::from_millis(chance.below(900))),
    });
    let mut applications = [Application::default(), Application::default()];
    for step in steps {
        let now = world.now;
        let ua = |world: &mut World, agent: usize, which: usize, act: &dyn Fn(&mut Ua, CallKey)| {
            let live = applications[agent].live();
            if let Some(call) = live.get(which.min(live.len().saturating_sub(1))) {
                act(&mut world.agents[agent].ua, *call);
            }
        };
        // A command may come too early or too late; then it is refused, and that is all.
        match step {
            Step::Call { from, offers } => {
                let account = world.agents[from].account;
                let agent = &mut world.agents[from].ua;
                let call = match offers {
                    true => agent.call(now, account, &World::uri(1 - from), audio(from)),
                    false => agent.call_without_offer(now, account, &World::uri(1 - from), audio(from)),
                };
                applications[from].calls.insert(call.unwrap(), false);
            }
            Step::Connect { from, after } => {
                let account = world.agents[from].account;
                let call = world.agents[from].ua.call(now, account, &World::uri(1 - from), audio(from));
                applications[from].calls.insert(call.unwrap(), false);
                world.run(after);
                applications[1 - from].note(&mut world, 1 - from);
                if let Some(called) = applications[1 - from].live().last() {
                    let now = world.now;
                    let _ = world.agents[1 - from].ua.answer(now, *called, audio(1 - from));
                }
            }
            Step::Ring(agent, which) => ua(&mut world, agent, which, &|ua, call| {
                let _ = ua.ring(now, call);
            }),
            Step::Answer(agent, which) => ua(&mut world, agent, which, &|ua, call| {
                let _ = ua.answer(now, call, audio(agent));
            }),
            Step::Reject(agent, which) => {
                ua(&mut world, agent, which, &|ua, call| {
                    let _ = ua.reject(now, call, StatusCode::BUSY_HERE);
                });
            }
            Step::HangUp(agent, which) => ua(&mut world, agent, which, &|ua, call| {
                let _ = ua.hangup(now, call);
            }),
            Step::Hold(agent, which) => ua(&mut world, agent, which, &|ua, call| {
                let _ = ua.hold(now, call);
            }),
            Step::Resume(agent, which) => ua(&mut world, agent, which, &|ua, call| {
                let _ = ua.resume(now, call);
            }),
            Step::Message(agent) => {
                let account = world.agents[agent].account;
                let sent =
                    world.agents[agent].ua.message(now, account, &World::uri(1 - agent), "text/plain", "x");
                sent.unwrap();
            }
            Step::Register(agent) => {
                let account = world.agents[agent].account;
                world.agents[agent].ua.register(now, account).unwrap();
            }
            Step::Wait(millis) => world.run(millis),
            Step::Garble { which, at, byte } => {
                if let Some(mut packet) = pick(&world, which) {
                    let mut bytes = packet.bytes.to_vec();
                    let at = at % bytes.len();
                    bytes[at] = byte;
                    packet.bytes = bytes.into();
                    world.inject(packet);
                }
            }
            Step::Replay(which) => {
                if let Some(packet) = pick(&world, which) {
                    world.inject(packet);
                }
            }
        }
        world.drain();
        for (agent, application) in applications.iter_mut().enumerate() {
            application.note(&mut world, agent);
        }
    }
    // In the end the network heals and everybody hangs up.
    world.fate = Box::new(|_| Fate::Arrives);
    world.run(2_000);
    for _ in 0..4 {
        for (agent, application) in applications.iter_mut().enumerate() {
            let account = world.agents[agent].account;
            let now = world.now;
            application.note(&mut world, agent);
            for call in application.live() {
                world.agents[agent].ua.hangup(now, call).unwrap();
            }
            world.agents[agent].ua.unregister(now, account).unwrap();
        }
        world.run(100_000);
    }
    world.finish();
    for (agent, application) in applications.iter_mut().enumerate() {
        application.note(&mut world, agent);
        assert!(application.live().is_empty(), "{:?} never ended", application.live());
    }
}

fn pick(world: &World, which: usize) -> Option<crate::world::Packet> {
    if world.log.is_empty() { None } else { Some(world.log[which % world.log.len()].clone()) }
}

proptest! {
    #[test]
    fn rule_59_every_call_ends_once_on_both_sides_and_nothing_is_left(
        steps in prop::collection::vec(step(), 1..40),
        seed in any::<u64>(),
        loss in prop_oneof![Just(0u64), 1u64..60],
    ) {
        play(steps, seed, loss);
    }
}
