//! `ringback call`.

use super::typing::{Text, Typing};
use super::{Phone, Policy, plan};
use crate::args;
use crate::out::{Reporter, plain};
use crate::outcome::Failure;

/// Calls, so many times as asked for; the first failure of a call ends it.
pub(crate) async fn call(args: args::Call) -> Result<(), Failure> {
    args.in_call.check()?;
    let report = Reporter::new(args.phone.json);
    let no_transfer = args.in_call.no_transfer;
    let media = args.in_call.media.clone();
    let listening = Some(args.in_call.listening.clone());
    let real_time_text = args.in_call.real_time_text;
    let no_redirect = args.no_redirect;
    let policy = Policy { no_redirect, no_transfer, media, listening, real_time_text, ..Policy::default() };
    let mut typing = real_time_text.then(Typing::listen);
    let phone = Phone::open(args.phone, policy).await?;
    let builder = phone.account()?;
    let mut account = if args.register { builder.register().await? } else { builder.open().await? };
    let target = phone.target(&args.target);
    let mut in_call = args.in_call;
    in_call.transfer_to = in_call.transfer_to.map(|target| phone.target(&target));
    let mut outcome = Ok(());
    for number in 1..=args.calls {
        let mut builder = account.call(&target).audio(plan::audio(&in_call, number));
        if let Some(mode) = &args.answer_mode {
            builder = builder.header("Answer-Mode", if mode == "auto" { "Auto" } else { "Manual" });
        }
        let call = builder.start().await?;
        let text = format!("calling {}", plain(&target));
        report.tell("calling", [("target", plain(&target).into()), ("call_id", call.call_id().into())], text);
        let summary =
            plan::converse(call, &in_call, Some(args.timeout), Text::typed(typing.as_mut()), &report).await?;
        outcome = plan::verdict(&summary);
        if outcome.is_err() {
            break;
        }
    }
    if args.register {
        // The server forgets us by itself when it does not hear this.
        let _ = account.unregister().await;
    }
    drop(account);
    phone.endpoint.shutdown().await;
    outcome
}
