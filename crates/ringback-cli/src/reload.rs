//! `ringback reload`.

use crate::args;
use crate::out::line;
use crate::outcome::Failure;
use ringback_server::admin;
use std::io::ErrorKind;

/// Has a running server read its configuration again.
pub(crate) async fn reload(args: args::Reload) -> Result<(), Failure> {
    let socket = args.server.socket();
    let asked = socket.clone();
    let reloaded = match tokio::task::spawn_blocking(move || admin::reload(&asked)).await {
        Ok(Ok(reloaded)) => reloaded,
        Ok(Err(error)) if error.kind() == ErrorKind::InvalidInput => {
            return Err(Failure::Failed(format!("everything stays as it was: {error}")));
        }
        Ok(Err(error)) => return Err(crate::why::unreachable(&socket, &error)),
        Err(error) => return Err(Failure::Failed(error.to_string())),
    };
    if args.json {
        line(serde_json::to_string(&reloaded).map_err(|error| Failure::Failed(error.to_string()))?);
    } else {
        line(reloaded);
    }
    Ok(())
}
