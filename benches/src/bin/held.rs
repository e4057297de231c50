//! `held [CALLS] [MORE]`: what calls cost in memory that applications hold through the crate `ringback`.
//!
//! Two processes: one calls, the other answers. So many calls (10,000) are made, and held by the caller; what both processes have
//! grown by is told by the call. Then they end, and so many more (100,000) are made and ended, a thousand a second: memory has
//! to stay what it was after the first of them, for twice as long as the ends of calls linger.

#![allow(clippy::print_stdout, reason = "a report")]

use ringback::{Account, Audio, Call, CallEvent, Endpoint};
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// What a held call may cost, and by how much memory may have grown after very many.
const MOST_BYTES: f64 = 12.0 * 1024.0;
const MOST_GROWTH: f64 = 0.03;
/// How many calls are set up or ended at once.
const AT_ONCE: usize = 200;
/// How many calls are made and ended in a second.
const PACE: usize = 1_000;
/// For so long the ends of a call answer what comes late (Timers J, L and M, RFC 3261, RFC 6026), and then some.
const LINGER: Duration = Duration::from_secs(36);
/// Nobody receives audio there. The two sides have to name different places, or it would be a loop.
const NOWHERE: [u16; 2] = [40_000, 40_002];

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.next().as_deref() {
        Some("answer") => runtime.block_on(answer()),
        calls => {
            let calls = calls.map_or(Ok(10_000), str::parse)?;
            let more = arguments.next().map_or(Ok(100_000), |more| more.parse())?;
            runtime.block_on(measure(calls, more))
        }
    }
}

/// Answers all calls until standard input ends.
async fn answer() -> Outcome {
    let endpoint = Endpoint::builder().listen("udp:127.0.0.1:0").answers_anyone().start().await?;
    let _account = endpoint.account("sip:callee@127.0.0.1").open().await?;
    let [listen] = endpoint.listeners() else { return Err("one listener was asked for".into()) };
    println!("{}", listen.address);
    let ends = tokio::task::spawn_blocking(|| std::io::stdin().lines().next());
    let serve = async {
        while let Some(incoming) = endpoint.incoming().await {
            // Nothing is waited for there. What the task of a call has to keep is then only the call.
            if let Ok(mut call) = incoming.answer(Audio::elsewhere(nowhere(1))).await {
                tokio::spawn(async move { while call.next().await.is_some() {} });
            }
        }
    };
    tokio::select! {
        () = serve => {}
        _ = ends => {}
    }
    Ok(())
}

fn nowhere(side: usize) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, NOWHERE[side]).into()
}

/// The process that answers. It ends with this one.
struct Answerer {
    child: Child,
    address: String,
}

impl Answerer {
    fn start() -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("answer")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().to_owned() })
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident bytes of the two processes.
#[derive(Clone, Copy)]
struct Memory([f64; 2]);

impl Memory {
    fn of(answerer: &Answerer) -> Outcome<Self> {
        Ok(Self([resident(std::process::id())?, resident(answerer.child.id())?]))
    }
}

fn resident(process: u32) -> Outcome<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? * 1024.0)
}

async fn measure(calls: usize, more: usize) -> Outcome {
    let answerer = Answerer::start()?;
    let endpoint = Endpoint::builder().listen("udp:127.0.0.1:0").start().await?;
    let account = endpoint.account("sip:caller@127.0.0.1").open().await?;
    let target = format!("sip:callee@{}", answerer.address);
    // What the first calls need once is not theirs.
    many(&account, &target, AT_ONCE, false).await?;
    let before = Memory::of(&answerer)?;
    let begun = Instant::now();
    let held = many(&account, &target, calls, true).await?;
    let rate = calls as f64 / begun.elapsed().as_secs_f64();
    let up = Memory::of(&answerer)?;
    let each = |side: usize| (up.0[side] - before.0[side]) / calls as f64;
    println!("{calls} calls held at once, set up at {rate:.0} a second:");
    for (side, name) in ["calling", "answering"].into_iter().enumerate() {
        let (bytes, megabytes) = (each(side), up.0[side] / 1e6);
        println!("  the {name} process has {megabytes:.1} MB, {:.2} KiB a call", bytes / 1024.0);
    }
    end(held).await;
    tokio::time::sleep(LINGER).await;
    // Until as many linger as ever will, and tables have found their size.
    many(&account, &target, 2 * PACE * LINGER.as_secs() as usize, false).await?;
    let before = Memory::of(&answerer)?;
    many(&account, &target, more, false).await?;
    let after = Memory::of(&answerer)?;
    println!("{more} more calls made and ended:");
    let mut grown: f64 = 0.0;
    for (side, name) in ["calling", "answering"].into_iter().enumerate() {
        let (was, is) = (before.0[side], after.0[side]);
        grown = grown.max(is / was - 1.0);
        println!("  the {name} process had {:.1} MB before and has {:.1} MB after", was / 1e6, is / 1e6);
    }
    if each(0).max(each(1)) > MOST_BYTES || grown > MOST_GROWTH {
        return Err(
            format!("more than {MOST_BYTES} bytes a call, or grown by more than {MOST_GROWTH}").into()
        );
    }
    Ok(())
}

/// Makes so many calls, and holds and keeps them as fast as it goes, or ends each at once.
async fn many(account: &Account, target: &str, calls: usize, keep: bool) -> Outcome<Vec<Call>> {
    let (mut begun, mut up) = (0, Vec::new());
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    while begun < calls || !tasks.is_empty() {
        while begun < calls && tasks.len() < AT_ONCE {
            let due = start + Duration::from_secs(1) * begun as u32 / PACE as u32;
            if !keep && due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
            }
            begun += 1;
            let call = account.call(target).audio(Audio::elsewhere(nowhere(0))).start().await?;
            tasks.spawn(one(call, keep));
        }
        if let Some(done) = tasks.join_next().await {
            up.extend(done??);
        }
    }
    Ok(up)
}

/// Leads a call to where it is held, or over.
async fn one(mut call: Call, keep: bool) -> Outcome<Option<Call>> {
    while let Some(event) = call.next().await {
        match event {
            CallEvent::Answered(_) if keep => call.hold()?,
            CallEvent::Answered(_) => call.hangup()?,
            CallEvent::Changed(media) if media.held_by_us => return Ok(Some(call)),
            CallEvent::ChangeRefused(status, _) => return Err(format!("not held: {status}").into()),
            CallEvent::Ended(summary) if summary.talk.is_none() => {
                return Err(format!("{}", summary.ending).into());
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Ends calls, a few at a time.
async fn end(calls: Vec<Call>) {
    let mut tasks = JoinSet::new();
    for mut call in calls {
        if tasks.len() >= AT_ONCE {
            tasks.join_next().await;
        }
        tasks.spawn(async move {
            // Gone means that it is over.
            let _ = call.hangup();
            while call.next().await.is_some() {}
        });
    }
    while tasks.join_next().await.is_some() {}
}
