//! The seam as shuttle has it: see [`model`] for how code is run on it.
//!
//! What differs from the machine:
//!
//! - All threads of a system are coroutines of one real thread, and shuttle chooses at each operation who goes on. All
//!   atomics are sequentially consistent: weaker orders are loom's to check.
//! - There is no time. A wait without an end ends by a notification alone. One with an end is over as soon as there is
//!   nothing to wait for, after a step of the other threads. How long a system's waits are says its
//!   [`Clock`](crate::Clock).
//! - A panic fails the run, even where Gargoyle makes a value of it, unless the system [wants it](model::crash).
//! - A run is over when all of its threads have ended: one that nobody ends is a deadlock.

mod locks;
pub mod model;

pub(crate) use self::model::catch;
pub use locks::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub(crate) use shuttle::thread_local;

/// Shuttle's operations work while a failure unwinds, too.
pub(in crate::sync) fn is_over() -> bool {
    false
}

/// Atomic numbers and their orderings.
pub mod atomic {
    pub use shuttle::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
}

/// Channels: mailboxes and event streams.
pub mod channel {
    pub use crate::sync::stand_in::{Receiver, Sender, bounded, unbounded};
    pub use crossbeam_channel::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
}

/// Hashing for registries.
pub mod hash {
    use std::collections::hash_map::DefaultHasher;

    /// Builds hashers that are the same in each run, so that it can be run again.
    pub type BuildHasher = std::hash::BuildHasherDefault<DefaultHasher>;
}

/// Threads.
pub mod thread {
    use std::io;
    use std::time::Duration;

    pub(crate) use shuttle::thread::ThreadId;
    pub use shuttle::thread::yield_now;

    use super::model;

    /// Whether a thread that waits may look before it sleeps: it would find nothing that the sleep does not.
    pub(crate) const MAY_LOOK: bool = false;

    /// Whether a thread may wait for its next work.
    pub(crate) const MAY_WAIT_FOR_WORK: bool = true;

    /// How long it waits before it ends: not at all, or until it gets work.
    pub(crate) fn patience() -> Duration {
        if model::random().is_multiple_of(4) { Duration::ZERO } else { Duration::MAX }
    }

    /// Which thread this is.
    pub(crate) fn id() -> ThreadId {
        shuttle::thread::current().id()
    }

    /// Nobody looks at the threads of a run.
    pub(crate) fn rename(_: &str) {}

    /// Starts a thread that nobody joins. Its stack is as large as that of all others.
    ///
    /// # Errors
    ///
    /// If the system [has none to give](model::refuse_threads).
    pub fn spawn(name: String, _: Option<usize>, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        if model::is_thread_refused() {
            return Err(io::Error::other("the system has no thread to give"));
        }
        let thread = shuttle::thread::Builder::new().name(name).spawn(body)?;
        // Dropped, it would be one that the end of a run does not wait for.
        std::mem::forget(thread);
        Ok(())
    }
}
