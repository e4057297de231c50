//! `ringback load`: many calls, made or answered, and what became of them.
//!
//! It works below the user agent: a call is two or three numbers and a name here, and its description the same text for all.

mod answerer;
mod attempt;
mod caller;
mod flight;
mod histogram;
mod hub;
mod options;
mod page;
mod plan;
mod replies;
mod report;
mod tally;
#[cfg(test)]
mod tests;
mod writing;

pub(crate) use options::Load;

use crate::out::{complain, line};
use crate::outcome::Failure;
use crate::signals::Stop;
use answerer::{Answerer, Manner};
use caller::{Caller, Share};
use hub::{Hub, Side};
use options::Kind;
use plan::Plan;
use report::Report;
use ringback_net::{Listen, Net, NetConfig, Protocol, Sockets, local_ip_towards};
use ringback_transaction::TransactionConfig;
use std::io::{IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::Role;
use tokio::time::{MissedTickBehavior, interval};

/// How many calls are placed where nobody says.
const CALLS: u64 = 100;
/// How often somebody looks whether all is done.
const LOOK: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

/// Makes or answers calls, and reports.
pub(crate) async fn load(options: Load) -> Result<(), Failure> {
    let report = if options.answer { answer(&options).await } else { call(&options).await }?;
    line(report.table().trim_end());
    if let Some(path) = &options.json {
        write(path, &format!("{:#}\n", report.json()))?;
    }
    if let Some(path) = &options.html {
        write(path, &page::page(&report))?;
    }
    match report.total.failures() {
        0 => Ok(()),
        failed => {
            let unit = report.role.unit();
            Err(Failure::Failed(format!("{failed} of {} {unit} failed", report.total.placed)))
        }
    }
}

async fn call(options: &Load) -> Result<Report, Failure> {
    let plan = Arc::new(Plan::of(options).await?);
    let mut stop = Stop::listen()?;
    let calls = options.calls.unwrap_or(CALLS);
    let most = options.concurrent.unwrap_or(u64::MAX);
    let threads = (threads(options) as u64).min(calls).min(most) as usize;
    let interval = Duration::from_secs_f64(threads as f64 / options.rate);
    let mut bound = Vec::new();
    for _ in 0..threads {
        let listen = Listen { protocol: plan.hop.protocol(), address: SocketAddr::new(plan.own_ip, 0) };
        bound.push(bind(NetConfig::new([listen]))?);
    }
    let role = if plan.kind == Kind::Invite { Role::Caller } else { Role::Requester };
    let report = Report::new(role, plan.uri.clone(), threads);
    let start = Instant::now();
    let mut nets = Vec::new();
    for (index, sockets) in bound.into_iter().enumerate() {
        let own = sockets.listeners()[0];
        let mut config = TransactionConfig::default();
        config.locals.set(own.protocol, own.address);
        let share = Share {
            index,
            of: threads,
            calls: part(calls, index, threads),
            // In turns, so that all together keep the rate.
            first: start + interval.mul_f64(index as f64 / threads as f64),
            interval,
            most: usize::try_from(part(most, index, threads)).unwrap_or(usize::MAX),
        };
        let caller = Caller::new(plan.clone(), share, &contact(own), config);
        nets.push(sockets.start(Arc::new(Hub::new(start, [caller])))?);
    }
    Ok(watch(report, &nets, start, &mut stop, None).await)
}

async fn answer(options: &Load) -> Result<Report, Failure> {
    let mut stop = Stop::listen()?;
    let usual = ["udp:127.0.0.1:5060".to_owned(), "tcp:127.0.0.1:5060".to_owned()];
    let asked = if options.listen.is_empty() { usual.as_slice() } else { &options.listen };
    let mut listen = Vec::new();
    for text in asked {
        let place: Listen = text.parse().map_err(|error| Failure::Usage(format!("--listen: {error}")))?;
        if !matches!(place.protocol, Protocol::Udp | Protocol::Tcp) {
            return Err(Failure::Usage(format!("--listen: `{text}`: udp and tcp are answered")));
        }
        listen.push(place);
    }
    let threads = threads(options);
    let sockets = bind(NetConfig { workers: threads, ..NetConfig::new(listen) })?;
    let mut config = TransactionConfig::default();
    let mut contacts = Vec::new();
    for own in sockets.listeners() {
        let own = Listen { address: reachable(own.address), ..*own };
        config.locals.set(own.protocol, own.address);
        contacts.push((own.protocol, contact(own)));
    }
    let own_ip = reachable(sockets.listeners()[0].address).ip();
    let manner = Manner { ring: options.ring, contacts, own_ip };
    let told: Vec<String> = sockets.listeners().iter().map(ToString::to_string).collect();
    let start = Instant::now();
    let sides = (0..threads).map(|index| Answerer::new(index, manner.clone(), config.clone()));
    let nets = [sockets.start(Arc::new(Hub::new(start, sides)))?];
    for listener in &told {
        line(format_args!("listening {listener}"));
    }
    line("ready");
    let report = Report::new(Role::Answerer, told.join(", "), threads);
    Ok(watch(report, &nets, start, &mut stop, options.calls).await)
}

/// Tells how it goes until all is done, or the user has had enough, and what it amounts to.
async fn watch<S: Side>(
    mut report: Report,
    nets: &[Net<Hub<S>>],
    start: Instant,
    stop: &mut Stop,
    limit: Option<u64>,
) -> Report {
    let cpu_before = cpu();
    let mut screen = Screen::new();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    nets.iter().for_each(Net::wake);
    let mut stopping = false;
    loop {
        tokio::select! {
            _ = look.tick() => {}
            _ = stop.told() => {
                if stopping || report.role == Role::Answerer {
                    break;
                }
                stopping = true;
                screen.note("ending: no more calls are placed, a second Ctrl-C ends at once");
                nets.iter().for_each(hub::stop);
            }
        }
        if start.elapsed() >= report.elapsed + SECOND {
            let point = collect(&mut report, nets, start);
            screen.progress(&report.progress(&point));
        }
        if limit.is_some_and(|limit| over(&report, nets) >= limit)
            || nets.iter().all(|net| net.core().is_done())
        {
            break;
        }
    }
    let point = collect(&mut report, nets, start);
    screen.progress(&report.progress(&point));
    screen.end();
    report.cpu = cpu().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
    for net in nets {
        net.shutdown().await;
    }
    report
}

fn collect<S: Side>(report: &mut Report, nets: &[Net<Hub<S>>], start: Instant) -> report::Point {
    let mut tally = tally::Tally::default();
    let mut up = 0;
    for net in nets {
        let (one, active) = net.core().take();
        tally.merge(&one);
        up += active;
    }
    report.add(start.elapsed(), &tally, up)
}

/// Calls that are over, those that the report does not have yet included.
fn over<S: Side>(report: &Report, nets: &[Net<Hub<S>>]) -> u64 {
    let since: u64 = nets.iter().map(|net| net.core().over()).sum();
    since + report.total.done + report.total.failures()
}

/// One line that is written over where somebody looks, else one after the other.
struct Screen {
    is_terminal: bool,
}

impl Screen {
    fn new() -> Self {
        Self { is_terminal: std::io::stdout().is_terminal() }
    }

    fn progress(&mut self, text: &str) {
        if !self.is_terminal {
            return line(text);
        }
        let mut out = std::io::stdout().lock();
        // Who closed it does not want to hear any more.
        let _ = write!(out, "\r\x1b[K{text}");
        let _ = out.flush();
    }

    fn note(&mut self, text: &str) {
        self.end();
        complain(text);
    }

    fn end(&mut self) {
        if self.is_terminal {
            line("");
        }
    }
}

fn bind(config: NetConfig) -> Result<Sockets, Failure> {
    Sockets::bind(config).map_err(|error| Failure::Failed(error.to_string()))
}

fn threads(options: &Load) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    options.threads.map_or_else(cores, usize::from)
}

/// What one of several gets of a number.
fn part(whole: u64, index: usize, of: usize) -> u64 {
    let (index, of) = (index as u64, of as u64);
    whole / of + u64::from(index < whole % of)
}

fn contact(own: Listen) -> String {
    let transport = if own.protocol == Protocol::Udp { "" } else { ";transport=tcp" };
    format!("<sip:load@{}{transport}>", own.address)
}

/// The address that peers reach a socket at: its own, unless it is bound to all.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    // Addresses of documentation, which nobody has: they lead where everything outside does.
    let outside: IpAddr =
        if address.is_ipv4() { [192, 0, 2, 1].into() } else { [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into() };
    let own = local_ip_towards(SocketAddr::new(outside, 9));
    SocketAddr::new(own.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), address.port())
}

/// What the processor has done for this program. Linux tells it in hundredths of a second.
fn cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((next()? + next()?) * 10))
}

fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
}
