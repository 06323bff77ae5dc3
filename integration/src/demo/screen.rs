//! Live progress: one redrawn block on a terminal, plain lines elsewhere.

pub mod block;

mod plain;

use std::io::{IsTerminal, Write};

use super::history::History;
use super::script::Phase;

/// What there is to show.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The whole story.
    pub story: &'a [Phase],
    /// Most requests per second that each service can complete.
    pub capacity_per_second: f64,
    /// Seen so far.
    pub history: &'a History,
    /// The latest event or decision.
    pub news: &'a str,
}

/// Where and how it is shown.
#[derive(Debug)]
pub struct Screen<W: Write> {
    out: W,
    style: Style,
    lines_drawn: usize,
    frames: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Block,
    Plain,
}

/// Whether standard output can be redrawn: it is a terminal that is large enough, and nobody asked for plain text.
pub fn can_redraw(plain: bool, no_color: bool) -> bool {
    let (columns, rows) = size();
    std::io::stdout().is_terminal()
        && !plain
        && !no_color
        && columns >= block::NARROWEST
        && rows > block::HEIGHT
}

/// Columns and rows of the terminal; a common size when it cannot tell.
fn size() -> (usize, usize) {
    let asked = rustix::termios::tcgetwinsize(rustix::stdio::stdout());
    asked
        .ok()
        .filter(|size| size.ws_col > 0)
        .map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
}

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";

impl<W: Write> Screen<W> {
    /// Redraws one block when `redraw`, otherwise appends plain lines.
    pub fn new(mut out: W, redraw: bool) -> Self {
        if redraw {
            let _ = write!(out, "{HIDE_CURSOR}");
        }
        let style = if redraw { Style::Block } else { Style::Plain };
        Self { out, style, lines_drawn: 0, frames: 0 }
    }

    /// Shows `scene`. A screen that has gone away is no reason to end the demo, so errors are dropped.
    pub fn draw(&mut self, scene: &Scene<'_>) {
        let _ = match self.style {
            Style::Block => self.redraw(scene),
            Style::Plain => plain::draw(&mut self.out, scene, self.frames),
        };
        self.frames += 1;
    }

    /// A line that stays.
    pub fn say(&mut self, line: &str) {
        let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        self.lines_drawn = 0;
    }

    fn redraw(&mut self, scene: &Scene<'_>) -> std::io::Result<()> {
        let lines = block::lines(scene, size().0, true);
        let mut frame = String::new();
        if self.lines_drawn > 0 {
            frame.push_str(&format!("\x1b[{}F", self.lines_drawn));
        }
        for line in &lines {
            frame.push_str(line);
            frame.push_str("\x1b[K\n");
        }
        frame.push_str("\x1b[J");
        self.lines_drawn = lines.len();
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        if self.style == Style::Block {
            let _ = write!(self.out, "{SHOW_CURSOR}").and_then(|()| self.out.flush());
        }
    }
}

#[cfg(test)]
mod tests;
