//! Telling where a request has been (RFC 7044).

use crate::recursion::Moved;
use crate::{Device, privacy};
use ringback_message::header::{HistoryInfo, Supported, Token as _};
use ringback_message::{HeaderId, InvalidValue, Request, UriBuf};
use std::fmt::Arguments;

/// The most stations that are added to: a request that comes with more goes on as it is.
const MOST: usize = 64;

/// Whether the sender of a request, or somebody on its way, wants to know.
pub(crate) fn is_wanted(request: &Request) -> bool {
    let is_asked_for = request.has(HeaderId::HISTORY_INFO)
        || request.all::<Supported<'_>>().flatten().any(|tag| tag.token().eq_ignore_ascii_case("histinfo"));
    is_asked_for && privacy::tells_stations(request)
}

/// Adds the stations of a branch: where the request was for, unless that is told already, the redirections that led on, each
/// with whom it came from, and where it goes. `number` tells the branches of a fork apart, from 1 on (§10.3).
pub(crate) fn add(
    request: &mut Request,
    was_for: &UriBuf,
    number: usize,
    way: &[(&Moved, &UriBuf)],
) -> Result<(), InvalidValue> {
    let goes_to = match request.uri() {
        Ok(uri) => uri.to_owned(),
        Err(_) => return Ok(()),
    };
    // Answers tell the caller of it.
    let goes_to = Device::hidden(&goes_to).unwrap_or(goes_to);
    let last = request.all::<HistoryInfo<'_>>().take(MOST + 1).filter_map(Result::ok).enumerate().last();
    let last = last.and_then(|(at, entry)| {
        let is_it = entry.uri.equivalent(&was_for.as_uri());
        Some((at, entry.index()?.to_owned(), is_it))
    });
    let index = match last {
        Some((MOST.., ..)) => return Ok(()),
        Some((_, index, true)) => index,
        Some((_, index, false)) => {
            // Whoever sent it here told nothing of that: a gap (§10.3).
            let index = format!("{index}.1");
            request.push(HeaderId::HISTORY_INFO, format_args!("<{was_for}>;index={index}"))?;
            index
        }
        None => {
            request.push(HeaderId::HISTORY_INFO, format_args!("<{was_for}>;index=1"))?;
            "1".to_owned()
        }
    };
    let mut contact = None;
    for (moved, from) in way {
        // §10.2: why the request did not stay there. URIs that say more behind a question mark were cut.
        let reason = format_args!("?Reason=SIP%3Bcause%3D{}", moved.status.as_u16());
        station(request, &index, moved.from + 1, contact, from, reason)?;
        contact = Some(&moved.contact);
    }
    station(request, &index, number, contact, &goes_to, format_args!(""))
}

/// Adds one branch: where it goes, and before it the contact of a redirection that is another name for that. A contact is
/// somebody else than whom the request was for, which `mp` says (§5.2.3).
fn station(
    request: &mut Request,
    index: &str,
    number: usize,
    contact: Option<&UriBuf>,
    uri: &UriBuf,
    reason: Arguments<'_>,
) -> Result<(), InvalidValue> {
    let id = HeaderId::HISTORY_INFO;
    match contact {
        None => request.push(id, format_args!("<{uri}{reason}>;index={index}.{number};rc={index}")),
        Some(contact) if contact == uri => {
            request.push(id, format_args!("<{uri}{reason}>;index={index}.{number};mp={index}"))
        }
        Some(contact) => {
            request.push(id, format_args!("<{contact}>;index={index}.{number};mp={index}"))?;
            let here = format!("{index}.{number}");
            request.push(id, format_args!("<{uri}{reason}>;index={here}.1;rc={here}"))
        }
    }
}
