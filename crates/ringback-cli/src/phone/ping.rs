//! `ringback ping`.

use super::{Phone, Policy};
use crate::args;
use crate::out::Reporter;
use crate::outcome::Failure;
use std::time::Duration;

/// Asks whether somebody is there. Any answer is one; the last question decides.
pub(crate) async fn ping(args: args::Ping) -> Result<(), Failure> {
    let report = Reporter::new(args.phone.json);
    let phone = Phone::open(args.phone, Policy::default()).await?;
    let account = phone.account()?.open().await?;
    let target = phone.target(&args.target);
    let mut outcome = Ok(());
    for number in 1..=args.count {
        outcome = match account.ping(&target).await {
            Ok((status, took)) => {
                let milliseconds = (took.as_secs_f64() * 1e5).round() / 1e2;
                let text = format!("{status} {} from {target} in {milliseconds} ms", status.reason());
                report.tell(
                    "answer",
                    [("status", status.as_u16().into()), ("ms", milliseconds.into())],
                    text,
                );
                Ok(())
            }
            Err(error) => {
                let text = format!("no answer from {target}: {error}");
                report.tell("no-answer", [("reason", error.to_string().into())], &text);
                Err(Failure::Unanswered(text))
            }
        };
        if number < args.count {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    drop(account);
    phone.endpoint.shutdown().await;
    outcome
}
