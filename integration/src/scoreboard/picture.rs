//! Pictures of the board, as SVG without scripts or fonts of their own.

use std::fmt::Write;

use super::board::{Board, Line, rank};
use super::laws::ORACLE;
use crate::svg::open;

/// Height of a row, pixels.
const ROW: usize = 18;
/// Room for names at the left.
const LEFT: usize = 250;

/// A heat map: a row for each named scenario, a column for each law, goodput as a percentage of the oracle's.
pub fn heat_map(board: &Board) -> String {
    const CELL: usize = 40;
    const TOP: usize = 150;
    let laws: Vec<&String> = board.laws.iter().filter(|law| *law != ORACLE).collect();
    let lines: Vec<&Line> = board.lines(true).collect();
    let (width, height) = (LEFT + laws.len() * CELL + 70, TOP + lines.len() * ROW + 20);
    let mut svg = open(width, height, "Goodput as a percentage of the oracle's, by scenario and law");
    for (column, law) in laws.iter().enumerate() {
        let x = LEFT + column * CELL + CELL / 2 + 4;
        let y = TOP - 8;
        let _ = writeln!(svg, r#"<text x="{x}" y="{y}" transform="rotate(-50 {x} {y})">{law}</text>"#);
    }
    for (row, line) in lines.iter().enumerate() {
        let y = TOP + row * ROW;
        let _ =
            writeln!(svg, r#"<text x="{}" y="{}" text-anchor="end">{}</text>"#, LEFT - 8, y + 13, line.name);
        for (column, law) in laws.iter().enumerate() {
            let Some(score) = line.laws.get(*law) else { continue };
            let (fill, ink) = colour(score.goodput_ratio);
            let x = LEFT + column * CELL;
            let _ = writeln!(
                svg,
                r#"<rect x="{x}" y="{y}" width="{}" height="{}" fill="{fill}"/><text x="{}" y="{}" text-anchor="middle" fill="{ink}">{:.0}</text>"#,
                CELL - 1,
                ROW - 1,
                x + CELL / 2,
                y + 13,
                score.goodput_ratio * 100.0
            );
        }
    }
    svg + "</svg>\n"
}

/// A row for each law, a dot for each random scenario at its goodput ratio; the bar is the mean, the tick the worst tenth.
pub fn dots(board: &Board) -> String {
    const WIDE: f64 = 640.0;
    const LANE: usize = 26;
    const TOP: usize = 56;
    let laws: Vec<&String> = board.laws.iter().filter(|law| *law != ORACLE).collect();
    let (width, height) = (LEFT + WIDE as usize + 60, TOP + laws.len() * LANE + 20);
    let mut svg = open(width, height, "Goodput as a share of the oracle's, a dot for each random scenario");
    let x = |ratio: f64| LEFT as f64 + ratio.clamp(0.0, 1.1) / 1.1 * WIDE;
    for tick in 0..=5 {
        let ratio = f64::from(tick) / 5.0;
        let _ = writeln!(
            svg,
            r##"<line x1="{0:.1}" x2="{0:.1}" y1="{TOP}" y2="{1}" stroke="#ddd"/><text x="{0:.1}" y="{2}" text-anchor="middle">{ratio:.1}</text>"##,
            x(ratio),
            height - 20,
            TOP - 8,
        );
    }
    for (row, law) in laws.iter().enumerate() {
        let middle = TOP + row * LANE + LANE / 2;
        let _ = writeln!(svg, r#"<text x="{}" y="{}" text-anchor="end">{law}</text>"#, LEFT - 8, middle + 4);
        let scores = board.lines(false).filter_map(|line| line.laws.get(*law));
        let mut ratios: Vec<f64> = scores.map(|score| score.goodput_ratio).collect();
        svg.push_str("<g fill=\"#1f5a8c\" fill-opacity=\"0.35\">\n");
        for (index, ratio) in ratios.iter().enumerate() {
            // Spread over the lane by number, so that equal dots can be told apart.
            let y = middle + index * 7 % 15 - 7;
            let _ = writeln!(svg, r#"<circle cx="{:.1}" cy="{y}" r="2"/>"#, x(*ratio));
        }
        svg.push_str("</g>\n");
        ratios.sort_by(f64::total_cmp);
        let mean = board.summary(law, false).map(|summary| summary.mean);
        for (mark, half, ink) in [(mean, 10, "#c0392b"), (rank(&ratios, 0.1), 6, "#222")] {
            if let Some(at) = mark.map(x) {
                let (from, to) = (middle - half, middle + half);
                let _ = writeln!(
                    svg,
                    r#"<line x1="{at:.1}" x2="{at:.1}" y1="{from}" y2="{to}" stroke="{ink}" stroke-width="2"/>"#
                );
            }
        }
    }
    svg + "</svg>\n"
}

/// Fill and ink: the further from 1 the darker. One hue, so that it can be read without seeing colours.
fn colour(ratio: f64) -> (String, &'static str) {
    let lost = ((1.0 - ratio) / 0.7).clamp(0.0, 1.0).powf(0.7);
    let mix = |light: f64, dark: f64| (light + (dark - light) * lost).round();
    let fill = format!("rgb({},{},{})", mix(240.0, 110.0), mix(248.0, 10.0), mix(240.0, 30.0));
    (fill, if lost > 0.45 { "#fff" } else { "#222" })
}
