//! Click to dial: calls one number, then another, and connects the two.
//!
//! `cargo run --example click_to_dial -- sip:desk@example.com secret sip:alice@example.com sip:bob@example.com`
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use ringback::{Account, Audio, Call, CallEvent, Endpoint};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, password, one, other] = &arguments[..] else {
        return Err("click_to_dial ADDRESS PASSWORD ONE OTHER".into());
    };
    let endpoint = Endpoint::builder().start().await?;
    let account = endpoint.account(address).password(password).register().await?;
    run(&account, one, other).await
}

pub(crate) async fn run(account: &Account, one: &str, other: &str) -> Result<(), Box<dyn Error>> {
    let (ours, theirs) = Audio::bridge();
    let mut one = account.call(one).audio(ours).start().await?;
    answered(&mut one).await?;
    let mut other = account.call(other).audio(theirs).start().await?;
    answered(&mut other).await?;
    println!("connected");
    // When one side hangs up, dropping the other call ends it, too.
    tokio::select! {
        () = ended(&mut one) => println!("the first has hung up"),
        () = ended(&mut other) => println!("the second has hung up"),
    }
    Ok(())
}

async fn answered(call: &mut Call) -> Result<(), Box<dyn Error>> {
    while let Some(event) = call.next().await {
        match event {
            CallEvent::Answered(_) => return Ok(()),
            CallEvent::Ended(summary) => return Err(format!("not answered: {}", summary.ending).into()),
            _ => {}
        }
    }
    Err("the endpoint is shut down".into())
}

async fn ended(call: &mut Call) {
    while call.next().await.is_some() {}
}
