//! Arguments and states as a person reads them: JSON where it says everything, CBOR's diagnostic notation elsewhere.

use gargoyle::BoxError;
use serde_json::Value;

/// The JSON that stands for these bytes of CBOR and for no others: read back, it gives the very same bytes. `None`:
/// there is none, as they have byte strings, say, or numbers as the keys of a map.
pub(crate) fn to_json(cbor: &[u8]) -> Option<Value> {
    let value: ciborium::Value = ciborium::from_reader(cbor).ok()?;
    let json = serde_json::to_value(&value).ok()?;
    (from_json(&json).ok()? == cbor).then_some(json)
}

pub(crate) fn from_json(json: &Value) -> Result<Vec<u8>, BoxError> {
    let mut cbor = Vec::new();
    ciborium::into_writer(json, &mut cbor)?;
    Ok(cbor)
}

/// In diagnostic notation (RFC 8949, section 8), or as bare digits if it is no CBOR.
pub(crate) fn to_notation(cbor: &[u8]) -> String {
    match cbor_diag::parse_bytes(cbor) {
        Ok(item) => item.to_diag_pretty(),
        Err(_) => format!("(no CBOR) {}", hex::encode(cbor)),
    }
}

/// As JSON in several lines, or in diagnostic notation if JSON cannot say it.
pub(crate) fn to_text(cbor: &[u8]) -> String {
    match to_json(cbor) {
        Some(json) => format!("{json:#}"),
        None => to_notation(cbor),
    }
}

#[cfg(test)]
mod tests {
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
        for cbor in [cbor(serde_bytes_like()), cbor(&numbered), cbor(f64::NAN), vec![0xc1, 0x01]] {
            assert_eq!(to_json(&cbor), None, "{}", to_notation(&cbor));
        }
        assert_eq!(to_notation(&cbor(&numbered)).split_whitespace().collect::<String>(), "{1:\"a\"}");
        assert!(to_notation(&[0xff]).contains("no CBOR"));
    }

    fn serde_bytes_like() -> ciborium::Value {
        ciborium::Value::Bytes(vec![1, 2, 3])
    }
}
