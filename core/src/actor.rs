//! What a user writes: an actor, how it is persisted, what it handles.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Failure;
use crate::{ActorId, BoxError, Context, ReplyTo, Value};

/// How a value is taken to a store and back.
///
/// Every type that is `Serialize + DeserializeOwned` has it already; the stored form is CBOR, whose one `null` makes
/// `Some(None)` come back as `None`. Implement it by hand for a type that is not, to
/// map its state to one that is: what is not in [`Stored`](Self::Stored) is ephemeral, and is made anew by
/// [`load`](Self::load).
///
/// # Examples
///
/// A field that cannot be stored, nor leave its thread:
///
/// ```
/// use std::rc::Rc;
/// use gargoyle::{BoxError, Persist};
/// use serde::Serialize;
///
/// struct Session {
///     user: String,
///     engine: Rc<Vec<u8>>, // a Lua state, say
/// }
///
/// impl Persist for Session {
///     type Stored = String;
///
///     fn dump(&self) -> impl Serialize + '_ {
///         &self.user
///     }
///
///     fn load(user: String) -> Result<Self, BoxError> {
///         Ok(Session { user, engine: Rc::default() })
///     }
/// }
/// ```
pub trait Persist: Sized {
    /// The stored form.
    type Stored: DeserializeOwned;

    /// A view of the value that serialises as its stored form.
    ///
    /// Called on the actor's thread after every message that may have changed it. Two values that are the same to a
    /// later reader should serialise the same, as what is unchanged is not saved: prefer `BTreeMap` to `HashMap`,
    /// whose order is another one after each revival.
    fn dump(&self) -> impl Serialize + '_;

    /// The value of a stored form.
    ///
    /// Called on the actor's thread, when it is revived, and when a message is rolled back.
    ///
    /// # Errors
    ///
    /// Whatever makes the stored form unacceptable. The record is left as it is, and callers get the error.
    fn load(stored: Self::Stored) -> Result<Self, BoxError>;
}

impl<T: Serialize + DeserializeOwned> Persist for T {
    type Stored = T;

    fn dump(&self) -> impl Serialize + '_ {
        self
    }

    fn load(stored: T) -> Result<T, BoxError> {
        Ok(stored)
    }
}

/// A durable actor: a type whose values have names, threads while they are needed, and storage when they are not.
///
/// An actor is made, used and dropped on one thread, so that it need not be `Send`; its arguments, messages and replies
/// must be. All methods here and in [`Handler`] and [`Query`] are called on that thread, one at a time. Only
/// [`peek`](crate::Handle::peek) makes a second value of a record, for one question, on the thread of whoever asks.
///
/// # Examples
///
/// ```
/// use gargoyle::{Actor, BoxError, Context, Handler};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Counter { count: u64 }
///
/// impl Actor for Counter {
///     const KIND: &'static str = "counter";
///     type Args = ();
///
///     fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
///         Ok(Counter { count: 0 })
///     }
/// }
///
/// struct Add(u64);
///
/// impl Handler<Add> for Counter {
///     type Reply = u64;
///
///     fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
///         self.count += n;
///         self.count
///     }
/// }
/// ```
///
/// What the store keeps has to come back: a type that can neither be deserialised nor has [`Persist`] by hand is no
/// actor.
///
/// ```compile_fail
/// use gargoyle::{Actor, BoxError, Context};
///
/// struct Forgetful;
///
/// impl Actor for Forgetful {
///     const KIND: &'static str = "forgetful";
///     type Args = ();
///
///     fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
///         Ok(Forgetful)
///     }
/// }
/// ```
pub trait Actor: Persist + 'static {
    /// The stable name of the type in ids, and so in stores: 1 to [`KIND_BYTES_MAX`](crate::KIND_BYTES_MAX) bytes.
    /// Renaming the type is free; changing this orphans every record.
    const KIND: &'static str;

    /// What an actor is born with. Kept in its record; it counts once, at birth, and later handles with other
    /// arguments reach the same actor.
    type Args: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Makes the actor at its birth: when a message is for an id that has no record.
    ///
    /// What it makes is saved before any reply of the first turn is given, unless a weaker
    /// [`SaveMode`](crate::SaveMode) is set.
    ///
    /// # Errors
    ///
    /// Whatever makes the birth impossible. The caller gets it as [`Failure::NotBorn`](crate::Failure::NotBorn), no
    /// record is made, and the next message tries again.
    fn init(args: &Self::Args, cx: &mut Context<Self>) -> Result<Self, BoxError>;

    /// The version of the stored form. Raise it when the type can no longer read what it wrote before, and teach
    /// [`migrate`](Self::migrate) the step.
    const VERSION: u32 = 1;

    /// Takes a stored form of version `from` to version `from + 1`. A record of version 1 is brought to version 3 by two
    /// steps. What comes of it is saved with the first turn, before any reply.
    ///
    /// Must give the same for the same, as it may be called again for the same record.
    ///
    /// # Errors
    ///
    /// Whatever makes the step impossible, as it is by default. The record is left as it is, and callers get the error
    /// as [`Failure::Refused`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use gargoyle::{Actor, BoxError, Context, Value};
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize)]
    /// struct Account { cents: u64 } // version 1 was `{ euros: u64 }`
    ///
    /// impl Actor for Account {
    ///     const KIND: &'static str = "account";
    ///     const VERSION: u32 = 2;
    ///     type Args = ();
    ///
    ///     fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
    ///         Ok(Account { cents: 0 })
    ///     }
    ///
    ///     fn migrate(from: u32, state: Value) -> Result<Value, BoxError> {
    ///         #[derive(Deserialize)]
    ///         struct Version1 { euros: u64 }
    ///
    ///         match from {
    ///             1 => {
    ///                 let Version1 { euros } = state.deserialized()?;
    ///                 Ok(Value::serialized(&Account { cents: euros * 100 })?)
    ///             }
    ///             _ => Err(format!("there was no version {from}").into()),
    ///         }
    ///     }
    /// }
    /// ```
    fn migrate(from: u32, state: Value) -> Result<Value, BoxError> {
        let _ = state;
        Err(format!("the type has no migration from version {from}").into())
    }

    /// Called when the actor has come from its record: after [`Persist::load`], before any message. The place to make
    /// ephemeral fields anew. A change of the state is saved with the first turn, before any reply.
    ///
    /// Called again when a message was rolled back, for the ephemeral fields of the new value; what it casts, continues
    /// with or sets a timer for is not sent then, as it was at the revival.
    ///
    /// # Errors
    ///
    /// Whatever makes the revival impossible. The record is left as it is, and the caller gets the error as
    /// [`Failure::Refused`].
    fn revived(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        let _ = cx;
        Ok(())
    }

    /// Called before the actor turns to stone, for whatever reason. A change of the state is saved; what it casts is
    /// sent then. With [`cx.rollback()`](Context::rollback) nothing is, and with [`cx.stop()`](Context::stop) the actor
    /// ends instead. A panic is a crash after the last message.
    fn petrifying(&mut self, cx: &mut Context<Self>) {
        let _ = cx;
    }

    /// Called when an actor has ended that this one [watches](Context::watch): a message like any other, after which the
    /// state is saved. Petrifying is not an end.
    ///
    /// The watch goes on after a crash of an actor whose record is kept; it is over when the record is gone.
    fn ended(&mut self, id: &ActorId, exit: &Exit, cx: &mut Context<Self>) {
        let _ = (id, exit, cx);
    }

    /// Called before the actor ends: when it is stopped or wiped, and when it crashes. Petrifying is not an end.
    ///
    /// A change of the state is not saved. After a panic it sees the value as the panic left it. It is not called for an
    /// actor of stone, nor when the process dies, nor when there is no value any more because a rollback found no good state.
    fn terminate(&mut self, exit: &Exit, cx: &mut Context<Self>) {
        let _ = (exit, cx);
    }
}

/// Why an actor ends, or has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Exit {
    /// It was stopped, from outside or by itself.
    Stopped,
    /// It was wiped.
    Wiped,
    /// A handler panicked, a save failed, or its process died.
    Crashed(Failure),
    /// There is no such actor: it was never born, or it ended when nobody could be told.
    Absent,
}

/// How an actor handles messages of type `M` that may change it.
///
/// The state after the message is saved before the reply is given; a state that is the same as before is not saved
/// again. A handler that panics is as good as not called: its caller gets [`Failure::Crashed`](crate::Failure::Crashed)
/// and the actor goes on from the state before the message. What it did beside its own state, a nested call or a write
/// to a file, is not undone.
///
/// A reply that is an `Err` is a reply like any other, and the state is saved: say
/// [`cx.rollback()`](Context::rollback) to have it undone. To answer later than the handler returns, implement
/// [`Handles`] instead.
pub trait Handler<M: Send + 'static>: Actor {
    /// The answer to a `call`. A `cast` drops it.
    type Reply: Send + 'static;

    /// Handles one message.
    fn handle(&mut self, message: M, cx: &mut Context<Self>) -> Self::Reply;
}

/// That an actor handles messages of type `M`, and answers when it will: at once, from a later message, from another
/// actor or another thread.
///
/// What a [`Handler`] does, with the duty to answer as a value, [`ReplyTo`]. Every `Handler` has it; implement it by hand
/// where the answer comes later.
///
/// # Examples
///
/// Who asks for the next ticket waits until there is one:
///
/// ```
/// use gargoyle::{Actor, BoxError, Context, Handler, Handles, ReplyTo};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Desk {
///     tickets: Vec<u32>,
///     #[serde(skip)] // who waits hears of an error when the actor petrifies
///     waiting: Vec<ReplyTo<u32>>,
/// }
/// # impl Actor for Desk {
/// #     const KIND: &'static str = "desk";
/// #     type Args = ();
/// #     fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> { Ok(Desk { tickets: vec![], waiting: vec![] }) }
/// # }
///
/// struct Take;
///
/// impl Handles<Take> for Desk {
///     type Reply = u32;
///
///     fn receive(&mut self, _: Take, reply: ReplyTo<u32>, _: &mut Context<Self>) {
///         match self.tickets.pop() {
///             Some(ticket) => reply.send(ticket),
///             None => self.waiting.push(reply),
///         }
///     }
/// }
///
/// struct Put(u32);
///
/// impl Handler<Put> for Desk {
///     type Reply = ();
///
///     fn handle(&mut self, Put(ticket): Put, _: &mut Context<Self>) {
///         match self.waiting.pop() {
///             Some(reply) => reply.send(ticket),
///             None => self.tickets.push(ticket),
///         }
///     }
/// }
/// # use gargoyle::{MemoryStorage, System};
/// # let system = System::builder(gargoyle_registry_std::StdRegistry::new(), MemoryStorage::new()).build()?;
/// # let desk = system.handle::<Desk>("a", ());
/// # std::thread::scope(|scope| {
/// #     let taken = scope.spawn(|| desk.call(Take));
/// #     desk.call(Put(7)).unwrap();
/// #     assert_eq!(taken.join().unwrap().unwrap(), 7);
/// # });
/// # Ok::<(), BoxError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle messages of type `{M}`",
    note = "implement `Handler<{M}>` for `{Self}`, or ask by `query` if it is a `Query<{M}>`"
)]
pub trait Handles<M: Send + 'static>: Actor {
    /// The answer to a `call`. One to a `cast` is dropped.
    type Reply: Send + 'static;

    /// Handles one message, and answers it by `reply` now or later.
    ///
    /// The caller gets the answer when this message is saved, and not before the save of the handler that gives the
    /// answer. Its deadline goes on meanwhile. A panic is the caller's failure, also if `reply` was sent before.
    fn receive(&mut self, message: M, reply: ReplyTo<Self::Reply>, cx: &mut Context<Self>);
}

impl<A: Handler<M>, M: Send + 'static> Handles<M> for A {
    type Reply = A::Reply;

    fn receive(&mut self, message: M, reply: ReplyTo<A::Reply>, cx: &mut Context<Self>) {
        reply.send(self.handle(message, cx));
    }
}

/// How an actor answers questions of type `Q`, which do not change it.
///
/// Nothing is encoded and nothing saved after a query. With interior mutability a query can change the actor all the
/// same; such a change is saved with the next message that is handled, or lost.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not answer questions of type `{Q}`",
    note = "implement `Query<{Q}>` for `{Self}`, or send it by `call` if it is handled by a `Handler<{Q}>`"
)]
pub trait Query<Q: Send + 'static>: Actor {
    /// The answer.
    type Reply: Send + 'static;

    /// Answers one question.
    fn query(&self, question: Q) -> Self::Reply;
}
