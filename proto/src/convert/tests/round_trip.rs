use std::time::Duration;

use proptest::prelude::*;
use prost::Message;
use setpoint_policies::signal::Signal;

use super::any;
use crate::bounds;
use crate::convert::{encode_to_sdk, encode_to_sidecar, to_sdk, to_sidecar};
use crate::message::{Report, ToSdk, ToSidecar, Why};
use crate::v1;

proptest! {
    #[test]
    fn l2_what_an_sdk_says_arrives_as_said(said in any::to_sidecar()) {
        let bytes = encode_to_sidecar(&said).encode_to_vec();
        prop_assert!(bytes.len() <= bounds::MESSAGE_BYTES);
        let heard = to_sidecar(v1::ClientMessage::decode(bytes.as_slice()).expect("just encoded"));
        prop_assert_eq!(heard, Ok(said));
    }

    #[test]
    fn l2_what_the_sidecar_says_arrives_as_said(said in any::to_sdk()) {
        let bytes = encode_to_sdk(&said).encode_to_vec();
        prop_assert!(bytes.len() <= bounds::MESSAGE_BYTES);
        let heard = to_sdk(v1::ServerMessage::decode(bytes.as_slice()).expect("just encoded"));
        prop_assert_eq!(heard, Ok(said));
    }

    #[test]
    fn an_explanation_never_stops_its_setpoint(
        said in any::to_sdk(), text in "\\PC{0,2000}", observed in proptest::num::f64::ANY,
    ) {
        let ToSdk::Frame(mut frame) = said else { return Ok(()) };
        for setpoint in &mut frame.set {
            let mut why: Why = (*setpoint.why).clone();
            (why.policy, why.text) = (text.clone(), text.clone());
            for entry in &mut why.evidence {
                entry.observed = observed;
            }
            setpoint.why = why.into();
        }
        let heard = to_sdk(encode_to_sdk(&ToSdk::Frame(frame.clone())));
        let Ok(ToSdk::Frame(heard)) = heard else { return Err(TestCaseError::fail(format!("{heard:?}"))) };
        let knobs = |frame: &crate::message::Frame| frame.set.iter().map(|s| (s.knob.clone(), s.value)).collect::<Vec<_>>();
        prop_assert_eq!(knobs(&heard), knobs(&frame));
    }
}

#[test]
fn durations_beyond_a_day_are_capped_and_texts_clipped_at_a_character() {
    let said = ToSdk::Drain { retry_after: Duration::MAX, why: "ü".repeat(900) };
    let Ok(ToSdk::Drain { retry_after, why }) = to_sdk(encode_to_sdk(&said)) else { panic!("refused") };
    assert_eq!((retry_after, why.len()), (bounds::DURATION, 1024));
    let said = ToSidecar::Goodbye { why: format!("a{}", "ü".repeat(900)) };
    let Ok(ToSidecar::Goodbye { why }) = to_sidecar(encode_to_sidecar(&said)) else { panic!("refused") };
    assert_eq!(why.len(), 1023, "a character is never cut in two");
}

#[test]
fn s1_unknown_signals_stay_unknown_on_the_way() {
    let heard = |signals: &[(Signal, f64)]| {
        let report = Report { signals: signals.to_vec(), ..Report::default() };
        match to_sidecar(encode_to_sidecar(&ToSidecar::Report(Box::new(report)))) {
            Ok(ToSidecar::Report(report)) => report.signals,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(heard(&[]), []);
    assert_eq!(heard(&[(Signal::MemoryWorkingSetRatio, 0.5)]), [], "a ratio without its limit says nothing");
    assert_eq!(heard(&[(Signal::MemorySome, f64::NAN), (Signal::OomKills, 0.0)]), [(Signal::OomKills, 0.0)]);
    assert_eq!(heard(&[(Signal::CpuSome, 1.002)]), [(Signal::CpuSome, 1.0)], "a window read late is no lie");
}
