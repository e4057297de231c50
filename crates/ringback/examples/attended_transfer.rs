//! An operator: calls somebody, holds, asks somebody else, and connects the two with each other.
//!
//! `cargo run --example attended_transfer -- sip:desk@example.com secret sip:alice@example.com sip:bob@example.com`
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use ringback::{Account, Call, CallBuilder, CallEvent, Endpoint};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, password, one, other] = &arguments[..] else {
        return Err("attended_transfer ADDRESS PASSWORD ONE OTHER".into());
    };
    let endpoint = Endpoint::builder().start().await?;
    let account = endpoint.account(address).password(password).register().await?;
    run(&account, one, other).await
}

pub(crate) async fn run(account: &Account, one: &str, other: &str) -> Result<(), Box<dyn Error>> {
    let mut one = answered(account.call(one)).await?;
    one.hold()?;
    wait(&mut one, |event| matches!(event, CallEvent::Changed(media) if media.held_by_us)).await?;
    let other = answered(account.call(other)).await?;
    one.transfer_to(&other)?;
    wait(&mut one, |event| matches!(event, CallEvent::TransferEnded(status) if status.is_success())).await?;
    println!("connected");
    Ok(())
}

async fn answered(call: CallBuilder) -> Result<Call, Box<dyn Error>> {
    let mut call = call.start().await?;
    wait(&mut call, |event| matches!(event, CallEvent::Answered(_))).await?;
    Ok(call)
}

/// Waits until what is wanted happens; the end of the call or a failed transfer is an error.
async fn wait(call: &mut Call, is_wanted: impl Fn(&CallEvent) -> bool) -> Result<(), Box<dyn Error>> {
    while let Some(event) = call.next().await {
        match event {
            event if is_wanted(&event) => return Ok(()),
            CallEvent::Ended(summary) => return Err(summary.ending.to_string().into()),
            CallEvent::TransferEnded(status) => return Err(format!("not transferred: {status}").into()),
            _ => {}
        }
    }
    Err("the endpoint is shut down".into())
}
