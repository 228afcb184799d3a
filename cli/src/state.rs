//! Arguments and states as a person reads them: JSON where it says everything, CBOR's diagnostic notation elsewhere.

use gargoyle::{BoxError, Value as Cbor};
use serde_json::Value;

/// As deep as a state may be. `serde_json` reads 127 levels, of which a line of `export` takes some.
const DEPTH_MAX: usize = 120;

/// The JSON that stands for these bytes of CBOR and for no others: read back, it gives the very same bytes. `None`:
/// there is none, as they have byte strings, say, or numbers as the keys of a map.
pub(crate) fn to_json(cbor: &[u8]) -> Option<Value> {
    let value: Cbor = ciborium::from_reader(cbor).ok()?;
    let json = serde_json::to_value(&value).ok()?;
    (from_json(&json).ok()? == cbor).then_some(json)
}

/// The CBOR that stands for this JSON.
pub(crate) fn from_json(json: &Value) -> Result<Vec<u8>, BoxError> {
    if !is_shallow(json, DEPTH_MAX) {
        return Err(format!("it nests more than {DEPTH_MAX} levels deep").into());
    }
    let mut cbor = Vec::new();
    ciborium::into_writer(json, &mut cbor)?;
    Ok(cbor)
}

fn is_shallow(json: &Value, levels: usize) -> bool {
    match json {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_shallow(item, levels - 1)),
        Value::Object(fields) => levels > 0 && fields.values().all(|field| is_shallow(field, levels - 1)),
        _ => true,
    }
}

/// In diagnostic notation (RFC 8949, section 8), or as bare digits if it is no CBOR.
pub(crate) fn to_notation(cbor: &[u8]) -> String {
    // Which has a limit of depth, so that no bytes overflow the stack of the other one.
    let is_sound = ciborium::from_reader::<Cbor, _>(cbor).is_ok();
    match is_sound.then(|| cbor_diag::parse_bytes(cbor)) {
        Some(Ok(item)) => item.to_diag_pretty(),
        _ => format!("(no CBOR) {}", hex::encode(cbor)),
    }
}

/// The notation that stands for these bytes and for no others, if there is one.
pub(crate) fn to_exact_notation(cbor: &[u8]) -> Option<String> {
    let notation = to_notation(cbor);
    (from_notation(&notation).ok()? == cbor).then_some(notation)
}

pub(crate) fn from_notation(text: &str) -> Result<Vec<u8>, BoxError> {
    let item = cbor_diag::parse_diag(text).map_err(|error| format!("this is no diagnostic notation: {error}"))?;
    let cbor = item.to_bytes();
    ciborium::from_reader::<Cbor, _>(&cbor[..]).map_err(|error| format!("this is no sound CBOR: {error}"))?;
    Ok(cbor)
}

/// As JSON in several lines, or in diagnostic notation if JSON cannot say it.
pub(crate) fn to_text(cbor: &[u8]) -> String {
    to_json(cbor).map_or_else(|| to_notation(cbor), |json| format!("{json:#}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cbor(value: impl serde::Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(&value, &mut bytes).unwrap();
        bytes
    }

    #[derive(serde::Serialize)]
    struct Account {
        owner: &'static str,
        cents: u64,
        rate: f32,
        notes: Vec<Option<i8>>,
    }

    #[test]
    fn json_that_says_everything_gives_the_very_same_bytes() {
        let account = cbor(Account { owner: "alice", cents: u64::MAX, rate: 0.1, notes: vec![None, Some(-3)] });
        let json = to_json(&account).unwrap();
        assert_eq!(json["cents"], u64::MAX);
        assert_eq!(json.as_object().unwrap().keys().next().unwrap(), "owner", "in the order of the fields");
        assert_eq!(from_json(&json).unwrap(), account);
    }

    #[test]
    fn what_json_cannot_say_is_said_in_diagnostic_notation() {
        let numbered = std::collections::BTreeMap::from([(1u8, "a")]);
        let twice = [0xa2, 0x61, b'a', 0x01, 0x61, b'a', 0x02];
        let unbounded = [0x9f, 0x01, 0xff];
        let trailing = [0x01, 0x01];
        for cbor in [
            cbor(Cbor::Bytes(vec![1, 2, 3])),
            cbor(&numbered),
            cbor(f64::NAN),
            vec![0xc1, 0x01],
            twice.into(),
            unbounded.into(),
            trailing.into(),
            Vec::new(),
        ] {
            assert_eq!(to_json(&cbor), None, "{}", to_notation(&cbor));
        }
        assert_eq!(to_notation(&cbor(&numbered)).split_whitespace().collect::<String>(), "{1:\"a\"}");
        assert!(to_notation(&[0xff]).contains("no CBOR"));
        assert!(to_notation(&[0x81; 1_000_000]).contains("no CBOR"));
    }

    #[test]
    fn notation_comes_back_or_is_refused() {
        let numbered = cbor(std::collections::BTreeMap::from([(1u8, Cbor::Bytes(vec![0, 255]))]));
        assert_eq!(from_notation(&to_exact_notation(&numbered).unwrap()).unwrap(), numbered);
        assert!(from_notation("{1: ").is_err());
        assert_eq!(to_exact_notation(&[0xff]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            to_text(&bytes);
            if let Some(notation) = to_exact_notation(&bytes) {
                prop_assert_eq!(from_notation(&notation).unwrap(), bytes);
            }
        }
    }
}
