//! The name of an actor that outlives threads and processes.

use std::borrow::Cow;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sync::Arc;

/// The longest key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;

/// The longest kind, in bytes of UTF-8.
pub const KIND_BYTES_MAX: usize = 128;

/// The identity of an actor: its kind and its key.
///
/// An id stays the same over petrifying, reviving, crashes and restarts of the program. Stores keep records by id,
/// registries keep slots by id. Cloning one is cheap: the clones share the text.
///
/// A kind has 1 to [`KIND_BYTES_MAX`] bytes, a key 0 to [`KEY_BYTES_MAX`]; apart from that both are any UTF-8
/// string, `/`, `..` and NUL included. It is for stores to escape what their medium cannot hold.
///
/// # Examples
///
/// ```
/// use gargoyle::ActorId;
///
/// let id = ActorId::new("account", "alice")?;
/// assert_eq!((id.kind(), id.key()), ("account", "alice"));
/// assert_eq!(id.to_string(), "account/alice");
/// assert!(ActorId::new("account", "x".repeat(2000)).is_err());
/// # Ok::<(), gargoyle::InvalidId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(Arc<Name>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name {
    kind: Cow<'static, str>,
    key: Box<str>,
}

impl ActorId {
    /// Makes an id from a kind and a key.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] if the kind is empty or longer than [`KIND_BYTES_MAX`], or the key longer than
    /// [`KEY_BYTES_MAX`].
    pub fn new(kind: impl Into<Cow<'static, str>>, key: impl Into<String>) -> Result<Self, InvalidId> {
        let id = Self::unchecked(kind.into(), key.into());
        id.check()?;
        Ok(id)
    }

    /// Handles are made without a check, as making one cannot fail; `check` follows before a slot is made.
    pub(crate) fn unchecked(kind: Cow<'static, str>, key: String) -> Self {
        ActorId(Arc::new(Name { kind, key: key.into() }))
    }

    pub(crate) fn check(&self) -> Result<(), InvalidId> {
        let (kind, key) = (self.kind().len(), self.key().len());
        if kind == 0 {
            Err(InvalidId::EmptyKind)
        } else if kind > KIND_BYTES_MAX {
            Err(InvalidId::KindTooLong { bytes: kind })
        } else if key > KEY_BYTES_MAX {
            Err(InvalidId::KeyTooLong { bytes: key })
        } else {
            Ok(())
        }
    }

    /// The kind: the stable name of the actor's type.
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The key: the name of this actor among those of its kind.
    pub fn key(&self) -> &str {
        &self.0.key
    }
}

/// Shows `kind/key`, with control characters escaped and long keys cut, so that a message stays a line.
impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 80;
        write!(f, "{}/", self.kind().escape_debug())?;
        let mut chars = self.key().chars();
        for c in chars.by_ref().take(SHOWN) {
            if c.is_control() { write!(f, "{}", c.escape_debug())? } else { write!(f, "{c}")? }
        }
        if chars.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorId({:?}, {:?})", self.kind(), self.key())
    }
}

impl Serialize for ActorId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.kind(), self.key()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ActorId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (kind, key) = <(String, String)>::deserialize(deserializer)?;
        ActorId::new(kind, key).map_err(D::Error::custom)
    }
}

/// A kind or a key that cannot name an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// The kind is the empty string.
    #[error("the kind is empty; give the actor type a KIND")]
    EmptyKind,
    /// The kind is longer than [`KIND_BYTES_MAX`].
    #[error("the kind has {bytes} bytes, {KIND_BYTES_MAX} are the limit")]
    #[non_exhaustive]
    KindTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The key is longer than [`KEY_BYTES_MAX`].
    #[error("the key has {bytes} bytes, {KEY_BYTES_MAX} are the limit; use a digest of it as the key")]
    #[non_exhaustive]
    KeyTooLong {
        /// Its length.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_inclusive() {
        assert!(ActorId::new("k", "").is_ok());
        assert!(ActorId::new("k".repeat(KIND_BYTES_MAX), "x".repeat(KEY_BYTES_MAX)).is_ok());
        assert_eq!(ActorId::new("", "x").unwrap_err(), InvalidId::EmptyKind);
        assert_eq!(ActorId::new("k".repeat(129), "x").unwrap_err(), InvalidId::KindTooLong { bytes: 129 });
        assert_eq!(ActorId::new("k", "x".repeat(1025)).unwrap_err(), InvalidId::KeyTooLong { bytes: 1025 });
    }

    #[test]
    fn display_stays_one_short_line() {
        let id = ActorId::new("kind", format!("a\nb{}", "x".repeat(500))).unwrap();
        let shown = id.to_string();
        assert!(!shown.contains('\n') && shown.chars().count() < 100, "{shown}");
    }
}
