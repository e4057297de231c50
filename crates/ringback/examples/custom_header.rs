//! Calls with a header field of our own, here the number of an order. `IncomingCall::header` reads it at the other side.
//!
//! `cargo run --example custom_header -- sip:shop@example.com secret sip:alice@example.com 4711`
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use ringback::{Account, CallEvent, Endpoint};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, password, target, order] = &arguments[..] else {
        return Err("custom_header ADDRESS PASSWORD TARGET ORDER".into());
    };
    let endpoint = Endpoint::builder().start().await?;
    let account = endpoint.account(address).password(password).register().await?;
    run(&account, target, order).await
}

pub(crate) async fn run(account: &Account, target: &str, order: &str) -> Result<(), Box<dyn Error>> {
    let mut call = account.call(target).header("X-Order", order).start().await?;
    while let Some(event) = call.next().await {
        if let CallEvent::Ended(summary) = event {
            println!("ended {}", summary.ending);
        }
    }
    Ok(())
}
