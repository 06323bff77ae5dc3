//! A run in the terminal: three pictures one above the other, and what was decided.

use super::report::{Outcome, Report};
use super::series::Point;
use super::table::millis;
use super::{Screen, laws};
use crate::show::number;

pub(super) mod decisions;
mod panel;

use panel::{Paint, Panel};

/// Rows of a picture.
const HEIGHT: usize = 8;
/// Characters before a picture.
const MARGIN: usize = 10;
/// Lines of the log of decisions; the page has all.
const DECISIONS: usize = 60;

/// The pictures of a law's first run.
pub(super) fn text(report: &Report, law: &Outcome, screen: Screen) -> String {
    let (paint, series) = (Paint::new(screen.colours), &law.series);
    let width = screen.width.clamp(60, 200) - MARGIN - 2;
    let seconds = report.scenario.seconds;
    let all = |figure: fn(&Point) -> Option<f64>| series.points.iter().map(figure).collect::<Vec<_>>();
    let draw = |title: &str, legend: [&str; 2], top: f64, label: &dyn Fn(f64) -> String, panel: Panel| {
        let [area, line] = legend;
        let end = paint.end;
        let mut text = format!("  {title}   {}▆{end} {area}   {}⠤⠤{end} {line}\n", paint.area, paint.line);
        for (row, cells) in panel.rows(paint).iter().enumerate() {
            let value = top * (HEIGHT - row) as f64 / HEIGHT as f64;
            let label = if row % (HEIGHT / 2) == 0 { label(value) } else { String::new() };
            let edge = if label.is_empty() { '│' } else { '┤' };
            text += &format!("{label:>MARGIN$} {edge}{cells}\n");
        }
        text
    };

    let flight = series.most(|point| Some(point.in_flight));
    let top = nice((flight * 1.1).max(series.most(|point| point.limit).min(flight.max(1.0) * 3.0)));
    let mut panel = Panel::new(width, HEIGHT, top);
    panel.fill(&all(|point| Some(point.in_flight)));
    panel.line(&all(|point| point.limit));
    let overload = if report.overload() { "   ━ overload" } else { "" };
    let mut text = format!("{}  {}  seed {}{overload}\n", report.scenario.name, law.name, report.seeds[0]);
    text += &draw("calls at once", ["in flight", "limit"], top, &number, panel);

    let deadline = report.scenario.classes.iter().map(|class| class.deadline).fold(f64::INFINITY, f64::min);
    let top = nice_seconds(series.most(|point| point.p99).min(deadline * 3.0));
    let mut panel = Panel::new(width, HEIGHT, top);
    panel.line(&all(|point| point.p99));
    panel.mark(deadline);
    let title = format!("latency, deadline {} {}╌╌{}", millis(deadline), paint.mark, paint.end);
    let p99 = format!("p99, up to {}", millis(series.most(|point| point.p99)));
    text += &latency(&draw(&title, ["", &p99], top, &millis, panel), paint);

    let top = nice(series.most(|point| Some(point.offered)));
    let mut panel = Panel::new(width, HEIGHT, top);
    panel.fill(&all(|point| Some(point.goodput)));
    panel.line(&all(|point| Some(point.offered)));
    text += &draw("calls per second", ["answered in time", "offered"], top, &number, panel);
    text += &axis(report, width, seconds);
    text + &log(report, law)
}

/// The picture of latencies has no area, and so no word for it.
fn latency(text: &str, paint: Paint) -> String {
    text.replacen(&format!("   {}▆{} ", paint.area, paint.end), "", 1)
}

/// Time below the pictures, and where there is overload.
fn axis(report: &Report, width: usize, seconds: f64) -> String {
    let column = |at: f64| ((at / seconds * width as f64).round() as usize).min(width);
    let (mut line, mut words) = (vec!['─'; width + 1], vec![' '; width + 1]);
    let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * 10f64.powf((seconds / 6.0).log10().floor()));
    let step = step.into_iter().find(|step| *step * 6.0 >= seconds).unwrap_or(seconds);
    let mut at = 0.0;
    while at <= seconds {
        line[column(at)] = '┬';
        let word = format!("{} s", number(at));
        for (place, c) in words.iter_mut().skip(column(at)).zip(word.chars()) {
            *place = c;
        }
        at += step;
    }
    let ends = report.scenario.phases.iter().skip(1).map(|phase| phase.at).chain([seconds]);
    for (phase, end) in report.scenario.phases.iter().zip(ends).filter(|(phase, _)| phase.overload) {
        for place in &mut line[column(phase.at)..column(end)] {
            *place = if *place == '─' { '━' } else { '┯' };
        }
    }
    let (line, words): (String, String) = (line.iter().collect(), words.iter().collect());
    format!("{:>MARGIN$} └{}\n{:>MARGIN$}  {}\n", "", line, "", words.trim_end())
}

fn log(report: &Report, law: &Outcome) -> String {
    let (lines, all) = decisions::lines(&law.series.log, report.scenario.instances.len(), DECISIONS);
    if lines.is_empty() {
        let why = if law.name == laws::OURS { "nothing was decided" } else { "this law keeps no log" };
        return format!("  {why}\n");
    }
    let mut text = lines.join("\n") + "\n";
    if all > lines.len() {
        text += &format!("          and {} more (--html FILE has them all)\n", all - lines.len());
    }
    text
}

/// The next of 1, 2, 5, 10, ... that is not below.
pub(super) fn nice(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.iter().map(|step| step * power).find(|step| *step >= value * (1.0 - 1e-9)).unwrap_or(power * 10.0)
}

/// The same for seconds that are shown as milliseconds.
fn nice_seconds(value: f64) -> f64 {
    nice(value * 1e3) / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        let cases = [(0.0, 1.0), (1.0, 1.0), (1.1, 1.5), (23.0, 30.0), (960.0, 1000.0), (0.034, 0.04)];
        for (value, expected) in cases {
            assert!((nice(value) - expected).abs() < 1e-9, "{value}: {}", nice(value));
        }
    }
}
