//! Gargoyle: durable actors for synchronous Rust.
#![forbid(unsafe_code)]

mod actor;
mod address;
mod clock;
mod codec;
mod context;
mod current;
mod delivery;
mod error;
mod event;
mod gate;
mod guard;
mod handle;
mod id;
mod message;
mod record;
mod registry;
mod reply;
mod slot;
mod storage;
pub mod sync;
mod system;
mod turn;
mod waits;
mod worker;

pub use actor::{Actor, Handler, Persist, Query};
pub use address::Address;
pub use clock::{Clock, SystemClock, TestClock};
pub use context::Context;
pub use error::{BoxError, CallError, CastError, Failure, Handled, Phase, TryCallError};
pub use event::{Event, EventKind, Stats};
pub use handle::Handle;
pub use id::{ActorId, InvalidId, KEY_BYTES_MAX, KIND_BYTES_MAX};
pub use record::{Record, RecordError};
pub use registry::Registry;
pub use slot::SlotRef;
pub use storage::{MemoryStorage, Revision, Storage, StorageError, StorageErrorKind, Stored};
pub use system::{BuildError, Builder, ShutdownError, System};
