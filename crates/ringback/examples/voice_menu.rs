//! Answers with a voice menu: 1 plays the opening hours, 2 an echo, 0 hangs up, all else the menu again.
//!
//! `cargo run --example voice_menu -- sip:shop@example.com secret menu.wav hours.wav`
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use ringback::{Audio, CallError, CallEvent, Endpoint, IncomingCall};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, password, menu, hours] = &arguments[..] else {
        return Err("voice_menu ADDRESS PASSWORD MENU.wav HOURS.wav".into());
    };
    let endpoint = Endpoint::builder().start().await?;
    let _account = endpoint.account(address).password(password).register().await?;
    run(endpoint, Audio::file(menu), Audio::file(hours)).await
}

pub(crate) async fn run(endpoint: Endpoint, menu: Audio, hours: Audio) -> Result<(), Box<dyn Error>> {
    while let Some(incoming) = endpoint.incoming().await {
        let (menu, hours) = (menu.clone(), hours.clone());
        tokio::spawn(async move {
            if let Err(error) = serve(incoming, menu, hours).await {
                println!("{error}");
            }
        });
    }
    Ok(())
}

async fn serve(incoming: IncomingCall, menu: Audio, hours: Audio) -> Result<(), CallError> {
    println!("{} calls", incoming.from());
    let mut call = incoming.answer(menu.clone()).await?;
    while let Some(event) = call.next().await {
        match event {
            CallEvent::Digit('1') => call.play(hours.clone()).await?,
            CallEvent::Digit('2') => call.play(Audio::echo()).await?,
            CallEvent::Digit('0') => call.hangup()?,
            CallEvent::Digit(_) => call.play(menu.clone()).await?,
            CallEvent::Ended(summary) => println!("ended {}", summary.ending),
            _ => {}
        }
    }
    Ok(())
}
