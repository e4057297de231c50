//! Names to targets: carries the questions of a [`Locator`] to the hosts table and to DNS.

mod dns;
mod domains;
mod hosts;

pub use dns::NameServers;
pub(crate) use domains::Domains;
pub use hosts::Hosts;

use crate::outbox::Outbox;
use crate::shared::Shared;
use crate::{Core, NetConfig, OsEntropy};
use futures::stream::{FuturesUnordered, StreamExt as _};
use hickory_resolver::TokioResolver;
use ringback_sansio::{Protocol, Target};
use ringback_transport::locate::{
    Answer, Kind, LocateError, Locator, Name, NextHop, Penalties, Question, QuestionId, Resources, Step,
};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

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
}

impl Finder {
    pub(crate) fn new(config: &NetConfig) -> Self {
        Self {
            hosts: config.hosts.clone(),
            servers: config.name_servers.clone(),
            resolver: OnceLock::new(),
            domains: Domains::default(),
            penalties: Mutex::default(),
        }
    }

    /// Who did not work lately.
    pub(crate) fn penalties(&self) -> MutexGuard<'_, Penalties> {
        self.penalties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the targets of a name. To be called in a runtime.
    pub(crate) async fn find(
        &self,
        name: Name,
        resources: Resources,
        mut seen: Option<Seen<'_>>,
    ) -> Result<Vec<Target>, LocateError> {
        let domain = self.domains.id(&name.host);
        let mut locator = Locator::new(name, domain, resources);
        let mut entropy = OsEntropy::new();
        let mut open = FuturesUnordered::new();
        loop {
            while let Some(step) = locator.poll() {
                match step {
                    Step::Ask(id, question) => open.push(self.ask(id, question)),
                    Step::Done(targets) => return targets,
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
        let answer = match self.resolver.get_or_init(|| dns::resolver(&self.servers)) {
            Some(resolver) => dns::ask(resolver, &question).await,
            None => Answer::Failed,
        };
        (id, question, answer)
    }
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
        NextHop::Known(target) => return shared.core.resolved(now, token, &[target], out),
        NextHop::Name(name) => name,
    };
    // Fault 38: a resolver that does not answer must not gather questions without bound.
    if shared.questions.fetch_add(1, Ordering::Relaxed) >= shared.config.max_questions {
        shared.questions.fetch_sub(1, Ordering::Relaxed);
        return shared.core.resolved(now, token, &[], out);
    }
    let of = shared.clone();
    shared.spawn(async move {
        let find = of.finder.find(name, of.resources(), None);
        let found = tokio::time::timeout(PATIENCE, find).await.unwrap_or(Err(LocateError::Unanswered));
        let mut targets = found.unwrap_or_else(|error| {
            tracing::debug!(%error, "a name has no targets");
            Vec::new()
        });
        targets.retain(|target| of.reaches(target));
        of.questions.fetch_sub(1, Ordering::Relaxed);
        let now = Instant::now();
        of.finder.penalties().order(now, &mut targets);
        let mut out = Outbox::new();
        of.core.resolved(now, token, &targets, &mut out);
        of.carry_out(now, &mut out);
        of.wake();
    });
}

impl<C: Core> Shared<C> {
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
