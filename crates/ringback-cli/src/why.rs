//! `ringback why`.

use crate::args;
use crate::out::line;
use crate::outcome::Failure;
use crate::trace::draw;
use ringback::Direction;
use ringback_server::{Recorded, admin};
use ringback_trace::{Calls, Names, Packet};
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;

/// Asks a running server what it remembers of a call, and draws it.
pub(crate) async fn why(args: args::Why) -> Result<(), Failure> {
    let socket = args.server.socket();
    let call_id = args.call_id.clone().unwrap_or_default();
    let asked = socket.clone();
    let answer = tokio::task::spawn_blocking(move || admin::why(&asked, &call_id)).await;
    let recorded = match answer {
        Ok(Ok(recorded)) => recorded,
        Ok(Err(error)) => return Err(unreachable(&socket, &error)),
        Err(error) => return Err(Failure::Failed(error.to_string())),
    };
    if args.json {
        for message in &recorded {
            let packet = packet(message);
            line(json!({
                "at": packet.time.as_secs_f64(),
                "from": packet.source.to_string(),
                "to": packet.destination.to_string(),
                "transport": packet.protocol.as_param(),
                "message": String::from_utf8_lossy(&packet.payload),
            }));
        }
        return Ok(());
    }
    let mut calls = Calls::new();
    let mut names = Names::new();
    for message in &recorded {
        names.add(message.local, "ringback");
        calls.add(&packet(message));
    }
    let found: Vec<_> = calls.iter().collect();
    match (&found[..], &args.call_id) {
        ([], Some(call_id)) => Err(Failure::Failed(format!(
            "the server remembers no call whose Call-ID begins with `{call_id}`"
        ))),
        ([], None) => Err(Failure::Failed("the server remembers no call".to_owned())),
        ([call], _) => draw(call, &names, args.messages, args.svg.as_deref()),
        (several, _) => {
            for call in several {
                line(format_args!("{}  {}", call.call_id(), call.summary(&names)));
            }
            Ok(())
        }
    }
}

fn packet(recorded: &Recorded) -> Packet {
    let (source, destination): (SocketAddr, SocketAddr) = match recorded.direction {
        Direction::In => (recorded.peer, recorded.local),
        Direction::Out => (recorded.local, recorded.peer),
    };
    Packet {
        time: recorded.at,
        source,
        destination,
        protocol: recorded.protocol,
        payload: recorded.bytes.clone(),
    }
}

pub(crate) fn unreachable(socket: &Path, error: &std::io::Error) -> Failure {
    Failure::Unanswered(format!(
        "no server answers at {}: {error}; --data names the folder of the server, --admin its socket",
        socket.display()
    ))
}
