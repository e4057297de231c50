//! `ringback explain` and `ringback check`.

use crate::args;
use crate::out::line;
use crate::outcome::Failure;
use ringback_server::{Inquiry, ServerConfig};
use std::path::Path;

/// Tells which route a request would take.
pub(crate) fn explain(args: &args::Explain) -> Result<(), Failure> {
    let config = read(&args.config)?;
    let header = |header: &String| match header.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(Failure::Usage(format!("--header: `{header}` is no `NAME: VALUE`"))),
    };
    let inquiry = Inquiry {
        from: args.from.clone(),
        to: args.to.clone(),
        method: args.method.clone(),
        source: args.source,
        headers: args.header.iter().map(header).collect::<Result<_, _>>()?,
    };
    let explained = inquiry.explain(&config).map_err(|error| Failure::Usage(error.to_string()))?;
    line(explained);
    Ok(())
}

/// Says whether a configuration can be used.
pub(crate) fn check(args: &args::Check) -> Result<(), Failure> {
    let config = read(&args.config)?;
    let routes = config.routes.len();
    line(format_args!(
        "{} can be used: users {}, domains {}, routes {routes}, gateways {}",
        args.config.display(),
        config.users.len(),
        config.domains.len(),
        config.gateways.len()
    ));
    for group in &config.gateways {
        line(format_args!("gateways {group}"));
    }
    Ok(())
}

fn read(file: &Path) -> Result<ServerConfig, Failure> {
    let config = ServerConfig::read(file).map_err(|error| Failure::Failed(error.to_string()))?;
    config.check().map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))?;
    Ok(config)
}
