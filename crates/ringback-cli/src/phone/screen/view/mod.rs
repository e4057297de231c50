//! How the screen looks. Pure: it reads the [`App`] and draws.

mod calls;
mod pages;

use super::model::{App, Ask, Page, Phase};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use ringback::Registration;

/// Less than this shows nothing of use.
const SMALLEST: (u16, u16) = (60, 20);

const DIM: Style = Style::new().fg(Color::DarkGray);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const GOOD: Style = Style::new().fg(Color::Green);
const BAD: Style = Style::new().fg(Color::Red);
const WAITS: Style = Style::new().fg(Color::Yellow);
/// What keys are for.
const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws all of it.
pub(crate) fn draw(app: &App, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let text = format!("The phone needs {} columns and {} rows.", SMALLEST.0, SMALLEST.1);
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let rows = [
        Constraint::Length(1),
        Constraint::Length(6),
        Constraint::Length(4),
        Constraint::Min(6),
        Constraint::Length(1),
        Constraint::Length(1),
    ];
    let [top, calls, audio, page, ask, keys] = Layout::vertical(rows).areas(area);
    header(app, frame, top);
    let [calls, pad] = Layout::horizontal([Constraint::Min(20), Constraint::Length(9)]).areas(calls);
    calls::list(app, frame, calls);
    calls::pad(app, frame, pad);
    calls::audio(app, frame, audio);
    pages::draw(app, frame, page);
    prompt(app, frame, ask);
    frame.render_widget(Paragraph::new(Line::styled(hints(app), DIM)), keys);
}

/// How wide the ladder may be.
pub(crate) fn ladder_width(screen: u16) -> usize {
    usize::from(screen.saturating_sub(2))
}

fn header(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let mut spans = vec![Span::styled(" ringback ", CHOSEN), Span::raw(" ")];
    if let Some(row) = app.accounts.get(app.account) {
        let (mark, style, text) = registration(row.registration.as_ref());
        spans.push(Span::styled(mark, style));
        spans.push(Span::styled(format!(" {} ", super::model::bare(&row.address)), STRONG));
        spans.push(Span::styled(text, style));
        if row.is_quiet {
            spans.push(Span::styled("  do not disturb", WAITS));
        }
    }
    if app.unread > 0 {
        spans.push(Span::styled(format!("  ✉ {}", app.unread), WAITS));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
    let sound = Line::styled(format!("{} ", app.sound), DIM).right_aligned();
    let taken = 12 + app.accounts.get(app.account).map_or(0, |row| row.address.len() + 24);
    if usize::from(area.width) > taken + app.sound.len() {
        frame.render_widget(sound, area);
    }
}

/// A registration as a mark, a colour and words.
fn registration(state: Option<&Registration>) -> (&'static str, Style, String) {
    match state {
        None => ("○", DIM, "not registered".to_owned()),
        Some(Registration::Active { .. }) => ("●", GOOD, "registered".to_owned()),
        Some(Registration::Failed { status, .. }) => ("●", BAD, format!("not registered: {status}")),
        Some(Registration::Removed) => ("○", DIM, "no longer registered".to_owned()),
        Some(_) => ("◌", WAITS, "registering".to_owned()),
    }
}

fn prompt(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let Some(prompt) = &app.prompt else {
        let notice = app.notice.as_deref().unwrap_or_default();
        let style =
            if app.lines.iter().any(|line| line.phase == Phase::Incoming) { WAITS } else { Style::new() };
        frame.render_widget(Paragraph::new(Line::styled(format!(" {notice}"), style)), area);
        return;
    };
    let words = format!(" {}: ", prompt.ask.words());
    if prompt.ask == Ask::Quit {
        frame.render_widget(Paragraph::new(Line::styled(words, WAITS)), area);
        return;
    }
    let before = Line::styled(words, STRONG);
    let room = usize::from(area.width).saturating_sub(before.width() + 1);
    // The end of what is typed is what one looks at.
    let mut shown = prompt.text.as_str();
    while Line::raw(shown).width() > room {
        let mut rest = shown.chars();
        rest.next();
        shown = rest.as_str();
    }
    let column = area.x + (before.width() + Line::raw(shown).width()) as u16;
    let mut line = before;
    line.push_span(Span::styled(shown.to_owned(), Style::new()));
    frame.render_widget(Paragraph::new(line), area);
    frame.set_cursor_position((column.min(area.right().saturating_sub(1)), area.y));
}

/// The keys that matter now.
fn hints(app: &App) -> &'static str {
    if app.prompt.as_ref().is_some_and(|prompt| prompt.ask == Ask::Quit) {
        return " q y quit · Esc stay";
    }
    if app.prompt.is_some() {
        return " Enter done · Esc never mind · ^U clear";
    }
    let several = app.lines.len() > 1;
    match app.current().map(|line| line.phase) {
        None if app.page == Page::Contacts => {
            " d dial · Enter call · w write · Tab page · o account · ? keys · q quit"
        }
        None => " d dial · w write · Tab page · o account · ? keys · q quit",
        Some(Phase::Incoming) => " a answer · b busy · Tab page · ? keys · q quit",
        Some(Phase::Calling | Phase::Ringing) => " x hang up · ←→ call · Tab page · ? keys · q quit",
        Some(Phase::Talking) if several => {
            " h hold · T connect · t transfer · ←→ call · m mute · x hang up · ? keys"
        }
        Some(Phase::Talking) => " h hold · t transfer · m mute · 0-9 digits · x hang up · d dial · ? keys",
    }
}

#[cfg(test)]
mod tests;
