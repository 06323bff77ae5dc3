//! One picture in characters: an area, and a line above it.
//!
//! The area is drawn with blocks, eight heights to a cell, the line with braille dots, two by four to a cell. So the two can be
//! told apart without colours, and a cell shows the line where they meet.

/// Colours, by what is drawn; plain without.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    pub(super) area: &'static str,
    pub(super) line: &'static str,
    /// The line where it crosses the area.
    pub(super) both: &'static str,
    pub(super) mark: &'static str,
    pub(super) end: &'static str,
}

impl Paint {
    pub(super) const fn new(colours: bool) -> Self {
        if colours {
            Self {
                area: "\x1b[38;5;24m",
                line: "\x1b[1;38;5;208m",
                both: "\x1b[1;38;5;214;48;5;24m",
                mark: "\x1b[38;5;245m",
                end: "\x1b[0m",
            }
        } else {
            Self { area: "", line: "", both: "", mark: "", end: "" }
        }
    }
}

/// A picture `width` by `height` characters.
#[derive(Debug)]
pub(super) struct Panel {
    width: usize,
    height: usize,
    /// The value at the upper edge.
    top: f64,
    /// Height of the area in each column, eighths of a cell.
    area: Vec<usize>,
    /// Braille dots of each cell, row by row from the top.
    dots: Vec<u8>,
    /// Rows with a dashed line.
    mark: Option<usize>,
}

impl Panel {
    /// A picture of values from 0 to `top`.
    pub(super) fn new(width: usize, height: usize, top: f64) -> Self {
        let top = if top > 0.0 { top } else { 1.0 };
        Self { width, height, top, area: vec![0; width], dots: vec![0; width * height], mark: None }
    }

    /// Fills below the values, which are spread over the width.
    pub(super) fn fill(&mut self, values: &[Option<f64>]) {
        for column in 0..self.width {
            let value = part(values, column, self.width).iter().flatten().copied().fold(0.0, f64::max);
            let eighths = (value / self.top * (self.height * 8) as f64).round();
            self.area[column] = (eighths as usize).min(self.height * 8);
        }
    }

    /// Draws a line through the values; where there is none it stops. What is above the edge runs along it.
    pub(super) fn line(&mut self, values: &[Option<f64>]) {
        let mut last: Option<usize> = None;
        for x in 0..self.width * 2 {
            let here = part(values, x, self.width * 2);
            let known: Vec<f64> = here.iter().flatten().copied().collect();
            if known.is_empty() {
                last = None;
                continue;
            }
            let y = self.dot_row(known.iter().sum::<f64>() / known.len() as f64);
            let from = last.unwrap_or(y);
            for row in from.min(y)..=from.max(y) {
                // Up to half way in the column before would be finer, and not be seen.
                self.dot(x, row);
            }
            last = Some(y);
        }
    }

    /// A dashed line across, if the value is inside the picture.
    pub(super) fn mark(&mut self, value: f64) {
        self.mark = (value <= self.top).then(|| self.dot_row(value) / 4);
    }

    fn dot_row(&self, value: f64) -> usize {
        let rows = self.height * 4;
        let up = (value / self.top * (rows - 1) as f64).round() as usize;
        rows - 1 - up.min(rows - 1)
    }

    fn dot(&mut self, x: usize, y: usize) {
        const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        self.dots[(y / 4) * self.width + x / 2] |= BITS[x % 2][y % 4];
    }

    /// The rows from the top.
    pub(super) fn rows(&self, paint: Paint) -> Vec<String> {
        (0..self.height).map(|row| self.row(row, paint)).collect()
    }

    fn row(&self, row: usize, paint: Paint) -> String {
        let (mut text, mut colour) = (String::new(), "");
        for column in 0..self.width {
            let (wanted, c) = self.cell(row, column, paint);
            if wanted != colour && c != ' ' {
                if !colour.is_empty() {
                    text.push_str(paint.end);
                }
                text.push_str(wanted);
                colour = wanted;
            }
            text.push(c);
        }
        let mut text = text.trim_end().to_owned();
        if !colour.is_empty() {
            text.push_str(paint.end);
        }
        text
    }

    fn cell(&self, row: usize, column: usize, paint: Paint) -> (&'static str, char) {
        const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let dots = self.dots[row * self.width + column];
        let below = (self.height - 1 - row) * 8;
        let eighths = self.area[column].saturating_sub(below).min(8);
        if dots != 0 {
            let colour = if eighths == 8 { paint.both } else { paint.line };
            return (colour, char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '));
        }
        if eighths == 0 && self.mark == Some(row) && column.is_multiple_of(2) {
            return (paint.mark, '╌');
        }
        (paint.area, BLOCKS[eighths])
    }
}

/// The values that fall into one of `count` equal parts; at least one value if there is any.
fn part(values: &[Option<f64>], number: usize, count: usize) -> &[Option<f64>] {
    let at = |number: usize| number * values.len() / count.max(1);
    let from = at(number).min(values.len().saturating_sub(1));
    let to = at(number + 1).max(from + 1).min(values.len());
    &values[from..to]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(panel: &Panel) -> String {
        panel.rows(Paint::new(false)).join("\n")
    }

    #[test]
    fn an_area_has_eight_heights_to_a_cell() {
        let mut panel = Panel::new(4, 2, 16.0);
        panel.fill(&[Some(16.0), Some(8.0), Some(4.0), None]);
        assert_eq!(rows(&panel), "█\n██▄");
    }

    #[test]
    fn a_line_connects_its_values_and_stops_where_there_are_none() {
        let mut panel = Panel::new(3, 2, 7.0);
        panel.line(&[Some(0.0), Some(0.0), Some(7.0), Some(99.0), None, None]);
        assert_eq!(rows(&panel), " ⡏\n⣀⡇");
    }

    #[test]
    fn a_mark_is_behind_everything_and_only_inside() {
        let mut panel = Panel::new(4, 1, 2.0);
        panel.mark(1.0);
        panel.fill(&[Some(2.0), None, None, None]);
        assert_eq!(rows(&panel), "█ ╌");
        panel.mark(3.0);
        assert_eq!(rows(&panel), "█");
    }

    #[test]
    fn colours_are_switched_where_they_change() {
        let paint = Paint { area: "<a>", line: "<l>", both: "<b>", mark: "<m>", end: "</>" };
        let mut panel = Panel::new(4, 1, 1.0);
        panel.fill(&[Some(1.0), Some(1.0), None, None]);
        panel.line(&[None, Some(1.0), Some(1.0), Some(1.0)]);
        assert_eq!(panel.rows(paint), ["<a>█</><b>⠉</><l>⠉⠉</>"]);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let mut panel = Panel::new(3, 1, 0.0);
        panel.fill(&[]);
        panel.line(&[]);
        assert_eq!(rows(&panel), "");
    }
}
