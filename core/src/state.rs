//! Values of a user's types to bytes and back, behind the guard: their code may fail, and may panic.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, CodecError};
use crate::error::{Failure, IntoShared, SharedError};
use crate::guard::{guard, guard_fallible};
use crate::{Actor, BoxError, Persist, Value};

/// The state of `actor`, as it goes into its record.
pub(crate) fn encode_state<P: Persist>(actor: &P, out: &mut Vec<u8>) -> Result<(), SharedError> {
    out.clear();
    guard_fallible("its dump", || Ok(codec::encode(&actor.dump(), out)?)).map_err(IntoShared::into_shared)
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

/// The arguments in a record.
pub(crate) fn decoded_args<A: Actor>(bytes: &[u8]) -> Result<A::Args, Failure> {
    decoded(bytes).map_err(|error| Failure::Refused(wrong_shape::<A>("arguments", &error)))
}

fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    guard(|| codec::decode(bytes))
        .unwrap_or_else(|panic| Err(CodecError::Shape(format!("to decode it panicked: {panic}"))))
}

/// What everybody sees who changes a type and forgets its records, or gives two types one kind.
fn wrong_shape<A: Actor>(section: &str, error: &CodecError) -> SharedError {
    let (name, version) = (std::any::type_name::<A>(), A::VERSION);
    format!(
        "the {section} in the record are not those of {name} in version {version}: {error}; if the type has changed, \
         raise its VERSION and write migrate, or give new fields a serde default; if another program or type wrote the \
         record, one of the two needs another KIND"
    )
    .into_shared()
}

/// The actor whose state was saved as `state` by this `version` of its type.
pub(crate) fn loaded<A: Actor>(version: u32, state: &[u8]) -> Result<A, Failure> {
    check_version::<A>(version)?;
    let stored = if version == A::VERSION {
        decoded(state).map_err(|error| Failure::Refused(wrong_shape::<A>("state", &error)))?
    } else {
        migrated::<A>(version, state).map_err(|error| Failure::Refused(error.into_shared()))?
    };
    guard_fallible("load", || A::load(stored)).map_err(|error| Failure::Refused(error.into_shared()))
}

/// What a newer program wrote is not this one's to read, nor to delete but by a wipe.
pub(crate) fn check_version<A: Actor>(found: u32) -> Result<(), Failure> {
    let known = A::VERSION;
    if found > known { Err(Failure::NewerVersion { found, known }) } else { Ok(()) }
}

/// The stored form of today, one step after the other from that of an older version.
fn migrated<A: Actor>(from: u32, state: &[u8]) -> Result<A::Stored, BoxError> {
    guard_fallible("migrate", || {
        let mut value: Value = codec::decode(state)?;
        for version in from..A::VERSION {
            value = A::migrate(version, value)?;
        }
        let in_shape = value.deserialized();
        Ok(in_shape.map_err(|ciborium::value::Error::Custom(text)| CodecError::Shape(codec::without_value(&text)))?)
    })
}
