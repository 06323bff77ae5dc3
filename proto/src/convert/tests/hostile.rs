use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::any;
use crate::convert::{encode_to_sdk, encode_to_sidecar, refusal, to_sdk, to_sidecar};
use crate::v1;

fn feed(bytes: &[u8]) {
    if let Ok(message) = v1::ClientMessage::decode(bytes)
        && let Ok(understood) = to_sidecar(message)
    {
        to_sidecar(encode_to_sidecar(&understood)).expect("what was understood can be said again");
    }
    if let Ok(message) = v1::ServerMessage::decode(bytes) {
        let refusal = refusal(&message);
        if let Ok(understood) = to_sdk(message) {
            assert_eq!(refusal.is_some(), matches!(understood, crate::message::ToSdk::Frame(_)));
            to_sdk(encode_to_sdk(&understood)).expect("what was understood can be said again");
        }
    }
}

/// Sets some bytes, so that most of the message stays readable.
fn spoil(mut bytes: Vec<u8>, edits: &[(usize, u8)]) -> Vec<u8> {
    for (at, byte) in edits {
        if let Some(slot) = at.checked_rem(bytes.len()).and_then(|at| bytes.get_mut(at)) {
            *slot = *byte;
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        feed(&bytes);
    }

    #[test]
    fn spoilt_messages_never_panic(
        sdk in any::to_sidecar(), sidecar in any::to_sdk(), edits in vec(any::<(usize, u8)>(), 0..8),
    ) {
        feed(&spoil(encode_to_sidecar(&sdk).encode_to_vec(), &edits));
        feed(&spoil(encode_to_sdk(&sidecar).encode_to_vec(), &edits));
    }
}
