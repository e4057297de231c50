//! The diagram as an SVG picture. Everything that came from a peer is escaped; there are no scripts and no references.

use super::{Arrow, Ladder, PAUSE, Row, RowKind, Tone};
use crate::text::{fitted, span, xml};
use std::fmt::Write;
use std::time::Duration;

/// Where times end and where the first participant stands.
const TIMES: usize = 78;
const MARGIN: usize = 24;
const MIN_SPACING: usize = 176;
const MAX_SPACING: usize = 330;
/// The width of a head, and the height of all of them.
const MAX_HEAD: usize = 190;
const HEAD_HEIGHT: usize = 44;
const TITLE_HEIGHT: usize = 64;
/// The heights of rows of one and two lines, and of a pause.
const ROW: usize = 34;
const TALL_ROW: usize = 46;
const PAUSE_ROW: usize = 26;
/// About how wide a letter is, in tenths: labels, hints, heads.
const LABEL_LETTER: usize = 74;
const HINT_LETTER: usize = 60;
const HEAD_LETTER: usize = 78;

/// `rsvg-convert` and old viewers take the first colours; those who know preferences choose by them.
const STYLE: &str = "\
text{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI','Liberation Sans','DejaVu Sans',Helvetica,Arial,sans-serif;fill:#1f2328}\
.paper{fill:#ffffff}.title{font-size:16px;font-weight:600}.sub{font-size:12px;fill:#59636e}\
.head{fill:#f1f4f8;stroke:#c3ccd6}.name{font-size:14px;font-weight:600;text-anchor:middle}\
.addr{font-size:11px;fill:#59636e;text-anchor:middle}.life{stroke:#c3ccd6;stroke-width:1.5}\
.wait{stroke:#c3ccd6;stroke-width:2.4;stroke-linecap:round;stroke-dasharray:0 5.2}\
.time{font-size:11px;fill:#6e7781;text-anchor:end;font-family:ui-monospace,'Cascadia Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace}\
.label,.hint{text-anchor:middle;paint-order:stroke;stroke:#ffffff;stroke-width:4px;stroke-linejoin:round}\
.label{font-size:13px}.hint{font-size:11px;fill:#59636e}\
.side{text-anchor:start}.note{font-size:12px;font-weight:600;text-anchor:middle}.pill{fill:#f1f4f8;stroke:#c3ccd6}\
.line{fill:none;stroke-width:1.6}.again{stroke-dasharray:5 4;opacity:.6}.media{stroke-width:5;opacity:.28}\
.request .line{stroke:#0b5cad}.request .tip{fill:#0b5cad}.request .label{fill:#0b5cad;font-weight:600}\
.provisional .line{stroke:#9a6700}.provisional .tip{fill:#9a6700}.provisional .label{fill:#7d5400}\
.success .line{stroke:#1a7f37}.success .tip{fill:#1a7f37}.success .label{fill:#116329}\
.redirection .line{stroke:#8250df}.redirection .tip{fill:#8250df}.redirection .label{fill:#6639ba}\
.failure .line{stroke:#cf222e}.failure .tip{fill:#cf222e}.failure .label{fill:#a40e26}\
.stream .line{stroke:#0a7b83}.stream .tip{fill:#0a7b83}.stream .label{fill:#0a6870;font-weight:600}\
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.paper{fill:#0d1117}.sub,.addr,.hint{fill:#9198a1}.time{fill:#8b949e}.label,.hint{stroke:#0d1117}\
.head,.pill{fill:#1b222c;stroke:#3d444d}.life,.wait{stroke:#3d444d}.media{opacity:.4}\
.request .line{stroke:#4493f8}.request .tip,.request .label{fill:#4493f8}\
.provisional .line{stroke:#d29922}.provisional .tip,.provisional .label{fill:#d29922}\
.success .line{stroke:#3fb950}.success .tip,.success .label{fill:#3fb950}\
.redirection .line{stroke:#ab7df8}.redirection .tip,.redirection .label{fill:#ab7df8}\
.failure .line{stroke:#f85149}.failure .tip,.failure .label{fill:#f85149}\
.stream .line{stroke:#39c5cf}.stream .tip,.stream .label{fill:#39c5cf}}";

/// Draws the whole picture.
pub(super) fn draw(ladder: &Ladder) -> String {
    let picture = Picture::new(ladder);
    let mut body = String::new();
    let mut y = TITLE_HEIGHT + HEAD_HEIGHT + 10;
    let mut last = Duration::ZERO;
    for row in &ladder.rows {
        let pause = row.at.saturating_sub(last);
        last = row.at;
        if pause >= PAUSE {
            picture.lives(&mut body, "wait", y, y + PAUSE_ROW);
            _ = write!(
                body,
                "<text class='time' x='{TIMES}' y='{}'>+{}</text>",
                y + PAUSE_ROW / 2 + 4,
                span(pause)
            );
            y += PAUSE_ROW;
        }
        y = picture.row(&mut body, row, y);
    }
    picture.lives(&mut body, "life", y, y + 12);
    let (width, height) = (picture.width, y + 12 + MARGIN);
    let mut out = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}' \
         role='img'><title>{}</title><style>{STYLE}</style><rect class='paper' width='100%' height='100%'/>",
        xml(&ladder.title)
    );
    let letters = width.saturating_sub(2 * MARGIN);
    _ = write!(
        out,
        "<text class='title' x='{MARGIN}' y='30'>{}</text><text class='sub' x='{MARGIN}' y='50'>{}</text>",
        xml(&fitted(&ladder.title, letters / 9)),
        xml(&fitted(&ladder.subtitle, letters / 6))
    );
    picture.heads(&mut out, ladder);
    out.push_str(&body);
    out.push_str("</svg>\n");
    out
}

/// Where things are.
struct Picture {
    lives: Vec<usize>,
    head: usize,
    width: usize,
}

impl Picture {
    fn new(ladder: &Ladder) -> Self {
        let letters = |text: &str, tenths: usize| text.chars().count() * tenths / 10;
        let heads = ladder.columns.iter().map(|it| {
            letters(&it.name, HEAD_LETTER)
                .max(letters(it.address.as_deref().unwrap_or_default(), HINT_LETTER))
        });
        let head = (heads.max().unwrap_or(0) + 24).clamp(110, MAX_HEAD);
        // Every label has room on the arrow that it belongs to.
        let wanted = ladder.rows.iter().filter_map(|row| match &row.kind {
            RowKind::Arrow(arrow) if arrow.from != arrow.to => {
                let hint = arrow.hints.first().map_or(0, |it| letters(it, HINT_LETTER));
                Some((letters(&arrow.label, LABEL_LETTER).max(hint) + 36) / arrow.from.abs_diff(arrow.to))
            }
            _ => None,
        });
        let spacing = wanted.max().unwrap_or(0).max(head + 20).clamp(MIN_SPACING, MAX_SPACING);
        let first = TIMES + 16 + head / 2;
        let lives: Vec<usize> = (0..ladder.columns.len()).map(|n| first + n * spacing).collect();
        let width = (lives.last().unwrap_or(&first) + head / 2 + MARGIN).max(480);
        Self { lives, head, width }
    }

    fn heads(&self, out: &mut String, ladder: &Ladder) {
        for (column, x) in ladder.columns.iter().zip(&self.lives) {
            let left = x - self.head / 2;
            _ = write!(
                out,
                "<rect class='head' x='{left}' y='{TITLE_HEIGHT}' width='{}' height='{HEAD_HEIGHT}' rx='7'/>",
                self.head
            );
            let name = fitted(&column.name, (self.head - 12) * 10 / HEAD_LETTER);
            let middle = TITLE_HEIGHT + if column.address.is_some() { 19 } else { 27 };
            _ = write!(out, "<text class='name' x='{x}' y='{middle}'>{}</text>", xml(&name));
            if let Some(address) = &column.address {
                let address = fitted(address, (self.head - 8) * 10 / HINT_LETTER);
                let y = TITLE_HEIGHT + 35;
                _ = write!(out, "<text class='addr' x='{x}' y='{y}'>{}</text>", xml(&address));
            }
        }
        self.lives(out, "life", TITLE_HEIGHT + HEAD_HEIGHT, TITLE_HEIGHT + HEAD_HEIGHT + 10);
    }

    /// A piece of all life lines.
    fn lives(&self, out: &mut String, class: &str, from: usize, to: usize) {
        let path: String = self.lives.iter().map(|x| format!("M{x} {from}V{to}")).collect();
        _ = write!(out, "<path class='{class}' d='{path}'/>");
    }

    /// Draws a row whose top is at `y`; gives its bottom.
    fn row(&self, out: &mut String, row: &Row, y: usize) -> usize {
        let (bottom, line) = match &row.kind {
            RowKind::Arrow(arrow) if !arrow.hints.is_empty() => (y + TALL_ROW, y + 23),
            _ => (y + ROW, y + 23),
        };
        self.lives(out, "life", y, bottom);
        _ = write!(out, "<text class='time' x='{TIMES}' y='{}'>{:.3}</text>", line + 4, row.at.as_secs_f64());
        match &row.kind {
            RowKind::Arrow(arrow) => self.arrow(out, arrow, line),
            RowKind::Note(text) => {
                let middle = (self.lives.first().unwrap_or(&0) + self.lives.last().unwrap_or(&0)) / 2;
                let text = fitted(text, self.width / 8);
                let half = text.chars().count() * LABEL_LETTER / 20 + 12;
                _ = write!(
                    out,
                    "<rect class='pill' x='{}' y='{}' width='{}' height='22' rx='11'/>\
                     <text class='note' x='{middle}' y='{}'>{}</text>",
                    middle.saturating_sub(half),
                    line - 14,
                    2 * half,
                    line + 1,
                    xml(&text)
                );
            }
        }
        bottom
    }

    fn arrow(&self, out: &mut String, arrow: &Arrow, y: usize) {
        let (Some(&from), Some(&to)) = (self.lives.get(arrow.from), self.lives.get(arrow.to)) else { return };
        let tone = match arrow.tone {
            Tone::Request => "request",
            Tone::Provisional => "provisional",
            Tone::Success => "success",
            Tone::Redirection => "redirection",
            Tone::Failure => "failure",
            Tone::Media => "stream",
        };
        _ = write!(out, "<g class='{tone}'>");
        if !arrow.tip.is_empty() {
            _ = write!(out, "<title>{}</title>", xml(&arrow.tip));
        }
        let label = if arrow.again { format!("{} ↻", arrow.label) } else { arrow.label.clone() };
        let again = if arrow.again { " again" } else { "" };
        if from == to {
            // A message of a participant to itself turns round beside its life line.
            let (right, below) = (from + 34, y + 8);
            _ = write!(
                out,
                "<path class='line{again}' d='M{from} {}H{right}V{below}H{}'/>\
                 <path class='tip' d='M{from} {below}l9 -4.5v9z'/>\
                 <text class='label side' x='{}' y='{}'>{}</text></g>",
                y - 6,
                from + 8,
                right + 8,
                y + 5,
                xml(&fitted(&label, (self.width.saturating_sub(right)) * 10 / LABEL_LETTER)),
            );
            return;
        }
        let (left, right) = (from.min(to), from.max(to));
        let (tip_left, tip_right) = (arrow.both || to < from, arrow.both || to > from);
        let (start, end) =
            (if tip_left { left + 8 } else { left }, if tip_right { right - 8 } else { right });
        if arrow.tone == Tone::Media && !arrow.hints.is_empty() {
            _ = write!(out, "<path class='line media' d='M{start} {y}H{end}'/>");
        }
        _ = write!(out, "<path class='line{again}' d='M{start} {y}H{end}'/>");
        if tip_left {
            _ = write!(out, "<path class='tip' d='M{left} {y}l10 -5v10z'/>");
        }
        if tip_right {
            _ = write!(out, "<path class='tip' d='M{right} {y}l-10 -5v10z'/>");
        }
        let (middle, room) = ((left + right) / 2, (right - left).saturating_sub(16));
        let text = |out: &mut String, class: &str, y: usize, tenths: usize, text: &str| {
            let text = fitted(text, room * 10 / tenths);
            _ = write!(out, "<text class='{class}' x='{middle}' y='{y}'>{}</text>", xml(&text));
        };
        text(out, "label", y - 6, LABEL_LETTER, &label);
        if let Some(hint) = arrow.hints.first() {
            text(out, "hint", y + 15, HINT_LETTER, hint);
        }
        out.push_str("</g>");
    }
}
