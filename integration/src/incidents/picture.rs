//! An incident as a picture: latency and requests inside over time, a curve for each arm.
//!
//! Both axes of values are logarithmic: what is to be seen lies between ten milliseconds and ten seconds. The first
//! repetition is shown, because a median of curves is a curve that nobody has seen.

use std::fmt::Write;
use std::time::Duration;

use super::judge::Judged;
use super::record::Window;
use super::script::Incident;
use crate::svg;
use crate::units::milliseconds;

/// What is shown of a window, and what it is called.
pub type Figured = (&'static str, fn(&Incident, &Window) -> Option<f64>);

/// The two figures, one panel each.
pub const FIGURES: [Figured; 2] =
    [("p99 of answers, ms; a gap where none came", p99), ("requests inside the service", in_flight)];

fn p99(incident: &Incident, window: &Window) -> Option<f64> {
    window.routes.get(incident.judged)?.latency(0.99).map(milliseconds)
}

fn in_flight(_: &Incident, window: &Window) -> Option<f64> {
    window.in_flight.map(|count| count as f64)
}

const WIDTH: f64 = 760.0;
/// Of a panel, and the space between two.
const PANEL: f64 = 190.0;
const GAP: f64 = 46.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 74.0;
/// The axis of values.
const LEAST: f64 = 1.0;
const MOST: f64 = 10_000.0;
/// One for each arm: without, others, with.
const COLOURS: [&str; 3] = ["#5b6670", "#1f5a8c", "#d1480b"];
/// So that they can be told apart without seeing colours.
const DASHES: [&str; 3] = ["6 3", "2 2", ""];

/// The picture of the first repetition.
pub fn svg(judged: &Judged) -> String {
    let incident = &judged.incident;
    let height = TOP + FIGURES.len() as f64 * (PANEL + GAP) - GAP + 34.0;
    let mut svg = svg::open(WIDTH as usize, height as usize, incident.title);
    for (place, arm) in incident.arms.iter().enumerate() {
        let (x, look) = (LEFT + place as f64 * 190.0, look(incident, place));
        let _ = writeln!(
            svg,
            r#"<line x1="{x}" x2="{}" y1="38" y2="38" {look}/><text x="{}" y="42">{}</text>"#,
            x + 30.0,
            x + 36.0,
            arm.name
        );
    }
    for (number, (title, figure)) in FIGURES.into_iter().enumerate() {
        let panel = Panel { incident, top: TOP + number as f64 * (PANEL + GAP) };
        let title = title.replace("answers", incident.routes[incident.judged]);
        panel.frame(&mut svg, &title);
        let Some(first) = judged.repetitions.first() else { continue };
        for (place, arm) in first.arms.iter().enumerate() {
            let path = panel.path(arm.windows.iter().map(|window| (window.at, figure(incident, window))));
            let _ = writeln!(
                svg,
                r#"<path d="{path}" fill="none" stroke-linecap="round" {}/>"#,
                look(incident, place)
            );
        }
    }
    svg + "</svg>\n"
}

/// The look of a curve: the first arm is always grey, the last always ours.
fn look(incident: &Incident, place: usize) -> String {
    let place = if place + 1 == incident.arms.len() { 2 } else { place.min(1) };
    let width = if place == 2 { 2.2 } else { 1.6 };
    format!(r#"stroke="{}" stroke-dasharray="{}" stroke-width="{width}""#, COLOURS[place], DASHES[place])
}

struct Panel<'a> {
    incident: &'a Incident,
    top: f64,
}

impl Panel<'_> {
    fn x(&self, at: Duration) -> f64 {
        let share = at.as_secs_f64() / self.incident.length().as_secs_f64();
        LEFT + share.min(1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value.max(LEAST) / LEAST).ln() / (MOST / LEAST).ln();
        self.top + PANEL * (1.0 - share.min(1.0))
    }

    /// The incident as a shade, the axes and their numbers.
    fn frame(&self, svg: &mut String, title: &str) {
        let (from, to) = self.incident.span();
        let (bottom, right) = (self.top + PANEL, WIDTH - RIGHT);
        let _ = writeln!(
            svg,
            r##"<rect x="{:.1}" y="{}" width="{:.1}" height="{PANEL}" fill="#fdeee3"/><text x="{LEFT}" y="{}" font-weight="bold">{title}</text>"##,
            self.x(from),
            self.top,
            self.x(to) - self.x(from),
            self.top - 8.0,
        );
        let mut value = LEAST;
        while value <= MOST {
            let y = self.y(value);
            let _ = writeln!(
                svg,
                r##"<line x1="{LEFT}" x2="{right}" y1="{y:.1}" y2="{y:.1}" stroke="#ddd"/><text x="{}" y="{:.1}" text-anchor="end">{value}</text>"##,
                LEFT - 6.0,
                y + 4.0,
            );
            value *= 10.0;
        }
        let seconds = self.incident.length().as_secs();
        for at in (0..=seconds).step_by(5) {
            let x = self.x(Duration::from_secs(at));
            let _ =
                writeln!(svg, r#"<text x="{x:.1}" y="{}" text-anchor="middle">{at} s</text>"#, bottom + 16.0);
        }
    }

    /// A curve; it stops where there is no value, and a value on its own is a dot.
    fn path(&self, points: impl Iterator<Item = (Duration, Option<f64>)>) -> String {
        let (mut path, mut drawn) = (String::new(), false);
        for (at, value) in points {
            if let Some(value) = value {
                let (x, y) = (self.x(at), self.y(value));
                let _ = match drawn {
                    true => write!(path, "L{x:.1} {y:.1}"),
                    false => write!(path, "M{x:.1} {y:.1}h0"),
                };
            }
            drawn = value.is_some();
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incidents::judge::tests::judged;

    #[test]
    fn a_curve_for_each_arm_in_each_panel_and_the_incident_shaded() {
        for name in crate::incidents::script::NAMES {
            let judged = judged(name);
            let svg = svg(&judged);
            assert_eq!(svg.matches("<path ").count(), 2 * judged.incident.arms.len());
            assert_eq!(svg.matches("#fdeee3").count(), 2);
            assert!(judged.incident.arms.iter().all(|arm| svg.contains(arm.name)));
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }

    #[test]
    fn a_gap_is_a_gap_and_what_is_beyond_stays_inside() {
        let incident = judged("spike").incident;
        let panel = Panel { incident: &incident, top: 0.0 };
        let at = Duration::from_secs;
        let path = panel.path([(at(0), Some(0.1)), (at(1), None), (at(2), Some(1e9))].into_iter());
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert_eq!((panel.y(0.1), panel.y(1e9)), (PANEL, 0.0));
    }
}
