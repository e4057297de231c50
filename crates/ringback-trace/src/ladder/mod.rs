//! Ladder diagrams: a column for each participant, a row for each message.

mod canvas;
mod live;
mod svg;

pub use canvas::TextStyle;
pub use live::LadderPrinter;

use crate::calls::{Call, Entry};
use crate::media::Run;
use crate::message::{Described, Hints, Kind};
use crate::names::Names;
use crate::text::{printable, span};
use canvas::Canvas;
use ringback_sansio::Map;
use std::net::SocketAddr;
use std::time::Duration;

/// Participants that get a column of their own; the last stands for all further ones.
const MAX_COLUMNS: usize = 10;
/// Streams in opposite directions that begin so close to each other are one row.
const TOGETHER: Duration = Duration::from_secs(1);
/// A pause that is worth a row.
const PAUSE: Duration = Duration::from_secs(1);
/// How much of a message a tool tip shows.
const MAX_TIP: usize = 160;

/// The diagram of one call.
#[derive(Clone, Debug)]
pub struct Ladder {
    title: String,
    subtitle: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
}

/// A participant.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    /// Shown below the name, unless that is the address already.
    address: Option<String>,
}

/// What happened at one moment.
#[derive(Clone, Debug)]
struct Row {
    /// Since the first row.
    at: Duration,
    kind: RowKind,
}

#[derive(Clone, Debug)]
enum RowKind {
    Arrow(Arrow),
    Note(String),
}

/// Something that goes from one participant to another.
#[derive(Clone, Debug)]
struct Arrow {
    from: usize,
    to: usize,
    /// A stream that flows both ways.
    both: bool,
    tone: Tone,
    label: String,
    hints: Hints,
    /// It was sent before.
    again: bool,
    tip: String,
}

/// What kind of thing it is, for colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Request,
    Provisional,
    Success,
    /// 3xx, and challenges: another way is asked for.
    Redirection,
    Failure,
    Media,
}

impl Ladder {
    /// The diagram as lines of text.
    pub fn text(&self, style: &TextStyle) -> String {
        let canvas = Canvas::new(&self.columns, *style);
        let mut out = canvas.header();
        let mut last = Duration::ZERO;
        for row in &self.rows {
            out.push_str(&canvas.pause(row.at.saturating_sub(last)));
            out.push_str(&canvas.row(row));
            last = row.at;
        }
        out.push_str(&canvas.footer());
        out
    }

    /// The diagram as a picture of its own, to be put into a page or opened by itself. Follows the reader's preference
    /// for light or dark.
    pub fn svg(&self) -> String {
        svg::draw(self)
    }
}

impl Arrow {
    fn of_message(described: &Described, from: usize, to: usize, again: bool, tip: String) -> Self {
        let tone = match described.kind {
            Kind::Request => Tone::Request,
            Kind::Response(100..200) => Tone::Provisional,
            Kind::Response(200..300) => Tone::Success,
            Kind::Response(300..=399 | 401 | 407) => Tone::Redirection,
            Kind::Response(_) => Tone::Failure,
        };
        Self {
            from,
            to,
            both: false,
            tone,
            label: described.label(),
            hints: described.hints.clone(),
            again,
            tip,
        }
    }
}

/// Draws up the diagram of a call.
pub(crate) fn of_call(call: &Call, names: &Names) -> Ladder {
    let title = match call.method() {
        "INVITE" => format!("{} calls {}", call.from(), call.to()),
        "REGISTER" => format!("{} registers", call.to()),
        method => format!("{method} from {} to {}", call.from(), call.to()),
    };
    let subtitle = format!("{} · Call-ID {}", call.outcome(), call.call_id());
    of_calls([call].into_iter(), title, subtitle, names)
}

/// Draws up one diagram of several calls.
pub(crate) fn of_calls<'a>(
    calls: impl Iterator<Item = &'a Call> + Clone,
    title: String,
    subtitle: String,
    names: &Names,
) -> Ladder {
    let mut columns = Columns { names, addresses: Map::default(), columns: Vec::new() };
    let begin = calls.clone().map(Call::begin).min().unwrap_or(Duration::ZERO);
    let mut rows = Vec::new();
    calls.for_each(|call| add_call(call, begin, &mut columns, &mut rows));
    rows.sort_by_key(|it| it.at);
    Ladder { title, subtitle, columns: columns.columns, rows }
}

fn add_call(call: &Call, begin: Duration, columns: &mut Columns<'_>, rows: &mut Vec<Row>) {
    let mut add = |time: Duration, kind| rows.push(Row { at: time.saturating_sub(begin), kind });
    for Entry { packet, described, again } in &call.entries {
        let (from, to) = (columns.of(call, packet.source), columns.of(call, packet.destination));
        let ends = format!("{} → {}", packet.source, packet.destination);
        let tip = format!("{ends} {}: {}", packet.protocol.as_via(), first_line(&packet.payload));
        add(packet.time, RowKind::Arrow(Arrow::of_message(described, from, to, *again, tip)));
    }
    let mut runs: Vec<&Run> = call.media.runs.iter().collect();
    while !runs.is_empty() {
        let run = runs.remove(0);
        let belongs = |it: &&Run| {
            (it.source, it.destination) == (run.destination, run.source)
                && it.begin.abs_diff(run.begin) < TOGETHER
        };
        let back = runs.iter().position(belongs).map(|at| runs.remove(at));
        let from = columns.of(call, call.media_owner(run.source));
        let to = columns.of(call, call.media_owner(run.destination));
        add(run.begin, RowKind::Arrow(stream(run, back, from, to)));
    }
    for digit in &call.media.digits {
        let arrow = Arrow {
            from: columns.of(call, call.media_owner(digit.source)),
            to: columns.of(call, call.media_owner(digit.destination)),
            both: false,
            tone: Tone::Media,
            label: format!("DTMF {}", digit.event),
            hints: Hints::new(),
            again: false,
            tip: format!("{} → {} RTP: telephone-event", digit.source, digit.destination),
        };
        add(digit.time, RowKind::Arrow(arrow));
    }
    if call.omitted > 0 {
        let last = call.entries.last().map_or(begin, |it| it.packet.time);
        add(last, RowKind::Note(format!("{} further messages", call.omitted)));
    }
}

/// The row of a stream, or of two that belong together. The left participant is named first.
fn stream(run: &Run, back: Option<&Run>, from: usize, to: usize) -> Arrow {
    let (there, back, from, to) = match back {
        Some(back) if from > to => (back, Some(run), to, from),
        back => (run, back, from, to),
    };
    let told = |run: &Run| match run.lost() {
        0 => format!("{}", run.packets),
        lost => format!("{} ({lost} lost)", run.packets),
    };
    let length = span(there.end.saturating_sub(there.begin));
    let (counts, brief) = match back {
        Some(back) => {
            let brief = format!("{} ⇄ {}", there.packets, back.packets);
            (format!("{} ⇄ {} packets", told(there), told(back)), brief)
        }
        None => (format!("{} packets", told(there)), there.packets.to_string()),
    };
    Arrow {
        from,
        to,
        both: back.is_some(),
        tone: Tone::Media,
        label: format!("RTP {}", printable(there.codec.as_bytes(), 16)),
        hints: vec![format!("{counts}, {length}"), brief],
        again: false,
        tip: format!("{} → {} RTP", there.source, there.destination),
    }
}

fn first_line(octets: &[u8]) -> String {
    let line = octets.split(|it| matches!(it, b'\r' | b'\n')).find(|it| !it.is_empty()).unwrap_or_default();
    printable(line, MAX_TIP)
}

/// Gives participants their columns as they appear.
struct Columns<'a> {
    names: &'a Names,
    addresses: Map<SocketAddr, usize>,
    columns: Vec<Column>,
}

impl Columns<'_> {
    fn of(&mut self, call: &Call, address: SocketAddr) -> usize {
        let address = call.participant(address, self.names);
        if let Some(column) = self.addresses.get(&address) {
            return *column;
        }
        let given = self.names.given(address);
        let same = given.and_then(|name| self.columns.iter().position(|it| it.name == name));
        let column = match same {
            Some(column) => column,
            None if self.columns.len() < MAX_COLUMNS => {
                let text = address.to_string();
                self.columns.push(match given {
                    Some(name) => Column { name: name.to_owned(), address: Some(text) },
                    None => Column { name: text, address: None },
                });
                self.columns.len() - 1
            }
            None => {
                let last = self.columns.len() - 1;
                self.columns[last] = Column { name: "others".to_owned(), address: None };
                last
            }
        };
        self.addresses.insert(address, column);
        column
    }
}
