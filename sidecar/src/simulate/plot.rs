//! A run in the terminal: three pictures one above the other, and what was decided.

use super::report::{Outcome, Report};
use super::series::{Point, Series};
use super::table::seconds;
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
    let width = screen.width.clamp(60, 200) - MARGIN - 3;
    let view = View { report, series: &law.series, width, paint: Paint::new(screen.colours) };
    let overload = if report.overload() { "   ━ overload" } else { "" };
    let head = format!("{}  {}  seed {}{overload}\n", report.scenario.name, law.name, report.seeds[0]);
    head + &view.calls() + &view.latency() + &view.goodput() + &axis(report, width) + &log(report, law)
}

struct View<'a> {
    report: &'a Report,
    series: &'a Series,
    width: usize,
    paint: Paint,
}

impl View<'_> {
    fn calls(&self) -> String {
        let flight = self.series.most(|point| Some(point.in_flight));
        let limit = self.series.most(|point| point.limit);
        let top = nice((flight * 1.1).max(limit.min(flight.max(1.0) * 3.0)));
        let mut panel = Panel::new(self.width, HEIGHT, top);
        panel.fill(&self.curve(|point| Some(point.in_flight)));
        panel.line(&self.curve(|point| point.limit));
        let title = format!("calls at once   {}   {}", self.area("in flight"), self.line("limit"));
        draw(&title, top, number, &panel.rows(self.paint))
    }

    fn latency(&self) -> String {
        let deadline = self.report.scenario.shortest_deadline();
        let most = self.series.most(|point| point.p99);
        let top = nice(most.min(deadline * 3.0) * 1e3) / 1e3;
        let mut panel = Panel::new(self.width, HEIGHT, top);
        panel.line(&self.curve(|point| point.p99));
        panel.mark(deadline);
        let (Paint { mark, end, .. }, line) = (self.paint, self.line("p99"));
        let title = format!(
            "latency   {line}, up to {}   {mark}╌╌{end} deadline {}",
            seconds(most),
            seconds(deadline)
        );
        draw(&title, top, seconds, &panel.rows(self.paint))
    }

    fn goodput(&self) -> String {
        let top = nice(self.series.most(|point| Some(point.offered)));
        let mut panel = Panel::new(self.width, HEIGHT, top);
        panel.fill(&self.curve(|point| Some(point.goodput)));
        panel.line(&self.curve(|point| Some(point.offered)));
        let title =
            format!("calls per second   {}   {}", self.area("answered in time"), self.line("offered"));
        draw(&title, top, number, &panel.rows(self.paint))
    }

    fn curve(&self, figure: fn(&Point) -> Option<f64>) -> Vec<Option<f64>> {
        self.series.points.iter().map(figure).collect()
    }

    fn area(&self, name: &str) -> String {
        format!("{}▆{} {name}", self.paint.area, self.paint.end)
    }

    fn line(&self, name: &str) -> String {
        format!("{}⠤⠤{} {name}", self.paint.line, self.paint.end)
    }
}

/// A picture with its title and its scale.
fn draw(title: &str, top: f64, label: fn(f64) -> String, rows: &[String]) -> String {
    let mut text = format!("  {title}\n");
    for (row, cells) in rows.iter().enumerate() {
        let value = top * (HEIGHT - row) as f64 / HEIGHT as f64;
        let labelled = row % (HEIGHT / 2) == 0;
        let (label, edge) = if labelled { (label(value), '┤') } else { (String::new(), '│') };
        text += &format!("{label:>MARGIN$} {edge}{cells}\n");
    }
    text
}

/// Time below the pictures, and where there is overload.
fn axis(report: &Report, width: usize) -> String {
    let seconds = report.scenario.seconds;
    let column = |at: f64| ((at / seconds * width as f64).round() as usize).min(width);
    let (mut line, mut words) = (vec!['─'; width + 1], vec![' '; width + 1]);
    let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * 10f64.powf((seconds / 6.0).log10().floor()));
    let step = step.into_iter().find(|step| *step * 6.0 >= seconds).unwrap_or(seconds);
    let mut at = 0.0;
    while at <= seconds {
        line[column(at)] = '┬';
        let word = format!("{} s", number(at));
        let start = column(at).min(words.len().saturating_sub(word.len()));
        for (place, c) in words.iter_mut().skip(start).zip(word.chars()) {
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
