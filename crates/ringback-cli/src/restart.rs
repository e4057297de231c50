//! `ringback restart`.

use crate::args;
use crate::out::line;
use crate::outcome::Failure;
use ringback_server::{admin, read_duration};
use std::io::ErrorKind;
use std::time::Duration;

/// Has a running server start once more, and waits until the new process has taken over.
pub(crate) async fn restart(args: args::Restart) -> Result<(), Failure> {
    let wait = match &args.wait {
        Some(time) => read_duration(time).map_err(|error| Failure::Usage(format!("--wait: {error}")))?,
        None => Duration::from_secs(120),
    };
    let socket = args.server.socket();
    let asked = socket.clone();
    let process = match tokio::task::spawn_blocking(move || admin::restart(&asked, wait)).await {
        Ok(Ok(process)) => process,
        Ok(Err(error)) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::TimedOut) => {
            return Err(Failure::Failed(format!("the server that ran runs on: {error}")));
        }
        Ok(Err(error)) => return Err(crate::why::unreachable(&socket, &error)),
        Err(error) => return Err(Failure::Failed(error.to_string())),
    };
    match args.json {
        true => line(serde_json::json!({ "process": process })),
        false => line(format_args!("process {process} has taken over")),
    }
    Ok(())
}
