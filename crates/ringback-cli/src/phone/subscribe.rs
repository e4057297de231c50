//! `ringback subscribe` and `ringback publish`.

use super::{FAREWELL, Phone, Policy};
use crate::args;
use crate::out::{Reporter, line, plain};
use crate::outcome::Failure;
use crate::signals::Stop;
use ringback::{Notification, PublicationState, Standing, SubscriptionEnd, SubscriptionEvent, Termination};
use std::time::Duration;

/// Subscribes, and prints what is told until it is over or we are told to stop.
pub(crate) async fn subscribe(args: args::Subscribe) -> Result<(), Failure> {
    let report = Reporter::new(args.phone.json);
    let json = args.phone.json;
    let mut stop = Stop::listen()?;
    let phone = Phone::open(args.phone, Policy::default()).await?;
    let account = phone.account()?.open().await?;
    let mut builder = account.subscribe(phone.target(&args.target), args.event);
    for content_type in &args.accept {
        builder = builder.accept(content_type);
    }
    let mut subscription = builder.expires(Duration::from_secs(args.expires.into())).start().await?;
    let end = args.duration.map(|duration| tokio::time::Instant::now() + duration);
    let mut ended = None;
    loop {
        tokio::select! {
            event = subscription.next() => match event {
                Some(SubscriptionEvent::Notified(notification)) => show(&report, json, &notification),
                Some(SubscriptionEvent::Lapsed { why, retry_in }) => {
                    let (why, seconds) = (plain(&why.to_string()), retry_in.as_secs());
                    let text = format!("lapsed: {why}; again in {seconds} s");
                    report.tell("lapsed", [("reason", why.into()), ("retry_in", seconds.into())], text);
                }
                Some(SubscriptionEvent::Ended(why)) => {
                    ended = Some(why);
                    break;
                }
                None => break,
            },
            () = at(end) => break,
            _ = stop.told() => break,
        }
    }
    if ended.is_none() {
        match tokio::time::timeout(FAREWELL, subscription.unsubscribe()).await {
            Ok(why) => ended = why,
            Err(_) => report.tell("left", [], "left, and nobody said a last word"),
        }
    } else {
        drop(subscription);
    }
    let outcome = ended.map_or(Ok(()), |why| {
        let text = plain(&why.to_string());
        report.tell("ended", [("reason", text.as_str().into())], format!("ended: {text}"));
        verdict(&why, args.expires == 0, text)
    });
    drop(account);
    phone.endpoint.shutdown().await;
    outcome
}

fn verdict(why: &SubscriptionEnd, once: bool, text: String) -> Result<(), Failure> {
    match why {
        SubscriptionEnd::Unsubscribed => Ok(()),
        SubscriptionEnd::Terminated(Termination::Timeout) if once => Ok(()),
        SubscriptionEnd::Terminated(Termination::Invariant) => Ok(()),
        SubscriptionEnd::Refused(status, _) => Err(Failure::of_status(Some(*status), text)),
        SubscriptionEnd::Silent | SubscriptionEnd::Expired => Err(Failure::Unanswered(text)),
        SubscriptionEnd::Terminated(_) => Err(Failure::Failed(text)),
    }
}

fn show(report: &Reporter, json: bool, notification: &Notification) {
    let state = match &notification.standing {
        Standing::Active => "active".to_owned(),
        Standing::Pending => "pending".to_owned(),
        Standing::Terminated(reason) => plain(&format!("terminated, {reason}")),
    };
    let content = notification.content.as_ref();
    let content_type = content.map(|content| plain(&content.content_type)).unwrap_or_default();
    let body = content.map(|content| String::from_utf8_lossy(&content.body).into_owned()).unwrap_or_default();
    let text = match content_type.is_empty() {
        true => state.clone(),
        false => format!("{state}: {content_type}"),
    };
    let fields = [
        ("notifier", notification.notifier.into()),
        ("state", state.into()),
        ("type", content_type.into()),
        ("body", body.as_str().into()),
    ];
    report.tell("notified", fields, text);
    if !json {
        for text in body.lines() {
            line(format_args!("  {}", plain(text)));
        }
    }
}

/// Publishes the state in a file, and keeps it published until we are told to stop.
pub(crate) async fn publish(args: args::Publish) -> Result<(), Failure> {
    let report = Reporter::new(args.phone.json);
    let mut stop = Stop::listen()?;
    let body = std::fs::read(&args.body_file)
        .map_err(|error| Failure::Usage(format!("--body-file {}: {error}", args.body_file.display())))?;
    let phone = Phone::open(args.phone, Policy::default()).await?;
    let account = phone.account()?.open().await?;
    let builder = account
        .publish(args.event, args.content_type, body)
        .of(phone.target(&args.target))
        .expires(Duration::from_secs(args.expires.into()));
    let mut publication = builder.start().await?;
    let mut state = Some(publication.state());
    let end = args.duration.map(|duration| tokio::time::Instant::now() + duration);
    let mut lost = None;
    loop {
        match state {
            Some(PublicationState::Active { expires }) => {
                lost = None;
                let text = format!("published for {} s", expires.as_secs());
                report.tell("published", [("expires", expires.as_secs().into())], text);
            }
            Some(PublicationState::Failed { status, reason, retry_in }) => {
                let reason = plain(&reason);
                let fields = [("status", status.as_u16().into()), ("reason", reason.as_str().into())];
                report.tell("publication-failed", fields, format!("publication lost: {status} {reason}"));
                lost = Some(Failure::of_status(Some(status), reason));
                if retry_in.is_none() {
                    break;
                }
            }
            Some(_) => {}
            None => break,
        }
        state = tokio::select! {
            state = publication.changed() => state,
            () = at(end) => break,
            _ = stop.told() => break,
        };
    }
    if lost.is_some() {
        // What the server does not have cannot be taken back.
        drop(publication);
    } else if tokio::time::timeout(FAREWELL, publication.remove()).await.is_ok() {
        report.tell("removed", [], "publication removed");
    } else {
        report.tell("left", [], "left, and nobody said a last word");
    }
    drop(account);
    phone.endpoint.shutdown().await;
    lost.map_or(Ok(()), Err)
}

/// Waits for that time, or for ever.
async fn at(end: Option<tokio::time::Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}
