//! A conference: calls several people, brings together those who answer, and ends when the last of them has hung up.
//!
//! `cargo run --example conference -- sip:desk@example.com secret sip:alice@example.com sip:bob@example.com …`
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use futures::future::join_all;
use ringback::{Account, Call, CallEvent, Conference, Endpoint};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, password, people @ ..] = &arguments[..] else {
        return Err("conference ADDRESS PASSWORD PERSON…".into());
    };
    let endpoint = Endpoint::builder().start().await?;
    let account = endpoint.account(address).password(password).register().await?;
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    run(&account, &people).await
}

pub(crate) async fn run(account: &Account, people: &[&str]) -> Result<(), Box<dyn Error>> {
    let conference = Conference::new();
    let mut calls = Vec::new();
    for person in people {
        // Whoever answers hears at once those who are there already.
        let (seat, _) = conference.seat();
        calls.push(follow(person, account.call(*person).audio(seat).start().await?));
    }
    join_all(calls).await;
    Ok(())
}

async fn follow(person: &str, mut call: Call) {
    while let Some(event) = call.next().await {
        match event {
            CallEvent::Answered(media) => println!("{person} is in, with {}", media.codec),
            CallEvent::Ended(summary) => println!("{person} is out {}", summary.ending),
            _ => {}
        }
    }
}
