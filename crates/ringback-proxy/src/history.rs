//! Telling where a request has been (RFC 7044).

use ringback_message::header::{HistoryInfo, Supported, Token as _};
use ringback_message::{HeaderId, InvalidValue, Request, UriBuf};

/// The most stations that are added to: a request that comes with more goes on as it is.
const MOST: usize = 64;

/// Whether the sender of a request, or somebody on its way, wants to know.
pub(crate) fn is_wanted(request: &Request) -> bool {
    request.has(HeaderId::HISTORY_INFO)
        || request.all::<Supported<'_>>().flatten().any(|tag| tag.token().eq_ignore_ascii_case("histinfo"))
}

/// Adds the stations of a branch: where the request was for, unless that is told already, and where it goes. `number` tells
/// the branches of a fork apart, from 1 on (§10.3).
pub(crate) fn add(request: &mut Request, was_for: &UriBuf, number: usize) -> Result<(), InvalidValue> {
    let goes_to = match request.uri() {
        Ok(uri) => uri.to_owned(),
        Err(_) => return Ok(()),
    };
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
    request.push(HeaderId::HISTORY_INFO, format_args!("<{goes_to}>;index={index}.{number};rc={index}"))
}
