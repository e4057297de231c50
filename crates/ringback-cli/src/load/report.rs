//! What a run of calls amounts to: a table for people, JSON for programs.

use super::histogram::Percentiles;
use super::tally::{Role, Tally};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// More points than this in time are halved.
const MOST_POINTS: usize = 7_200;

/// The whole of a run.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) role: Role,
    /// Whom it called, or where it listened.
    pub(crate) target: String,
    pub(crate) threads: usize,
    pub(crate) elapsed: Duration,
    /// What the processor did for it; `None` when the system does not tell.
    pub(crate) cpu: Option<Duration>,
    pub(crate) total: Tally,
    /// Calls that were not over at the end.
    pub(crate) up: usize,
    /// The most calls at once, as seen once a second.
    pub(crate) peak: usize,
    pub(crate) timeline: Vec<Point>,
}

/// What happened in about a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// When it ended, from the start.
    pub(crate) at: Duration,
    pub(crate) lasted: Duration,
    pub(crate) placed: u64,
    pub(crate) answered: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) retransmissions: u64,
    /// At its end.
    pub(crate) up: usize,
    /// Of the step that is drawn.
    pub(crate) took: Option<Percentiles>,
}

impl Point {
    /// How many were placed in a second.
    pub(crate) fn rate(&self) -> f64 {
        per_second(self.placed, self.lasted)
    }

    fn and(&self, next: &Self) -> Self {
        let took = match (self.took, next.took) {
            (Some(one), Some(other)) => Some(Percentiles {
                p50: one.p50.max(other.p50),
                p90: one.p90.max(other.p90),
                p99: one.p99.max(other.p99),
                longest: one.longest.max(other.longest),
            }),
            (one, other) => one.or(other),
        };
        Self {
            at: next.at,
            lasted: self.lasted + next.lasted,
            placed: self.placed + next.placed,
            answered: self.answered + next.answered,
            done: self.done + next.done,
            failed: self.failed + next.failed,
            retransmissions: self.retransmissions + next.retransmissions,
            up: next.up,
            took,
        }
    }
}

impl Report {
    pub(crate) fn new(role: Role, target: String, threads: usize) -> Self {
        Self {
            role,
            target,
            threads,
            elapsed: Duration::ZERO,
            cpu: None,
            total: Tally::default(),
            up: 0,
            peak: 0,
            timeline: Vec::new(),
        }
    }

    /// Adds what happened since the last time.
    pub(crate) fn add(&mut self, at: Duration, tally: &Tally, up: usize) -> Point {
        let point = Point {
            at,
            lasted: at.saturating_sub(self.elapsed),
            placed: tally.placed,
            answered: tally.answered,
            done: tally.done,
            failed: tally.failures(),
            retransmissions: tally.retransmissions,
            up,
            took: tally.steps[self.role.drawn()].percentiles(),
        };
        self.elapsed = at;
        self.total.merge(tally);
        self.up = up;
        self.peak = self.peak.max(up);
        self.timeline.push(point);
        if self.timeline.len() >= MOST_POINTS {
            self.timeline = self
                .timeline
                .chunks(2)
                .map(|pair| pair.iter().skip(1).fold(pair[0], |it, next| it.and(next)))
                .collect();
        }
        point
    }

    /// One line of progress.
    pub(crate) fn progress(&self, point: &Point) -> String {
        format!(
            "{:>5.0} s  {:>8.1}/s  {:>6} up  {:>8} done  {:>4} failed  {:>4} retransmissions",
            point.at.as_secs_f64(),
            point.rate(),
            self.up,
            self.total.done,
            self.total.failures(),
            self.total.retransmissions
        )
    }

    /// How many were placed in a second, from the first to the last.
    fn rate(&self) -> f64 {
        let between = self.total.between.map(|(first, last)| last.saturating_duration_since(first));
        match between.filter(|between| !between.is_zero()) {
            Some(between) => per_second(self.total.placed.saturating_sub(1), between),
            None => per_second(self.total.placed, self.elapsed),
        }
    }

    /// How many were placed for each second of one processor's time.
    fn per_cpu_second(&self) -> Option<f64> {
        self.cpu.filter(|cpu| !cpu.is_zero()).map(|cpu| per_second(self.total.placed, cpu))
    }

    /// The table at the end.
    pub(crate) fn table(&self) -> String {
        let Self { role, total, .. } = self;
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<18}{value}");
        };
        let word = if *role == Role::Answerer { "taken" } else { "placed" };
        row(
            &format!("{} {word}", role.unit()),
            format!("{} at {:.1}/s, in all {:.1} s", total.placed, self.rate(), self.elapsed.as_secs_f64()),
        );
        row("answered", total.answered.to_string());
        let by_peer = match total.ended_by_peer {
            0 => String::new(),
            count => format!(" ({count} ended by the other side)"),
        };
        row("done", format!("{}{by_peer}", total.done));
        row("failed", total.failures().to_string());
        for (cause, count) in &total.failed {
            row("", format!("{count:>6}  {cause}"));
        }
        if total.given_up > 0 {
            row("given up", total.given_up.to_string());
        }
        if self.up > 0 {
            row("still up", self.up.to_string());
        }
        row("most at once", self.peak.to_string());
        row("retransmissions", total.retransmissions.to_string());
        if let Some((cpu, each)) = self.cpu.zip(self.per_cpu_second()) {
            row("processor", format!("{:.2} s, {each:.0} {} a second of it", cpu.as_secs_f64(), role.unit()));
        }
        let timed: Vec<_> = role
            .steps()
            .iter()
            .zip(&total.steps)
            .filter_map(|(step, all)| Some((step.1, all.percentiles()?)))
            .collect();
        if !timed.is_empty() {
            let _ = writeln!(
                text,
                "\n{:<18}{:>10}{:>10}{:>10}{:>10}",
                "milliseconds", "p50", "p90", "p99", "max"
            );
        }
        for (name, all) in timed {
            let [p50, p90, p99, longest] = [all.p50, all.p90, all.p99, all.longest].map(milliseconds);
            let _ = writeln!(text, "{name:<18}{p50:>10.2}{p90:>10.2}{p99:>10.2}{longest:>10.2}");
        }
        text
    }

    /// The same and how it went, for programs.
    pub(crate) fn json(&self) -> Value {
        let Self { role, total, .. } = self;
        let causes: Map<String, Value> =
            total.failed.iter().map(|(cause, count)| (cause.to_string(), (*count).into())).collect();
        let steps = role.steps().iter().zip(&total.steps).map(|(step, all)| {
            let mut told = all.percentiles().map_or_else(|| json!({}), told);
            told["count"] = all.count().into();
            (step.0.to_owned(), told)
        });
        let timeline = self.timeline.iter().map(|point| {
            json!({
                "at": rounded(point.at.as_secs_f64()),
                "seconds": rounded(point.lasted.as_secs_f64()),
                "placed": point.placed,
                "answered": point.answered,
                "done": point.done,
                "failed": point.failed,
                "retransmissions": point.retransmissions,
                "up": point.up,
                "milliseconds": point.took.map(told),
            })
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "role": match role {
                Role::Caller => "caller",
                Role::Requester => "requester",
                Role::Answerer => "answerer",
            },
            "target": self.target,
            "threads": self.threads,
            "seconds": rounded(self.elapsed.as_secs_f64()),
            "placed": total.placed,
            "answered": total.answered,
            "done": total.done,
            "ended_by_peer": total.ended_by_peer,
            "failed": total.failures(),
            "causes": causes,
            "given_up": total.given_up,
            "up": self.up,
            "peak": self.peak,
            "retransmissions": total.retransmissions,
            "rate": rounded(self.rate()),
            "cpu_seconds": self.cpu.map(|cpu| rounded(cpu.as_secs_f64())),
            "per_cpu_second": self.per_cpu_second().map(rounded),
            "milliseconds": steps.collect::<Map<_, _>>(),
            "timeline": timeline.collect::<Vec<_>>(),
        })
    }
}

fn told(all: Percentiles) -> Value {
    let [p50, p90, p99, longest] =
        [all.p50, all.p90, all.p99, all.longest].map(|it| rounded(milliseconds(it)));
    json!({ "p50": p50, "p90": p90, "p99": p99, "max": longest })
}

pub(crate) fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::Cause;
    use ringback_message::StatusCode;

    fn second(placed: u64) -> Tally {
        let mut tally = Tally { placed, answered: placed - 1, done: placed - 1, ..Tally::default() };
        tally.fail(Cause::Refused(StatusCode::BUSY_HERE));
        for number in 1..placed {
            tally.steps.iter_mut().for_each(|step| step.record(Duration::from_millis(number)));
        }
        tally
    }

    #[test]
    fn the_table_and_the_json_tell_the_same() {
        let mut report = Report::new(Role::Caller, "sip:bob@example.com".to_owned(), 1);
        for at in 1..=4 {
            report.add(Duration::from_secs(at), &second(11), 3);
        }
        let table = report.table();
        for line in
            ["44 at 11.0/s, in all 4.0 s", "40", "     4  486 Busy Here", "INVITE to 180", "BYE to 200"]
        {
            assert!(table.contains(line), "{line}:\n{table}");
        }
        let json = report.json();
        assert_eq!((&json["placed"], &json["failed"]), (&json!(44), &json!(4)));
        assert_eq!(json["causes"]["486 Busy Here"], 4);
        assert_eq!(json["milliseconds"]["answer"]["count"], 40);
        assert_eq!(json["timeline"].as_array().map(Vec::len), Some(4));
    }

    #[test]
    fn a_long_run_keeps_its_sums_in_fewer_points() {
        let mut report = Report::new(Role::Caller, String::new(), 1);
        let seconds = 2 * MOST_POINTS as u64;
        for at in 1..=seconds {
            report.add(Duration::from_secs(at), &second(2), 1);
        }
        assert!(report.timeline.len() < MOST_POINTS);
        assert_eq!(report.timeline.iter().map(|point| point.placed).sum::<u64>(), 2 * seconds);
        assert!(report.timeline.iter().all(|point| (point.rate() - 2.0).abs() < 1e-9));
    }
}
