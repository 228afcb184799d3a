//! Values of a user's types to bytes and back, behind the guard: their code may fail, and may panic.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, CodecError};
use crate::error::{Failure, IntoShared, SharedError};
use crate::guard::guard;
use crate::{Actor, Persist};

/// The state of `actor`, as it goes into its record.
pub(crate) fn encode_state<P: Persist>(actor: &P, out: &mut Vec<u8>) -> Result<(), SharedError> {
    out.clear();
    match guard(|| codec::encode(&actor.dump(), out)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.into_shared()),
        Err(panic) => Err(format!("its dump panicked: {panic}").into_shared()),
    }
}

/// The arguments of an actor that is to be born, as they go into its record.
pub(crate) fn encode_args(args: &impl Serialize) -> Result<Vec<u8>, SharedError> {
    let mut out = Vec::new();
    match guard(|| codec::encode(args, &mut out)) {
        Ok(Ok(())) => Ok(out),
        Ok(Err(error)) => Err(format!("its arguments cannot be saved: {error}").into_shared()),
        Err(panic) => Err(format!("to save its arguments panicked: {panic}").into_shared()),
    }
}

/// A section of a record as a value of a user's type.
pub(crate) fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    guard(|| codec::decode(bytes))
        .unwrap_or_else(|panic| Err(CodecError::Decode(format!("it panicked: {panic}").into())))
        .map_err(|error| Failure::Refused(error.into_shared()))
}

/// The actor of a stored form.
pub(crate) fn revived<A: Actor>(stored: A::Stored) -> Result<A, Failure> {
    guard(|| A::load(stored))
        .unwrap_or_else(|panic| Err(format!("load panicked: {panic}").into()))
        .map_err(|error| Failure::Refused(error.into_shared()))
}
