//! Locks and condition variables.
//!
//! Each lock is two: loom's, around nothing, which decides who may; and one of the standard library around the data,
//! which is always free then. So while a failure unwinds the data can be reached without loom.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};
use std::time::Duration;

use super::{is_over, model, thread};
use crate::clock::LONG;

/// What is unwound does not find a lock whose owner loom will never run again.
const LOST: &str = "a failed model needs a lock that another of its threads has";

/// A lock, without poisoning.
#[derive(Default)]
pub struct Mutex<T: ?Sized> {
    turn: loom::sync::Mutex<()>,
    data: std::sync::Mutex<T>,
}

/// A lock that is taken.
pub struct MutexGuard<'a, T: ?Sized> {
    // In this order they are dropped.
    data: std::sync::MutexGuard<'a, T>,
    turn: Option<loom::sync::MutexGuard<'a, ()>>,
    lock: &'a Mutex<T>,
}

impl<T> Mutex<T> {
    /// A free lock around `value`.
    pub fn new(value: T) -> Self {
        Mutex { turn: loom::sync::Mutex::new(()), data: std::sync::Mutex::new(value) }
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, and waits for it if another thread has it.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let turn = if is_over() { None } else { Some(self.turn.lock().unwrap_or_else(PoisonError::into_inner)) };
        MutexGuard { turn, data: self.data(), lock: self }
    }

    fn data(&self) -> std::sync::MutexGuard<'_, T> {
        match self.data.try_lock() {
            Ok(data) => data,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => model::give_up(LOST),
        }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.data
    }
}

impl<T: ?Sized> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MutexGuard").finish_non_exhaustive()
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

/// A lock that readers share, without poisoning.
#[derive(Default)]
pub struct RwLock<T: ?Sized> {
    turn: loom::sync::RwLock<()>,
    data: std::sync::RwLock<T>,
}

/// A lock that is taken beside other readers.
pub struct RwLockReadGuard<'a, T: ?Sized> {
    data: std::sync::RwLockReadGuard<'a, T>,
    _turn: Option<loom::sync::RwLockReadGuard<'a, ()>>,
}

/// A lock that is taken alone.
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    data: std::sync::RwLockWriteGuard<'a, T>,
    _turn: Option<loom::sync::RwLockWriteGuard<'a, ()>>,
}

impl<T> RwLock<T> {
    /// A free lock around `value`.
    pub fn new(value: T) -> Self {
        RwLock { turn: loom::sync::RwLock::new(()), data: std::sync::RwLock::new(value) }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Takes the lock beside other readers, and waits while a writer has it.
    #[track_caller]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        let turn = if is_over() { None } else { Some(self.turn.read().unwrap_or_else(PoisonError::into_inner)) };
        let data = match self.data.try_read() {
            Ok(data) => data,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => model::give_up(LOST),
        };
        RwLockReadGuard { data, _turn: turn }
    }

    /// Takes the lock alone, and waits while anybody has it.
    #[track_caller]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        let turn = if is_over() { None } else { Some(self.turn.write().unwrap_or_else(PoisonError::into_inner)) };
        let data = match self.data.try_write() {
            Ok(data) => data,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => model::give_up(LOST),
        };
        RwLockWriteGuard { data, _turn: turn }
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.data
    }
}

impl<T: ?Sized> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLockReadGuard").finish_non_exhaustive()
    }
}

impl<T: ?Sized> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLockWriteGuard").finish_non_exhaustive()
    }
}

impl<T: ?Sized> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock").finish_non_exhaustive()
    }
}

/// A place to wait until another thread says that something changed.
#[derive(Debug, Default)]
pub struct Condvar(loom::sync::Condvar);

impl Condvar {
    /// Nobody waits yet.
    pub fn new() -> Self {
        Condvar(loom::sync::Condvar::new())
    }

    /// Gives the lock back, waits for a notification, takes the lock again.
    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let MutexGuard { data, turn, lock } = guard;
        let turn = match turn {
            Some(turn) if !is_over() => turn,
            _ => model::give_up("a failed model waits while it is unwound"),
        };
        drop(data);
        let turn = self.0.wait(turn).unwrap_or_else(PoisonError::into_inner);
        MutexGuard { data: lock.data(), turn: Some(turn), lock }
    }

    /// As [`wait`](Self::wait), and returns after a step of the other threads if the wait has an end.
    #[track_caller]
    pub fn wait_for<'a, T>(&self, guard: MutexGuard<'a, T>, limit: Duration) -> MutexGuard<'a, T> {
        if limit >= LONG {
            return self.wait(guard);
        }
        let lock = guard.lock;
        drop(guard);
        thread::yield_now();
        lock.lock()
    }

    /// Wakes one that waits.
    #[track_caller]
    pub fn notify_one(&self) {
        if !is_over() {
            self.0.notify_one();
        }
    }

    /// Wakes all that wait.
    #[track_caller]
    pub fn notify_all(&self) {
        if !is_over() {
            self.0.notify_all();
        }
    }
}
