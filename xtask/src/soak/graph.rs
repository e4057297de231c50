//! The graph of a soak: three curves over time, each with a scale of its own.

use std::fmt::Write as _;

use super::Sample;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 80.0;
const TOP: f64 = 76.0;
const HEIGHT: f64 = 120.0;
const GAP: f64 = 40.0;

/// A curve: its name, its colour, and its value in a sample.
type Curve = (&'static str, &'static str, fn(&Sample) -> f64);

const CURVES: [Curve; 3] = [
    ("resident memory, MiB", "#1f6feb", |sample| sample.resident / 1_048_576.0),
    ("failed, in all", "#cf222e", |sample| sample.failed as f64),
    ("dropped by the kernel, in all", "#9a6700", |sample| sample.dropped as f64),
];

/// Draws it under two lines of text; what lies before `warm` seconds is marked.
pub(super) fn draw([title, verdict]: [&str; 2], samples: &[Sample], warm: f64) -> String {
    let seconds = samples.last().map_or(1.0, |sample| sample.at).max(1.0);
    let across = |at: f64| LEFT + (WIDTH - LEFT - 20.0) * at / seconds;
    let height = TOP + CURVES.len() as f64 * (HEIGHT + GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">{title}</text>\n<text x=\"{LEFT}\" y=\"40\">{verdict}</text>\n"
    );
    for (number, (name, colour, value)) in CURVES.iter().enumerate() {
        let top = TOP + number as f64 * (HEIGHT + GAP);
        let most = samples.iter().map(value).fold(0.0, f64::max);
        let scale = nice(most);
        let down = |value: f64| top + HEIGHT * (1.0 - value / scale);
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{:.1}\" height=\"{HEIGHT}\" fill=\"#f0f0f0\"/>\n\
             <text x=\"{LEFT}\" y=\"{:.1}\">{name}</text>\n",
            across(warm.min(seconds)) - LEFT,
            top - 4.0
        );
        for part in [0.0, 0.5, 1.0] {
            let (y, label) = (down(scale * part), scale * part);
            let _ = write!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ccc\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>\n",
                WIDTH - 20.0,
                LEFT - 6.0,
                y + 4.0
            );
        }
        let point = |sample: &Sample| format!("{:.1},{:.1}", across(sample.at), down(value(sample)));
        let points: Vec<String> = samples.iter().map(point).collect();
        let points = points.join(" ");
        let _ = writeln!(
            svg,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{0:.1}\">0 s</text>\n<text x=\"{1:.1}\" y=\"{0:.1}\" text-anchor=\"end\">{seconds:.0} s; grey: \
         warm-up</text>\n</svg>\n",
        height - 14.0,
        WIDTH - 20.0
    );
    svg
}

/// The end of a scale that goes up to `most`: 1, 2 or 5 times a power of ten, or at least 1.
fn nice(most: f64) -> f64 {
    let mut power = 1.0;
    loop {
        for step in [1.0, 2.0, 5.0] {
            if step * power >= most {
                return step * power;
            }
        }
        power *= 10.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_a_point_of_each_curve() {
        let samples: Vec<Sample> =
            (0..5).map(|at| Sample { at: f64::from(at), resident: 1e7, failed: 0, dropped: 2 }).collect();
        let svg = draw(["quiet", "well"], &samples, 2.0);
        let lines: Vec<&str> = svg.lines().filter(|line| line.starts_with("<polyline")).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.matches(',').count() == 5));
        assert!(svg.contains("quiet") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn scales_end_at_round_numbers() {
        assert_eq!([0.0, 0.7, 1.5, 37.0, 500.0, 501.0].map(nice), [1.0, 1.0, 2.0, 50.0, 500.0, 1_000.0]);
    }
}
