//! `ringback doctor`.

use crate::args;
use crate::out::{Reporter, plain};
use crate::outcome::Failure;
use crate::serve::configure;
use ringback_server::doctor::{Finding, Questions, State, examine};

/// Examines, tells what it found, and fails when something will not work.
pub(crate) async fn doctor(args: args::Doctor) -> Result<(), Failure> {
    let report = Reporter::new(args.serve.json);
    let config = configure(args.serve)?;
    let findings = examine(config, Questions { stun: args.stun, domains: args.look_up }).await;
    for finding in &findings {
        tell(&report, finding);
    }
    match findings.iter().filter(|finding| finding.state == State::Bad).count() {
        0 => Ok(()),
        1 => Err(Failure::Failed("one thing will not work".into())),
        many => Err(Failure::Failed(format!("{many} things will not work"))),
    }
}

fn tell(report: &Reporter, finding: &Finding) {
    let (mark, state) = match finding.state {
        State::Good => ("ok  ", "ok"),
        State::Note => ("note", "note"),
        State::Bad => ("BAD ", "bad"),
    };
    // Names and addresses came from others.
    let mut text = format!("{mark} {}", plain(&finding.text));
    for step in &finding.steps {
        text.push_str(&format!("\n       {}", plain(step)));
    }
    if let Some(advice) = &finding.advice {
        text.push_str(&format!("\n     → {}", plain(advice)));
    }
    let steps: Vec<String> = finding.steps.iter().map(|step| plain(step)).collect();
    report.tell(
        finding.about,
        [
            ("state", state.into()),
            ("text", plain(&finding.text).into()),
            ("steps", steps.into()),
            ("advice", finding.advice.as_deref().map(plain).into()),
        ],
        text,
    );
}
