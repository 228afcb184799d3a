//! Arguments and states of a store as the tool shows them, and as a person types them.

use crate::state;

/// The first byte decides what the others are: a state in a store, or the text of an editor.
pub fn check(input: &[u8]) {
    let Some((&mode, rest)) = input.split_first() else { return };
    if mode % 2 == 0 {
        check_bytes(rest);
    } else if let Ok(text) = std::str::from_utf8(rest) {
        check_text(text);
    }
}

fn check_bytes(cbor: &[u8]) {
    let _ = state::to_text(cbor);
    if let Some(json) = state::to_json(cbor) {
        let text = serde_json::to_string(&json).expect("JSON is written");
        let read = serde_json::from_str(&text).expect("and read again");
        assert_eq!(state::from_json(&read).expect("it was CBOR before"), cbor);
    }
    if let Some(notation) = state::to_exact_notation(cbor) {
        assert_eq!(state::from_notation(&notation).expect("it was CBOR before"), cbor);
    }
}

fn check_text(text: &str) {
    if let Ok(cbor) = state::from_notation(text) {
        let _ = state::to_text(&cbor);
    }
}
