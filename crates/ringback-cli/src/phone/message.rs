//! `ringback message`.

use super::{Phone, Policy};
use crate::args::{self, seconds};
use crate::out::Reporter;
use crate::outcome::Failure;
use clap::Args;
use ringback::{Account, Receipt, RequestFailed, StatusCode};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Options of `ringback message`.
#[derive(Debug, Args)]
pub(crate) struct Message {
    /// Whom to write to
    pub(crate) target: String,
    /// What to write
    pub(crate) text: String,
    #[command(flatten)]
    pub(crate) phone: args::Phone,
    /// Asks to be told when the message is there and when it was read (RFC 5438), and waits for the latter so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, num_args = 0..=1, require_equals = true, default_missing_value = "30")]
    pub(crate) receipt: Option<Duration>,
}

/// Sends one instant message.
pub(crate) async fn message(args: Message) -> Result<(), Failure> {
    let report = Reporter::new(args.phone.json);
    // Receipts come as messages for us, whatever our address is called where they come from.
    let policy = Policy { answers_anyone: args.receipt.is_some(), ..Policy::default() };
    let phone = Phone::open(args.phone, policy).await?;
    // They come to our address, and so to where that is registered.
    let registers = args.receipt.is_some() && phone.is_registrable();
    let mut account = match registers {
        true => phone.account()?.register().await?,
        false => phone.account()?.open().await?,
    };
    let target = phone.target(&args.target);
    let sent = match args.receipt {
        Some(patience) => follow(&account, &target, &args.text, patience, &report).await,
        None => account.message(&target, &args.text).await.map(|status| taken(&report, status)),
    };
    if registers {
        // The server forgets us by itself when it does not hear this.
        let _ = account.unregister().await;
    }
    drop(account);
    phone.endpoint.shutdown().await;
    Ok(sent?)
}

fn taken(report: &Reporter, status: StatusCode) {
    report.tell("delivered", [("status", status.as_u16().into())], format!("{status} {}", status.reason()));
}

/// Waits until the message was read, or for so long.
async fn follow(
    account: &Account,
    target: &str,
    text: &str,
    patience: Duration,
    report: &Reporter,
) -> Result<(), RequestFailed> {
    let until = Instant::now() + patience;
    let mut sent = account.message_with_receipts(target, text).await?;
    taken(report, sent.status());
    while let Ok(Some(receipt)) = timeout_at(until, sent.next()).await {
        report.tell("receipt", [("receipt", receipt.to_string().into())], receipt.to_string());
        if receipt != Receipt::Delivered && receipt != Receipt::Stored && receipt != Receipt::Processed {
            return Ok(());
        }
    }
    report.tell(
        "no-receipt",
        [],
        format!("nobody has told within {} s that it was read", patience.as_secs()),
    );
    Ok(())
}
