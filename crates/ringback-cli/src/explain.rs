//! `ringback explain` and `ringback check`.

use crate::args;
use crate::out::line;
use crate::outcome::Failure;
use ringback_message::{HeaderId, Method, Request};
use ringback_server::ServerConfig;
use std::path::Path;

/// Tells which route a request would take.
pub(crate) fn explain(args: &args::Explain) -> Result<(), Failure> {
    let config = read(&args.config)?;
    let method = Method::new(&args.method)
        .map_err(|_| Failure::Usage(format!("--method: `{}` is no method", args.method)))?;
    let mut request =
        Request::builder(method, &args.to).header(HeaderId::FROM, format_args!("<{}>", args.from));
    for header in &args.header {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| Failure::Usage(format!("--header: `{header}` is no `NAME: VALUE`")))?;
        request = request.other(name.trim(), value.trim());
    }
    let request = request.build().map_err(|error| Failure::Usage(format!("no request: {error}")))?;
    if let Err(error) = request.uri() {
        return Err(Failure::Usage(format!("--to: `{}` is no URI: {error}", args.to)));
    }
    let explained = ringback_server::explain(&config, &request, args.source)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    line(explained);
    Ok(())
}

/// Says whether a configuration can be used.
pub(crate) fn check(args: &args::Check) -> Result<(), Failure> {
    let config = read(&args.config)?;
    let routes = config.routes.len();
    line(format_args!(
        "{} can be used: users {}, domains {}, routes {routes}",
        args.config.display(),
        config.users.len(),
        config.domains.len()
    ));
    Ok(())
}

fn read(file: &Path) -> Result<ServerConfig, Failure> {
    let config = ServerConfig::read(file).map_err(|error| Failure::Failed(error.to_string()))?;
    config.check().map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))?;
    Ok(config)
}
