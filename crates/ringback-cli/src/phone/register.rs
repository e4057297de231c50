//! `ringback register`.

use super::{Phone, Policy};
use crate::args;
use crate::out::{Reporter, plain};
use crate::outcome::Failure;
use crate::signals::Stop;
use ringback::Registration;
use std::time::Duration;

/// Registers, and stays registered until it is told to stop.
pub(crate) async fn register(args: args::Register) -> Result<(), Failure> {
    let report = Reporter::new(args.phone.json);
    if args.phone.from.is_none() {
        return Err(Failure::Usage(
            "register: --from says which address to register, such as sip:alice@example.com".into(),
        ));
    }
    let mut stop = Stop::listen()?;
    let phone = Phone::open(args.phone, Policy::default()).await?;
    let builder = phone.account()?.expires(Duration::from_secs(args.expires.into()));
    let mut account = builder.open().await?;
    let expires = account.register().await?;
    let tell = |expires: Duration| {
        let text = format!("registered as {} for {} s", plain(phone.address()), expires.as_secs());
        report.tell("registered", [("expires", expires.as_secs().into())], text);
    };
    tell(expires);
    let mut lost = None;
    if !args.remove {
        let end = args.duration.map(|duration| tokio::time::Instant::now() + duration);
        loop {
            tokio::select! {
                state = account.registration_changed() => match state {
                    Some(Registration::Active { expires }) => {
                        lost = None;
                        tell(expires);
                    }
                    Some(Registration::Failed { status, reason, retry_in }) => {
                        let reason = plain(&reason);
                        let text = format!("registration lost: {reason}");
                        report.tell("registration-failed", [("status", status.as_u16().into()), ("reason", reason.clone().into())], text);
                        lost = Some(Failure::of_status(Some(status), reason));
                        if retry_in.is_none() {
                            break;
                        }
                    }
                    Some(_) => {}
                    None => break,
                },
                () = async {
                    match end {
                        Some(end) => tokio::time::sleep_until(end).await,
                        None => std::future::pending().await,
                    }
                } => break,
                _ = stop.told() => break,
            }
        }
    }
    if lost.is_none() {
        account.unregister().await?;
        report.tell("unregistered", [], "registration removed");
    }
    drop(account);
    phone.endpoint.shutdown().await;
    lost.map_or(Ok(()), Err)
}
