//! `ringback records` and `ringback calls`.

use crate::args;
use crate::out::{line, plain};
use crate::outcome::Failure;
use ringback_server::{CallRecord, EndedBy, RecordStore, admin};

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
            line(format_args!("{}  {from} -> {to}  {call_id}", length(call.seconds * 1_000)));
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
    format!("{began}  {from} -> {to}  {what}{reason}{route}  {}", plain(&record.call_id))
}

/// Minutes and seconds.
fn length(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
