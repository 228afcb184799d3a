//! Values to CBOR and back, with the two checks that ciborium leaves to its users.

use ciborium_ll::{Decoder, Header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::BoxError;

/// How deep arrays and maps may nest in a state.
///
/// ciborium writes any depth and refuses to read back more than 256 levels of its own recursion, of which one level
/// of nesting takes up to two. A deeper state is refused when it is written, or its actor could never be revived.
const DEPTH_MAX: usize = 120;

/// ciborium reads strings through a scratch buffer and fails on those that do not fit it.
const SCRATCH_BYTES_MIN: usize = 4096;

/// A value that cannot be written, or bytes that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("it cannot be written as CBOR")]
    Encode(#[source] BoxError),
    #[error("it nests deeper than {DEPTH_MAX} levels and could not be read back")]
    TooDeep,
    #[error("{0}")]
    Shape(String),
    #[error("it is no CBOR")]
    Decode(#[source] BoxError),
    #[error("{0} bytes follow its end")]
    Trailing(usize),
}

/// Appends `value` to `out`. On an error `out` has an unfinished part of it.
pub(crate) fn encode(value: &impl Serialize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = out.len();
    ciborium::into_writer(value, &mut *out).map_err(|error| CodecError::Encode(error.into()))?;
    // Each level takes a byte at least, so that most states need no look at all.
    if out.len() - start > DEPTH_MAX && depth(&out[start..])? > DEPTH_MAX { Err(CodecError::TooDeep) } else { Ok(()) }
}

/// Reads a value that takes up all of `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T, CodecError> {
    let mut scratch = vec![0; bytes.len().max(SCRATCH_BYTES_MIN)];
    let value = ciborium::de::from_reader_with_buffer(&mut bytes, &mut scratch).map_err(|error| match error {
        ciborium::de::Error::Semantic(_, text) => CodecError::Shape(without_value(&text)),
        error => CodecError::Decode(error.into()),
    })?;
    if bytes.is_empty() { Ok(value) } else { Err(CodecError::Trailing(bytes.len())) }
}

/// What serde says of a value that it did not expect, without the value, as errors end up in logs: `invalid type: string
/// "4711 0815", expected u64` becomes `invalid type: string, expected u64`.
///
/// Names of fields and variants stay: they are the type's, or tell which other one. What else an implementation of
/// `Deserialize` puts into its errors is its own affair.
pub(crate) fn without_value(text: &str) -> String {
    let Some((what, rest)) =
        text.split_once(": ").filter(|(what, _)| matches!(*what, "invalid type" | "invalid value"))
    else {
        return text.to_owned();
    };
    // A text that was found may have this in it too: it is the last one that is serde's.
    let (found, expected) = rest.rsplit_once(", expected ").unwrap_or((rest, ""));
    let kind = found.split(['`', '"']).next().unwrap_or_default().trim_end();
    if expected.is_empty() { format!("{what}: {kind}") } else { format!("{what}: {kind}, expected {expected}") }
}

/// The deepest nesting of arrays, maps and tags in one item of CBOR that ciborium wrote.
fn depth(bytes: &[u8]) -> Result<usize, CodecError> {
    // How many items each open array, map or tag still expects; `None`: until a break.
    let mut open: Vec<Option<usize>> = Vec::new();
    let (mut at, mut deepest) = (0, 0);
    loop {
        let mut decoder = Decoder::from(&bytes[at..]);
        let header = decoder.pull().map_err(|error| CodecError::Encode(format!("{error:?}").into()))?;
        at += decoder.offset();
        match header {
            Header::Array(items) => open.push(items),
            Header::Map(pairs) => open.push(pairs.map(|pairs| pairs * 2)),
            Header::Tag(_) => open.push(Some(1)),
            Header::Break => finish_open_ended(&mut open),
            Header::Bytes(length) | Header::Text(length) => {
                at += length.unwrap_or(0);
                finish_item(&mut open);
            }
            _ => finish_item(&mut open),
        }
        deepest = deepest.max(open.len());
        finish_full(&mut open);
        if open.is_empty() {
            return Ok(deepest);
        }
    }
}

/// One item of the innermost open one is complete.
fn finish_item(open: &mut [Option<usize>]) {
    if let Some(Some(left)) = open.last_mut() {
        *left -= 1;
    }
}

/// A break ends the innermost open one, which is then a complete item itself.
fn finish_open_ended(open: &mut Vec<Option<usize>>) {
    open.pop();
    finish_item(open);
}

/// Closes those that have all their items, from the inside out.
fn finish_full(open: &mut Vec<Option<usize>>) {
    while open.last() == Some(&Some(0)) {
        open.pop();
        finish_item(open);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum List {
        End,
        More(Box<List>),
    }

    fn list(length: usize) -> List {
        (0..length).fold(List::End, |rest, _| List::More(Box::new(rest)))
    }

    fn encoded(value: &impl Serialize) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::new();
        encode(value, &mut out).map(|()| out)
    }

    #[test]
    fn whatever_depth_is_written_can_be_read_back() {
        for length in 0..400 {
            match encoded(&list(length)) {
                Ok(bytes) => assert_eq!(decode::<List>(&bytes).unwrap(), list(length)),
                Err(error) => assert!(matches!(error, CodecError::TooDeep) && length > 100, "{length}: {error}"),
            }
        }
    }

    #[test]
    fn long_strings_and_bytes_read_back() {
        let text = "x".repeat(100_000);
        assert_eq!(decode::<String>(&encoded(&text).unwrap()).unwrap(), text);
        let bytes = serde_bytes::ByteBuf::from(vec![0xff; 100_000]);
        assert_eq!(decode::<serde_bytes::ByteBuf>(&encoded(&bytes).unwrap()).unwrap(), bytes);
    }

    #[test]
    fn an_error_of_shape_says_what_was_found_and_not_its_value() {
        let shown = |value: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            value(&mut bytes);
            decode::<u8>(&bytes).unwrap_err().to_string()
        };
        let text = shown(&|out| encode(&"the \"secret\", expected `it`", out).unwrap());
        assert_eq!(text, "invalid type: string, expected integer");
        assert_eq!(shown(&|out| encode(&4711.5, out).unwrap()), "invalid type: floating point, expected integer");
        assert!(!shown(&|out| encode(&4711, out).unwrap()).contains("4711"));
        assert_eq!(shown(&|out| encode(&[0x5e_u8; 3], out).unwrap()), "invalid type: sequence, expected integer");
        assert_eq!(
            without_value("invalid value: integer `4711`, expected a month"),
            "invalid value: integer, expected a month"
        );
        for text in ["missing field `balance`", "unknown variant `b`, expected one of `a`, `c`", "", "a: b"] {
            assert_eq!(without_value(text), text);
        }
    }

    #[test]
    fn bytes_after_the_end_are_refused() {
        let mut bytes = encoded(&7u8).unwrap();
        bytes.push(0);
        assert!(matches!(decode::<u8>(&bytes), Err(CodecError::Trailing(1))));
    }

    proptest! {
        #[test]
        fn wide_values_are_not_taken_for_deep_ones(
            value in prop::collection::btree_map(".{0,20}", prop::collection::vec(any::<Option<(u8, bool)>>(), 0..40), 0..40)
        ) {
            let bytes = encoded(&value).unwrap();
            prop_assert_eq!(decode::<BTreeMap<String, Vec<Option<(u8, bool)>>>>(&bytes).unwrap(), value);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = decode::<BTreeMap<String, List>>(&bytes);
        }
    }
}
