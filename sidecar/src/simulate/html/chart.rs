//! One picture of the page: a curve for each law over time, as SVG.

use super::super::plot::nice;
use super::super::report::Report;
use super::super::series::Point;
use super::escape;
use crate::show::number;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
/// Around the picture: left, right, top, bottom.
const MARGIN: [f64; 4] = [44.0, 10.0, 8.0, 22.0];

/// What a picture shows.
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) unit: String,
    pub(super) figure: fn(&Point) -> Option<f64>,
    /// The figure times this is in the unit.
    pub(super) factor: f64,
    /// What is higher runs along the upper edge, in the unit of the figure.
    pub(super) ceiling: f64,
    /// A dashed line, in the unit of the figure.
    pub(super) mark: Option<f64>,
    /// A dashed curve behind the others.
    pub(super) behind: Option<fn(&Point) -> Option<f64>>,
}

/// How the curve of a law looks.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) colour: &'static str,
    pub(super) dashes: &'static str,
}

impl Chart {
    /// The picture with its caption.
    pub(super) fn figure(&self, report: &Report, looks: &[Look]) -> String {
        // Clients that try again offer each law something else; what is shown is what ours was offered.
        let ours = report.laws.iter().find(|law| is_ours(law.name));
        let behind = self.behind.zip(ours);
        let most = report.laws.iter().map(|law| law.series.most(self.figure)).fold(0.0, f64::max);
        let most = most.max(behind.map_or(0.0, |(figure, law)| law.series.most(figure)));
        let top = nice(most.min(self.ceiling) * self.factor);
        let plot = Plot { seconds: report.scenario.seconds, top };
        let mut inside = plot.overload(report) + &plot.grid();
        if let Some(value) = self.mark.filter(|value| value * self.factor <= top) {
            let y = plot.y(value * self.factor);
            inside += &format!("<path class=\"mark\" d=\"M{} {y:.1}H{}\"/>", MARGIN[0], WIDTH - MARGIN[1]);
        }
        if let Some((figure, law)) = behind {
            let path = plot.path(&law.series.points, figure, self.factor);
            inside += &format!("<path class=\"curve mark\" d=\"{path}\"/>");
        }
        inside += &self.curves(report, looks, &plot);
        let (title, unit) = (self.title, &self.unit);
        format!(
            "<figure><figcaption>{title} <span>{unit}</span></figcaption>\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title} over time\">{inside}</svg></figure>\n"
        )
    }

    /// A curve for each law; ours is drawn last, above the others.
    fn curves(&self, report: &Report, looks: &[Look], plot: &Plot) -> String {
        let mut order: Vec<usize> = (0..report.laws.len()).collect();
        order.sort_by_key(|place| is_ours(report.laws[*place].name));
        let curve = |place: usize| {
            let (law, look) = (&report.laws[place], &looks[place]);
            let ours = if is_ours(law.name) { " ours" } else { "" };
            let path = plot.path(&law.series.points, self.figure, self.factor);
            let (colour, dashes, name) = (&look.colour, look.dashes, escape(law.name));
            format!(
                "<path class=\"curve l{place}{ours}\" stroke=\"{colour}\" stroke-dasharray=\"{dashes}\" d=\"{path}\"><title>{name}</title></path>"
            )
        };
        order.into_iter().map(curve).collect()
    }
}

pub(super) fn is_ours(name: &str) -> bool {
    name == super::super::laws::OURS
}

struct Plot {
    seconds: f64,
    top: f64,
}

impl Plot {
    fn x(&self, at: f64) -> f64 {
        MARGIN[0] + at / self.seconds * (WIDTH - MARGIN[0] - MARGIN[1])
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value / self.top).clamp(0.0, 1.0);
        HEIGHT - MARGIN[3] - share * (HEIGHT - MARGIN[2] - MARGIN[3])
    }

    /// A curve; it stops where there is no value.
    fn path(&self, points: &[Point], figure: fn(&Point) -> Option<f64>, factor: f64) -> String {
        let (mut path, mut drawn) = (String::new(), false);
        for point in points {
            let value = figure(point).map(|value| value * factor);
            if let Some(value) = value {
                let command = if drawn { 'L' } else { 'M' };
                path += &format!("{command}{:.1} {:.1}", self.x(point.at), self.y(value));
            }
            drawn = value.is_some();
        }
        path
    }

    fn overload(&self, report: &Report) -> String {
        let phases = &report.scenario.phases;
        let ends = phases.iter().skip(1).map(|phase| phase.at).chain([self.seconds]);
        let shade = |(from, to): (f64, f64)| {
            let (x, width) = (self.x(from), self.x(to) - self.x(from));
            let height = HEIGHT - MARGIN[2] - MARGIN[3];
            format!(
                "<rect class=\"overload\" x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{height}\"/>",
                MARGIN[2]
            )
        };
        let spans = phases.iter().zip(ends).filter(|(phase, _)| phase.overload);
        spans.map(|(phase, end)| shade((phase.at, end))).collect()
    }

    fn grid(&self) -> String {
        let (left, right, bottom) = (MARGIN[0], WIDTH - MARGIN[1], HEIGHT - MARGIN[3]);
        let mut grid = String::new();
        for quarter in 0..=4 {
            let value = self.top * f64::from(quarter) / 4.0;
            let y = self.y(value);
            grid += &format!("<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/>");
            if quarter % 2 == 0 {
                grid += &format!(
                    "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                    left - 6.0,
                    y + 4.0,
                    number(value)
                );
            }
        }
        let step = step(self.seconds);
        let mut at = 0.0;
        while at <= self.seconds * 1.0001 {
            let (x, anchor) = (self.x(at), if at > self.seconds * 0.97 { "end" } else { "middle" });
            grid += &format!(
                "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{} s</text>",
                bottom + 15.0,
                number(at)
            );
            at += step;
        }
        grid
    }
}

/// Seconds between two marks of the axis.
fn step(seconds: f64) -> f64 {
    let power = 10f64.powf((seconds / 8.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|step| step * power)
        .into_iter()
        .find(|step| step * 8.0 >= seconds)
        .unwrap_or(seconds)
}
