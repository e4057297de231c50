//! Which media are encrypted: keys in SDP (RFC 4568), also where they are offered without insisting (RFC 8643).
//!
//! Not here: what a key is made of and what is done with it. A key is text that is as long as its suite says.

use super::dtls::{self, NegotiatedDtls};
use super::local::LocalMedia;
use super::outcome::NegotiatedMedia;
use crate::attribute::Crypto;
use crate::{Attribute, Media, SessionDescription, Word};
use std::fmt;

/// Whether a medium is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SrtpPolicy {
    /// Never: keys of the peer are left, and media that it wants encrypted are refused.
    #[default]
    Off,
    /// Where the peer can: keys are offered with `RTP/AVP` (RFC 8643). A peer without gets plain RTP, one that wants
    /// `RTP/SAVP` gets that or nothing.
    Offer,
    /// Always: `RTP/SAVP` is offered, or `UDP/TLS/RTP/SAVP` where [`dtls`](LocalMedia::dtls) is, and what comes without
    /// keys is refused.
    Require,
}

/// How one of our media is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalSrtp {
    /// Whether at all.
    pub policy: SrtpPolicy,
    /// Our suites, each with a key of ours. Any of them may be chosen from an offer of the peer, in the peer's order.
    pub suites: Vec<LocalCrypto>,
    /// How many of them, from the first, our own offers have: a line takes a hundred octets of the message.
    pub offered: usize,
}

/// A suite that we have, and our key for it. Its `Debug` keeps the key to itself.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalCrypto {
    /// The name, such as `AES_CM_128_HMAC_SHA1_80`.
    pub suite: Word,
    /// Our key: `inline:…`.
    pub key_params: String,
    /// Octets of a key and its salt together.
    pub key_len: usize,
}

/// The keys that both sides have agreed on. Its `Debug` keeps them to itself.
#[derive(Clone, PartialEq, Eq)]
pub struct NegotiatedCrypto {
    /// The suite.
    pub suite: Word,
    /// By which we protect: `inline:…`.
    pub local: String,
    /// By which the peer protects.
    pub remote: String,
}

impl fmt::Debug for LocalCrypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCrypto").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl fmt::Debug for NegotiatedCrypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NegotiatedCrypto").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl LocalCrypto {
    /// Whether a line of the peer can be used: the suite, no parameter that we do not know, and keys by no other method
    /// and of no other length than it has.
    fn takes(&self, crypto: &Crypto<'_>) -> bool {
        let is_ours = self.suite.matches(crypto.suite);
        let is_known = crypto.session_params.split_ascii_whitespace().all(|it| it.starts_with('-'));
        let is_key =
            |key: crate::attribute::CryptoKey<'_>| base64_octets(key.key_and_salt) == Some(self.key_len);
        is_ours
            && is_known
            && crypto.keys().count() == crypto.key_params.split(';').count()
            && crypto.keys().all(is_key)
    }
}

/// How many octets the text stands for; none when it is no Base64 (RFC 4648 §4).
fn base64_octets(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches('=');
    let is_digit = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'+' || octet == b'/';
    let is_whole = digits.bytes().all(is_digit) && digits.len() % 4 != 1 && text.len() - digits.len() <= 2;
    is_whole.then_some(digits.len() * 6 / 8)
}

/// What became of the protection of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    Plain,
    /// The keys, and the tag by which the offer named them.
    Keys(u32, NegotiatedCrypto),
    /// The handshake that they will come from.
    Dtls(NegotiatedDtls),
}

impl Protection {
    /// Enters what was agreed.
    pub(super) fn enter(self, media: &mut NegotiatedMedia) {
        match self {
            Self::Plain => {}
            Self::Keys(_, keys) => media.crypto = Some(keys),
            Self::Dtls(dtls) => media.dtls = Some(dtls),
        }
    }

    /// How an offered line is answered; `None` refuses it. `was_secure` says that the line has been a secure one, from
    /// which there is no way back; `before` is the association that it had.
    pub(super) fn answering(
        ours: &LocalMedia,
        offer: &SessionDescription,
        theirs: &Media,
        was_secure: bool,
        before: Option<&NegotiatedDtls>,
    ) -> Option<Self> {
        let is_dtls = dtls::is_dtls(&theirs.protocol);
        let is_secure = is_secure(&theirs.protocol);
        if !is_dtls && !is_secure && !is_plain(&theirs.protocol) {
            return None;
        }
        let (suites, certificate) = match ours.srtp.policy {
            SrtpPolicy::Off => (&[][..], None),
            SrtpPolicy::Offer | SrtpPolicy::Require => (ours.srtp.suites.as_slice(), ours.dtls.as_ref()),
        };
        let handshake =
            || certificate.and_then(|_| NegotiatedDtls::answering(offer, theirs, before)).map(Self::Dtls);
        if is_dtls {
            return handshake();
        }
        // RFC 4568 §5.1.2: the peer's order counts.
        let keys = || {
            let mut lines = theirs.all::<Crypto<'_>>();
            let (own, line) =
                lines.find_map(|line| Some((suites.iter().find(|it| it.takes(&line))?, line)))?;
            Some(Self::Keys(line.tag, agreed(own.suite.clone(), &own.key_params, &line)))
        };
        // RFC 8643 §3.1: who offers both leaves the choice to us.
        let chosen = match certificate.is_some_and(|own| own.is_offered) || before.is_some() {
            true => handshake().or_else(keys),
            false => keys().or_else(handshake),
        };
        match chosen {
            Some(chosen) => Some(chosen),
            None if is_secure || was_secure || ours.srtp.policy == SrtpPolicy::Require => None,
            None => Some(Self::Plain),
        }
    }

    /// What the answer to our own line means; `None` when it cannot be used. An answer whose key we cannot use is none:
    /// the peer would encrypt, and we not.
    pub(super) fn answered(
        local: &LocalMedia,
        ours: &Media,
        answer: &SessionDescription,
        theirs: &Media,
        before: Option<&NegotiatedDtls>,
    ) -> Option<Self> {
        let has_fingerprint =
            |media: &Media| media.attributes.iter().any(|attribute| attribute.name() == "fingerprint");
        let is_answered = has_fingerprint(theirs) || answer.attribute("fingerprint").is_some();
        if has_fingerprint(ours) && is_answered {
            return NegotiatedDtls::answered(answer, theirs, before).map(Self::Dtls);
        }
        let offered: Vec<Crypto<'_>> = ours.all().collect();
        let has_key = theirs.attributes.iter().any(|it| it.read::<Crypto<'_>>().is_some());
        if offered.is_empty() || !has_key {
            let may_be_plain = is_plain(&ours.protocol) && local.srtp.policy != SrtpPolicy::Require;
            return may_be_plain.then_some(Self::Plain);
        }
        // RFC 4568 §5.1.3: one line, by tag and suite one of ours.
        let line = theirs.get::<Crypto<'_>>()?;
        let own = offered.iter().find(|own| own.tag == line.tag)?;
        let suite = local.srtp.suites.iter().find(|it| it.suite.matches(own.suite) && it.takes(&line))?;
        Some(Self::Keys(line.tag, agreed(suite.suite.clone(), own.key_params, &line)))
    }

    /// Puts our side into the answer.
    pub(super) fn write(&self, local: &LocalMedia, media: &mut Media) {
        match (self, &local.dtls) {
            (Self::Keys(tag, keys), _) => push(media, *tag, keys.suite.as_str(), &keys.local),
            (Self::Dtls(dtls), Some(ours)) => dtls.write(ours, media),
            _ => {}
        }
    }
}

fn agreed(suite: Word, local: &str, remote: &Crypto<'_>) -> NegotiatedCrypto {
    NegotiatedCrypto { suite, local: local.to_owned(), remote: remote.key_params.to_owned() }
}

/// Puts our keys into an offer, and our certificate where it is offered or was agreed on.
pub(super) fn offer(local: &LocalMedia, media: &mut Media, before: Option<&NegotiatedDtls>) {
    let is_dtls = dtls::is_dtls(&media.protocol);
    if local.srtp.policy != SrtpPolicy::Off && !is_dtls && before.is_none() {
        for (tag, own) in (1..).zip(local.srtp.suites.iter().take(local.srtp.offered)) {
            push(media, tag, own.suite.as_str(), &own.key_params);
        }
    }
    if let Some(ours) = &local.dtls
        && (is_dtls || before.is_some() || dtls::is_offered(local.srtp.policy, local.dtls.as_ref()))
    {
        dtls::offer(ours, media, before);
    }
}

fn push(media: &mut Media, tag: u32, suite: &str, key_params: &str) {
    media.attributes.push(Attribute::composed(&format!("crypto:{tag} {suite} {key_params}")));
}

/// The protocol of a line that we offer.
pub(super) fn protocol(local: &LocalMedia) -> Word {
    match local.srtp.policy {
        SrtpPolicy::Off | SrtpPolicy::Offer => Word::from_static("RTP/AVP"),
        SrtpPolicy::Require if dtls::is_offered(local.srtp.policy, local.dtls.as_ref()) => {
            Word::from_static("UDP/TLS/RTP/SAVP")
        }
        SrtpPolicy::Require => Word::from_static("RTP/SAVP"),
    }
}

/// RTP that may go without encryption. RTP/AVPF may be answered by a side that sends no feedback early (RFC 4585 §3.3).
pub(super) fn is_plain(protocol: &Word) -> bool {
    protocol.matches("RTP/AVP") || protocol.matches("RTP/AVPF")
}

/// RTP that must not go without (RFC 3711 §12, RFC 5124). Those over DTLS have other names.
pub(super) fn is_secure(protocol: &Word) -> bool {
    protocol.matches("RTP/SAVP") || protocol.matches("RTP/SAVPF")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_counted_with_and_without_padding() {
        for (text, octets) in
            [("", Some(0)), ("QUJD", Some(3)), ("QUI=", Some(2)), ("QUI", Some(2)), ("QQ==", Some(1))]
        {
            assert_eq!(base64_octets(text), octets, "{text}");
        }
        for text in ["Q", "Q===", "QU D", "QUI_", "=QUI"] {
            assert_eq!(base64_octets(text), None, "{text}");
        }
    }
}
