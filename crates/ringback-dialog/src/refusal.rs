//! Why a request is refused, and the response that says so.

use ringback_message::header::MinSe;
use ringback_message::{HeaderId, Request, Response, StatusCode, UriBuf};
use ringback_sdp::{
    Codec, LocalDtls, LocalMedia, LocalSrtp, NegotiationError, OfferAnswer, Origin, SessionDescription,
};
use std::net::{IpAddr, Ipv4Addr};

/// A refusal on its way to the peer.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    reason: Option<String>,
    retry_after: Option<u32>,
    min_se: Option<u32>,
    warning: Option<(u16, &'static str)>,
    /// What would be acceptable, described.
    capabilities: Option<Vec<u8>>,
}

impl Refusal {
    pub(crate) fn plain(status: StatusCode) -> Self {
        Self { status, reason: None, retry_after: None, min_se: None, warning: None, capabilities: None }
    }

    pub(crate) fn because(status: StatusCode, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..Self::plain(status) }
    }

    /// 500 with Retry-After: something else is to be finished first.
    pub(crate) fn later(seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::plain(StatusCode::SERVER_INTERNAL_ERROR) }
    }

    /// 422: a session has to last for so many seconds at least.
    pub(crate) fn too_short(least: u32) -> Self {
        Self { min_se: Some(least), ..Self::plain(StatusCode::SESSION_INTERVAL_TOO_SMALL) }
    }

    /// What an offer is refused with (rules 45 and 54). `seconds` is for a 500.
    pub(crate) fn of_offer(error: NegotiationError, ours: &OfferAnswer, seconds: u32) -> Self {
        match error {
            NegotiationError::Glare => Self::plain(StatusCode::REQUEST_PENDING),
            NegotiationError::AnswerOwed => Self::later(seconds),
            _ => Self {
                // RFC 3261 §20.43: 305 is "Incompatible media format".
                warning: Some((305, "None of the offered media can be had here")),
                capabilities: ours.capabilities().ok().map(|description| description.to_bytes()),
                ..Self::plain(StatusCode::NOT_ACCEPTABLE_HERE)
            },
        }
    }

    /// The response. `agent` is who warns: our Contact.
    pub(crate) fn response(&self, request: &Request, tag: Option<&str>, agent: &UriBuf) -> Option<Response> {
        let mut reply = match &self.reason {
            Some(reason) => request.reply_with(self.status, reason, tag),
            None => request.reply(self.status, tag),
        };
        if let Some(seconds) = self.retry_after {
            reply = reply.header(HeaderId::RETRY_AFTER, seconds);
        }
        if let Some(seconds) = self.min_se {
            reply = reply.with(MinSe::new(seconds));
        }
        if let Some((code, text)) = self.warning {
            let host = agent.as_sip().map_or_else(|| "localhost".to_owned(), |uri| uri.host().to_string());
            reply = reply.header(HeaderId::WARNING, format_args!("{code} {host} \"{text}\""));
        }
        if let Some(capabilities) = &self.capabilities {
            reply = reply.body(crate::body::SDP, capabilities.clone());
        }
        reply.build().ok()
    }
}

/// The formats that an offer and we have in common, before it is known where our media will be.
pub(crate) fn shared(
    codecs: &[Codec],
    srtp: &LocalSrtp,
    dtls: Option<&LocalDtls>,
    offer: &SessionDescription,
) -> Result<Vec<Codec>, Refusal> {
    // An address that no peer has, so that no offer looks like a loop.
    let address = IpAddr::V4(Ipv4Addr::BROADCAST);
    let origin = Origin { username: "-".to_owned(), session_id: 0, address };
    let (srtp, dtls) = (srtp.clone(), dtls.cloned());
    let media = LocalMedia { srtp, dtls, ..LocalMedia::audio(9, codecs.to_vec()) };
    let mut probe = OfferAnswer::new(origin, vec![media]);
    let negotiated = probe.receive_offer(offer).and_then(|()| probe.make_answer());
    if let Err(error) = negotiated {
        let capabilities = None;
        return Err(Refusal { capabilities, ..Refusal::of_offer(error, &probe, 0) });
    }
    match probe.negotiated().iter().find(|media| media.is_active()) {
        Some(audio) => Ok(audio.send.clone()),
        None => Err(Refusal {
            capabilities: None,
            ..Refusal::of_offer(NegotiationError::NotAcceptable, &probe, 0)
        }),
    }
}
