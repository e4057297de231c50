//! The `ringback` command: a SIP server and a phone for the terminal.

mod args;
mod bans;
mod demo;
mod doctor;
mod explain;
mod lint;
mod load;
mod out;
mod outcome;
mod phone;
mod records;
mod reload;
mod restart;
mod serve;
mod signals;
mod stats;
mod trace;
mod user;
mod why;

use args::{Cli, Command};
use clap::Parser as _;
use clap::error::ErrorKind;
use outcome::Failure;
use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Nothing can be said when nobody listens.
            let _ = error.print();
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(64) };
        }
    };
    let writer = match log_writer(&cli.command) {
        Ok(writer) => writer,
        Err(failure) => {
            out::complain(&failure);
            return failure.exit_code();
        }
    };
    log(cli.verbose, matches!(cli.command, Command::Doctor(_)), writer);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out::complain(format_args!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(status) => status,
        Err(failure) => {
            out::complain(&failure);
            failure.exit_code()
        }
    }
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    let done = match command {
        Command::Serve(args) => serve::serve(args).await,
        Command::User(command) => user::user(command),
        Command::Register(args) => phone::register(args).await,
        Command::Call(args) => phone::call(args).await,
        Command::Answer(args) => phone::answer(args).await,
        Command::Phone(args) => phone::phone(args).await,
        Command::Message(args) => phone::message(args).await,
        Command::Subscribe(args) => phone::subscribe(args).await,
        Command::Publish(args) => phone::publish(args).await,
        Command::Ping(args) => phone::ping(args).await,
        Command::Doctor(args) => doctor::doctor(args).await,
        Command::Demo(args) => demo::demo(args).await,
        Command::Why(args) => why::why(args).await,
        Command::Stats(args) => stats::stats(args).await,
        Command::Records(args) => records::records(&args),
        Command::Calls(args) => records::calls(args).await,
        Command::Restart(args) => restart::restart(args).await,
        Command::Reload(args) => reload::reload(args).await,
        Command::Bans(args) => bans::bans(args).await,
        Command::Explain(args) => explain::explain(&args),
        Command::Check(args) => explain::check(&args),
        Command::Trace(args) => trace::trace(&args),
        Command::Load(args) => load::load(args).await,
        Command::Lint(args) => return Ok(lint::lint(&args)),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Log lines go to standard error, unless that is the screen that a phone draws on.
fn log_writer(command: &Command) -> Result<BoxMakeWriter, Failure> {
    let Command::Phone(args) = command else { return Ok(BoxMakeWriter::new(io::stderr)) };
    let failed = |error: io::Error| Failure::Usage(format!("--log: cannot write: {error}"));
    Ok(match &args.log {
        Some(path) => BoxMakeWriter::new(Mutex::new(File::create(path).map_err(failed)?)),
        None if io::stderr().is_terminal() => BoxMakeWriter::new(io::sink),
        None => BoxMakeWriter::new(io::stderr),
    })
}

/// What peers sent is escaped by the formatter (fault 47).
fn log(verbose: u8, tells_itself: bool, writer: BoxMakeWriter) {
    let level = match verbose {
        // What it finds is what it says.
        0 if tells_itself => "error",
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("RINGBACK_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).init();
}
