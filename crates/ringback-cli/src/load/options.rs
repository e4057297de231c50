//! Options of `ringback load`, and what they mean.

use clap::{Args, ValueEnum};
use ringback_message::Method;
use std::path::PathBuf;
use std::time::Duration;

/// Options of `ringback load`.
#[derive(Debug, Args)]
#[command(
    after_help = "Calls carry a description without media: no audio is sent. Without --answer somebody has to answer at TARGET: \
                  `ringback load --answer` on another machine or in another terminal, or what is to be tested.\n\n\
                  Ctrl-C places no more calls, hangs up those that are up and prints the report; a second one ends at \
                  once.\n\n\
                  Exit status: 0 no call failed, 1 some did or it could not start, 64 wrong usage.\n\n\
                  Examples:\n  ringback load --answer --listen udp:127.0.0.1:5070\n  \
                  ringback load --calls 10000 --rate 200 --hold 5s sip:bob@127.0.0.1:5070\n  \
                  ringback load --method register --users users.csv --server 192.0.2.1 sip:example.com"
)]
pub(crate) struct Load {
    /// Whom to call or ask: sip:bob@example.com, bob@192.0.2.1:5060 or 192.0.2.1:5060; the domain with --method register
    #[arg(required_unless_present = "answer")]
    pub(crate) target: Option<String>,
    /// Answers instead of calling: 100, 180, 200, and BYE with 200
    #[arg(long, conflicts_with_all = ["target", "rate", "hold", "concurrent", "method", "server", "from", "user", "password_env", "users", "timeout", "transport"])]
    pub(crate) answer: bool,
    /// So many calls, or requests, in all [default: 100; with --answer, until interrupted]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) calls: Option<u64>,
    /// So many in a second, which may have a fraction
    #[arg(long, value_name = "CPS", default_value = "10", value_parser = rate)]
    pub(crate) rate: f64,
    /// Hangs up so long after the answer: 5s, 200ms, 2m, or seconds
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub(crate) hold: Duration,
    /// At most so many calls at once; the next waits until one is over [default: no limit]
    #[arg(long, value_name = "MAX", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) concurrent: Option<u64>,
    /// Takes a call back that is not answered in so long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub(crate) timeout: Duration,
    /// How to reach the target
    #[arg(long, value_name = "PROTO", default_value = "udp")]
    pub(crate) transport: Transport,
    /// What to send
    #[arg(long, value_name = "METHOD", default_value = "invite")]
    pub(crate) method: Kind,
    /// The server that everything goes through [default: where TARGET leads]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) server: Option<String>,
    /// Our own address, such as sip:alice@example.com [default: the user, or `load`, at the domain of TARGET]
    #[arg(long, value_name = "URI", conflicts_with = "users")]
    pub(crate) from: Option<String>,
    /// The name for the password, where the target asks for one
    #[arg(long, value_name = "NAME", conflicts_with = "users")]
    pub(crate) user: Option<String>,
    /// The password. Other users of this machine can read a command line: prefer --password-env
    #[arg(long, value_name = "PASSWORD", requires = "user")]
    pub(crate) password: Option<String>,
    /// The environment variable that holds the password
    #[arg(long, value_name = "VAR", requires = "user", conflicts_with = "password")]
    pub(crate) password_env: Option<String>,
    /// The users to be, each call the next one: a file of lines `name,password`
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) users: Option<PathBuf>,
    /// Listens on udp:ADDRESS:PORT or tcp:ADDRESS:PORT, with --answer; may be given several times [default: udp and tcp on
    /// 127.0.0.1:5060]
    #[arg(long, value_name = "PROTO:ADDR:PORT", requires = "answer")]
    pub(crate) listen: Vec<String>,
    /// Rings so long before answering, with --answer
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = time, requires = "answer")]
    pub(crate) ring: Duration,
    /// So many threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// Writes the report as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Writes the report as one HTML page with drawings
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Calls: INVITE, ACK, and BYE after the hold time
    Invite,
    /// Registrations
    Register,
    /// Questions whether somebody is there
    Options,
    /// Instant messages
    Message,
}

impl Kind {
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Invite => Method::INVITE,
            Self::Register => Method::REGISTER,
            Self::Options => Method::OPTIONS,
            Self::Message => Method::MESSAGE,
        }
    }
}

/// Reads a time with its unit, ms, s or m; without one it is seconds. At most a day.
fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let seconds: Option<f64> = match unit {
        "ms" => number.parse().ok().map(|it: f64| it / 1e3),
        "" | "s" => number.parse().ok(),
        "m" => number.parse().ok().map(|it: f64| it * 60.0),
        _ => None,
    };
    match seconds {
        Some(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Some(_) => Err(format!("`{text}` is not between 0 and a day")),
        None => Err(format!("`{text}` is no time, such as 5s, 200ms or 2m")),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("`{text}` is no number, such as 200 or 0.5"))?;
    if !(0.001..=1e6).contains(&rate) {
        return Err(format!("`{text}` is not between 0.001 and 1000000"));
    }
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_rates_have_bounds() {
        assert_eq!(time("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(time("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(time("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(time("0"), Ok(Duration::ZERO));
        for text in ["", "s", "-1s", "1h", "1e9", "five"] {
            assert!(time(text).is_err(), "{text}");
        }
        assert_eq!(rate("0.5"), Ok(0.5));
        for text in ["0", "-1", "NaN", "x", "1e7"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
