//! The picture, by golden strings.

use std::time::Duration;

use super::*;
use crate::demo::history::{LaneSample, Sample};
use crate::demo::script::story;

fn lane(goodput_per_second: f64, p99_ms: u64, rejected_ratio: f64, in_flight: f64) -> LaneSample {
    LaneSample {
        goodput_per_second,
        p99: Some(Duration::from_millis(p99_ms)),
        rejected_ratio: Some(rejected_ratio),
        in_flight: Some(in_flight),
    }
}

/// Six seconds of calm, then five of overload.
fn history() -> History {
    let mut history = History::default();
    for second in 1..=11u64 {
        let overload = second > 6;
        history.push(Sample {
            at: Duration::from_secs(second),
            phase: usize::from(overload),
            offered_per_second: if overload { 1200.0 } else { 200.0 },
            lanes: match overload {
                false => [lane(200.0, 80, 0.0, 6.0), lane(200.0, 80, 0.0, 6.0)],
                true => [lane(390.0, 120, 0.67, 14.0), lane(20.0, 1000 * (second - 6), 0.0, 1900.0)],
            },
            limit: if second == 1 { None } else { Some(if overload { 14.0 } else { 50.0 }) },
            sidecar_alive: second != 11,
        });
    }
    history
}

fn with_scene<T>(then: impl FnOnce(&Scene<'_>) -> T) -> T {
    let (story, history) = (story(false), history());
    let news =
        "limit.inbound 50 -> 14: sample latency 61ms over 1.6 x baseline 22ms, and what follows is cut off";
    then(&Scene { story: &story, capacity_per_second: 400.0, history: &history, news })
}

#[test]
fn the_block_is_as_drawn_here() {
    let golden = "
 2/7 overload  three times what it can do (3x)
 ━━━━━━━━━━━━━━━─────────────────────────────────────────────────────────────────────  0:11 / 1:00

 offered     to each      1200 /s  ▂▂▂▂▂▂▂█████
 goodput     with          390 /s  ▅▅▅▅▅▅▅█████
             without        20 /s  ▅▅▅▅▅▅▅▁▁▁▁▁
 p99         with          120 ms  ▃▃▃▃▃▃▃▃▃▃▃▃
             without        5.0 s  ▃▃▃▃▃▃▃▆▇▇██
 in flight   with              14  ▂▂▂▂▂▂▂▃▃▃▃▃
             without         1900  ▂▂▂▂▂▂▂█████
 limit       setpoint          14    ▄▄▄▄▄▃▃▃▃▃
                                   └warm-up   └overload └reco└dependenc└cpu-h└policy-└sidecar-kill

 sidecar dead   rejected 67 %  limit.inbound 50 -> 14: sample latency 61ms over 1.6 x baseline 22ms";
    let drawn = with_scene(|scene| block::lines(scene, 100, false));
    assert_eq!(drawn.join("\n"), golden, "\n{}", drawn.join("\n"));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [block::NARROWEST, 80, 100, 132, 300] {
        let lines = with_scene(|scene| block::lines(scene, width, false));
        assert_eq!(lines.len(), block::HEIGHT);
        for line in lines {
            assert!(line.chars().count() < width, "{width}: {line}");
        }
    }
}

#[test]
fn plain_says_the_same_in_one_line() {
    let line = with_scene(plain::line);
    let expected = "0:11 overload        offered  1200/s | with:  390/s p99 120 ms rejected 67 % in flight  14 limit  14 \
                    (sidecar dead) | without:   20/s p99  5.0 s in flight 1900";
    assert_eq!(line, expected);
}

#[test]
fn plain_draws_once_a_second_and_never_an_escape() {
    let mut out = Vec::new();
    let mut screen = Screen::new(&mut out, false);
    with_scene(|scene| (0..8).for_each(|_| screen.draw(scene)));
    drop(screen);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(!text.contains('\x1b'));
}

#[test]
fn a_terminal_gets_one_block_that_is_drawn_over_and_its_cursor_back() {
    let mut out = Vec::new();
    let mut screen = Screen::new(&mut out, true);
    with_scene(|scene| (0..2).for_each(|_| screen.draw(scene)));
    let height = screen.lines_drawn;
    drop(screen);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains(&format!("\x1b[{height}F")), "the second frame begins where the first began");
    assert!(text.starts_with(HIDE_CURSOR) && text.ends_with(SHOW_CURSOR));
}
