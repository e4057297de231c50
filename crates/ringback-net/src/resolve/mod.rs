//! Names to targets: carries the questions of a [`Locator`] to the hosts table and to DNS.

mod dns;
mod domains;
mod hosts;
mod stale;

pub use dns::NameServers;
pub(crate) use domains::Domains;
pub use hosts::Hosts;

use stale::Stale;

use crate::outbox::Outbox;
use crate::shared::Shared;
use crate::{Core, NetConfig, OsEntropy};
use futures::stream::{FuturesUnordered, StreamExt as _};
use hickory_resolver::TokioResolver;
use ringback_sansio::{Map, Protocol, Target};
use ringback_transport::locate::{
    Answer, Kind, LocateError, Locator, Name, NextHop, Penalties, Question, QuestionId, Resources, Step,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Looking for a name may take so long altogether; then it has no targets (fault 38).
const PATIENCE: Duration = Duration::from_secs(10);

/// Hears what was asked and what came of it.
pub(crate) type Seen<'a> = &'a mut (dyn FnMut(&Question, &Answer) + Send);

/// What is needed to find names.
#[derive(Debug)]
pub(crate) struct Finder {
    hosts: Hosts,
    servers: NameServers,
    /// Made when the first name is asked for that no table holds.
    resolver: OnceLock<Option<TokioResolver>>,
    pub(crate) domains: Domains,
    penalties: Mutex<Penalties>,
    stale: Mutex<Stale>,
    /// Who waits for the end of a race.
    races: Mutex<Map<u64, oneshot::Sender<Option<Target>>>>,
    raced: AtomicU64,
}

impl Finder {
    pub(crate) fn new(config: &NetConfig) -> Self {
        Self {
            hosts: config.hosts.clone(),
            servers: config.name_servers.clone(),
            resolver: OnceLock::new(),
            domains: Domains::default(),
            penalties: Mutex::default(),
            stale: Mutex::new(Stale::new(config.serve_stale)),
            races: Mutex::default(),
            raced: AtomicU64::new(0),
        }
    }

    /// Who did not work lately.
    pub(crate) fn penalties(&self) -> MutexGuard<'_, Penalties> {
        self.penalties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a race, and where its end is told.
    pub(crate) fn new_race(&self) -> (u64, oneshot::Receiver<Option<Target>>) {
        let (told, ended) = oneshot::channel();
        let token = self.raced.fetch_add(1, Ordering::Relaxed);
        self.races.lock().unwrap_or_else(PoisonError::into_inner).insert(token, told);
        (token, ended)
    }

    /// A race ended.
    pub(crate) fn raced(&self, token: u64, there: Option<Target>) {
        let told = self.races.lock().unwrap_or_else(PoisonError::into_inner).remove(&token);
        if let Some(told) = told {
            // Whoever asked may be gone.
            let _ = told.send(there);
        }
    }

    /// Finds the targets of a name, and how many of them belong to the first server. To be called in a runtime.
    pub(crate) async fn find(
        &self,
        name: Name,
        resources: Resources,
        mut seen: Option<Seen<'_>>,
    ) -> Result<(Vec<Target>, usize), LocateError> {
        let domain = self.domains.id(&name.host);
        let mut locator = Locator::new(name, domain, resources);
        let mut entropy = OsEntropy::new();
        let mut open = FuturesUnordered::new();
        loop {
            while let Some(step) = locator.poll() {
                match step {
                    Step::Ask(id, question) => open.push(self.ask(id, question)),
                    Step::Done(targets) => {
                        return targets.map(|targets| (targets, locator.of_first_server()));
                    }
                }
            }
            // A locator that has not ended waits for an answer.
            let Some((id, question, answer)) = open.next().await else { return Err(LocateError::Unanswered) };
            if let Some(seen) = &mut seen {
                seen(&question, &answer);
            }
            locator.answer(id, answer, &mut entropy);
        }
    }

    async fn ask(&self, id: QuestionId, question: Question) -> (QuestionId, Question, Answer) {
        if let Some(answer) = self.hosts.answer(&question) {
            return (id, question, answer);
        }
        let Some(resolver) = self.resolver.get_or_init(|| dns::resolver(&self.servers)) else {
            return (id, question, Answer::Failed);
        };
        let now = Instant::now();
        let old = self.stale().at_once(now, &question);
        if let Some(answer) = old {
            return (id, question, answer);
        }
        let has_old = self.stale().has(now, &question);
        let answer = match has_old {
            // It goes on when nobody waits for it any more, so that the next one finds its answer.
            true => {
                let (resolver, asked) = (resolver.clone(), question.clone());
                let asking = tokio::spawn(async move { dns::ask(&resolver, &asked).await });
                let answer = tokio::time::timeout(stale::PATIENCE, asking).await;
                answer.ok().and_then(Result::ok).unwrap_or(Answer::Failed)
            }
            false => dns::ask(resolver, &question).await,
        };
        let answer = self.stale().settle(Instant::now(), &question, answer);
        (id, question, answer)
    }

    fn stale(&self) -> MutexGuard<'_, Stale> {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for records, and hands the answer up later.
pub(crate) fn look_up<C: Core>(
    shared: &Arc<Shared<C>>,
    now: Instant,
    token: u64,
    question: Question,
    out: &mut Outbox<C::Tag>,
) {
    if !shared.has_room_for_question() {
        return shared.core.answered(now, token, Answer::Failed, out);
    }
    let of = shared.clone();
    shared.spawn(async move {
        let asked = of.finder.ask(QuestionId::default(), question);
        let answer =
            tokio::time::timeout(PATIENCE, asked).await.map_or(Answer::Failed, |(_, _, answer)| answer);
        of.questions.fetch_sub(1, Ordering::Relaxed);
        let (now, mut out) = (Instant::now(), Outbox::new());
        of.core.answered(now, token, answer, &mut out);
        of.carry_out(now, &mut out);
        of.wake();
    });
}

/// Answers a question, now or later.
pub(crate) fn ask<C: Core>(
    shared: &Arc<Shared<C>>,
    now: Instant,
    token: u64,
    hop: NextHop,
    out: &mut Outbox<C::Tag>,
) {
    let name = match hop {
        NextHop::Known(target) => return shared.core.resolved(now, token, Ok(&[target]), out),
        NextHop::Name(name) => name,
    };
    if !shared.has_room_for_question() {
        return shared.core.resolved(now, token, Err(LocateError::Unanswered), out);
    }
    let of = shared.clone();
    shared.spawn(async move {
        let find = of.finder.find(name, of.resources(), None);
        let found = tokio::time::timeout(PATIENCE, find).await.unwrap_or(Err(LocateError::Unanswered));
        let found = match found {
            Ok((targets, of_first)) => of.choose(targets, of_first).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &found {
            tracing::debug!(%error, "a name has no targets");
        }
        of.questions.fetch_sub(1, Ordering::Relaxed);
        let now = Instant::now();
        let mut out = Outbox::new();
        of.core.resolved(now, token, found.as_deref().map_err(|error| *error), &mut out);
        of.carry_out(now, &mut out);
        of.wake();
    });
}

/// The two addresses to begin with, where they are of one server and of both families, and a connection has to be made.
fn rivals_in(targets: &[Target], rivals: &[Target]) -> Option<(Target, Target)> {
    let [first, second, ..] = *targets else { return None };
    let are_rivals = first.protocol().is_reliable()
        && first.protocol() == second.protocol()
        && first.peer().is_ipv4() != second.peer().is_ipv4();
    (are_rivals && rivals.contains(&first) && rivals.contains(&second)).then_some((first, second))
}

/// Has the one that is there come first; where none is, neither comes at all.
fn put_first(targets: &mut Vec<Target>, (first, second): (Target, Target), there: Option<Target>) {
    match there {
        Some(there) if there == second => targets.swap(0, 1),
        Some(_) => {}
        None => targets.retain(|target| ![first, second].contains(target)),
    }
}

impl<C: Core> Shared<C> {
    /// Fault 38: a resolver that does not answer must not gather questions without bound. One that has room is counted.
    fn has_room_for_question(&self) -> bool {
        let has_room = self.questions.fetch_add(1, Ordering::Relaxed) < self.config.max_questions;
        if !has_room {
            self.questions.fetch_sub(1, Ordering::Relaxed);
        }
        has_room
    }

    /// Puts targets in the order to try them; leaves out those that are known to be out of reach.
    async fn choose(
        self: &Arc<Self>,
        mut targets: Vec<Target>,
        of_first: usize,
    ) -> Result<Vec<Target>, LocateError> {
        let rivals: Vec<Target> = targets.iter().take(of_first).copied().collect();
        targets.retain(|target| self.reaches(target));
        self.finder.penalties().order(Instant::now(), &mut targets);
        if let Some(pair) = rivals_in(&targets, &rivals) {
            // Before the request is written, for what stands in it depends on the family that it goes by.
            let there = self.race(pair).await;
            if there.is_none() {
                let (now, mut penalties) = (Instant::now(), self.finder.penalties());
                penalties.failed(now, pair.0, None);
                penalties.failed(now, pair.1, None);
            }
            put_first(&mut targets, pair, there);
        }
        if targets.is_empty() { Err(LocateError::Unreachable) } else { Ok(targets) }
    }

    /// What we speak and how: encrypted before plain, streams before datagrams.
    fn resources(&self) -> Resources {
        let speaks = |protocol: &Protocol| self.listeners.iter().any(|own| own.protocol == *protocol);
        let protocols = [Protocol::Tls, Protocol::Tcp, Protocol::Udp].into_iter().filter(speaks).collect();
        let listens = |is_ipv6| self.listeners.iter().any(|own| own.address.is_ipv6() == is_ipv6);
        let families = [(Kind::Aaaa, true), (Kind::A, false)].into_iter();
        let families = families.filter(|(_, is_ipv6)| listens(*is_ipv6)).map(|(kind, _)| kind).collect();
        Resources { protocols, families }
    }

    /// Whether we have an address of the family that the target is of.
    fn reaches(&self, target: &Target) -> bool {
        let (protocol, is_ipv6) = (target.protocol(), target.peer().is_ipv6());
        self.listeners.iter().any(|own| {
            own.address.is_ipv6() == is_ipv6 && (protocol != Protocol::Udp || own.protocol == Protocol::Udp)
        })
    }
}
