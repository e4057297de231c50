//! A voice bot: hears the caller frame by frame and repeats each sentence when it is over.
//!
//! `cargo run --example audio_stream -- sip:parrot@example.com secret`

use futures::{SinkExt as _, StreamExt as _};
use ringback::{Audio, AudioStream, Endpoint};
use std::error::Error;

/// Louder than this is speech.
const LOUD: u16 = 500;
/// So many quiet samples end a sentence: 300 ms at 8 kHz.
const PAUSE: usize = 2_400;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, password] = &arguments[..] else { return Err("audio_stream ADDRESS PASSWORD".into()) };
    let endpoint = Endpoint::builder().start().await?;
    let _account = endpoint.account(address).password(password).register().await?;
    run(endpoint).await
}

pub(crate) async fn run(endpoint: Endpoint) -> Result<(), Box<dyn Error>> {
    while let Some(incoming) = endpoint.incoming().await {
        let (audio, stream) = Audio::stream();
        if let Ok(call) = incoming.answer(audio).await {
            tokio::spawn(async move {
                // The stream ends with the call, and the call with this task.
                let _call = call;
                repeat(stream).await;
            });
        }
    }
    Ok(())
}

async fn repeat(mut stream: AudioStream) {
    let (mut sentence, mut quiet) = (Vec::new(), 0);
    while let Some(frame) = stream.next().await {
        let is_loud = frame.iter().any(|sample| sample.unsigned_abs() > LOUD);
        quiet = if is_loud { 0 } else { quiet + frame.len() };
        if is_loud || !sentence.is_empty() {
            sentence.extend(frame);
        }
        if quiet >= PAUSE && !sentence.is_empty() && stream.send(std::mem::take(&mut sentence)).await.is_err()
        {
            return;
        }
    }
}
