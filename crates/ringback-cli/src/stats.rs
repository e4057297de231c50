//! `ringback stats`.

use crate::args;
use crate::out::line;
use crate::outcome::Failure;
use ringback_server::{GatewayStats, Stats, admin};

/// Asks a running server for its counters.
pub(crate) async fn stats(args: args::Stats) -> Result<(), Failure> {
    let socket = args.server.socket();
    let asked = socket.clone();
    let stats = match tokio::task::spawn_blocking(move || admin::stats(&asked)).await {
        Ok(Ok(stats)) => stats,
        Ok(Err(error)) => return Err(crate::why::unreachable(&socket, &error)),
        Err(error) => return Err(Failure::Failed(error.to_string())),
    };
    if args.json {
        line(serde_json::to_string(&stats).map_err(|error| Failure::Failed(error.to_string()))?);
        return Ok(());
    }
    for (name, value) in rows(&stats) {
        line(format_args!("{value:>12}  {name}"));
    }
    for gateway in &stats.gateways {
        let GatewayStats { group, uri, up, registered, calls, begun, answered, failed, full, .. } = gateway;
        let state = if *up { "up" } else { "down" };
        let registered = match registered {
            Some(true) => ", registered",
            Some(false) => ", not registered",
            None => "",
        };
        line(format_args!(
            "gateway {group} {uri}: {state}{registered}, {calls} calls now, {begun} begun, {answered} answered, {failed} failed, \
             {full} times full"
        ));
    }
    Ok(())
}

fn rows(stats: &Stats) -> Vec<(String, u64)> {
    let mut rows = vec![
        ("requests received".to_owned(), stats.requests_received),
        ("responses received".to_owned(), stats.responses_received),
        ("requests sent".to_owned(), stats.requests_sent),
    ];
    for (class, count) in (1..).zip(stats.responses_sent) {
        rows.push((format!("responses sent, {class}xx"), count));
    }
    for (name, held) in [
        ("transactions now", stats.transactions),
        ("requests on their way now", stats.contexts),
        ("bindings now", stats.bindings),
        ("connections now", stats.connections),
        ("media relayed now", stats.media_streams),
        ("per cent of new requests refused now", (stats.refused_share * 100.0).ceil() as usize),
    ] {
        rows.push((name.to_owned(), held as u64));
    }
    rows.push(("media packets relayed".to_owned(), stats.media_packets));
    rows.push(("media packets converted".to_owned(), stats.media_converted));
    rows.push(("sends failed".to_owned(), stats.failed_sends));
    rows.push(("malformed messages".to_owned(), stats.malformed));
    if let Some(push) = &stats.push {
        rows.push(("push notifications accepted".to_owned(), push.accepted));
        rows.push(("push notifications failed".to_owned(), push.failed + push.no_room));
        rows.push(("requests whose phone woke up".to_owned(), push.woken));
        rows.push(("requests that wait for a phone now".to_owned(), push.waiting as u64));
    }
    rows.extend(
        stats
            .dropped
            .iter()
            .map(|(reason, count)| (format!("dropped: {}", reason.replace('_', " ")), *count)),
    );
    rows
}
