//! For those who test their actors: time that stands still, and lives that end when a test says so.
//!
//! # Examples
//!
//! What the idle time does, without waiting for it:
//!
//! ```
//! use std::time::Duration;
//! use gargoyle::testing::{self, TestClock};
//! use gargoyle::{MemoryStorage, System};
//! # use gargoyle::{Actor, BoxError, Context, Handler};
//! # #[derive(serde::Serialize, serde::Deserialize)]
//! # struct Counter(u32);
//! # impl Actor for Counter {
//! #     const KIND: &'static str = "counter";
//! #     type Args = ();
//! #     fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> { Ok(Counter(0)) }
//! # }
//! # struct Add;
//! # impl Handler<Add> for Counter {
//! #     type Reply = u32;
//! #     fn handle(&mut self, _: Add, _: &mut Context<Self>) -> u32 { self.0 += 1; self.0 }
//! # }
//! # let registry = gargoyle_registry_std::StdRegistry::new();
//!
//! let clock = TestClock::new();
//! let system = System::builder(registry, MemoryStorage::new()).clock(clock.clone()).build()?;
//! let counter = system.handle::<Counter>("a", ());
//! assert_eq!(counter.call(Add)?, 1);
//!
//! testing::crash(&counter)?; // as if a handler had panicked
//! assert_eq!(counter.call(Add)?, 2);
//!
//! let events = system.events();
//! clock.advance(Duration::from_secs(60));
//! events.recv()?; // counter/a was petrified
//! assert_eq!(counter.call(Add)?, 3);
//!
//! testing::petrify_all(&system)?; // does what it keeps survive?
//! assert_eq!(counter.call(Add)?, 4);
//! # Ok::<(), BoxError>(())
//! ```

pub use crate::clock::TestClock;
use crate::{Actor, CallError, Handle, System};

/// Turns all actors to stone that are alive now, after the messages that are in their mailboxes, and waits until they are.
/// Blocks up to the [`call_timeout`](crate::Settings::call_timeout) of each.
///
/// # Errors
///
/// The first one that did not turn to stone; the others have been told to.
pub fn petrify_all(system: &System) -> Result<(), CallError> {
    system.petrify_all()
}

/// Has the actor crash as by a panic of a handler, after the messages that are in its mailbox, and waits until it has.
/// What becomes of it says its [`RestartPolicy`](crate::RestartPolicy). Does nothing if it is stone.
///
/// # Errors
///
/// As [`Handle::petrify`].
pub fn crash<A: Actor>(handle: &Handle<A>) -> Result<(), CallError> {
    handle.crash()
}
