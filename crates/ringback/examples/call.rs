//! Registers, calls somebody, plays a file to them and records what they say.
//!
//! `cargo run --example call -- sip:alice@example.com secret sip:bob@example.com hello.wav answer.wav`
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use ringback::{AccountBuilder, CallEvent, Endpoint};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, password, target, hello, answer] = &arguments[..] else {
        return Err("call ADDRESS PASSWORD TARGET HELLO.wav ANSWER.wav".into());
    };
    let endpoint = Endpoint::builder().start().await?;
    run(endpoint.account(address).password(password), [target, hello, answer]).await
}

pub(crate) async fn run(account: AccountBuilder, [target, hello, answer]: [&str; 3]) -> Outcome {
    let alice = account.register().await?;
    let mut call = alice.call(target).play(hello).record(answer).start().await?;
    while let Some(event) = call.next().await {
        match event {
            CallEvent::Answered(media) => println!("talking {}", media.codec),
            CallEvent::Played => call.hangup()?,
            CallEvent::Ended(summary) => println!("ended {}", summary.ending),
            _ => {}
        }
    }
    Ok(())
}
