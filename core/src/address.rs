//! Handles as plain data.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::handle::Handle;
use crate::target::Target;
use crate::{Actor, System};

/// The address of an actor without a system: what a [`Handle`] is as plain data.
///
/// It can be made, decoded and sent about anywhere, and becomes a handle with [`handle`](Self::handle). Both serialise
/// the same.
///
/// # Examples
///
/// ```
/// # use gargoyle::{Actor, Address, BoxError, Context};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Account { balance: u64 }
/// # impl Actor for Account {
/// #     const KIND: &'static str = "account";
/// #     type Args = u64;
/// #     fn init(balance: &u64, _: &mut Context<Self>) -> Result<Self, BoxError> { Ok(Account { balance: *balance }) }
/// # }
/// let alice: Address<Account> = Address::new("alice", 100);
/// assert_eq!((alice.key(), *alice.args()), ("alice", 100));
/// ```
pub struct Address<A: Actor>(Target<A>);

impl<A: Actor> Address<A> {
    /// The address of the `A` with this key, to be born with these arguments.
    pub fn new(key: impl Into<String>, args: A::Args) -> Self {
        Address(Target::new(key.into(), args))
    }

    pub(crate) fn of(target: Target<A>) -> Self {
        Address(target)
    }

    /// The actor's key.
    pub fn key(&self) -> &str {
        self.0.id.key()
    }

    /// The arguments to be born with.
    pub fn args(&self) -> &A::Args {
        &self.0.args
    }

    /// The handle for this address in `system`.
    pub fn handle(&self, system: &System) -> Handle<A> {
        system.handle_of(self.0.clone())
    }
}

impl<A: Actor> Clone for Address<A> {
    fn clone(&self) -> Self {
        Address(self.0.clone())
    }
}

impl<A: Actor> PartialEq for Address<A> {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl<A: Actor> Eq for Address<A> {}

impl<A: Actor> Hash for Address<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl<A: Actor> fmt::Debug for Address<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?}, {:?})", self.0.id.kind(), self.key())
    }
}

/// How handles and addresses look in a record. The kind is not there: the type says it.
#[derive(Serialize, Deserialize)]
struct Plain<K, T> {
    key: K,
    args: T,
}

impl<A: Actor> Serialize for Address<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Plain { key: self.key(), args: self.args() }.serialize(serializer)
    }
}

impl<'de, A: Actor> Deserialize<'de> for Address<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Plain { key, args } = Plain::<String, A::Args>::deserialize(deserializer)?;
        Ok(Address::new(key, args))
    }
}
