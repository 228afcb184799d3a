//! Durable actors for synchronous Rust: each on its own thread while it is needed, in storage when it is not.
//!
//! An actor is a Rust value with a name. A message to its [`Handle`] finds it on its thread, or wakes it: from its record
//! in the store, or by [`Actor::init`] if there is none. When nobody has talked to it for a while it *petrifies*: its
//! state is in the store, its thread is given back. Whatever happens to the process, the next message goes on from the
//! last state that a reply was given for.
//!
//! # The smallest durable program
//!
//! ```
//! use gargoyle::{Actor, BoxError, Context, Handler, MemoryStorage, Query, System};
//! use gargoyle_registry_std::StdRegistry;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Account { balance: u64 }
//!
//! impl Actor for Account {
//!     const KIND: &'static str = "account"; // its name in the store
//!     type Args = u64; // the opening balance
//!
//!     fn init(opening: &u64, _: &mut Context<Self>) -> Result<Self, BoxError> {
//!         Ok(Account { balance: *opening })
//!     }
//! }
//!
//! struct Deposit(u64);
//!
//! impl Handler<Deposit> for Account {
//!     type Reply = u64;
//!
//!     fn handle(&mut self, Deposit(n): Deposit, _: &mut Context<Self>) -> u64 {
//!         self.balance += n;
//!         self.balance
//!     }
//! }
//!
//! struct Balance;
//!
//! impl Query<Balance> for Account {
//!     type Reply = u64;
//!
//!     fn query(&self, _: Balance) -> u64 {
//!         self.balance
//!     }
//! }
//!
//! // `FsStorage::open("data")?` of gargoyle-storage-fs in place of the memory makes it outlive the process.
//! let system = System::builder(StdRegistry::new(), MemoryStorage::new()).build()?;
//! let alice = system.handle::<Account>("alice", 100); // starts nothing
//! assert_eq!(alice.call(Deposit(5))?, 105); // in the store before this returns
//! alice.petrify()?;
//! assert!(!alice.is_live());
//! assert_eq!(alice.peek(Balance)?, Some(105)); // without waking it
//! assert_eq!(alice.query(Balance)?, 105); // woken
//! # Ok::<(), gargoyle::BoxError>(())
//! ```
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | kind, key, id | the stable name of an actor's type, the name of one of them, both: [`ActorId`] |
//! | handle | a symbolic address: id and arguments to be born with: [`Handle`] |
//! | call, cast, query | a message that waits for its reply; one that has none; a question that changes nothing |
//! | live, stone | on a thread; only in the store |
//! | incarnation | one stretch of life on a thread, from load or init to petrify, stop or crash |
//! | turn | the messages that share one save |
//! | record, revision | what the store has of an id, and its version number: [`Record`], [`Revision`] |
//! | petrify, revive | from live to stone, and back |
//! | stop, wipe | to end an actor, after which its restart policy says what becomes of its record; to delete its record, whatever it is |
//!
//! The whole story, with a picture: [`life`]. How to build with it, chapter by chapter, and recipes: [`guide`].
//!
//! # What it promises, and what not
//!
//! At most one incarnation of an id lives at any time. A message that was accepted is handled once, or its failure is
//! reported: to its sender, or by an [`EventKind::Undeliverable`] event. A reply is given only after the state that it
//! saw or made is durable, unless a weaker [`SaveMode`] is chosen. After a crash an actor goes on from the state after the last message that did not crash. No
//! call hangs: every wait has a deadline, and cycles of calls are refused. What cannot be read is an error and never
//! taken for absent.
//!
//! A mailbox is memory: casts that wait in it are lost with the process. A panic undoes the actor's own state, and
//! nothing else that the handler did. A handler that blocks for ever is not interrupted.
//!
//! # Choices
//!
//! A [`System`] lives by one [`Registry`] and one [`Storage`]. Both are traits for you to implement if those that exist
//! do not fit. [`Settings`] are made for all actors, for a kind, or for one: when a state is saved, what becomes of an actor
//! that ends, and limits; a [`Config`] has them as data. Time comes in by a [`Clock`], so that tests need not wait: see [`testing::TestClock`]. Errors are [`CallError`] and
//! its kin: each names the actor, the [`Failure`], and whether the message was [`Handled`].
//!
//! # Features
//!
//! None is on unless asked for, and none changes what another one does.
//!
//! | feature | what it adds |
//! |---|---|
//! | `config` | configuration files and environment variables: `ConfigLayers` |
//! | `conformance` | `conformance`, the kits that check a store or a registry of your own: for dev-dependencies |
//! | `metrics` | counters, gauges and histograms for the crate `metrics`: `measuring` lists them |
//! | `observe` | samples of a running system, for `gargoyle top` too: `observe` |
//! | `tracing` | spans and events for the crate `tracing`: `measuring` lists them |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod actor;
mod address;
mod clock;
mod codec;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
mod current;
mod delivery;
mod errands;
mod error;
mod event;
mod gate;
mod guard;
pub mod guide;
mod handle;
mod health;
mod id;
mod kinds;
#[doc = include_str!("../LIFE.md")]
pub mod life {}
#[cfg(any(doc, feature = "metrics", feature = "tracing"))]
#[doc = include_str!("../METERS.md")]
pub mod measuring {}
mod message;
#[cfg(feature = "observe")]
pub mod observe;
mod recent;
mod record;
mod registry;
mod reply;
mod settings;
mod shared;
mod slot;
mod state;
mod storage;
mod store;
pub mod sync;
mod system;
mod target;
mod telemetry;
pub mod testing;
mod threads;
mod timers;
mod turn;
mod waits;
mod worker;

pub use actor::{Actor, Exit, Handler, Handles, Persist, Query};
pub use address::Address;
/// A value of CBOR: a state without its type, as [`Actor::migrate`] gets it.
pub use ciborium::Value;
pub use clock::{Clock, SystemClock};
pub use config::Config;
#[cfg(feature = "config")]
pub use config::{ConfigError, ConfigLayers};
pub use context::{Context, Timer};
pub use error::{BoxError, CallError, CastError, Failure, Handled, Phase, TryCallError};
pub use event::{Event, EventKind, Stats};
pub use handle::Handle;
pub use id::{ActorId, InvalidId, KEY_BYTES_MAX, KIND_BYTES_MAX};
pub use record::{Record, RecordError, Watch};
pub use registry::Registry;
pub use reply::ReplyTo;
pub use settings::{RestartPolicy, SaveMode, SettingError, Settings};
pub use slot::SlotRef;
pub use storage::{MemoryStorage, Revision, Storage, StorageError, StorageErrorKind, Stored, Visit};
pub use system::{BuildError, Builder, Resumed, ShutdownError, System};

/// What is shared between threads can be.
const _: () = {
    const fn is_shared_between_threads<T: Send + Sync + 'static>() {}
    is_shared_between_threads::<System>();
    is_shared_between_threads::<SlotRef>();
    is_shared_between_threads::<CallError>();
    is_shared_between_threads::<Event>();
};

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
