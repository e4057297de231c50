//! `ringback bans`.

use crate::args;
use crate::out::line;
use crate::outcome::Failure;
use ringback_server::{Ban, admin};

/// Asks a running server who is banned, or ends a ban.
pub(crate) async fn bans(args: args::Bans) -> Result<(), Failure> {
    let socket = args.server.socket();
    let asked = socket.clone();
    let answer = tokio::task::spawn_blocking(move || match args.pardon {
        Some(source) => admin::pardon(&asked, source).map(Answer::Pardoned),
        None => admin::bans(&asked).map(Answer::Bans),
    });
    let answer = match answer.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(crate::why::unreachable(&socket, &error)),
        Err(error) => return Err(Failure::Failed(error.to_string())),
    };
    match (answer, args.pardon) {
        (Answer::Bans(bans), _) if args.json => {
            line(serde_json::to_string(&bans).map_err(|error| Failure::Failed(error.to_string()))?);
        }
        (Answer::Bans(bans), _) if bans.is_empty() => line("nobody is banned"),
        (Answer::Bans(bans), _) => bans.iter().for_each(|ban| line(row(ban))),
        (Answer::Pardoned(true), _) => line("the ban is over"),
        (Answer::Pardoned(false), source) => {
            let source = source.map(|source| source.to_string()).unwrap_or_default();
            return Err(Failure::Failed(format!("{source} was not banned")));
        }
    }
    Ok(())
}

enum Answer {
    Bans(Vec<Ban>),
    Pardoned(bool),
}

fn row(ban: &Ban) -> String {
    let times = if ban.times > 1 { format!(", the {}. time", ban.times) } else { String::new() };
    let (minutes, seconds) = (ban.seconds / 60, ban.seconds % 60);
    format!("{}  for another {minutes} min {seconds} s{times}", ban.source)
}
