//! The report as one page of HTML with drawings, which needs nothing else.

use super::report::{Point, Report, milliseconds};
use std::fmt::Write as _;
use std::time::Duration;

/// The size of a drawing, and of the frame in it.
const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 36.0;
/// Bars of the histogram.
const BARS: usize = 60;
/// Lines across a drawing.
const LINES: u32 = 4;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:920px;margin:2em auto;padding:0 1em;color:#222;\
    background:#fff}h1{font-size:1.4em}h2{font-size:1.1em;margin:1.6em 0 .3em}pre{background:#f4f4f2;padding:1em;\
    overflow-x:auto;border-radius:4px}svg{width:100%;height:auto;font:12px system-ui,sans-serif}\
    .grid{stroke:#ddd}.label{fill:#555}.a{stroke:#1764ab}.b{stroke:#e08214}.c{stroke:#b2182b}polyline{fill:none;\
    stroke-width:1.8}.bar{fill:#1764ab}.ka{fill:#1764ab}.kb{fill:#e08214}.kc{fill:#b2182b}\
    @media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}pre{background:#242424}.grid{stroke:#333}\
    .label{fill:#aaa}.a{stroke:#6baed6}.bar,.ka{fill:#6baed6}}";

/// Colours of lines, as classes.
const CLASSES: [&str; 3] = ["a", "b", "c"];

/// The page.
pub(crate) fn page(report: &Report) -> String {
    let drawn = report.role.drawn();
    let (_, step) = report.role.steps()[drawn];
    let unit = report.role.unit();
    let target = escaped(&report.target);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>ringback load: {target}</title>\
         <style>{STYLE}</style></head><body>\n<h1>ringback load: {target}</h1>\n<pre>{}</pre>\n",
        escaped(&report.table())
    );
    let line = |name: &'static str, value: &dyn Fn(&Point) -> Option<f64>| Line {
        name,
        points: report.timeline.iter().filter_map(|it| Some((it.at.as_secs_f64(), value(it)?))).collect(),
    };
    let took = |pick: fn(&super::histogram::Percentiles) -> Duration| {
        move |point: &Point| point.took.as_ref().map(|all| milliseconds(pick(all)))
    };
    let drawings = [
        (
            format!("{unit} a second"),
            over_time(&[
                line("placed", &|it| Some(it.rate())),
                line("failed", &|it| Some(it.failed as f64 / it.lasted.as_secs_f64().max(1e-3))),
            ]),
        ),
        (format!("{unit} at once"), over_time(&[line("up", &|it| Some(it.up as f64))])),
        (
            format!("{step}, milliseconds"),
            over_time(&[
                line("p50", &took(|all| all.p50)),
                line("p90", &took(|all| all.p90)),
                line("p99", &took(|all| all.p99)),
            ]),
        ),
        (format!("{step}: how many took how long"), histogram(&report.total.steps[drawn])),
    ];
    for (name, svg) in drawings {
        // Writing to a string cannot fail.
        let _ = writeln!(html, "<h2>{name}</h2>\n{svg}");
    }
    html.push_str("</body></html>\n");
    html
}

/// One line of a drawing.
struct Line {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

fn over_time(lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|line| &line.points);
    let end = all().map(|(at, _)| *at).fold(1.0, f64::max);
    let top = ceiling(all().map(|(_, value)| *value).fold(0.0, f64::max));
    let mut svg = frame(end, "s", top);
    for (number, (line, class)) in lines.iter().zip(CLASSES).enumerate() {
        let _ = write!(svg, "<polyline class=\"{class}\" points=\"");
        for (at, value) in &line.points {
            let _ = write!(svg, "{:.1},{:.1} ", x(at / end), y(value / top));
        }
        let across = LEFT + 8.0 + 90.0 * number as f64;
        let _ = write!(
            svg,
            "\"/><text class=\"k{class}\" x=\"{across}\" y=\"{}\">{}</text>",
            TOP + 12.0,
            line.name
        );
    }
    svg.push_str("</svg>");
    svg
}

fn histogram(all: &super::histogram::Histogram) -> String {
    // A few that took very long would press all others into one bar.
    let Some(end) = all.percentile(0.999) else { return frame(1.0, "ms", 1.0) + "</svg>" };
    let end = Duration::from_secs_f64((ceiling(milliseconds(end)) / 1e3).max(1e-6));
    let bars = all.bars(BARS, end);
    let top = ceiling(bars.iter().max().map_or(1.0, |most| *most as f64));
    let mut svg = frame(milliseconds(end), "ms", top);
    let width = (WIDTH - LEFT - RIGHT) / BARS as f64;
    for (number, count) in bars.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (left, upper) = (LEFT + width * number as f64, y(*count as f64 / top));
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{left:.1}\" y=\"{upper:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            width - 1.0,
            y(0.0) - upper
        );
    }
    svg.push_str("</svg>");
    svg
}

/// The beginning of a drawing: lines across it, and what they stand for.
fn frame(end: f64, unit: &str, top: f64) -> String {
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for number in 0..=LINES {
        let share = f64::from(number) / f64::from(LINES);
        let (across, up) = (x(share), y(share));
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{up:.1}\" y2=\"{up:.1}\"/>\
             <text class=\"label\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text class=\"label\" x=\"{across:.1}\" y=\"{}\" text-anchor=\"middle\">{} {unit}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            up + 4.0,
            short(top * share),
            HEIGHT - BOTTOM + 20.0,
            short(end * share),
        );
    }
    svg
}

fn x(share: f64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * share
}

fn y(share: f64) -> f64 {
    HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
}

/// The next round number: 1, 2 or 5 and noughts.
fn ceiling(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0].map(|step| step * power).into_iter().find(|round| *round >= value).unwrap_or(10.0 * power)
}

/// A number in few figures.
fn short(value: f64) -> String {
    let places = if value == 0.0 || value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::{Role, Tally};

    #[test]
    fn the_page_holds_its_drawings_and_escapes_what_it_is_told() {
        let mut report = Report::new(Role::Caller, "sip:<b>@example.com".to_owned(), 1);
        for at in 1..=3 {
            let mut tally = Tally { placed: 10, answered: 10, done: 10, ..Tally::default() };
            tally.steps.iter_mut().for_each(|step| step.record(Duration::from_millis(at)));
            report.add(Duration::from_secs(at), &tally, 1);
        }
        let page = page(&report);
        assert_eq!(page.matches("<svg").count(), 4);
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(page.matches("class=\"bar\"").count() >= 3 && page.contains("<polyline"));
        assert!(page.contains("sip:&lt;b&gt;@example.com") && !page.contains("<b>"));
        assert!(!page.contains("http") && !page.contains("NaN") && !page.contains("inf"));
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, round) in [(0.0, 1.0), (0.03, 0.05), (1.0, 1.0), (130.0, 200.0), (999.0, 1_000.0)] {
            assert!((ceiling(value) - round).abs() < 1e-9, "{value}");
        }
        assert_eq!([0.0, 0.05, 2.5, 12.5, 200.0].map(short), ["0", "0.05", "2.5", "12.5", "200"]);
    }
}
