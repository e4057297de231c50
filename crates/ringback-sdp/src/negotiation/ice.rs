//! ICE in offers and answers (RFC 8839): who names which addresses, when it begins anew, and when it is left.
//!
//! Only where RTP and RTCP share a port, so that each medium has one component; and not in bundles. Not here: the checks
//! themselves.

use super::slot::Wish;
use crate::attribute::{
    Candidate, EndOfCandidates, IceLite, IceMismatch, IceOptions, IcePwd, IceUfrag, RtcpMux,
};
use crate::{Attribute, Connection, Host, Media, SessionDescription};
use std::fmt;
use std::net::IpAddr;

/// More candidates of a peer are not looked at: each of them costs checks.
pub const MAX_CANDIDATES: usize = 32;

/// The name and the password of one side's checks (RFC 8445 §5.3). Its `Debug` keeps the password to itself.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// The user name fragment, 4 to 256 letters, digits, `+` and `/`.
    pub ufrag: String,
    /// The password, 22 to 256 of them.
    pub pwd: String,
}

impl IceCredentials {
    /// Whether RFC 8445 §9 takes `self` for a restart after `before`: only where both have changed.
    pub fn restarts(&self, before: &Self) -> bool {
        self.ufrag != before.ufrag && self.pwd != before.pwd
    }

    /// What a description says for one of its media. Without candidates it says nothing, unless some are to come: who has
    /// taken them out wants no ICE.
    fn of(description: &SessionDescription, media: &Media) -> Option<Self> {
        let session = || {
            let (ufrag, pwd) = (description.get::<IceUfrag<'_>>()?, description.get::<IcePwd<'_>>()?);
            Some(Self { ufrag: ufrag.0.to_owned(), pwd: pwd.0.to_owned() })
        };
        let has_any = media.all::<Candidate<'_>>().next().is_some() || trickles(description, media);
        Self::in_media(media).or_else(session).filter(|_| has_any)
    }

    fn in_media(media: &Media) -> Option<Self> {
        let (ufrag, pwd) = (media.get::<IceUfrag<'_>>()?, media.get::<IcePwd<'_>>()?);
        Some(Self { ufrag: ufrag.0.to_owned(), pwd: pwd.0.to_owned() })
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// How one of our media does ICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalIce {
    /// What our checks are known by. A restart changes them.
    pub credentials: IceCredentials,
    /// Credentials for restarts that the peer begins, each used once. Without any, its restart is refused.
    pub spare: Vec<IceCredentials>,
    /// Our candidates, each as it stands behind `a=candidate:`. One of them is the address and port of the medium.
    pub candidates: Vec<String>,
    /// Whether our own offers have it. Offers of peers are answered with it either way.
    pub is_offered: bool,
}

/// What both sides have agreed on for one medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedIce {
    /// What the peer's checks have to prove.
    pub local: IceCredentials,
    /// What ours do.
    pub remote: IceCredentials,
    /// The peer's candidates, as they stand behind `a=candidate:`; at most [`MAX_CANDIDATES`].
    pub remote_candidates: Vec<String>,
    /// Whether the peer only answers checks (`a=ice-lite`).
    pub peer_is_lite: bool,
    /// Whether the peer has no further candidates than these.
    pub is_complete: bool,
    /// Whether we choose the pair: who made the first offer does, and whoever faces a lite peer (RFC 8445 §6.1.1).
    /// A restart leaves it.
    pub is_controlling: bool,
}

/// What becomes of ICE on a line that the peer has offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answering {
    /// The peer does not do it, or we do not.
    None,
    /// The address of the medium is none of the candidates: somebody on the way has changed it and knows nothing of ICE
    /// (RFC 8839 §4.2.5). The answer says so, and media go the old way.
    Mismatch,
    /// It is done, with these of ours.
    Agreed(NegotiatedIce),
    /// It is to begin anew, and we have nothing fresh to begin it with.
    Spent,
}

/// Says how an offered line is answered. `before` is what was agreed on it.
pub(super) fn answering(
    ours: Option<&LocalIce>,
    offer: &SessionDescription,
    theirs: &Media,
    before: Option<&NegotiatedIce>,
) -> Answering {
    let Some(ours) = ours else { return Answering::None };
    // One component only: a peer that wants a port of its own for RTCP gets plain RTP.
    if theirs.get::<RtcpMux>().is_none() {
        return Answering::None;
    }
    let Some(remote) = IceCredentials::of(offer, theirs) else { return Answering::None };
    if is_mismatch(offer, theirs) {
        return Answering::Mismatch;
    }
    let restarts = before.is_some_and(|before| remote.restarts(&before.remote));
    let local = match restarts {
        true => match ours.spare.last() {
            Some(spare) => spare.clone(),
            None => return Answering::Spent,
        },
        false => ours.credentials.clone(),
    };
    Answering::Agreed(agreed(local, remote, offer, theirs, before, false))
}

/// Says what the answer to a line of ours means; `None` is plain RTP.
pub(super) fn answered(
    ours: &Media,
    answer: &SessionDescription,
    theirs: &Media,
    before: Option<&NegotiatedIce>,
) -> Option<NegotiatedIce> {
    let local = IceCredentials::in_media(ours)?;
    if theirs.get::<IceMismatch>().is_some() || theirs.get::<RtcpMux>().is_none() {
        return None;
    }
    let remote = IceCredentials::of(answer, theirs)?;
    (!is_mismatch(answer, theirs)).then(|| agreed(local, remote, answer, theirs, before, true))
}

fn agreed(
    local: IceCredentials,
    remote: IceCredentials,
    description: &SessionDescription,
    theirs: &Media,
    before: Option<&NegotiatedIce>,
    offered: bool,
) -> NegotiatedIce {
    let peer_is_lite = description.get::<IceLite>().is_some();
    // Half a change is none (RFC 8839 §4.4.1.1.1).
    let remote = match before {
        Some(before) if !remote.restarts(&before.remote) => before.remote.clone(),
        _ => remote,
    };
    let ends = theirs.get::<EndOfCandidates>().is_some() || description.get::<EndOfCandidates>().is_some();
    NegotiatedIce {
        local,
        remote,
        remote_candidates: theirs
            .all::<Candidate<'_>>()
            .filter(|candidate| candidate.component == 1)
            .take(MAX_CANDIDATES)
            .map(|candidate| candidate.to_string())
            .collect(),
        peer_is_lite,
        is_complete: ends || !trickles(description, theirs),
        is_controlling: peer_is_lite || before.map_or(offered, |before| before.is_controlling),
    }
}

fn trickles(description: &SessionDescription, media: &Media) -> bool {
    description.effective::<IceOptions<'_>>(media).is_some_and(|options| options.has("trickle"))
}

/// Whether the address of a medium is none of its candidates. A name cannot be compared, and who has no candidate yet
/// has nothing to compare with: `0.0.0.0`, which holds as well
/// (RFC 8840 §4.1.1, RFC 8839 §4.2.5).
fn is_mismatch(description: &SessionDescription, media: &Media) -> bool {
    let Some(host) = description.connection_of(media).and_then(Connection::host) else { return true };
    let Host::Address(address) = host else { return false };
    let mut candidates = media.all::<Candidate<'_>>().filter(|it| it.component == 1).peekable();
    if candidates.peek().is_none() || address.is_unspecified() {
        return false;
    }
    !candidates.any(|it| (it.ip(), it.port) == (Some(address), media.port))
}

/// Puts ICE into a line of ours, where it can be.
pub(super) fn offer(wish: &Wish, media: &mut Media, before: Option<&NegotiatedIce>) {
    let Some(ice) = wish.media.ice.as_ref().filter(|ice| ice.is_offered || before.is_some()) else { return };
    if let (true, Some(credentials)) = (wish.media.rtcp_mux, wish.offered_ice()) {
        write(media, credentials, &ice.candidates);
    }
}

/// Puts it into an answer.
pub(super) fn answer(ours: Option<&LocalIce>, media: &mut Media, answering: &Answering) {
    match (answering, ours) {
        (Answering::Agreed(agreed), Some(ours)) => write(media, &agreed.local, &ours.candidates),
        (Answering::Mismatch, _) => media.attributes.push(Attribute::composed("ice-mismatch")),
        _ => {}
    }
}

fn write(media: &mut Media, credentials: &IceCredentials, candidates: &[String]) {
    let mut push = |line: &str| media.attributes.push(Attribute::composed(line));
    push(&format!("ice-ufrag:{}", credentials.ufrag));
    push(&format!("ice-pwd:{}", credentials.pwd));
    push("ice-options:ice2");
    for candidate in candidates {
        push(&format!("candidate:{candidate}"));
    }
    // All that we have is here (RFC 8840 §4.1.2).
    push("end-of-candidates");
}

impl LocalIce {
    /// Follows a change of our address: candidates at `from` are at `to` now, and those that were found from there
    /// are gone.
    pub(super) fn moved(&mut self, from: IpAddr, to: IpAddr) {
        let moved = |text: &String| {
            let candidate = <Candidate<'_> as crate::attribute::AttributeValue<'_>>::parse(text).ok()?;
            let is_found_there = candidate.related.is_some_and(|(address, _)| address.parse() == Ok(from));
            match candidate.ip() == Some(from) {
                true => Some(Candidate { address: &to.to_string(), ..candidate }.to_string()),
                false => (!is_found_there).then(|| text.clone()),
            }
        };
        self.candidates = self.candidates.iter().filter_map(moved).collect();
    }
}
