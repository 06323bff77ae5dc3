//! The picture: offered load, then goodput, p99 and requests in flight of both services one above the other, and the limit.
//!
//! Both services share each scale, so the eye may compare heights. Time runs over the whole width from the first second, so
//! that nothing moves but the right edge.

use std::time::Duration;

use super::super::figures::{clock, count, latency, percent};
use super::super::history::{LaneSample, Sample};
use super::super::plot::{Scale, columns, line};
use super::super::script::Phase;
use super::Scene;
use crate::units::milliseconds;

/// Columns left of the plots: names, who, value.
const LEFT: usize = 36;
/// On a narrower terminal the lines would wrap and could not be drawn over.
pub const NARROWEST: usize = 72;
/// Wider plots show nothing more.
const WIDEST: usize = 132;
/// Lines of the block.
pub const HEIGHT: usize = 15;

#[derive(Clone, Copy)]
enum Tone {
    Good,
    Bad,
    Limit,
    Dim,
    Bold,
}

fn paint(text: &str, tone: Tone, colour: bool) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Limit => "36",
        Tone::Dim => "2",
        Tone::Bold => "1",
    };
    if colour && !text.trim().is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// The block for a terminal of `width` columns, in `colour` or not.
pub fn lines(scene: &Scene<'_>, width: usize, colour: bool) -> Vec<String> {
    let width = width.clamp(NARROWEST, WIDEST) - 1;
    let unknown = Sample::default();
    let now = scene.history.last().unwrap_or(&unknown);
    let painter = Painter { scene, now, columns: width - LEFT, colour };
    let mut lines = vec![String::new(), painter.title(), painter.progress(width), String::new()];
    lines.extend(painter.plots());
    lines.push(painter.ruler());
    lines.push(String::new());
    lines.push(painter.sidecar(width));
    lines
}

struct Painter<'a> {
    scene: &'a Scene<'a>,
    now: &'a Sample,
    columns: usize,
    colour: bool,
}

impl Painter<'_> {
    fn total(&self) -> Duration {
        self.scene.story.iter().map(|phase| phase.lasts).sum()
    }

    fn title(&self) -> String {
        let phase = self.scene.story.get(self.now.phase);
        let name = phase.map_or("", |phase| phase.name);
        let caption =
            phase.map_or(String::new(), |phase| format!("  {} ({}x)", phase.caption, phase.load_ratio));
        let number = format!("{}/{}", self.now.phase + 1, self.scene.story.len());
        format!(" {number} {}{caption}", paint(name, Tone::Bold, self.colour))
    }

    fn progress(&self, width: usize) -> String {
        let clocks = format!("{} / {}", clock(self.now.at), clock(self.total()));
        let bar = width.saturating_sub(clocks.len() + 4);
        let done = self.now.at.as_secs_f64() / self.total().as_secs_f64().max(1.0);
        let done = ((done * bar as f64) as usize).min(bar);
        let rest = paint(&"─".repeat(bar - done), Tone::Dim, self.colour);
        format!(" {}{rest}  {clocks}", "━".repeat(done))
    }

    fn plots(&self) -> Vec<String> {
        let capacity = self.scene.capacity_per_second;
        let largest = self.scene.story.iter().map(|phase| phase.load_ratio).fold(1.0, f64::max);
        let per_second = |value: f64| format!("{value:.0} /s");
        let mut plots = vec![self.row(
            ["offered", "to each"],
            per_second(self.now.offered_per_second),
            Tone::Dim,
            Scale::Linear(largest * capacity),
            |sample| Some(sample.offered_per_second),
        )];
        plots.extend(self.pair(
            "goodput",
            |lane| per_second(lane.goodput_per_second),
            Scale::Linear(capacity),
            |lane| Some(lane.goodput_per_second),
        ));
        plots.extend(self.pair(
            "p99",
            |lane| latency(lane.p99),
            Scale::Log(20.0, 5000.0),
            |lane| lane.p99.map(milliseconds),
        ));
        plots.extend(self.pair(
            "in flight",
            |lane| count(lane.in_flight),
            Scale::Log(2.0, 2000.0),
            |lane| lane.in_flight,
        ));
        plots.push(self.row(
            ["limit", "setpoint"],
            count(self.now.limit),
            Tone::Limit,
            Scale::Log(2.0, 2000.0),
            |sample| sample.limit,
        ));
        plots
    }

    fn pair(
        &self,
        name: &str,
        value: impl Fn(&LaneSample) -> String,
        scale: Scale,
        of: impl Fn(&LaneSample) -> Option<f64>,
    ) -> [String; 2] {
        let [with, without] = &self.now.lanes;
        [
            self.row([name, "with"], value(with), Tone::Good, scale, |sample| of(&sample.lanes[0])),
            self.row(["", "without"], value(without), Tone::Bad, scale, |sample| of(&sample.lanes[1])),
        ]
    }

    fn row(
        &self,
        [name, who]: [&str; 2],
        value: String,
        tone: Tone,
        scale: Scale,
        of: impl Fn(&Sample) -> Option<f64>,
    ) -> String {
        let drawn = self.column_at(self.now.at).max(1);
        let values = columns(&self.scene.history.series(of), drawn);
        let plot = paint(&line(&values, scale), tone, self.colour);
        format!(" {name:<12}{:<11}{value:>9}  {plot}", who).trim_end().to_owned()
    }

    /// The column of the plot in which `at` falls.
    fn column_at(&self, at: Duration) -> usize {
        let share = at.as_secs_f64() / self.total().as_secs_f64().max(1.0);
        ((share * self.columns as f64).round() as usize).min(self.columns)
    }

    /// Names of the phases below the plots, each from where it begins.
    fn ruler(&self) -> String {
        let mut ruler = " ".repeat(LEFT - 1);
        let mut begins = Duration::ZERO;
        for Phase { name, lasts, .. } in self.scene.story {
            let room = self.column_at(begins + *lasts) - self.column_at(begins);
            let name: String = name.chars().take(room.saturating_sub(1)).collect();
            if room > 0 {
                ruler.push_str(&format!("└{name:<0$}", room - 1));
            }
            begins += *lasts;
        }
        paint(ruler.trim_end(), Tone::Dim, self.colour)
    }

    fn sidecar(&self, width: usize) -> String {
        let (state, tone) = if self.now.sidecar_alive { ("alive", Tone::Good) } else { ("dead", Tone::Bad) };
        let rejected = percent(self.now.lanes[0].rejected_ratio);
        let left = format!(" sidecar {state:<5}  rejected {rejected:>4}  ");
        let news: String = self.scene.news.chars().take(width.saturating_sub(left.chars().count())).collect();
        left.replacen(state, &paint(state, tone, self.colour), 1) + &news
    }
}
