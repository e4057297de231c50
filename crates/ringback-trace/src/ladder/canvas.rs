//! The diagram in characters.

use super::{Arrow, Column, PAUSE, Row, RowKind, Tone};
use crate::text::{fitted, span, width};
use std::time::Duration;

/// The column of times: eight cells and a space on either side of the first life line's room.
const TIME: usize = 9;
/// Between two life lines.
const MIN_SPACING: usize = 14;
const MAX_SPACING: usize = 44;
/// Narrower than this no diagram is drawn.
const MIN_WIDTH: usize = 40;
const MAX_WIDTH: usize = 400;

/// How text is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    /// Cells in a line that may be used. More than ten participants or very narrow terminals need more than there is.
    pub width: usize,
    /// Lines and arrows as they should look; else only ASCII in what is drawn.
    pub unicode: bool,
    /// With the colours of a terminal (ANSI).
    pub colour: bool,
}

impl Default for TextStyle {
    /// A hundred cells, Unicode, no colours.
    fn default() -> Self {
        Self { width: 100, unicode: true, colour: false }
    }
}

/// The characters that are drawn with.
struct Glyphs {
    life: char,
    paused: char,
    top: char,
    bottom: char,
    line: char,
    again: char,
    media: char,
    cross: char,
    media_cross: char,
    left: char,
    right: char,
}

const UNICODE: Glyphs = Glyphs {
    life: '│',
    paused: '┊',
    top: '┬',
    bottom: '┴',
    line: '─',
    again: '╌',
    media: '═',
    cross: '┼',
    media_cross: '╪',
    left: '◀',
    right: '▶',
};

const ASCII: Glyphs = Glyphs {
    life: '|',
    paused: ':',
    top: '|',
    bottom: '|',
    line: '-',
    again: '.',
    media: '=',
    cross: '+',
    media_cross: '+',
    left: '<',
    right: '>',
};

/// Marks what was sent before.
const AGAIN: &str = " ↻";

/// What stands for our own signs where only ASCII is wanted.
fn plain(glyph: char) -> char {
    match glyph {
        '⇄' | '→' => '/',
        '·' => '-',
        '…' => '~',
        '↻' | '↺' => '*',
        glyph => glyph,
    }
}

/// A colour or weight of a terminal, as its SGR code.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Paint(&'static str);

const PLAIN: Paint = Paint("");
const DIM: Paint = Paint("2");
const BOLD: Paint = Paint("1");

/// Columns, laid out.
#[derive(Clone, Debug)]
pub(super) struct Canvas {
    style: TextStyle,
    columns: Vec<Column>,
    /// Where the life lines are.
    lives: Vec<usize>,
    width: usize,
}

/// A line that is being drawn; `None` is the second half of a wide character.
struct Line(Vec<(Option<char>, Paint)>);

impl Canvas {
    pub(super) fn new(columns: &[Column], style: TextStyle) -> Self {
        let total = style.width.clamp(MIN_WIDTH, MAX_WIDTH);
        let head = |column: &Column| width(&column.name).max(column.address.as_deref().map_or(0, width));
        let gaps = columns.len().saturating_sub(1).max(1);
        let widest = columns.iter().map(head).max().unwrap_or(0);
        // Outside the outer life lines there has to be room for half of what stands above them.
        let margin = (widest.div_ceil(2) + 1).min(12);
        let free = total.saturating_sub(TIME + 2 * margin + 1);
        let spacing = (free / gaps).clamp(MIN_SPACING, MAX_SPACING);
        let lives: Vec<usize> = (0..columns.len()).map(|n| TIME + margin + n * spacing).collect();
        let width = lives.last().map_or(TIME, |it| it + margin + 1);
        Self { style, columns: columns.to_vec(), lives, width }
    }

    /// Names, addresses, and the beginnings of the life lines.
    pub(super) fn header(&self) -> String {
        let mut names = self.blank();
        let mut addresses = self.blank();
        let room = self.lives.windows(2).map(|it| it[1] - it[0] - 1).min().unwrap_or(self.width);
        for (column, life) in self.columns.iter().zip(&self.lives) {
            names.centre(&fitted(&column.name, room), *life, BOLD);
            if let Some(address) = &column.address {
                addresses.centre(&fitted(address, room), *life, DIM);
            }
        }
        let mut out = self.finish(names);
        if self.columns.iter().any(|it| it.address.is_some()) {
            out += &self.finish(addresses);
        }
        out + &self.finish(self.lives_as(self.glyphs().top))
    }

    /// The ends of the life lines.
    pub(super) fn footer(&self) -> String {
        self.finish(self.lives_as(self.glyphs().bottom))
    }

    /// A row for a pause, if it was long enough for one.
    pub(super) fn pause(&self, pause: Duration) -> String {
        if pause < PAUSE {
            return String::new();
        }
        let mut line = self.lives_as(self.glyphs().paused);
        line.write(&format!("{:>8}", format!("+{}", span(pause))), 0, DIM);
        self.finish(line)
    }

    pub(super) fn row(&self, row: &Row) -> String {
        let mut line = self.lives_as(self.glyphs().life);
        line.write(&format!("{:>8.3}", row.at.as_secs_f64()), 0, DIM);
        match &row.kind {
            RowKind::Arrow(arrow) => self.arrow(&mut line, arrow),
            RowKind::Note(text) => {
                let middle = (self.lives.first().unwrap_or(&0) + self.lives.last().unwrap_or(&0)) / 2;
                let room = self.width.saturating_sub(TIME + 4);
                line.centre(&format!(" {} ", fitted(text, room)), middle, BOLD);
            }
        }
        self.finish(line)
    }

    fn arrow(&self, line: &mut Line, arrow: &Arrow) {
        let glyphs = self.glyphs();
        let (Some(from), Some(to)) = (self.lives.get(arrow.from), self.lives.get(arrow.to)) else { return };
        let paint = paint(arrow);
        let label = |room: usize| {
            let mut texts = arrow.hints.iter().map(|hint| format!("{} ({hint})", arrow.label));
            let fits = texts.find(|it| width(it) <= room);
            fits.unwrap_or_else(|| fitted(&arrow.label, room))
        };
        if from == to {
            // To itself: nothing to draw between, so the label stands beside the life line.
            let room = self.width.saturating_sub(from + 4);
            line.write(&format!(" ↺ {}", label(room)), from + 1, paint);
            return;
        }
        let (left, right) = (*from.min(to), *from.max(to));
        let (body, cross) = match arrow.tone {
            Tone::Media => (glyphs.media, glyphs.media_cross),
            _ if arrow.again => (glyphs.again, glyphs.cross),
            _ => (glyphs.line, glyphs.cross),
        };
        for cell in left + 1..right {
            let passes = self.lives.contains(&cell);
            line.put(cell, if passes { cross } else { body }, paint);
        }
        let (tip_left, tip_right) = (to < from || arrow.both, to > from || arrow.both);
        if tip_right {
            line.put(right - 1, glyphs.right, paint);
        }
        if tip_left {
            line.put(left + 1, glyphs.left, paint);
        }
        // Room for a tip and a piece of line on either side, and a space around the text.
        let room = (right - left).saturating_sub(6);
        let text = match arrow.again {
            true => label(room.saturating_sub(width(AGAIN))) + AGAIN,
            false => label(room),
        };
        let strong = if arrow.tone == Tone::Request && !arrow.again { BOLD } else { paint };
        let (begin, end) = (left + 1 + usize::from(tip_left), right - usize::from(tip_right));
        let text = format!(" {text} ");
        line.write(&text, begin + (end - begin).saturating_sub(width(&text)) / 2, strong);
    }

    fn glyphs(&self) -> &'static Glyphs {
        if self.style.unicode { &UNICODE } else { &ASCII }
    }

    fn blank(&self) -> Line {
        Line(vec![(Some(' '), PLAIN); self.width])
    }

    fn lives_as(&self, glyph: char) -> Line {
        let mut line = self.blank();
        for life in &self.lives {
            line.put(*life, glyph, DIM);
        }
        line
    }

    /// The line as it is printed, without spaces at its end.
    fn finish(&self, line: Line) -> String {
        let mut out = String::new();
        let mut current = PLAIN;
        let length = line.0.iter().rposition(|(it, _)| *it != Some(' ')).map_or(0, |it| it + 1);
        for (cell, paint) in &line.0[..length] {
            if self.style.colour && *paint != current && cell.is_some_and(|it| it != ' ') {
                out.push_str("\x1b[0");
                if !paint.0.is_empty() {
                    out.push(';');
                    out.push_str(paint.0);
                }
                out.push('m');
                current = *paint;
            }
            out.extend(cell.map(|it| if self.style.unicode { it } else { plain(it) }));
        }
        if current != PLAIN {
            out.push_str("\x1b[0m");
        }
        out.push('\n');
        out
    }
}

impl Line {
    fn put(&mut self, at: usize, glyph: char, paint: Paint) {
        if let Some(cell) = self.0.get_mut(at) {
            *cell = (Some(glyph), paint);
        }
    }

    /// Text from that cell on; the line grows if it has to.
    fn write(&mut self, text: &str, at: usize, paint: Paint) {
        let mut cell = at;
        for it in text.chars() {
            let cells = width(it.encode_utf8(&mut [0; 4]));
            if cells == 0 {
                // A mark belongs to the letter before it; there is no cell of its own for it.
                continue;
            }
            if self.0.len() < cell + cells {
                self.0.resize(cell + cells, (Some(' '), PLAIN));
            }
            self.0[cell] = (Some(it), paint);
            if cells == 2 {
                self.0[cell + 1] = (None, paint);
            }
            cell += cells;
        }
    }

    fn centre(&mut self, text: &str, middle: usize, paint: Paint) {
        self.write(text, (middle + 1).saturating_sub(width(text).div_ceil(2)), paint);
    }
}

fn paint(arrow: &Arrow) -> Paint {
    match arrow.tone {
        _ if arrow.again => DIM,
        Tone::Request => PLAIN,
        Tone::Provisional => Paint("33"),
        Tone::Success => Paint("32"),
        Tone::Redirection => Paint("35"),
        Tone::Failure => Paint("31"),
        Tone::Media => Paint("36"),
    }
}
