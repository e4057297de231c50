//! `ringback answer`.

use super::typing::Text;
use super::{FAREWELL, Phone, Policy, plan};
use crate::args;
use crate::out::{Reporter, plain};
use crate::outcome::Failure;
use crate::signals::Stop;
use ringback::{
    Account, Audio, Conference, Endpoint, IncomingCall, ReceivedMessage, Registration, StatusCode,
    Termination,
};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Waits for calls and answers them, several at a time.
pub(crate) async fn answer(args: args::Answer) -> Result<(), Failure> {
    args.in_call.check()?;
    let report = Reporter::new(args.phone.json);
    let mut stop = Stop::listen()?;
    let media = args.in_call.media.clone();
    let answers_anyone = args.no_register || args.phone.from.is_none();
    let phone = Phone::open(
        args.phone,
        Policy {
            answers_anyone,
            no_transfer: args.in_call.no_transfer,
            real_time_text: args.in_call.real_time_text,
            busy_lamp: args.busy_lamp,
            answers_by_itself: args.auto_answer,
            no_receipts: args.no_receipts,
            listening: Some(args.in_call.listening.clone()),
            media,
            ..Policy::default()
        },
    )
    .await?;
    for listener in phone.endpoint.listeners() {
        let text = format!("listening {listener}");
        report.tell("listening", [("listener", listener.to_string().into())], text);
    }
    let mut account = phone.account()?.open().await?;
    if args.quiet.dnd.is_some() {
        account.do_not_disturb(Some(super::quiet::quiet(&args.quiet)?));
    }
    let registers = !args.no_register && phone.is_registrable();
    if registers {
        let expires = account.register().await?;
        let text = format!("registered as {} for {} s", plain(phone.address()), expires.as_secs());
        report.tell("registered", [("expires", expires.as_secs().into())], text);
    }
    report.tell("ready", [], "ready");

    let mut in_call = args.in_call;
    in_call.transfer_to = in_call.transfer_to.map(|target| phone.target(&target));
    let options = Arc::new(Options {
        in_call,
        ring: args.ring,
        auto_answer: args.auto_answer,
        reliable: args.reliable,
        reject: args.reject.and_then(StatusCode::new),
        echo: args.echo,
        conference: args.conference.then(Conference::new),
    });
    let mut calls = JoinSet::new();
    let mut taken = 0;
    while args.calls.is_none_or(|wanted| taken < wanted) {
        tokio::select! {
            incoming = phone.endpoint.incoming() => {
                let Some(incoming) = incoming else { break };
                taken += 1;
                tell_incoming(&report, &incoming);
                calls.spawn(take(incoming, options.clone(), taken, report));
            }
            missed = phone.endpoint.turned_away() => if let Some(missed) = missed {
                let caller = plain(missed.caller());
                report.tell("turned-away", [("caller", caller.as_str().into())], format!("{caller} called, and was refused"));
            },
            message = phone.endpoint.message() => if let Some(message) = message {
                tell_message(&report, &message);
                if !args.no_receipts {
                    phone.endpoint.displayed(&message);
                }
            },
            Some(state) = account.registration_changed(), if registers => tell_registration(&report, &state),
            Some(ended) = calls.join_next() => complain(ended),
            _ = stop.told() => break,
        }
    }
    // What has begun is led to its end, unless we are told again.
    loop {
        tokio::select! {
            ended = calls.join_next() => match ended {
                Some(ended) => complain(ended),
                None => break,
            },
            // Messages of the last call as well.
            message = phone.endpoint.message() => if let Some(message) = message {
                tell_message(&report, &message);
                if !args.no_receipts {
                    phone.endpoint.displayed(&message);
                }
            },
            _ = stop.told() => break,
        }
    }
    leave(account, registers, phone.endpoint).await;
    Ok(())
}

fn tell_message(report: &Reporter, message: &ReceivedMessage) {
    let (from, body) = (plain(&message.from), plain(&String::from_utf8_lossy(&message.body)));
    let text = format!("message from {from}: {body}");
    let fields =
        [("from", from.into()), ("type", plain(&message.content_type).into()), ("body", body.into())];
    report.tell("message", fields, text);
}

/// What is the same for each call.
struct Options {
    in_call: args::InCall,
    ring: std::time::Duration,
    auto_answer: bool,
    reliable: bool,
    reject: Option<StatusCode>,
    echo: bool,
    conference: Option<Conference>,
}

async fn take(
    mut incoming: IncomingCall,
    options: Arc<Options>,
    number: u32,
    report: Reporter,
) -> Result<(), Failure> {
    if let Some(status) = options.reject {
        return incoming.reject(status).map_err(|error| Failure::Failed(error.to_string()));
    }
    // Who is transferred to us is expected already.
    let asked = incoming.auto_answer().filter(|_| options.auto_answer);
    let ring = asked.unwrap_or(options.ring);
    if asked.is_some() {
        incoming = incoming.automatically();
    }
    if !ring.is_zero() && !incoming.is_replacement() {
        // Gone shows in the wait below.
        if options.reliable {
            let _ = incoming.ring_reliably();
        } else {
            let _ = incoming.ring();
        }
        tokio::select! {
            ending = incoming.cancelled() => {
                let ending = plain(&ending.to_string());
                report.tell("cancelled", [("reason", ending.as_str().into())], format!("given up {ending}"));
                return Ok(());
            }
            () = tokio::time::sleep(ring) => {}
        }
    }
    let call = match &options.conference {
        Some(conference) => {
            let (seat, member) = conference.seat();
            let audio = plan::recorded(seat, &options.in_call, number);
            incoming.answer_with_video(audio, conference.video_seat(member)).await?
        }
        None if options.echo => {
            incoming.answer(plan::recorded(Audio::echo(), &options.in_call, number)).await?
        }
        None => incoming.answer(plan::audio(&options.in_call, number)).await?,
    };
    let summary = plan::converse(call, &options.in_call, None, Text::echoed(options.echo), &report).await?;
    plan::verdict(&summary)
}

fn tell_incoming(report: &Reporter, incoming: &IncomingCall) {
    let (from, caller) = (plain(incoming.from()), plain(incoming.caller()));
    let text = format!("{caller} calls");
    let fields = [
        ("from", from.into()),
        ("caller", caller.into()),
        ("to", plain(incoming.to()).into()),
        ("alert", incoming.alert().map(plain).into()),
        ("call_id", plain(incoming.call_id()).into()),
    ];
    report.tell("incoming", fields, text);
}

fn tell_registration(report: &Reporter, state: &Registration) {
    match state {
        Registration::Active { expires } => {
            report.tell("registered", [("expires", expires.as_secs().into())], "registration refreshed");
        }
        Registration::Failed { status, reason, .. } => {
            let reason = plain(reason);
            let text = format!("registration lost: {reason}");
            report.tell(
                "registration-failed",
                [("status", status.as_u16().into()), ("reason", reason.into())],
                text,
            );
        }
        _ => {}
    }
}

fn complain(ended: Result<Result<(), Failure>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => crate::out::complain(failure),
        Err(error) => crate::out::complain(error),
    }
}

async fn leave(mut account: Account, registered: bool, endpoint: Endpoint) {
    // Who does not hear it notices when it refreshes.
    let _ = tokio::time::timeout(FAREWELL, endpoint.end_watchers(Termination::NoResource)).await;
    if registered {
        // The server forgets us by itself when it does not hear this.
        let _ = account.unregister().await;
    }
    drop(account);
    endpoint.shutdown().await;
}
