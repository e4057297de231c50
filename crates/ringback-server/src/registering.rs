//! REGISTER: who sends it, what it changes, and when it is answered.
//!
//! A request that came straight to us over datagrams is answered without a transaction (RFC 3261 §8.2.7): it comes in storms, and
//! for each all that is kept is that it was seen. The rest goes the way of all requests.

use crate::authority::Proof;
use crate::core::{Out, ServerCore};
use crate::seen::Sight;
use crate::shard::Node;
use crate::stateless;
use crate::writer::{Answer, Job, Jobs, Way};
use bytes::Bytes;
use ringback_auth::Place;
use ringback_message::header::{CSeq, Via};
use ringback_message::{HeaderId, Message, Method, Request, StatusCode, Value};
use ringback_net::{Direction, Flow, Target};
use ringback_registrar::{Aor, Outcome};
use ringback_sansio::Hasher;
use ringback_transaction::ServerKey;
use ringback_transport::via::response_target;
use std::hash::BuildHasher as _;
use std::time::Instant;

/// An answer that can be given at once.
pub(crate) type Now = (StatusCode, Bytes);

/// What became of a REGISTER.
enum Registered {
    /// What was there before lasts longer; a 200.
    Refreshed(Bytes),
    /// Anything else that is answered at once.
    Anew(StatusCode, Bytes),
    /// The store answers.
    Waits,
}

impl Registered {
    /// What is to be answered now.
    fn answer(self) -> Option<Now> {
        match self {
            Self::Refreshed(bytes) => Some((StatusCode::OK, bytes)),
            Self::Anew(status, bytes) => Some((status, bytes)),
            Self::Waits => None,
        }
    }
}

impl ServerCore {
    /// Answers a REGISTER that has a transaction, at once or when the store has written what it changes.
    pub(crate) fn register(
        &self,
        now: Instant,
        shard: usize,
        node: &mut Node,
        key: ServerKey,
        flow: &Flow,
        request: &Request,
    ) {
        let tag = node.tag();
        let answer = match self.refused(now, request, flow, &tag) {
            Ok(user) => {
                let way = || (shard, Way::Transaction(key));
                self.registered(now, request, flow, user.as_deref(), &tag, way).answer()
            }
            Err(refused) => Some(refused),
        };
        if let Some((status, bytes)) = answer {
            // Gone means that the phone gave up waiting.
            let _ = node.transactions.respond_written(now, key, status, bytes);
        }
    }

    /// Answers a REGISTER without a transaction. Gives back what has to be looked at more closely.
    #[expect(clippy::result_large_err, reason = "the message goes on, and is boxed nowhere")]
    pub(crate) fn register_plainly(
        &self,
        now: Instant,
        index: usize,
        flow: Flow,
        message: Message,
        out: &mut Out,
    ) -> Result<(), Message> {
        let request = Request::try_from(message)?;
        let plain = stateless::is_plain(&request, &Method::REGISTER, &self.ownership.load()).then(|| {
            let via = request.first::<Via<'_>>()?.ok()?;
            let hash = hash(&request, &via, &flow, self.hasher())?;
            Some((response_target(&flow, &via)?, hash))
        });
        let Some((to, hash)) = plain.flatten() else { return Err(request.into()) };
        let tag = stateless::tag(self.seal().hash_one(hash));
        let tag = std::str::from_utf8(&tag).unwrap_or_default();
        let mut node = self.shard(index).lock();
        // Who is asked for a password and gives none is challenged each time, which is not noted.
        let may_be_known = self.authority.is_open() || request.has(HeaderId::AUTHORIZATION);
        let sight = if may_be_known { node.seen.look(now, hash) } else { None };
        if self.hand_over.passes() && sight.is_none() {
            return Err(request.into());
        }
        node.counters.received.count(request.as_received());
        let answer = match sight {
            // It is in work.
            Some(Sight::Waits) => Registered::Waits,
            Some(Sight::Answered) => {
                let outcome = self.locations.repeat(now, &request, tag);
                Registered::Anew(outcome.status, outcome.response)
            }
            None => match self.refused(now, &request, &flow, tag) {
                Err((status, bytes)) => Registered::Anew(status, bytes),
                Ok(user) => {
                    let way = || (index, Way::Plain(to, hash));
                    let answer = self.registered(now, &request, &flow, user.as_deref(), tag, way);
                    match &answer {
                        Registered::Refreshed(_) | Registered::Anew(StatusCode::OK, _) => {
                            node.seen.note(now, hash);
                        }
                        Registered::Anew(..) => {}
                        // However fast the store is, it waits for this shard.
                        Registered::Waits => node.seen.wait(hash),
                    }
                    answer
                }
            },
        };
        // A refresh that went well is as dull as a ping, and there are as many: what was said in calls is remembered longer.
        if let Registered::Refreshed(bytes) = answer {
            node.counters.sent.count(&bytes);
            out.send(None, to, bytes);
            return Ok(());
        }
        node.ring.push(now, Direction::In, Target::Flow(flow), request.as_received());
        if let Registered::Anew(_, bytes) = answer {
            node.send_plainly(now, to, bytes, out);
        }
        Ok(())
    }

    /// Says who sent a request, or what to answer instead of doing what it asks for.
    fn refused(
        &self,
        now: Instant,
        request: &Request,
        flow: &Flow,
        tag: &str,
    ) -> Result<Option<String>, Now> {
        let peer = flow.peer.ip();
        let user = match self.authority.prove(now, request, Place::Server, peer) {
            Proof::Of(user) => user,
            Proof::Missing(challenges) => {
                return Err(reply(request, Place::Server.status(), tag, &challenges));
            }
            Proof::Wrong => return Err(reply::<&str>(request, StatusCode::FORBIDDEN, tag, &[])),
        };
        if user.as_ref().is_some_and(|user| !self.authority.guard.user_may_send(now, peer, user)) {
            return Err(busy(request, tag, 1));
        }
        Ok(user)
    }

    /// Does what a request asks for; gives the answer where nobody has to wait for the store. Otherwise the store answers, `way`.
    fn registered(
        &self,
        now: Instant,
        request: &Request,
        flow: &Flow,
        user: Option<&str>,
        tag: &str,
        way: impl FnOnce() -> (usize, Way),
    ) -> Registered {
        // Fault 40: with a disk that does not keep up, registrations wait outside.
        if self.jobs.as_ref().is_some_and(Jobs::is_full) {
            let (status, bytes) = busy(request, tag, 10);
            return Registered::Anew(status, bytes);
        }
        let aor = Aor::registered_by(request);
        self.locations.register(now, request, aor, flow, user, tag, |outcome| {
            let Outcome { status, response, changes, is_refresh, .. } = outcome;
            if is_refresh {
                // What is on the disk leads to the same phone, if not for as long.
                self.have_registered(now, &changes);
                if let Some(jobs) = &self.jobs {
                    jobs.push(Job { changes, answer: None });
                }
                return Registered::Refreshed(response);
            }
            let Some(jobs) = self.jobs.as_ref().filter(|_| !changes.is_empty()) else {
                self.have_registered(now, &changes);
                return Registered::Anew(status, response);
            };
            let (shard, way) = way();
            let lost = busy(request, tag, 10);
            jobs.push(Job { changes, answer: Some(Answer { shard, way, kept: (status, response), lost }) });
            Registered::Waits
        })
    }
}

impl Node {
    /// Sends what belongs to no transaction.
    pub(crate) fn send_plainly(&mut self, now: Instant, to: Target, bytes: Bytes, out: &mut Out) {
        self.counters.sent.count(&bytes);
        self.ring.push(now, Direction::Out, to, &bytes);
        out.send(None, to, bytes);
    }
}

/// What tells a request from all others (RFC 3261 §17.2.3), and from the same of another sender.
fn hash(request: &Request, via: &Via<'_>, flow: &Flow, hasher: &Hasher) -> Option<u64> {
    let branch = via.branch().filter(|branch| branch.starts_with("z9hG4bK"))?;
    let number = request.require::<CSeq>().ok()?.number;
    let call_id = request.values(HeaderId::CALL_ID).next();
    Some(hasher.hash_one((branch, via.port, call_id, number, flow.peer)))
}

fn busy(request: &Request, tag: &str, seconds: u32) -> Now {
    reply(request, StatusCode::SERVICE_UNAVAILABLE, tag, &[(HeaderId::RETRY_AFTER, seconds)])
}

fn reply<V: Value>(request: &Request, status: StatusCode, tag: &str, fields: &[(HeaderId, V)]) -> Now {
    let bytes = stateless::write(request, status, tag, |written| {
        for (id, value) in fields {
            written.header(*id, value);
        }
    });
    // Made of a request that was read, and of words of ours.
    (status, bytes.unwrap_or_default())
}
