//! `ringback records` and `ringback calls`.

use crate::args;
use crate::out::{line, plain};
use crate::outcome::Failure;
use ringback_server::{CallMedia, CallRecord, EndedBy, MediaLeg, RecordStore, admin};

/// Lists calls that are over.
pub(crate) fn records(args: &args::Records) -> Result<(), Failure> {
    let store = RecordStore::read(&args.file).map_err(|error| Failure::Failed(error.to_string()))?;
    let latest = store.latest(args.with.as_deref(), args.limit);
    let latest = latest.map_err(|error| Failure::Failed(error.to_string()))?;
    for (began, record) in &latest {
        match args.json {
            true => line(serde_json::to_string(record).map_err(|error| Failure::Failed(error.to_string()))?),
            false => line(row(began, record)),
        }
    }
    if latest.is_empty() && !args.json {
        line("no calls");
    }
    Ok(())
}

/// Lists calls that are up.
pub(crate) async fn calls(args: args::Calls) -> Result<(), Failure> {
    let socket = args.server.socket();
    let asked = socket.clone();
    let calls = match tokio::task::spawn_blocking(move || admin::calls(&asked)).await {
        Ok(Ok(calls)) => calls,
        Ok(Err(error)) => return Err(crate::why::unreachable(&socket, &error)),
        Err(error) => return Err(Failure::Failed(error.to_string())),
    };
    if args.json {
        line(serde_json::to_string(&calls).map_err(|error| Failure::Failed(error.to_string()))?);
    } else if calls.is_empty() {
        line("no call is up, or the server keeps no records");
    } else {
        for call in &calls {
            let (from, to, call_id) = (plain(&call.from), plain(&call.to), plain(&call.call_id));
            let heard = call.media.map(|media| format!("  {}", heard(&media))).unwrap_or_default();
            line(format_args!("{}  {from} -> {to}  {call_id}{heard}", length(call.seconds * 1_000)));
        }
    }
    Ok(())
}

fn row(began: &str, record: &CallRecord) -> String {
    let (from, to) = (plain(&record.from), plain(&record.to));
    let who = record.ended_by.as_str();
    let what = match record.answered_ms {
        Some(answered) => {
            let talked = length(record.ended_ms.saturating_sub(answered));
            match record.ended_by {
                EndedBy::Server
                    if record.reason.as_deref().is_some_and(|reason| reason.starts_with("no media")) =>
                {
                    format!("{talked}, ended by the server")
                }
                EndedBy::Server => format!("{talked}, never hung up"),
                EndedBy::Caller | EndedBy::Callee => format!("{talked}, hung up by the {who}"),
            }
        }
        None if record.status == 487 && record.ended_by == EndedBy::Caller => {
            "given up by the caller".to_owned()
        }
        None => format!("{} by the {who}", record.status),
    };
    let route = record.route.as_deref().map(|route| format!(", {}", plain(route))).unwrap_or_default();
    let reason = record.reason.as_deref().map(|reason| format!(" ({})", plain(reason))).unwrap_or_default();
    let heard = record.media.map(|media| format!("  {}", heard(&media))).unwrap_or_default();
    format!("{began}  {from} -> {to}  {what}{reason}{route}  {}{heard}", plain(&record.call_id))
}

/// What came of both sides of a relayed call.
fn heard(media: &CallMedia) -> String {
    let one = |who: &str, leg: &MediaLeg| {
        let silent = if leg.silent { ", silent" } else { "" };
        let mos = leg.mos.map(|mos| format!(", MOS {mos:.1}")).unwrap_or_default();
        let MediaLeg { packets, lost, jitter_ms, .. } = leg;
        format!("{who}: {packets} packets, {lost} lost, jitter {jitter_ms:.1} ms{mos}{silent}")
    };
    format!("[{}; {}]", one("caller", &media.caller), one("callee", &media.callee))
}

/// Minutes and seconds.
fn length(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
