//! The seam as the machine has it.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::Duration;

pub use std::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};
pub(crate) use std::thread_local;

/// Atomic numbers and their orderings.
pub mod atomic {
    pub use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
}

/// Channels: mailboxes and event streams.
pub mod channel {
    pub use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, bounded, unbounded};
}

/// Hashing for registries.
pub mod hash {
    /// Builds hashers with a random seed, so that nobody can craft ids that collide.
    pub type BuildHasher = std::collections::hash_map::RandomState;
}

/// Threads.
pub mod thread {
    use std::io;
    use std::time::Duration;

    pub use std::thread::yield_now;

    /// Which thread one is, among those that live: where a value of its own is. The standard library counts references
    /// to tell.
    pub(crate) type ThreadId = usize;

    std::thread_local! {
        static HERE: u8 = const { 0 };
    }

    /// Whether a thread that waits may look before it sleeps.
    pub(crate) const MAY_LOOK: bool = true;

    /// Whether a thread may wait for its next work.
    pub(crate) const MAY_WAIT_FOR_WORK: bool = true;

    /// How long it waits before it ends.
    pub(crate) fn patience() -> Duration {
        Duration::from_secs(10)
    }

    /// Which thread this is. One that has ended may have had the same id.
    pub(crate) fn id() -> ThreadId {
        HERE.with(|here| std::ptr::from_ref(here).addr())
    }

    /// Gives this thread another name, where the platform can: for whoever looks at the process from outside. Linux
    /// shows the first 15 bytes; Miri cannot.
    #[inline(never)]
    pub(crate) fn rename(name: &str) {
        #[cfg(all(target_os = "linux", not(miri)))]
        {
            /// What Linux keeps of a name.
            const SHOWN: usize = 15;
            let shown: Vec<u8> = name.bytes().filter(|byte| *byte != 0).take(SHOWN).collect();
            if let Ok(name) = std::ffi::CString::new(shown) {
                // A thread with the name of the actor before is no failure.
                let _ = rustix::thread::set_name(&name);
            }
        }
        #[cfg(any(not(target_os = "linux"), miri))]
        let _ = name;
    }

    /// Starts a thread that nobody joins.
    ///
    /// # Errors
    ///
    /// The system's, if it has no thread to give.
    pub fn spawn(name: String, stack_bytes: Option<usize>, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut builder = std::thread::Builder::new().name(name);
        if let Some(bytes) = stack_bytes {
            builder = builder.stack_size(bytes);
        }
        builder.spawn(body).map(drop)
    }
}

/// Runs `code`; `Err` has the payload of its panic.
pub(crate) fn catch<R>(code: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(code))
}

/// A lock, without poisoning.
#[derive(Default)]
pub struct Mutex<T: ?Sized>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A free lock around `value`.
    pub const fn new(value: T) -> Self {
        Mutex(std::sync::Mutex::new(value))
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, and waits for it if another thread has it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

/// A lock that readers share, without poisoning.
#[derive(Default)]
pub struct RwLock<T: ?Sized>(std::sync::RwLock<T>);

impl<T> RwLock<T> {
    /// A free lock around `value`.
    pub const fn new(value: T) -> Self {
        RwLock(std::sync::RwLock::new(value))
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Takes the lock beside other readers, and waits while a writer has it.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock alone, and waits while anybody has it.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock").finish_non_exhaustive()
    }
}

/// A place to wait until another thread says that something changed.
///
/// To notify when nobody waits costs nothing: the standard one asks the kernel each time. For that, what changed has to be
/// under the lock that is waited with, as it has to be anyway if no notification is to be missed.
#[derive(Debug, Default)]
pub struct Condvar {
    condvar: std::sync::Condvar,
    /// Written with the lock in hand: who has had it after a waiter gave it back sees that one.
    waiters: atomic::AtomicUsize,
}

impl Condvar {
    /// Nobody waits yet.
    pub const fn new() -> Self {
        Condvar { condvar: std::sync::Condvar::new(), waiters: atomic::AtomicUsize::new(0) }
    }

    /// Gives the lock back, waits for a notification, takes the lock again. May return without a notification.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.counted(|| self.condvar.wait(guard).unwrap_or_else(PoisonError::into_inner))
    }

    /// As [`wait`](Self::wait), and returns after `limit` without a notification too.
    pub fn wait_for<'a, T>(&self, guard: MutexGuard<'a, T>, limit: Duration) -> MutexGuard<'a, T> {
        self.counted(|| self.condvar.wait_timeout(guard, limit).unwrap_or_else(PoisonError::into_inner).0)
    }

    fn counted<R>(&self, wait: impl FnOnce() -> R) -> R {
        self.waiters.fetch_add(1, atomic::Ordering::Relaxed);
        let guard = wait();
        self.waiters.fetch_sub(1, atomic::Ordering::Relaxed);
        guard
    }

    fn is_awaited(&self) -> bool {
        self.waiters.load(atomic::Ordering::Relaxed) > 0
    }

    /// Wakes one that waits.
    pub fn notify_one(&self) {
        if self.is_awaited() {
            self.condvar.notify_one();
        }
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        if self.is_awaited() {
            self.condvar.notify_all();
        }
    }
}
