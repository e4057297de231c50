//! What a caller does with the responses to its requests.

use super::attempt::{Attempt, Dialog, Ending, Proof, Stage};
use super::caller::Caller;
use super::flight::What;
use super::tally::{ANSWER, BYE, Cause, REQUEST, RINGING};
use super::writing::{Branch, parsed, read_tag};
use bytes::Bytes;
use ringback_auth::DigestClient;
use ringback_message::header::{CSeq, From};
use ringback_message::{HeaderId, Method, Request, Response, StatusCode};
use ringback_sansio::{Entropy as _, Key as Name};
use std::fmt::Write as _;
use std::time::Instant;

impl Caller {
    /// A response to a request that was written here.
    pub(super) fn responded(&mut self, now: Instant, branch: &Branch, response: &Response) {
        let Ok(cseq) = response.require::<CSeq>() else { return };
        let (is_invite, status) = (cseq.method == Method::INVITE, response.status());
        let key = branch.key;
        let attempt = self.attempts.get_mut(key).filter(|attempt| attempt.has_secret(branch.secret));
        let attempt = attempt.filter(|attempt| attempt.cseq as u16 == branch.turn);
        let Some((attempt, what)) =
            attempt.and_then(|it| it.flight.as_ref().map(|flight| flight.what).map(|what| (it, what)))
        else {
            return self.late(now, branch, response, is_invite);
        };
        let waits = match what {
            What::Invite => is_invite,
            // Whatever it says: what becomes of the INVITE its own response tells.
            What::Cancel if cseq.method == Method::CANCEL => {
                if let Some(flight) = attempt.flight.as_mut().filter(|_| !status.is_provisional()) {
                    flight.heard = true;
                }
                return;
            }
            What::Cancel => is_invite,
            What::Bye => cseq.method == Method::BYE,
            What::Other => !is_invite,
        };
        match waits {
            false => self.late(now, branch, response, is_invite),
            true if status.is_provisional() => self.progressed(now, key, status),
            true => self.concluded(now, branch, response, what),
        }
    }

    /// A response that nobody waits for: its caller waits for the ACK, if it was to an INVITE.
    fn late(&mut self, now: Instant, branch: &Branch, response: &Response, is_invite: bool) {
        match response.status() {
            _ if !is_invite => {}
            status if status.is_provisional() => {}
            status if status.is_success() => self.acknowledge(now, None, response),
            _ => self.acknowledge_failure(branch, response),
        }
    }

    fn progressed(&mut self, now: Instant, key: Name<Attempt>, status: StatusCode) {
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        let Some(flight) = attempt.flight.as_mut() else { return };
        if flight.what != What::Cancel {
            flight.heard = true;
        }
        if flight.what == What::Invite {
            // It is not sent again.
            flight.bytes = Bytes::new();
        }
        if status != StatusCode::TRYING && flight.awaits_invite() && !attempt.rang {
            attempt.rang = true;
            self.tally.steps[RINGING].record(now.saturating_duration_since(attempt.placed));
        }
        if attempt.stage == Stage::GivingUp && flight.what == What::Invite {
            self.cancel(now, key);
        }
    }

    /// The final response to the request that was on its way.
    fn concluded(&mut self, now: Instant, branch: &Branch, response: &Response, what: What) {
        let (key, status) = (branch.key, response.status());
        if matches!(what, What::Invite | What::Cancel) && !status.is_success() {
            self.acknowledge_failure(branch, response);
        }
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        if let Some(flight) = attempt.flight.take() {
            self.schedule.landed(key, &flight);
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
            && attempt.stage != Stage::GivingUp
            && self.answer_challenge(now, key, response, what)
        {
            return;
        }
        match what {
            What::Bye => self.left(now, key, status),
            What::Invite | What::Cancel => self.decided(now, key, response),
            What::Other if status.is_success() => {
                let Some(attempt) = self.attempts.get(key) else { return };
                self.tally.steps[REQUEST].record(now.saturating_duration_since(attempt.placed));
                self.tally.answered += 1;
                self.finish(key, Ending::Done);
            }
            What::Other => self.finish(key, Ending::Failed(Cause::Refused(status))),
        }
    }

    /// The final response to an INVITE.
    fn decided(&mut self, now: Instant, key: Name<Attempt>, response: &Response) {
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        if !response.status().is_success() {
            let ending = match attempt.stage {
                Stage::GivingUp => attempt.ending,
                Stage::Asking | Stage::Up | Stage::Leaving(_) => {
                    Ending::Failed(Cause::Refused(response.status()))
                }
            };
            return self.finish(key, ending);
        }
        attempt.dialog = Dialog::of_response(response, &self.plan);
        let was = std::mem::replace(&mut attempt.stage, Stage::Up);
        let took = now.saturating_duration_since(attempt.placed);
        if attempt.dialog.is_none() {
            return self.finish(key, Ending::Failed(Cause::NotSent));
        }
        self.acknowledge(now, Some(key), response);
        match was {
            Stage::Asking => {
                self.tally.answered += 1;
                self.tally.steps[ANSWER].record(took);
                match self.plan.hold.is_zero() {
                    true => self.hang_up(now, key),
                    false => self.holds.push_back((now + self.plan.hold, key)),
                }
            }
            // Answered while it was taken back.
            Stage::GivingUp | Stage::Up | Stage::Leaving(_) => self.hang_up(now, key),
        }
    }

    /// Sends the ACK to a 2xx, the first or a copy. A fork that answers second is turned away.
    fn acknowledge(&mut self, now: Instant, first: Option<Name<Attempt>>, response: &Response) {
        let random = self.entropy.next_u64();
        let attempt = first.or_else(|| self.attempt_of(response)).and_then(|key| self.attempts.get(key));
        let lines = attempt.and_then(|attempt| attempt.proof.as_ref()).map_or("", |proof| &proof.lines);
        let own = attempt.and_then(|attempt| attempt.dialog.as_ref());
        if let (Some(_), Some(dialog)) = (first, own) {
            if let Some(ack) = self.writer.ack(response, dialog, lines, random) {
                let hop = dialog.hop;
                self.send_ack(hop, ack);
            }
            return;
        }
        let is_fork = own.is_some_and(|dialog| !dialog.is_of(response));
        let Some(dialog) = Dialog::of_response(response, &self.plan) else { return };
        let Some(ack) = self.writer.ack(response, &dialog, lines, random) else { return };
        self.send_ack(dialog.hop, ack);
        self.tally.retransmissions += u64::from(!is_fork);
        if is_fork && let Some((bye, to)) = self.writer.turn_away(response, &dialog) {
            // Nobody waits for what becomes of it.
            let _ = self.transactions.request(now, to, bye);
        }
    }

    fn acknowledge_failure(&mut self, branch: &Branch, response: &Response) {
        if let Some(ack) = self.writer.ack_failure(branch, response) {
            self.send_ack(self.plan.hop, ack);
        }
    }

    fn attempt_of(&self, response: &Response) -> Option<Name<Attempt>> {
        let (key, secret) = read_tag(response.first::<From<'_>>()?.ok()?.tag()?)?;
        self.attempts.get(key).filter(|attempt| attempt.has_secret(secret)).map(|_| key)
    }

    pub(super) fn hang_up(&mut self, now: Instant, key: Name<Attempt>) {
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        attempt.stage = Stage::Leaving(now);
        attempt.cseq = attempt.cseq.saturating_add(1);
        let Some((to, text)) = attempt
            .dialog
            .as_ref()
            .map(|dialog| dialog.hop)
            .zip(attempt.dialog.as_ref().map(|dialog| self.writer.bye(key, attempt, dialog)))
        else {
            return self.finish(key, Ending::Failed(Cause::NotSent));
        };
        let mut bytes = text;
        // A proxy that asked once wants credentials with this as well.
        if let Some(proof) = &mut attempt.proof
            && let Some(mut bye) = parsed(bytes.clone())
            && proof.client.preauthorize(&mut bye).is_ok()
        {
            bytes = bye.render();
        }
        self.depart(now, key, What::Bye, to, bytes);
    }

    /// The final response to a BYE.
    fn left(&mut self, now: Instant, key: Name<Attempt>, status: StatusCode) {
        let Some(attempt) = self.attempts.get(key) else { return };
        let Stage::Leaving(since) = attempt.stage else { return };
        let ending = attempt.ending;
        if status.is_success() {
            self.tally.steps[BYE].record(now.saturating_duration_since(since));
        }
        let fine = status.is_success() || ending != Ending::Done;
        self.finish(key, if fine { ending } else { Ending::Failed(Cause::ByeRefused(status)) });
    }

    /// Sends a request again with credentials. False when there are none that could help.
    fn answer_challenge(
        &mut self,
        now: Instant,
        key: Name<Attempt>,
        response: &Response,
        what: What,
    ) -> bool {
        let Some(attempt) = self.attempts.get_mut(key) else { return false };
        let Some((name, password)) = &self.plan.users[attempt.user].login else { return false };
        attempt.cseq = attempt.cseq.saturating_add(1);
        let (to, text) = match (what, &attempt.dialog) {
            (What::Bye, Some(dialog)) => (dialog.hop, self.writer.bye(key, attempt, dialog)),
            (What::Bye, None) => return false,
            _ => (self.plan.hop, self.writer.first(key, attempt)),
        };
        let Some(mut request) = parsed(text) else { return false };
        let proof = attempt.proof.get_or_insert_with(|| {
            Box::new(Proof {
                client: DigestClient::new(name, password),
                first: ringback_auth::Attempt::default(),
                bye: ringback_auth::Attempt::default(),
                lines: String::new(),
            })
        });
        let tried = if what == What::Bye { &mut proof.bye } else { &mut proof.first };
        if let Err(error) = proof.client.authorize(tried, response, &mut request, &mut self.entropy) {
            tracing::debug!(%error, "a challenge was not answered");
            return false;
        }
        if what == What::Invite {
            proof.lines = credentials(&request);
        }
        self.depart(now, key, what, to, request.render());
        true
    }
}

/// The credentials of a request, as lines.
fn credentials(request: &Request) -> String {
    let mut lines = String::new();
    for (id, name) in
        [(HeaderId::AUTHORIZATION, "Authorization"), (HeaderId::PROXY_AUTHORIZATION, "Proxy-Authorization")]
    {
        for value in request.values(id) {
            // A String takes all that is written to it.
            let _ = write!(lines, "{name}: {}\r\n", String::from_utf8_lossy(value));
        }
    }
    lines
}
