//! One simulation: hosts, network and users on one clock.

use super::Report;
use super::host::Host;
use super::laws;
use super::network::Network;
use super::phone::Phone;
use super::plan::{self, Act, Plan, Reply};
use super::server::Server;
use super::trace::Trace;
use ringback_sansio::{Entropy as _, SeededEntropy};
use ringback_ua::CallKey;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// More steps than this take no end.
const MOST_STEPS: usize = 200_000;
/// After the last user has hung up everything is quiet within this time.
const LONGEST: Duration = Duration::from_secs(4 * 3_600);

/// What a user does next.
#[derive(Clone, Copy, Debug)]
enum Next {
    Call(usize),
    Ring(usize, CallKey),
    Reply(usize, CallKey, Reply),
    Act(usize, CallKey, Act),
    /// Everybody hangs up.
    Close,
    /// Everybody goes.
    Leave,
    /// Accounts that cannot even be left are forgotten.
    Forget,
}

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) phones: Vec<Host<Phone>>,
    pub(super) servers: Vec<Host<Server>>,
    pub(super) network: Network,
    now: Instant,
    addresses: Vec<SocketAddr>,
    /// What users do, by time; the number keeps what was planned first before the rest.
    next: BTreeMap<(Instant, u64), Next>,
    serial: u64,
    /// Calls by Call-ID: which of the plan, and at how many phones they came in.
    planned: BTreeMap<String, (usize, usize)>,
    trace: Trace,
    /// What was found wrong on the way.
    pub(super) faults: VecDeque<String>,
}

/// Runs a seed; with it goes the trace, where it is kept.
pub(super) fn run(seed: u64, keeps_trace: bool) -> Result<(Report, String), (String, String)> {
    let mut world = World::new(seed, keeps_trace);
    let outcome = world.play().and_then(|()| laws::check(&world));
    let report = world.report(seed);
    match outcome {
        Ok(()) => Ok((report, world.trace.into_lines())),
        Err(what) => Err((what, world.trace.into_lines())),
    }
}

impl World {
    fn new(seed: u64, keeps_trace: bool) -> Self {
        let start = Instant::now();
        let mut entropy =
            SeededEntropy::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x0052_494e_4742_4143);
        let plan = Plan::draw(start, &mut entropy);
        let network = Network::new(plan.weather.clone(), entropy.next_u64());
        let server = |number: usize| {
            let server = Server::new(start, number, &plan, entropy.next_u64());
            Host::new(plan::server(number), server)
        };
        let servers: Vec<Host<Server>> = (0..plan.servers).map(server).collect();
        let phones = plan.phones.iter().enumerate().map(|(number, phone)| {
            let address = plan::phone(number);
            let seed = entropy.next_u64();
            Host::new(address, Phone::new(start, *phone, address, seed))
        });
        let phones: Vec<Host<Phone>> = phones.collect();
        let servers_at = servers.iter().map(|server| server.address);
        let addresses = phones.iter().map(|phone| phone.address).chain(servers_at).collect();
        let mut world = Self {
            network,
            phones,
            servers,
            now: start,
            addresses,
            next: BTreeMap::new(),
            serial: 0,
            planned: BTreeMap::new(),
            trace: Trace::new(start, keeps_trace),
            faults: VecDeque::new(),
            plan,
        };
        for (number, call) in world.plan.calls.clone().into_iter().enumerate() {
            world.later(call.at, Next::Call(number));
        }
        let closing = world.plan.closing;
        world.later(closing, Next::Close);
        world.later(closing + Duration::from_secs(150), Next::Leave);
        world.later(closing + Duration::from_secs(300), Next::Forget);
        world
    }

    fn report(&self, seed: u64) -> Report {
        let callers =
            self.phones.iter().flat_map(|phone| phone.core.calls.values()).filter(|seen| seen.is_caller);
        Report {
            seed,
            calls: callers.clone().count(),
            forked: self.planned.values().filter(|(_, came_in)| *came_in > 1).count(),
            redirected: callers.clone().filter(|seen| seen.redirected).count(),
            answered: callers.filter(|seen| seen.answered.is_some()).count(),
            datagrams: self.network.sent,
            lost: self.network.lost,
            hash: self.trace.hash(),
        }
    }

    fn later(&mut self, after: Duration, next: Next) {
        self.serial += 1;
        self.next.insert((self.now + after, self.serial), next);
    }

    fn play(&mut self) -> Result<(), String> {
        let end = self.now + LONGEST;
        for phone in &mut self.phones {
            let account = phone.core.account;
            phone.core.ua.register(self.now, account).map_err(|error| error.to_string())?;
        }
        self.pump();
        for _ in 0..MOST_STEPS {
            let Some(at) = self.next_time() else { return Ok(()) };
            if at > end {
                return Err(format!("not quiet after {LONGEST:?}: {}", self.remains()));
            }
            self.now = self.now.max(at);
            self.step();
            if let Some(fault) = self.faults.pop_front() {
                return Err(fault);
            }
        }
        Err(format!("no end after {MOST_STEPS} steps: {}", self.remains()))
    }

    fn next_time(&self) -> Option<Instant> {
        let hosts =
            self.phones.iter().filter_map(Host::next).chain(self.servers.iter().filter_map(Host::next));
        let users = self.next.keys().next().map(|(at, _)| *at);
        hosts.chain(users).chain(self.network.next()).min()
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some((to, what)) = self.network.arrived(now) {
            let server = self.servers.iter_mut().find(|server| server.address == to);
            match (self.phones.iter_mut().find(|phone| phone.address == to), server) {
                (Some(phone), _) => phone.arrived(now, what),
                (None, Some(server)) => server.arrived(now, what),
                (None, None) => self.faults.push_back(format!("something was sent to {to}, where nobody is")),
            }
            self.pump();
        }
        for phone in &mut self.phones {
            if phone.next().is_some_and(|at| at <= now) {
                phone.handle_timeout(now);
            }
        }
        for server in &mut self.servers {
            if server.next().is_some_and(|at| at <= now) {
                server.handle_timeout(now);
            }
        }
        self.pump();
        while let Some(entry) = self.next.first_entry().filter(|entry| entry.key().0 <= now) {
            let next = entry.remove();
            self.act(next);
            self.pump();
        }
    }

    fn pump(&mut self) {
        let now = self.now;
        for server in &mut self.servers {
            server.pump(now, &mut self.network, &self.addresses, &mut self.trace);
        }
        for number in 0..self.phones.len() {
            let phone = &mut self.phones[number];
            phone.pump(now, &mut self.network, &self.addresses, &mut self.trace);
            for news in std::mem::take(&mut phone.core.news) {
                self.trace.said(now, number, &news);
            }
            for call in std::mem::take(&mut self.phones[number].core.incoming) {
                self.decide(number, call);
            }
        }
    }

    /// A call has come in: what the plan says about it will be done.
    fn decide(&mut self, phone: usize, key: CallKey) {
        let call_id = &self.phones[phone].core.calls[&key].call_id;
        let Some((number, came_in)) = self.planned.get_mut(call_id) else {
            return self.faults.push_back(format!("{call_id} came in and was never made"));
        };
        let call = self.plan.calls[*number].clone();
        let Some((rings, reply)) = call.replies.get(*came_in).copied() else {
            return self.faults.push_back(format!("{call_id} came in too often"));
        };
        *came_in += 1;
        if let Some(after) = rings {
            self.later(after, Next::Ring(phone, key));
        }
        match reply {
            Reply::Answer(after) | Reply::Reject(after, _) => {
                self.later(after, Next::Reply(phone, key, reply))
            }
            Reply::Never => {}
        }
        for (after, by_caller, act) in call.acts {
            if !by_caller {
                self.later(after, Next::Act(phone, key, act));
            }
        }
    }

    fn act(&mut self, next: Next) {
        let now = self.now;
        match next {
            Next::Call(number) => {
                let call = self.plan.calls[number].clone();
                let (phone, whom) = (&mut self.phones[call.caller].core, self.plan.address_of(call.callee));
                let Some(key) = phone.call(now, &whom, call.offers) else {
                    return self.faults.push_back("a call could not be made".to_owned());
                };
                self.planned.insert(phone.calls[&key].call_id.clone(), (number, 0));
                self.trace.said(now, call.caller, &format!("calls {whom} as {key:?}: {call:?}"));
                for (after, by_caller, act) in call.acts {
                    if by_caller {
                        self.later(after, Next::Act(call.caller, key, act));
                    }
                }
            }
            // That the call is over, or in another state, is for the user agent to know and to say.
            Next::Ring(phone, key) => drop(self.phones[phone].core.ua.ring(now, key)),
            Next::Reply(phone, key, Reply::Answer(_)) => {
                let phone = &mut self.phones[phone].core;
                let audio = phone.audio();
                let _ = phone.ua.answer(now, key, audio);
            }
            Next::Reply(phone, key, Reply::Reject(_, status)) => {
                let phone = &mut self.phones[phone].core;
                if phone.ua.reject(now, key, status).is_ok()
                    && let Some(seen) = phone.calls.get_mut(&key)
                {
                    seen.given_up.get_or_insert(now);
                }
            }
            Next::Reply(_, _, Reply::Never) => {}
            Next::Act(phone, key, act) => self.in_call(phone, key, act),
            Next::Close => {
                for number in 0..self.phones.len() {
                    let phone = &mut self.phones[number].core;
                    if self.plan.is_calm && phone.is_busy() {
                        self.faults
                            .push_back(format!("a call of phone{number} is up long after it was hung up"));
                    }
                    let open: Vec<CallKey> = phone.calls.keys().copied().collect();
                    open.into_iter().for_each(|key| phone.hang_up(now, key));
                }
            }
            Next::Leave => {
                for phone in &mut self.phones {
                    let account = phone.core.account;
                    let _ = phone.core.ua.unregister(now, account);
                }
            }
            Next::Forget => {
                for phone in &mut self.phones {
                    phone.core.ua.remove_account(phone.core.account);
                }
            }
        }
    }

    fn in_call(&mut self, number: usize, key: CallKey, act: Act) {
        let now = self.now;
        if act == Act::HangUp {
            self.trace.said(now, number, &format!("hangs up {key:?}"));
            self.faults.extend(laws::both_sides_agree(self, number, key, now));
            return self.phones[number].core.hang_up(now, key);
        }
        let phone = &mut self.phones[number].core;
        let done = match act {
            Act::Hold => phone.ua.hold(now, key),
            Act::Resume => phone.ua.resume(now, key),
            Act::HangUp => return,
        };
        if let (Ok(()), Some(seen)) = (done, phone.calls.get_mut(&key)) {
            seen.changed = Some(now);
        }
        self.trace.said(now, number, &format!("does {act:?} in {key:?}: {done:?}"));
    }

    pub(super) fn remains(&self) -> String {
        let phones = self.phones.iter().enumerate();
        let phones: Vec<String> = phones
            .filter(|(_, phone)| !phone.core.ua.is_empty())
            .map(|(number, phone)| format!("phone{number}: {:?}", phone.core.ua))
            .collect();
        let servers: Vec<String> = self.servers.iter().map(|server| server.core.remains()).collect();
        format!("{}; servers: {}", phones.join("; "), servers.join("; "))
    }
}
