//! The calls, the dial pad, and the audio of the call that is selected.

use super::{BAD, CHOSEN, DIM, GOOD, STRONG, WAITS};
use crate::phone::screen::model::{self, App, Phase};
use crate::phone::screen::news::clock;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};
use ringback::{AudioStatus, MediaInfo};
use std::time::Duration;

/// The keys of a telephone.
const PAD: [&str; 4] = ["123", "456", "789", "*0#"];
/// How long a key that was pressed is marked.
const MARKED: Duration = Duration::from_millis(400);
/// Levels are shown from this many decibels below overload up.
const FAINTEST: u8 = 60;
/// How long the bar of a level is.
const BAR: usize = 20;

/// The calls that are not over.
pub(super) fn list(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let block = Block::bordered().title(" Calls ").border_style(DIM);
    let room = usize::from(block.inner(area).height);
    let at = app.lines.iter().position(|line| Some(line.number) == app.selected).unwrap_or(0);
    let first = (at + 1).saturating_sub(room);
    let width = usize::from(area.width.saturating_sub(2));
    let rows = app.lines.iter().skip(first).take(room).map(|line| row(app, line, width));
    let text: Vec<Line<'_>> =
        if app.lines.is_empty() { vec![Line::styled(" no call", DIM)] } else { rows.collect() };
    frame.render_widget(Paragraph::new(text).block(block), area);
}

fn row<'a>(app: &'a App, line: &'a model::Line, width: usize) -> Line<'a> {
    let (words, style) = words(line);
    let mark = if Some(line.number) == app.selected { '▶' } else { ' ' };
    let way = if line.is_outgoing { '→' } else { '←' };
    let time = match line.phase {
        Phase::Talking => clock(app.now.saturating_duration_since(line.since)),
        _ => clock(app.now.saturating_duration_since(line.begun)),
    };
    let mut spans = vec![
        Span::raw(format!("{mark}{} {way} ", line.number)),
        Span::styled(app.name_of(&line.peer), STRONG),
        Span::raw("  "),
        Span::styled(words, style),
    ];
    if line.is_joined {
        spans.push(Span::styled(" · conference", GOOD));
    }
    if line.is_muted {
        spans.push(Span::styled(" · muted", WAITS));
    }
    if let Some(wish) = &line.wish {
        spans.push(Span::styled(format!(" · call {}? y n", app.name_of(wish)), WAITS));
    } else if let Some(note) = &line.note {
        spans.push(Span::styled(format!(" · {note}"), DIM));
    }
    let used: usize = spans.iter().map(Span::width).sum();
    let gap = (width.saturating_sub(1)).saturating_sub(used + time.len());
    if gap > 0 {
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(Span::raw(time));
    }
    let row = Line::from(spans);
    if Some(line.number) == app.selected && app.lines.len() > 1 { row.patch_style(CHOSEN) } else { row }
}

fn words(line: &model::Line) -> (&'static str, Style) {
    match (line.phase, line.is_held(), line.is_held_by_them()) {
        (Phase::Calling, ..) => ("calling", WAITS),
        (Phase::Ringing, ..) => ("ringing", WAITS),
        (Phase::Incoming, ..) => ("calls us", WAITS),
        (Phase::Talking, false, false) => ("talking", GOOD),
        (Phase::Talking, true, false) => ("on hold", WAITS),
        (Phase::Talking, false, true) => ("holds us", WAITS),
        (Phase::Talking, true, true) => ("held by both", WAITS),
    }
}

/// The keys for digits, with the one that was pressed.
pub(super) fn pad(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let pressed = app.pressed.filter(|(_, at)| app.now.saturating_duration_since(*at) < MARKED);
    let style = |key| if pressed.is_some_and(|(digit, _)| digit == key) { CHOSEN } else { Style::new() };
    let rows = PAD.map(|keys| {
        let spans = keys.chars().flat_map(|key| [Span::raw(" "), Span::styled(key.to_string(), style(key))]);
        Line::from_iter(spans)
    });
    let block = Block::bordered().title(" Pad ").border_style(DIM);
    frame.render_widget(Paragraph::new(rows.to_vec()).block(block), area);
}

/// Codec, quality and levels of the call that is selected.
pub(super) fn audio(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let current = app.current();
    let title =
        current.map_or_else(|| " Audio ".to_owned(), |line| format!(" Audio of call {} ", line.number));
    let media = current.and_then(|line| line.media.as_ref());
    let text = match (media, current.and_then(|line| line.status)) {
        (None, _) => vec![Line::styled(" none", DIM)],
        (Some(media), status) => {
            vec![agreed(media, status.as_ref()), status.map_or_else(Line::default, |it| levels(&it))]
        }
    };
    let block = Block::bordered().title(title).border_style(DIM);
    frame.render_widget(Paragraph::new(text).block(block), area);
}

/// What was agreed, and how it goes.
fn agreed(media: &MediaInfo, status: Option<&AudioStatus>) -> Line<'static> {
    let mut spans = vec![Span::styled(format!(" {}", crate::out::plain(&media.codec)), STRONG)];
    match &media.encryption {
        // Ciphers have long names; all of it stands in the ladder's messages.
        Some(suite) => spans.push(Span::styled(format!(" SRTP {}", short(&crate::out::plain(suite))), GOOD)),
        None => spans.push(Span::styled(" not encrypted", DIM)),
    }
    let Some(stats) = status.map(|status| &status.stats) else { return Line::from(spans) };
    if let (Some(loss), Some(mos)) = (stats.loss(), stats.mos()) {
        let style = if mos >= 4.0 {
            GOOD
        } else if mos >= 3.1 {
            WAITS
        } else {
            BAD
        };
        spans.push(Span::styled(format!(" · MOS {mos:.1}"), style));
        spans.push(Span::raw(format!(" · loss {:.1} %", loss * 100.0)));
    }
    spans.push(Span::raw(format!(" · jitter {} ms", milliseconds(stats.jitter))));
    spans.push(Span::raw(format!(" · delay {} ms", milliseconds(stats.delay))));
    Line::from(spans)
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round()
}

/// `AES-128-GCM` of `AEAD_AES_128_GCM`, `AES-CM-128` of `AES_CM_128_HMAC_SHA1_80`.
fn short(suite: &str) -> String {
    let name = suite.strip_prefix("AEAD_").unwrap_or(suite);
    name.split("_HMAC").next().unwrap_or(name).replace('_', "-")
}

/// How loud both sides are.
fn levels(status: &AudioStatus) -> Line<'static> {
    let mut spans = Vec::new();
    for (words, level) in [(" we say  ", status.said), ("   we hear  ", status.heard)] {
        let lit = usize::from(FAINTEST.saturating_sub(level)) * BAR / usize::from(FAINTEST);
        let style = if level < 3 { BAD } else { GOOD };
        spans.push(Span::raw(words));
        spans.push(Span::styled("█".repeat(lit), style));
        spans.push(Span::styled("·".repeat(BAR - lit), DIM));
    }
    if let Some(round_trip) = status.stats.round_trip {
        spans.push(Span::raw(format!("  rtt {} ms", milliseconds(round_trip))));
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ciphers_are_named_shortly() {
        assert_eq!(short("AEAD_AES_128_GCM"), "AES-128-GCM");
        assert_eq!(short("AES_CM_128_HMAC_SHA1_80"), "AES-CM-128");
    }
}
