//! The seam as loom has it: see [`model`] for how code is run on it.
//!
//! What differs from the machine:
//!
//! - All threads of a model are coroutines of one real thread, and loom chooses at each operation who goes on.
//! - There is no time. A wait without an end ends by a notification alone. One with an end is over as soon as there is
//!   nothing to wait for, after a step of the other threads: as loom may let the thread look as late as it likes, "its
//!   time is up" is seen at every point. How long a system's waits are says its [`Clock`](crate::Clock).
//! - A panic fails the model, even where Gargoyle makes a value of it, unless the model [wants it](model::crash).
//! - While a failure unwinds, nothing here is an operation of the model any more, which has come to its end: locks are
//!   taken past loom, atomics are left alone, waits do not wait.

mod atomics;
mod locks;
pub mod model;

/// As the one of the standard library. Loom's does not know values that are `const`.
macro_rules! model_local {
    (static $name:ident: $type:ty = const $value:block;) => {
        static $name: $crate::sync::LocalKey<$type> = {
            loom::thread_local! {
                static VALUE: $type = $value;
            }
            $crate::sync::LocalKey(&VALUE)
        };
    };
}
pub(crate) use model_local as thread_local;

/// A value that each thread of a model has for itself, and that nobody finds while a failure unwinds.
pub(crate) struct LocalKey<T: 'static>(pub(crate) &'static loom::thread::LocalKey<T>);

impl<T: 'static> LocalKey<T> {
    pub(crate) fn try_with<R>(&'static self, look: impl FnOnce(&T) -> R) -> Result<R, ()> {
        if is_over() { Err(()) } else { self.0.try_with(look).map_err(drop) }
    }
}

pub(crate) use self::model::catch;
pub(in crate::sync) use self::model::is_over;
pub use locks::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Atomic numbers and their orderings.
pub mod atomic {
    pub use super::atomics::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, fence};
    pub use std::sync::atomic::Ordering;
}

/// Channels: mailboxes and event streams.
pub mod channel {
    pub use crate::sync::stand_in::{Receiver, Sender, bounded, unbounded};
    pub use crossbeam_channel::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
}

/// Hashing for registries.
pub mod hash {
    use std::collections::hash_map::DefaultHasher;

    /// Builds hashers that are the same in each execution, which a model has to be.
    pub type BuildHasher = std::hash::BuildHasherDefault<DefaultHasher>;
}

/// Threads.
pub mod thread {
    use std::io;
    use std::time::Duration;

    pub(crate) use loom::thread::ThreadId;

    use super::{is_over, model};

    /// Whether a thread that waits may look before it sleeps: it would find nothing that the sleep does not.
    pub(crate) const MAY_LOOK: bool = false;

    /// Whether a thread may wait for its next work. There is no time after which it would give up.
    pub(crate) const MAY_WAIT_FOR_WORK: bool = false;

    /// How long it waits: it does not.
    pub(crate) fn patience() -> Duration {
        Duration::ZERO
    }

    /// Which thread this is.
    pub(crate) fn id() -> ThreadId {
        loom::thread::current().id()
    }

    /// Lets another thread go on, if one can.
    pub fn yield_now() {
        if !is_over() {
            loom::thread::yield_now();
        }
    }

    /// Nobody looks at the threads of a model.
    pub(crate) fn rename(_: &str) {}

    /// Starts a thread that nobody joins. Its stack is as large as loom's generators can have it without a cost.
    ///
    /// # Errors
    ///
    /// If the model [has none to give](model::refuse_threads).
    #[track_caller]
    pub fn spawn(name: String, _: Option<usize>, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        if model::is_thread_refused() {
            return Err(io::Error::other("the model has no thread to give"));
        }
        loom::thread::Builder::new().name(name).stack_size(model::STACK_WORDS).spawn(body).map(drop)
    }
}
