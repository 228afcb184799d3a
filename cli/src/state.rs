//! Arguments and states as a person reads them: JSON where it says everything, CBOR's diagnostic notation elsewhere.

use gargoyle::{BoxError, Value as Cbor};
use serde_json::Value;

use crate::notation;

/// As deep as a state may be. `serde_json` reads 127 levels, of which a line of `export` takes some.
const DEPTH_MAX: usize = 120;

/// How many bytes a person reads. What is made of each of them to show it takes about a hundred.
const READ_BYTES_MAX: usize = if cfg!(test) { 1 << 20 } else { 16 << 20 };

/// As deep as CBOR may nest that is said in diagnostic notation, with all that is embedded in it: as ciborium reads it.
const NOTATION_DEPTH_MAX: usize = 256;

/// CBOR that is embedded in a byte string, and a sequence of it. The notation looks into both.
const EMBEDDED: [u64; 2] = [24, 63];

/// The JSON that stands for these bytes of CBOR and for no others: read back, it gives the very same bytes. `None`:
/// there is none, as they have byte strings, say, or numbers as the keys of a map; or they are too many.
pub(crate) fn to_json(cbor: &[u8]) -> Option<Value> {
    if cbor.len() > READ_BYTES_MAX {
        return None;
    }
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

/// In diagnostic notation (RFC 8949, section 8), or as bare digits if it is no CBOR or nothing that can be said in it.
pub(crate) fn to_notation(cbor: &[u8]) -> String {
    if cbor.len() > READ_BYTES_MAX {
        return format!("(too long to be shown) {}", hex::encode(cbor));
    }
    // Both have a limit of depth, so that no bytes overflow the stack of the other one.
    let Ok(value) = ciborium::from_reader::<Cbor, _>(cbor) else { return format!("(no CBOR) {}", hex::encode(cbor)) };
    if !embeds_shallow(&value, NOTATION_DEPTH_MAX) {
        return format!("(embeds CBOR that is none or too deep) {}", hex::encode(cbor));
    }
    drop(value);
    cbor_diag::parse_bytes(cbor)
        .map_or_else(|_| format!("(no CBOR) {}", hex::encode(cbor)), |item| item.to_diag_pretty())
}

/// Whether all embedded CBOR can be read, at so many levels and no more.
fn embeds_shallow(value: &Cbor, levels: usize) -> bool {
    let inside = |item: &Cbor| levels > 0 && embeds_shallow(item, levels - 1);
    match value {
        Cbor::Array(items) => items.iter().all(inside),
        Cbor::Map(entries) => entries.iter().all(|(key, value)| inside(key) && inside(value)),
        Cbor::Tag(tag, item) => match &**item {
            // The notation has two pairs of brackets for them.
            Cbor::Bytes(bytes) if EMBEDDED.contains(tag) => levels > 1 && is_shallow_sequence(bytes, levels - 2),
            item => inside(item),
        },
        _ => true,
    }
}

fn is_shallow_sequence(mut cbor: &[u8], levels: usize) -> bool {
    while !cbor.is_empty() {
        match ciborium::de::from_reader_with_recursion_limit::<Cbor, _>(&mut cbor, levels) {
            Ok(value) if embeds_shallow(&value, levels) => {}
            _ => return false,
        }
    }
    true
}

/// The notation that stands for these bytes and for no others, if there is one.
pub(crate) fn to_exact_notation(cbor: &[u8]) -> Option<String> {
    let notation = to_notation(cbor);
    (from_notation(&notation).ok()? == cbor).then_some(notation)
}

pub(crate) fn from_notation(text: &str) -> Result<Vec<u8>, BoxError> {
    let item = notation::parse(text).map_err(|wrong| format!("this is no diagnostic notation: {wrong}"))?;
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

    /// So many tags for embedded CBOR around `inner`, each with a byte string.
    fn embedded(tag: u8, levels: usize, inner: Vec<u8>) -> Vec<u8> {
        (0..levels).fold(inner, |inner, _| {
            [&[0xd8, tag, 0x5a][..], &u32::try_from(inner.len()).unwrap().to_be_bytes(), &inner].concat()
        })
    }

    /// Embedded CBOR overflowed the stack: the limit of depth saw a byte string, and the notation looks into it. Its levels
    /// count now, too.
    #[test]
    fn embedded_cbor_counts_in_the_depth() {
        for tag in [24, 63] {
            for (levels, arrays) in [(1, 3000), (1, 200_000), (2, 300), (129, 0), (1000, 0)] {
                let state = embedded(tag, levels, [vec![0x81; arrays], vec![0xf6]].concat());
                assert!(to_text(&state).starts_with("(embeds CBOR that is none or too deep) d8"), "{levels} {arrays}");
                assert_eq!(to_exact_notation(&state), None);
            }
            for (levels, arrays) in [(1, 254), (127, 2), (128, 0)] {
                let state = embedded(tag, levels, [vec![0x81; arrays], vec![0xf6]].concat());
                assert!(to_notation(&state).contains("<<"));
            }
            assert!(to_notation(&embedded(tag, 1, vec![0x81; 200_000])).starts_with("(embeds"), "it is cut off");
        }
        let sequence = [0xd8, 63, 0x42, 1, 2];
        assert_eq!(to_exact_notation(&sequence).unwrap(), "63_0(<<1, 2>>)");
    }

    /// An array of 60 million zeros took 6 GB to be shown. Above a limit there is neither JSON nor notation, but the bytes.
    #[test]
    fn what_is_too_long_to_be_read_is_left_in_bytes() {
        let zeros = |bytes: usize| {
            [&[0x9a][..], &u32::try_from(bytes - 5).unwrap().to_be_bytes(), &vec![0; bytes - 5]].concat()
        };
        let state = zeros(READ_BYTES_MAX + 1);
        assert_eq!(to_json(&state), None);
        assert!(to_text(&state).starts_with("(too long to be shown) 9a000ffff"));
        assert_eq!(to_exact_notation(&state), None);
        assert!(to_json(&cbor("x".repeat(READ_BYTES_MAX - 5))).is_some());
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
