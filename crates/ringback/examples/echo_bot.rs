//! Answers every call and plays back what it hears.
//!
//! `cargo run --example echo_bot -- sip:echo@example.com secret`
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use ringback::{Audio, Call, CallEvent, Endpoint};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, password] = &arguments[..] else { return Err("echo_bot ADDRESS PASSWORD".into()) };
    let endpoint = Endpoint::builder().start().await?;
    let _account = endpoint.account(address).password(password).register().await?;
    run(endpoint).await
}

pub(crate) async fn run(endpoint: Endpoint) -> Result<(), Box<dyn Error>> {
    while let Some(incoming) = endpoint.incoming().await {
        println!("{} calls", incoming.from());
        // A caller that gave up meanwhile is no reason to stop.
        if let Ok(call) = incoming.answer(Audio::echo()).await {
            tokio::spawn(follow(call));
        }
    }
    Ok(())
}

async fn follow(mut call: Call) {
    while let Some(event) = call.next().await {
        if let CallEvent::Ended(summary) = event {
            println!("ended {}", summary.ending);
        }
    }
}
