//! The command line.

mod in_call;

pub(crate) use in_call::{InCall, Listening, Tones};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// A SIP server and a phone for the terminal.
#[derive(Debug, Parser)]
#[command(
    name = "ringback",
    version,
    about = "A SIP server and a phone for the terminal",
    after_help = "Start here:\n  ringback demo                     a whole call on this machine, heard, drawn and checked\n  \
                  ringback serve                    a registrar and proxy on 127.0.0.1:5060\n  \
                  ringback call sip:bob@127.0.0.1   call through it\n\n\
                  Exit status: 0 done, 1 refused or failed, 2 nobody answered, 3 not authorised, 64 wrong usage; \
                  `ringback lint --help` has those of lint.",
    propagate_version = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    /// More log lines on stderr: -v what happens, -vv each message. RINGBACK_LOG takes a filter instead.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a registrar and proxy
    Serve(Serve),
    /// Adds, removes and lists the users of a server
    #[command(subcommand)]
    User(User),
    /// Registers and stays registered until interrupted
    Register(Register),
    /// Calls somebody
    Call(Call),
    /// Waits for calls and answers them
    Answer(Answer),
    /// A phone on the screen of this terminal: accounts, contacts, several calls, transfers, messages
    Phone(crate::phone::Screen),
    /// Sends an instant message
    Message(crate::phone::Message),
    /// Subscribes to a state of somebody, and prints what is told
    Subscribe(Subscribe),
    /// Publishes a state of ours, until interrupted
    Publish(Publish),
    /// Asks whether somebody is there (OPTIONS)
    Ping(Ping),
    /// Shows a whole call on this machine: two phones and a server, drawn, recorded and checked
    Demo(Demo),
    /// Draws a recent call of a running server
    Why(Why),
    /// Prints what a running server has done, holds and has dropped
    Stats(Stats),
    /// Tells which route of a configuration a request would take and why, without sending anything
    Explain(Explain),
    /// Reads a configuration and says what is wrong with it
    Check(Check),
    /// Lists the calls of which a server has kept records, the latest first
    Records(Records),
    /// Lists the calls that are up on a server that keeps records
    Calls(Calls),
    /// Has a running server start again and go on where it was, so that nobody notices
    Restart(Restart),
    /// Has a running server read its configuration again, without hurting calls
    Reload(Reload),
    /// Lists who a running server has banned, or ends a ban
    Bans(Bans),
    /// Draws the calls of a capture
    Trace(Trace),
    /// Looks at listeners, NAT, DNS, certificates, clock and limits, and says what to do
    Doctor(Doctor),
    /// Tells what a message has that its RFCs do not allow, as a compiler does
    Lint(Lint),
    /// Makes or answers many calls, and tells how fast and how well that went
    Load(crate::load::Load),
}

/// Options of `ringback serve`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Serve {
    /// Reads settings from a TOML file; options given here win
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listens on udp:ADDRESS:PORT, or by tcp, tls, ws (WebSocket) or wss; may be given several times; port 0 lets the
    /// system choose [default: udp and tcp on 127.0.0.1:5060]
    #[arg(long, value_name = "PROTO:ADDR:PORT")]
    pub(crate) listen: Vec<String>,
    /// Tells others this address instead of our own, in Via and Record-Route: where a NAT or a container forwards to us from.
    /// LISTENER=ADDRESS:PORT is for one listener; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) advertise: Vec<String>,
    /// Asks this STUN server at the start where others see us, and tells them that address, with the ports of the listeners
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) advertise_stun: Option<String>,
    /// Looks telephone numbers up in this domain that no user has (ENUM), such as e164.arpa
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) enum_domain: Option<String>,
    /// Lets calls go on for so long when it is told to end by SIGTERM, 30s or 5m; 0 ends it at once [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub(crate) drain: Option<String>,
    /// Goes on with the sockets and bindings of the server that runs on the same data directory, if there is one, and has that end
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Is responsible for this domain, a name or an IP address; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) domain: Vec<String>,
    /// Knows this user; may be given several times. Other users of this machine can read a command line:
    /// prefer --users or `ringback user add`
    #[arg(long, value_name = "NAME:PASSWORD")]
    pub(crate) user: Vec<String>,
    /// Knows the users of this file, one name:password a line
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,
    /// Asks nobody for a password
    #[arg(long)]
    pub(crate) no_auth: bool,
    /// Keeps users and bindings in this folder [default: ./ringback-data]
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub(crate) data: Option<PathBuf>,
    /// Keeps everything in memory and nothing on disk
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Our certificate in PEM, with those that it is signed with; read again when it changes [default: one that is
    /// made for the domains and kept in the data folder]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of our certificate in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Whose certificates clients must have, in PEM, with --tls-verify mutual
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Whose certificates servers that we connect to must have, in PEM [default: those that the system trusts]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Whose certificates are checked: on, those of servers that we connect to; mutual, those of clients as well;
    /// off, nobody's. DANGEROUS: with off whoever is on the way can listen in [default: on]
    #[arg(long, value_name = "on|off|mutual", value_parser = ["on", "off", "mutual"])]
    pub(crate) tls_verify: Option<String>,
    /// Lets scripts of this page connect by WebSocket, such as https://example.com, and of no other; may be given several
    /// times [default: of all pages]
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) ws_origin: Vec<String>,
    /// Where `ringback why` reaches this server [default: admin.sock in the data folder]
    #[arg(long, value_name = "SOCKET")]
    pub(crate) admin: Option<PathBuf>,
    /// Answers HTTP there: metrics for Prometheus, health, and an API for those who show the token, which is in the file
    /// admin-token of the data folder
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) admin_listen: Option<String>,
    /// Tells of every message in FILE.pcapng (for Wireshark and sngrep, without TLS around it), in FILE.jsonl, or to a
    /// collector at hep:HOST:PORT; may be given several times
    #[arg(long, value_name = "PLACE")]
    pub(crate) trace: Vec<String>,
    /// Prints one JSON object a line instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `ringback doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The server as it runs or is to run
    #[command(flatten)]
    pub(crate) serve: Serve,
    /// Asks this STUN server where it sees us
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) stun: Option<String>,
    /// Looks this domain up, beside those of the server; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) look_up: Vec<String>,
}

/// `ringback user`.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Adds a user, or gives one a new password
    Add {
        /// The name: the user part of the address
        name: String,
        /// The environment variable that holds the password; without it the password is read from stdin
        #[arg(long, value_name = "VAR")]
        password_env: Option<String>,
        #[command(flatten)]
        store: UserStore,
    },
    /// Removes a user
    Remove {
        /// The name
        name: String,
        #[command(flatten)]
        store: UserStore,
    },
    /// Lists the users
    List {
        #[command(flatten)]
        store: UserStore,
    },
}

/// Which users.
#[derive(Debug, Args)]
pub(crate) struct UserStore {
    /// The folder of the server
    #[arg(long, value_name = "DIR", default_value = "ringback-data")]
    pub(crate) data: PathBuf,
    /// The domain that the user belongs to: the realm of the password
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub(crate) domain: String,
}

/// Who we are and how we get out, in all phone commands.
#[derive(Debug, Args)]
pub(crate) struct Phone {
    /// Our own address, such as sip:alice@example.com [default: sip:anonymous@ our address]
    #[arg(long = "from", visible_alias = "as", value_name = "URI")]
    pub(crate) from: Option<String>,
    /// The server that everything goes through [default: where the addresses lead]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) server: Option<String>,
    /// How to reach it
    #[arg(long, value_name = "PROTO", default_value = "udp", value_parser = ["udp", "tcp", "tls", "ws", "wss"])]
    pub(crate) transport: String,
    /// What to ask a WebSocket server for
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub(crate) ws_path: String,
    /// Whose certificates servers must have, in PEM [default: those that the system trusts]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Whether the certificates of servers are checked. DANGEROUS: with off whoever is on the way can listen in
    #[arg(long, value_name = "on|off", default_value = "on", value_parser = ["on", "off"])]
    pub(crate) tls_verify: String,
    /// Our certificate in PEM, for servers that ask for one
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of our certificate in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The environment variable that holds our password
    #[arg(long, value_name = "VAR")]
    pub(crate) password_env: Option<String>,
    /// The name for the password, where it is not the user part of our address
    #[arg(long, value_name = "NAME")]
    pub(crate) auth_user: Option<String>,
    /// Names this phone to the registrar by a URN such as urn:uuid:…, the same after each start, so that it takes the place of
    /// its own registration from before [default: one that is made up at each start]
    #[arg(long, value_name = "URN")]
    pub(crate) instance: Option<String>,
    /// Listens on udp:ADDRESS:PORT or tcp:ADDRESS:PORT [default: a free port on the address that leads to the
    /// server]
    #[arg(long, value_name = "PROTO:ADDR:PORT")]
    pub(crate) listen: Vec<String>,
    /// Tells others this address instead of our own, in Via, Contact and SDP: where a NAT forwards to us from.
    /// LISTENER=ADDRESS:PORT is for one listener [default: where the registrar says that it sees us]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) advertise: Vec<String>,
    /// Takes the other side of a call for gone when it gives no sign of life for so long, at least 90 [default: 1800]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(90..))]
    pub(crate) session_expires: Option<u32>,
    /// Writes every message and packet into this capture
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    /// Prints one JSON event a line instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `ringback register`.
#[derive(Debug, Args)]
pub(crate) struct Register {
    #[command(flatten)]
    pub(crate) phone: Phone,
    /// How long the registration is valid before it has to be refreshed
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) expires: u32,
    /// Ends, with the registration, after so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,
    /// Removes the registrations of this address and contact, and ends
    #[arg(long, conflicts_with = "duration")]
    pub(crate) remove: bool,
}

/// Options of `ringback call`.
#[derive(Debug, Args)]
pub(crate) struct Call {
    /// Whom to call: sip:bob@example.com, or bob@example.com, or bob at the server
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) phone: Phone,
    #[command(flatten)]
    pub(crate) in_call: InCall,
    /// Gives up when nobody answers within so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    pub(crate) timeout: Duration,
    /// Does not follow redirections
    #[arg(long)]
    pub(crate) no_redirect: bool,
    /// Asks the other side to answer by itself, or not to (RFC 5373)
    #[arg(long, value_name = "auto|manual", value_parser = ["auto", "manual"])]
    pub(crate) answer_mode: Option<String>,
    /// Makes so many calls, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) calls: u32,
    /// Registers first
    #[arg(long)]
    pub(crate) register: bool,
}

/// Options of `ringback answer`.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    #[command(flatten)]
    pub(crate) phone: Phone,
    #[command(flatten)]
    pub(crate) in_call: InCall,
    /// Does not register; calls come straight to our listener
    #[arg(long)]
    pub(crate) no_register: bool,
    /// Rings so long before answering
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    pub(crate) ring: Duration,
    /// Answers by itself those calls that ask for it (Answer-Mode: Auto, answer-after), without ringing. Whoever can call us
    /// can listen in then
    #[arg(long)]
    pub(crate) auto_answer: bool,
    /// Has callers acknowledge that it rings, so that both sides are ready before the answer
    #[arg(long)]
    pub(crate) reliable: bool,
    /// Ends after so many calls [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) calls: Option<u32>,
    /// Refuses calls with this status instead of answering
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(300..700))]
    pub(crate) reject: Option<u16>,
    /// Sends back what it hears
    #[arg(long, conflicts_with = "play")]
    pub(crate) echo: bool,
    /// Brings all who call into one conference
    #[arg(long, conflicts_with_all = ["play", "echo"])]
    pub(crate) conference: bool,
    /// Tells whoever subscribes to `dialog` which calls there are: with whom, and how far they are
    #[arg(long)]
    pub(crate) busy_lamp: bool,
    #[command(flatten)]
    pub(crate) quiet: crate::phone::Quiet,
    /// Tells nobody that a message has come or was shown, although the sender asks for that (RFC 5438)
    #[arg(long)]
    pub(crate) no_receipts: bool,
}

/// Options of `ringback subscribe`.
#[derive(Debug, Args)]
pub(crate) struct Subscribe {
    /// Whose state
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) phone: Phone,
    /// The event package: message-summary, dialog, presence
    #[arg(long, value_name = "PACKAGE")]
    pub(crate) event: String,
    /// A type that may be told; again for each [default: what the package has]
    #[arg(long, value_name = "TYPE")]
    pub(crate) accept: Vec<String>,
    /// For how long to ask at a time; 0 asks once
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    pub(crate) expires: u32,
    /// Ends after so long [default: when interrupted]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,
}

/// Options of `ringback publish`.
#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// Whose state
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) phone: Phone,
    /// The event package: presence
    #[arg(long, value_name = "PACKAGE")]
    pub(crate) event: String,
    /// The state
    #[arg(long, value_name = "FILE")]
    pub(crate) body_file: PathBuf,
    /// What the state is
    #[arg(long, value_name = "TYPE", default_value = "application/pidf+xml")]
    pub(crate) content_type: String,
    /// For how long to publish at a time
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) expires: u32,
    /// Ends after so long [default: when interrupted]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,
}

/// Options of `ringback ping`.
#[derive(Debug, Args)]
pub(crate) struct Ping {
    /// Whom to ask
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) phone: Phone,
    /// Asks so many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
}

/// Options of `ringback demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where recordings, capture and ladder go
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    pub(crate) out: PathBuf,
    /// Flips one bit of the audio that Bob receives, which the check at the end must find
    #[arg(long, hide = true)]
    pub(crate) flip: bool,
    /// Shows a conference of three instead: who heard whom is told by the recordings
    #[arg(long, conflicts_with = "flip")]
    pub(crate) conference: bool,
}

/// Options of `ringback why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The Call-ID, or the beginning of one; without it the recent calls are listed
    pub(crate) call_id: Option<String>,
    #[command(flatten)]
    pub(crate) server: RunningServer,
    /// Shows the messages in full under the ladder
    #[arg(long)]
    pub(crate) messages: bool,
    /// Writes the ladder as SVG as well
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Prints the events as JSON, one a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a running server is asked.
#[derive(Debug, Args)]
pub(crate) struct RunningServer {
    /// The folder of the server
    #[arg(long, value_name = "DIR", default_value = "ringback-data")]
    pub(crate) data: PathBuf,
    /// The admin socket of the server, where it is not in its folder
    #[arg(long, value_name = "SOCKET")]
    pub(crate) admin: Option<PathBuf>,
}

impl RunningServer {
    /// Its admin socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.admin.clone().unwrap_or_else(|| self.data.join("admin.sock"))
    }
}

/// Options of `ringback stats`.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    pub(crate) server: RunningServer,
    /// Prints one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `ringback records`.
#[derive(Debug, Args)]
pub(crate) struct Records {
    /// Only those whose From, To or Call-ID holds this
    pub(crate) with: Option<String>,
    /// The file that records.sqlite of the configuration names
    #[arg(long, value_name = "FILE", default_value = "ringback-data/records.sqlite")]
    pub(crate) file: PathBuf,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: u32,
    /// Prints one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `ringback calls`.
#[derive(Debug, Args)]
pub(crate) struct Calls {
    #[command(flatten)]
    pub(crate) server: RunningServer,
    /// Prints one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `ringback restart`.
#[derive(Debug, Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    pub(crate) server: RunningServer,
    /// How long the new process may take: it reads all bindings [default: 2m]
    #[arg(long, value_name = "TIME")]
    pub(crate) wait: Option<String>,
    /// Prints one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `ringback reload`.
#[derive(Debug, Args)]
pub(crate) struct Reload {
    #[command(flatten)]
    pub(crate) server: RunningServer,
    /// Prints one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `ringback explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Who sends it
    #[arg(long, value_name = "URI")]
    pub(crate) from: String,
    /// Whom it is for: the Request-URI
    #[arg(long, value_name = "URI")]
    pub(crate) to: String,
    /// What it is
    #[arg(long, value_name = "METHOD", default_value = "INVITE")]
    pub(crate) method: String,
    /// The address that it comes from
    #[arg(long, value_name = "ADDRESS", default_value = "192.0.2.1")]
    pub(crate) source: std::net::IpAddr,
    /// A header field that it has; may be given several times
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
}

/// Options of `ringback check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The configuration
    pub(crate) config: PathBuf,
}

/// Options of `ringback bans`.
#[derive(Debug, Args)]
pub(crate) struct Bans {
    /// Ends the ban of this address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) pardon: Option<std::net::IpAddr>,
    #[command(flatten)]
    pub(crate) server: RunningServer,
    /// Prints one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `ringback trace`.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// The capture: pcap or pcapng
    pub(crate) file: PathBuf,
    /// Only the calls whose Call-ID holds this
    #[arg(long, value_name = "TEXT")]
    pub(crate) call: Option<String>,
    /// Shows the messages in full under each ladder
    #[arg(long)]
    pub(crate) messages: bool,
    /// Writes the ladder as SVG as well; with several calls, -2, -3 … is added to the name
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

/// Options of `ringback lint`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 by the letter, 1 accepted with deviations, 2 refused, 64 wrong usage, \
                        66 the input cannot be read."
)]
pub(crate) struct Lint {
    /// A SIP message, a session description, or a capture of which each SIP message is looked at; - is standard input
    pub(crate) file: PathBuf,
    /// What it is [default: a description where it begins with v=0, a capture where it is one, else a message]
    #[arg(long, value_name = "sip|sdp")]
    pub(crate) kind: Option<Kind>,
    /// Prints one JSON object a line instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// A SIP message
    Sip,
    /// A session description
    Sdp,
}

/// Reads seconds, whole or with a fraction: at most a week.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 =
        text.parse().map_err(|_| format!("`{text}` is no number of seconds, such as 2 or 0.5"))?;
    if !(0.0..=604_800.0).contains(&seconds) {
        return Err(format!("`{text}` is not between 0 and 604800 seconds"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn digits(text: &str) -> Result<String, String> {
    let text = text.to_ascii_uppercase();
    match text.chars().find(|c| !matches!(c, '0'..='9' | '*' | '#' | 'A'..='D')) {
        None if !text.is_empty() && text.len() <= 64 => Ok(text),
        None => Err("1 to 64 digits are needed".to_owned()),
        Some(other) => Err(format!("`{other}` is no digit: 0-9, *, # and A-D are")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn seconds_take_fractions_and_refuse_the_rest() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["", "-1", "x", "NaN", "inf", "1e9"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn digits_are_those_of_a_telephone() {
        assert_eq!(digits("12*#a").as_deref(), Ok("12*#A"));
        assert!(digits("12x").is_err_and(|error| error.contains("`X`")));
        assert!(digits("").is_err());
    }
}
