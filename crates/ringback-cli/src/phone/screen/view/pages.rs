//! The lower half of the screen, one page at a time.

use super::{BAD, CHOSEN, DIM, GOOD, STRONG, Style, WAITS};
use crate::phone::screen::keys::HELP;
use crate::phone::screen::model::{App, Fate, Page};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};
use ringback::Lamp;
use std::time::Duration;

/// Draws the page that is open, under the names of all.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let mut title = vec![Span::raw(" ")];
    for page in Page::ALL {
        title.push(Span::styled(page.title(), if page == app.page { CHOSEN } else { DIM }));
        title.push(Span::raw(" "));
    }
    let block = Block::bordered().title(Line::from(title)).border_style(DIM);
    let inner = block.inner(area);
    let (height, width) = (usize::from(inner.height), usize::from(inner.width));
    let text = match app.page {
        Page::Recent => recent(app, height, width),
        Page::Contacts => contacts(app, height),
        Page::Ladder => ladder(app, height),
        Page::Chat => chat(app, height, width),
        Page::Accounts => accounts(app, height),
        Page::Help => help(height),
    };
    frame.render_widget(Paragraph::new(text).block(block), area);
}

/// The rows that fit, so that the chosen one is among them.
fn window<'a>(rows: impl Iterator<Item = Line<'a>>, chosen: usize, height: usize) -> Vec<Line<'a>> {
    let first = (chosen + 1).saturating_sub(height);
    let mark = |(at, row): (usize, Line<'a>)| if at == chosen { row.patch_style(CHOSEN) } else { row };
    rows.enumerate().map(mark).skip(first).take(height).collect()
}

fn recent(app: &App, height: usize, width: usize) -> Vec<Line<'_>> {
    if app.recent.is_empty() {
        return vec![Line::styled(" no calls yet", DIM)];
    }
    let rows = app.recent.iter().map(|call| {
        let (way, style) = match (call.is_outgoing, call.was_answered) {
            (true, true) => ("→", GOOD),
            (true, false) => ("→", BAD),
            (false, true) => ("←", GOOD),
            (false, false) => ("← missed", BAD),
        };
        let ago = ago(app.now.saturating_duration_since(call.at));
        let mut spans = vec![
            Span::styled(format!(" {way} "), style),
            Span::styled(app.name_of(&call.peer), STRONG),
            Span::raw(format!("  {}", call.text)),
        ];
        let used: usize = spans.iter().map(Span::width).sum();
        let gap = width.saturating_sub(used + ago.len() + 1);
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(Span::styled(ago, DIM));
        Line::from(spans)
    });
    window(rows, app.row, height)
}

/// How long ago something was.
fn ago(time: Duration) -> String {
    match time.as_secs() {
        0..60 => "just now".to_owned(),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3600),
    }
}

fn contacts(app: &App, height: usize) -> Vec<Line<'_>> {
    if app.contacts.is_empty() {
        return vec![Line::styled(" no contacts: --contacts FILE; `ringback phone --help` shows one", DIM)];
    }
    let rows = app.contacts.iter().enumerate().map(|(row, contact)| {
        let (mark, style) = match app.lamps.get(&row) {
            Some(Lamp::Idle) => ("○", GOOD),
            Some(Lamp::Ringing) => ("◌", WAITS),
            Some(Lamp::Busy) => ("●", BAD),
            Some(Lamp::Unknown) | None => (" ", DIM),
        };
        Line::from(vec![
            Span::styled(format!(" {mark} "), style),
            Span::styled(format!("{:<20} ", contact.name), STRONG),
            Span::styled(contact.address.as_str(), DIM),
        ])
    });
    window(rows, app.row, height)
}

/// The names stay on top; the latest messages are at the bottom.
fn ladder(app: &App, height: usize) -> Vec<Line<'_>> {
    let Some((head, rows)) = parts(&app.ladder) else {
        return vec![Line::styled(" no messages: the ladder is of the call that is selected", DIM)];
    };
    let room = height.saturating_sub(head.len());
    let last = rows.len() - app.back.min(rows.len().saturating_sub(room));
    let shown = &rows[last.saturating_sub(room)..last];
    head.iter().chain(shown).map(|line| Line::styled(line.as_str(), tone(line))).collect()
}

/// The heads of the columns and what is below, without the end of the life lines.
fn parts(ladder: &[String]) -> Option<(&[String], &[String])> {
    let top = ladder.iter().position(|line| line.contains('┬'))? + 1;
    let end = ladder.len().checked_sub(1).filter(|end| *end >= top)?;
    Some((&ladder[..top], &ladder[top..end]))
}

/// The colour of a message: that of the class of its status.
fn tone(line: &str) -> Style {
    let status = line.split_whitespace().find_map(|word| {
        (word.len() == 3)
            .then(|| word.parse::<u16>().ok())
            .flatten()
            .filter(|status| (100..700).contains(status))
    });
    match status {
        Some(100..200) => WAITS,
        Some(200..300) => GOOD,
        Some(401 | 407) | None => Style::new(),
        Some(_) => BAD,
    }
}

fn chat(app: &App, height: usize, width: usize) -> Vec<Line<'_>> {
    if app.chat.is_empty() {
        return vec![Line::styled(" no messages: w writes one", DIM)];
    }
    let mut rows = Vec::new();
    for said in &app.chat {
        let (way, style) = match (said.is_ours, &said.fate) {
            (_, Fate::Failed(_)) => ("✗", BAD),
            (true, Fate::OnItsWay) => ("…", WAITS),
            (true, Fate::Arrived) => ("✓", GOOD),
            (true, Fate::Read) => ("✓✓", GOOD),
            (true, _) => ("→", GOOD),
            (false, _) => ("←", STRONG),
        };
        let name = app.name_of(&said.peer);
        let head = format!(" {way} {name}: ");
        let room = width.saturating_sub(Span::raw(head.as_str()).width() + 1).max(10);
        let pieces = wrap(&said.text, room);
        let indent = " ".repeat(Span::raw(head.as_str()).width());
        for (at, piece) in pieces.into_iter().enumerate() {
            let head = if at == 0 { head.clone() } else { indent.clone() };
            rows.push(Line::from(vec![Span::styled(head, style), Span::raw(piece)]));
        }
        if let Fate::Failed(why) = &said.fate {
            rows.push(Line::styled(format!("   not delivered: {why}"), BAD));
        }
    }
    let last = rows.len() - app.back.min(rows.len().saturating_sub(height));
    rows.drain(..last.saturating_sub(height));
    rows.truncate(height);
    rows
}

/// Cuts a text into pieces that fit, between words where it can.
fn wrap(text: &str, cells: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let mut fits = |piece: &str| {
            let last = pieces.last_mut().expect("there is always one");
            let is_room = Span::raw(last.as_str()).width() + Span::raw(piece.trim_end()).width() <= cells;
            if is_room || last.is_empty() {
                last.push_str(piece);
            } else {
                pieces.push(piece.to_owned());
            }
        };
        if Span::raw(word).width() <= cells {
            fits(word);
        } else {
            word.chars().for_each(|c| fits(c.encode_utf8(&mut [0; 4])));
        }
    }
    pieces
}

fn accounts(app: &App, height: usize) -> Vec<Line<'_>> {
    let rows = app.accounts.iter().enumerate().map(|(at, row)| {
        let (mark, style, text) = super::registration(row.registration.as_ref());
        let uses = match (at == app.account, row.is_quiet) {
            (true, true) => "calls from here · do not disturb",
            (true, false) => "calls from here",
            (false, true) => "do not disturb",
            (false, false) => "",
        };
        Line::from(vec![
            Span::styled(format!(" {mark} "), style),
            Span::styled(row.address.as_str(), STRONG),
            Span::styled(format!("  {text}  "), style),
            Span::styled(uses, DIM),
        ])
    });
    window(rows, app.row, height)
}

/// The keys, in as many columns as are needed.
fn help(height: usize) -> Vec<Line<'static>> {
    let height = height.clamp(1, HELP.len().div_ceil(2));
    let cell = |at: usize| {
        let (key, words) = HELP.get(at).copied().unwrap_or_default();
        [Span::styled(format!(" {key:<10}"), STRONG), Span::raw(format!("{words:<32}"))]
    };
    (0..height).map(|row| Line::from_iter((0..2).flat_map(|column| cell(column * height + row)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_words_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn statuses_colour_the_rows_of_a_ladder() {
        assert_eq!(tone("   0.004  │◀── 200 OK ──│"), GOOD);
        assert_eq!(tone("   0.004  │◀── 486 Busy Here ──│"), BAD);
        assert_eq!(tone("   0.004  │── INVITE (SDP) ──▶│"), Style::new());
    }
}
