//! Each leg with keys of its own (RFC 4568, RFC 8643): who encrypts and who does not can talk to each other, and whose keys lie in the
//! signalling of one leg are of no use on the other.

use ringback_sansio::Entropy;
use ringback_sdp::attribute::Crypto;
use ringback_sdp::{Attribute, LocalSrtp, Media, NegotiatedCrypto, SrtpPolicy, Word};
use ringback_srtp::sdes;

use crate::Side;

/// How one medium is encrypted on both legs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Legs {
    sides: [Leg; 2],
    /// Whether the line is left as it is: what encrypts it is not ours to end, such as DTLS.
    passes: bool,
}

#[derive(Clone, Debug, Default)]
struct Leg {
    /// Our keys for this side, once any were needed.
    own: Option<LocalSrtp>,
    /// What this side offered last.
    offered: Option<Offered>,
    /// Whether it has insisted on encryption, and is offered nothing else.
    insists: bool,
    agreed: Option<NegotiatedCrypto>,
}

/// What one side offered.
#[derive(Clone, Debug)]
struct Offered {
    protocol: Word,
    /// The line that we take: its tag, its suite, and the keys of the side.
    chosen: Option<(u32, Word, String)>,
}

/// An answer without the keys that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoKeys;

impl Legs {
    /// Turns what `side` offers into what the other side is offered.
    pub(crate) fn offer(&mut self, side: Side, media: &mut Media, entropy: &mut dyn Entropy) {
        let Some(is_secure) = is_secure(&media.protocol) else {
            *self = Self { passes: true, ..Self::default() };
            return;
        };
        let leg = &mut self.sides[side.index()];
        let before = leg.agreed.as_ref().map(|agreed| agreed.suite.clone());
        let lines = || media.all::<Crypto<'_>>().filter(|line| sdes::keys(line).is_ok());
        // The suite that is in use goes on, so that nothing begins anew; else the order of the side counts (§5.1.2).
        let chosen = lines()
            .find(|line| before.as_ref().is_some_and(|suite| suite.matches(line.suite)))
            .or_else(|| lines().next());
        if chosen.is_none() && is_secure {
            // Keys that we do not understand.
            *self = Self { passes: true, ..Self::default() };
            return;
        }
        let chosen =
            chosen.and_then(|line| Some((line.tag, Word::new(line.suite).ok()?, line.key_params.to_owned())));
        leg.offered = Some(Offered { protocol: media.protocol.clone(), chosen });
        leg.insists = is_secure;
        self.passes = false;

        let other = &mut self.sides[side.other().index()];
        let own = other.own.get_or_insert_with(|| sdes::local(SrtpPolicy::Offer, entropy));
        let lines: Vec<Attribute> = (1..)
            .zip(own.suites.iter().take(own.offered))
            .filter_map(|(tag, suite)| line(tag, suite.suite.as_str(), &suite.key_params))
            .collect();
        media.protocol = protocol(&media.protocol, other.insists);
        media.attributes.retain(|attribute| attribute.name() != "crypto");
        media.attributes.extend(lines);
    }

    /// Turns what `side` answers to our offer into our answer to the other side's.
    pub(crate) fn answer(
        &mut self,
        side: Side,
        media: &mut Media,
        entropy: &mut dyn Entropy,
    ) -> Result<(), NoKeys> {
        if self.passes {
            return Ok(());
        }
        let leg = &mut self.sides[side.index()];
        let theirs = media.all::<Crypto<'_>>().find_map(|line| {
            let own = leg.own.as_ref()?.suites.iter().find(|own| own.suite.matches(line.suite))?;
            sdes::keys(&line).ok()?;
            Some(NegotiatedCrypto {
                suite: own.suite.clone(),
                local: own.key_params.clone(),
                remote: line.key_params.to_owned(),
            })
        });
        let has_lines = media.attributes.iter().any(|attribute| attribute.name() == "crypto");
        if theirs.is_none() && (has_lines || leg.insists || is_secure(&media.protocol) != Some(false)) {
            return Err(NoKeys);
        }
        leg.agreed = theirs;

        let asker = &mut self.sides[side.other().index()];
        let offered = asker.offered.as_ref().ok_or(NoKeys)?;
        media.protocol.clone_from(&offered.protocol);
        media.attributes.retain(|attribute| attribute.name() != "crypto");
        let Some((tag, suite, remote)) = &offered.chosen else {
            asker.agreed = None;
            return Ok(());
        };
        let own = asker.own.get_or_insert_with(|| sdes::local(SrtpPolicy::Offer, entropy));
        let own = own.suites.iter().find(|own| own.suite.matches(suite.as_str())).ok_or(NoKeys)?;
        media.attributes.extend(line(*tag, suite.as_str(), &own.key_params));
        asker.agreed = Some(NegotiatedCrypto {
            suite: own.suite.clone(),
            local: own.key_params.clone(),
            remote: remote.clone(),
        });
        Ok(())
    }

    /// Whether what encrypts the line is not ours to end.
    pub(crate) fn passes(&self) -> bool {
        self.passes
    }

    /// What a side and we protect by; none where its packets are in clear, or are none of our business.
    pub(crate) fn agreed(&self, side: Side) -> Option<&NegotiatedCrypto> {
        self.sides[side.index()].agreed.as_ref()
    }
}

fn line(tag: u32, suite: &str, key_params: &str) -> Option<Attribute> {
    Attribute::of(&Crypto { tag, suite, key_params, session_params: "" }).ok()
}

/// Whether a protocol is that of SRTP with keys in SDP; nothing where it is neither that nor plain RTP.
fn is_secure(protocol: &Word) -> Option<bool> {
    match protocol.as_str() {
        "RTP/AVP" | "RTP/AVPF" => Some(false),
        "RTP/SAVP" | "RTP/SAVPF" => Some(true),
        _ => None,
    }
}

/// The same protocol with or without encryption.
fn protocol(of: &Word, is_secure: bool) -> Word {
    Word::from_static(match (of.as_str().ends_with('F'), is_secure) {
        (false, false) => "RTP/AVP",
        (true, false) => "RTP/AVPF",
        (false, true) => "RTP/SAVP",
        (true, true) => "RTP/SAVPF",
    })
}
