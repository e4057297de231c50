//! Makes many calls, so many in a second, and says how many were answered and how fast.
//!
//! `cargo run --example load_generator -- sip:load@example.com secret sip:echo@example.com 1000 50`
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use ringback::{Account, CallBuilder, CallError, CallEvent, Endpoint};
use std::error::Error;
use std::time::Duration;
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, password, target, calls, rate] = &arguments[..] else {
        return Err("load_generator ADDRESS PASSWORD TARGET CALLS PER_SECOND".into());
    };
    let endpoint = Endpoint::builder().start().await?;
    let account = endpoint.account(address).password(password).register().await?;
    let setups = run(&account, target, calls.parse()?, rate.parse()?).await?;
    println!("{} of {calls} calls answered", setups.len());
    if let (Some(fast), Some(slow)) = (setups.first(), setups.last()) {
        println!("answered after {fast:?} to {slow:?}, half of them within {:?}", setups[setups.len() / 2]);
    }
    Ok(())
}

/// How long each answer took, fastest first. Calls that were not answered are left out.
pub(crate) async fn run(
    account: &Account,
    target: &str,
    calls: u32,
    per_second: f64,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut pace = tokio::time::interval(Duration::try_from_secs_f64(1.0 / per_second)?);
    let mut running = JoinSet::new();
    for _ in 0..calls {
        pace.tick().await;
        running.spawn(call(account.call(target)));
    }
    let mut setups: Vec<Duration> = running.join_all().await.into_iter().flatten().flatten().collect();
    setups.sort_unstable();
    Ok(setups)
}

async fn call(call: CallBuilder) -> Result<Option<Duration>, CallError> {
    let mut call = call.start().await?;
    while let Some(event) = call.next().await {
        match event {
            CallEvent::Answered(_) => call.hangup()?,
            CallEvent::Ended(summary) => return Ok(summary.setup),
            _ => {}
        }
    }
    Ok(None)
}
