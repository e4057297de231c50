//! Calls that may not disturb.

use super::with_scheme;
use crate::outcome::Failure;
use clap::Args;
use ringback::DoNotDisturb;

/// Which calls may not disturb.
#[derive(Debug, Args)]
pub(crate) struct Quiet {
    /// Does not let calls disturb: refuses them as busy (486), or as if nobody were there (480) [default without a word: busy]
    #[arg(
        long,
        value_name = "busy|unavailable",
        value_parser = ["busy", "unavailable"],
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "busy"
    )]
    pub(crate) dnd: Option<String>,
    /// Lets calls from this address disturb all the same; again for each
    #[arg(long, value_name = "URI")]
    pub(crate) dnd_allow: Vec<String>,
}

/// How calls are refused, whether they are at the moment or not.
pub(crate) fn quiet(args: &Quiet) -> Result<DoNotDisturb, Failure> {
    let quiet = match args.dnd.as_deref() {
        Some("unavailable") => DoNotDisturb::unavailable(),
        _ => DoNotDisturb::busy(),
    };
    args.dnd_allow.iter().try_fold(quiet, |quiet, address| {
        let uri = with_scheme(address).parse();
        let uri =
            uri.map_err(|error| Failure::Usage(format!("--dnd-allow: `{address}` is no address: {error}")))?;
        Ok(quiet.allow(uri))
    })
}
