//! Keys by a handshake on the media path: DTLS-SRTP (RFC 5763, RFC 8842). What stands in SDP is whose certificate it
//! must be, and who begins.

use super::security::SrtpPolicy;
use crate::attribute::{Fingerprint, Setup, TlsId};
use crate::{Attribute, Media, SessionDescription, Word};

/// More fingerprints of a peer are not looked at.
const MAX_FINGERPRINTS: usize = 8;

/// How one of our media does DTLS-SRTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalDtls {
    /// That of our certificate, as it stands behind `a=fingerprint:`.
    pub fingerprint: String,
    /// What names an association of ours, at least 20 letters and digits (RFC 8842 §4). A number is added for each.
    pub tls_id: String,
    /// Whether our own offers have it. Offers of peers are answered with it either way.
    pub is_offered: bool,
}

/// Who begins the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsRole {
    /// We do.
    Client,
    /// The peer does.
    Server,
}

/// The association that both sides have agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedDtls {
    /// Counts the associations of a medium. Another number is another handshake (RFC 8842 §3.1).
    pub association: u32,
    /// Who begins it.
    pub role: DtlsRole,
    /// What the peer's certificate must match one of, as they stand behind `a=fingerprint:`.
    pub fingerprints: Vec<String>,
    /// How the peer names its side of it.
    pub remote_tls_id: Option<String>,
}

impl NegotiatedDtls {
    /// What a description comes to; `None` when there is no fingerprint in it. `role` is ours.
    fn read(description: &SessionDescription, media: &Media) -> Option<Self> {
        let own: Vec<String> =
            media.all::<Fingerprint<'_>>().take(MAX_FINGERPRINTS).map(|it| it.to_string()).collect();
        let fingerprints = match own.is_empty() {
            true => {
                description.all::<Fingerprint<'_>>().take(MAX_FINGERPRINTS).map(|it| it.to_string()).collect()
            }
            false => own,
        };
        let remote_tls_id = description.effective::<TlsId<'_>>(media).map(|id| id.0.to_owned());
        let found = Self { association: 0, role: DtlsRole::Client, fingerprints, remote_tls_id };
        (!found.fingerprints.is_empty()).then_some(found)
    }

    /// Whether the peer's side is still that of `before`: rule 51, another fingerprint or name is another association.
    fn goes_on(&self, before: &Self) -> bool {
        self.fingerprints == before.fingerprints && self.remote_tls_id == before.remote_tls_id
    }

    /// How an offered line is answered; `None` where it cannot be.
    pub(super) fn answering(
        offer: &SessionDescription,
        theirs: &Media,
        before: Option<&Self>,
    ) -> Option<Self> {
        let found = Self::read(offer, theirs)?;
        // Who does not say is taken to leave it to us.
        let setup = offer.effective::<Setup>(theirs).unwrap_or(Setup::ActPass);
        let allowed = |role: DtlsRole| match setup {
            Setup::ActPass => true,
            Setup::Active => role == DtlsRole::Server,
            Setup::Passive => role == DtlsRole::Client,
            Setup::HoldConn => false,
        };
        if let Some(before) = before.filter(|before| found.goes_on(before) && allowed(before.role)) {
            return Some(before.clone());
        }
        let role = match setup.answer() {
            Setup::Active => DtlsRole::Client,
            Setup::Passive => DtlsRole::Server,
            Setup::ActPass | Setup::HoldConn => return None,
        };
        Some(found.following(before, role))
    }

    /// What the answer to our offer means; `None` where it has nothing of it.
    pub(super) fn answered(
        answer: &SessionDescription,
        theirs: &Media,
        before: Option<&Self>,
    ) -> Option<Self> {
        let found = Self::read(answer, theirs)?;
        let role = match answer.effective::<Setup>(theirs) {
            // RFC 4145 §4.1: who answers and does not say begins.
            Some(Setup::Active) | None => DtlsRole::Server,
            Some(Setup::Passive) => DtlsRole::Client,
            Some(Setup::ActPass | Setup::HoldConn) => return None,
        };
        match before.filter(|before| found.goes_on(before) && before.role == role) {
            Some(before) => Some(before.clone()),
            None => Some(found.following(before, role)),
        }
    }

    fn following(self, before: Option<&Self>, role: DtlsRole) -> Self {
        let association = before.map_or(0, |before| before.association.wrapping_add(1));
        Self { association, role, ..self }
    }

    /// Puts our side into an answer.
    pub(super) fn write(&self, ours: &LocalDtls, media: &mut Media) {
        let setup = match self.role {
            DtlsRole::Client => Setup::Active,
            DtlsRole::Server => Setup::Passive,
        };
        // RFC 8842 §5.3: only to those who know what it is.
        push(ours, media, setup, self.remote_tls_id.is_some().then_some(self.association));
    }
}

/// Puts our side into an offer.
pub(super) fn offer(ours: &LocalDtls, media: &mut Media, before: Option<&NegotiatedDtls>) {
    push(ours, media, Setup::ActPass, Some(before.map_or(0, |before| before.association)));
}

fn push(ours: &LocalDtls, media: &mut Media, setup: Setup, association: Option<u32>) {
    media.attributes.push(Attribute::composed(&format!("setup:{setup}")));
    media.attributes.push(Attribute::composed(&format!("fingerprint:{}", ours.fingerprint)));
    if let Some(association) = association {
        media.attributes.push(Attribute::composed(&format!("tls-id:{}-{association}", ours.tls_id)));
    }
}

/// Lets an answer that is offered again leave the roles open, as every offer must (RFC 8842 §5.2).
pub(super) fn reopen(media: &mut Media) {
    for attribute in &mut media.attributes {
        if attribute.read::<Setup>().is_some() {
            *attribute = Attribute::composed("setup:actpass");
        }
    }
}

/// RTP whose keys come by DTLS (RFC 5764 §8, and with feedback).
pub(super) fn is_dtls(protocol: &Word) -> bool {
    protocol.matches("UDP/TLS/RTP/SAVP") || protocol.matches("UDP/TLS/RTP/SAVPF")
}

/// Whether a line of ours is offered with it.
pub(super) fn is_offered(policy: SrtpPolicy, ours: Option<&LocalDtls>) -> bool {
    policy != SrtpPolicy::Off && ours.is_some_and(|dtls| dtls.is_offered)
}
