use super::*;

fn side(goodput_ratio: f64, p99_ms: Option<f64>) -> Side {
    let p50_ms = p99_ms.map(|p99| p99 / 4.0);
    Side {
        goodput_ratio,
        goodput_of_offered_ratio: Some(goodput_ratio * 2.0),
        p50_ms,
        p99_ms,
        rejected_ratio: Some(0.0),
        ..Side::default()
    }
}

fn report() -> Report {
    let overload = Side { rejected_ratio: Some(0.667), ..side(0.974, Some(140.0)) };
    let phase = |name, load_ratio, protected, unprotected| PhaseFigures {
        name,
        load_ratio,
        seconds: 6.0,
        protected,
        unprotected,
    };
    Report {
        phases: vec![
            phase("warm-up", 0.5, side(0.499, Some(98.0)), side(0.499, Some(97.0))),
            phase("overload", 3.0, overload, Side { shed_by_client: 12, ..side(0.04, Some(4800.0)) }),
            phase("recovery", 0.5, side(0.5, Some(98.0)), side(0.0, None)),
        ],
        failed_by_sidecar: 0,
        decisions: vec![Decision {
            at_seconds: 6.5,
            knob: "limit.inbound".to_owned(),
            from: Some(50.0),
            to: Some(14.0),
            reason: "sample latency 61ms over 1.6 x baseline 22ms".to_owned(),
            ..Decision::default()
        }],
        decisions_dropped: 0,
        events: vec![Event { at_seconds: 6.0, what: "overload".to_owned() }],
        promises: vec![
            Promise { kept: true, what: "one".to_owned() },
            Promise { kept: false, what: "two".to_owned() },
        ],
        death: Toll::default(),
        edits: Vec::new(),
        convergence_seconds: Some(0.5),
        capacity_per_second: 400.0,
        measured_capacity_per_second: 396.4,
        deadline_ms: 400.0,
        own_lateness_p99_ms: Some(1.93),
        seed: 1,
    }
}

#[test]
fn the_text_is_as_written_here() {
    let expected = r"
                             goodput in 400 ms             p50               p99         rejected
 phase            load           with       without      with without      with without      with
 ────────────────────────────────────────────────────────────────────────────────────────────────
 warm-up          0.5x   50 % (100 %)  50 % (100 %)     24 ms   24 ms     98 ms   97 ms       0 %
 overload           3x           97 %           4 %     35 ms   1.2 s    140 ms   4.8 s      67 %
 recovery         0.5x   50 % (100 %)     0 % (0 %)     24 ms       -     98 ms       -       0 %

 kept    one
 BROKEN  two

 What changed when and why
   6.0 s  * overload
   6.5 s    limit.inbound 50 -> 14: sample latency 61ms over 1.6 x baseline 22ms

 Overload: first good second of the protected service after 0.5 s.
 True capacity 400/s by construction, 396/s measured.
 The load itself was 1.9 ms late (p99 of its worst phase).
 Not sent because too many requests were open already: 0 with, 12 without setpoint.
";
    let text = report().text();
    for (seen, expected) in text.lines().zip(expected.lines()) {
        assert_eq!(seen, expected, "\n{text}");
    }
    assert_eq!(text.lines().count(), expected.lines().count(), "{text}");
    assert!(!report().kept());
}

#[test]
fn the_json_has_the_promised_shape() {
    let json = serde_json::to_value(report()).unwrap();
    assert_eq!(json["failed_by_sidecar"], 0);
    assert_eq!(json["decisions"][0]["to"], 14.0);
    let phase = &json["phases"][1];
    assert_eq!(phase["name"], "overload");
    for side in ["protected", "unprotected"] {
        for key in ["goodput_ratio", "p50_ms", "p99_ms", "rejected_ratio"] {
            assert!(phase[side][key].is_number(), "{side}.{key}");
        }
    }
    let nothing_measured = &json["phases"][2]["unprotected"]["p99_ms"];
    assert!(nothing_measured.is_null(), "and not zero: {nothing_measured}");
}
