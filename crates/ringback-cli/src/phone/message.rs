//! `ringback message`.

use super::{Phone, Policy};
use crate::args;
use crate::out::Reporter;
use crate::outcome::Failure;

/// Sends one instant message.
pub(crate) async fn message(args: args::Message) -> Result<(), Failure> {
    let report = Reporter::new(args.phone.json);
    let phone = Phone::open(args.phone, Policy::default()).await?;
    let account = phone.account()?.open().await?;
    let status = account.message(&phone.target(&args.target), &args.text).await?;
    report.tell("delivered", [("status", status.as_u16().into())], format!("{status} {}", status.reason()));
    drop(account);
    phone.endpoint.shutdown().await;
    Ok(())
}
