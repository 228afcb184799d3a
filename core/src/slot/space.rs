//! How much space a mailbox has, and who waits for it.
//!
//! The queue itself grows by blocks and has no end, so that an actor takes the memory of the messages that wait, and not of
//! those that could. Who sends takes a place first, and who receives gives it back: in one word with the flag that
//! somebody waits. In two words, the receiver could look for who waits before the sender has said so, and the sender for
//! space before the receiver has given it.
//!
//! Who waits is woken when half of the space is free, and not by each place: woken for one place each, senders and receiver
//! do little else than switch. An owner that is at a long message gets there late, so who waits also looks by itself.

use std::time::Duration;

use crate::clock::{Clock, Deadline};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, looks, thread};

/// Bit 0 of the word: somebody waits, or did. The other bits count the places that are taken.
const AWAITED: usize = 1;
/// One place.
const PLACE: usize = 2;

/// Who waits looks by itself after this time, then after twice as long, and so on …
const FIRST_NAP: Duration = Duration::from_millis(1);
/// … up to this.
const LONGEST_NAP: Duration = Duration::from_millis(16);

pub(super) struct Space {
    word: AtomicUsize,
    capacity: usize,
    /// The lock that `freed` is announced under.
    waiters: Mutex<()>,
    freed: Condvar,
}

impl Space {
    /// For so many messages, at least one.
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, usize::MAX / PLACE - 1);
        Space { word: AtomicUsize::new(0), capacity, waiters: Mutex::new(()), freed: Condvar::new() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.word.load(Ordering::Acquire) / PLACE >= self.capacity
    }

    /// Takes a place, if there is one.
    pub(super) fn try_take(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            // No count that goes too far and back: another sender could take that for full, and nobody would wake it.
            if word / PLACE >= self.capacity {
                // That may be an old value. A nudge that takes it for the truth could leave an owner asleep that has
                // emptied its mailbox since; an exchange reads the newest one.
                word = self.word.fetch_or(0, Ordering::AcqRel);
                if word / PLACE >= self.capacity {
                    return false;
                }
            }
            match self.word.compare_exchange(word, word + PLACE, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Takes a place, and waits for it until the deadline.
    pub(super) fn take(&self, clock: &dyn Clock, deadline: Deadline) -> bool {
        // Looks that only read leave the word with those who change it.
        let look = || (!self.is_full() && self.try_take()).then_some(true);
        looks::wait(&looks::FOR_SPACE, look, || self.take_at_last(clock, deadline))
    }

    fn take_at_last(&self, clock: &dyn Clock, deadline: Deadline) -> bool {
        let mut waiters = self.waiters.lock();
        let mut longest = FIRST_NAP;
        loop {
            if self.try_take() {
                return true;
            }
            // The flag is set while the mailbox is full: so the place that makes half of it free is given back after it, by
            // somebody who sees it, takes the lock, and so comes after this one has fallen asleep.
            if self.word.fetch_or(AWAITED, Ordering::AcqRel) / PLACE < self.capacity {
                continue;
            }
            let Some(nap) = deadline.nap(clock) else { return false };
            // A model has no time that could pass, and no mailbox of which half is more than a place.
            waiters = self.freed.wait_for(waiters, if thread::MAY_LOOK { nap.min(longest) } else { nap });
            longest = LONGEST_NAP.min(longest * 2);
        }
    }

    /// Gives a place back.
    pub(super) fn give_back(&self) {
        let before = self.word.fetch_sub(PLACE, Ordering::AcqRel);
        if before & AWAITED != 0 && before / PLACE - 1 <= self.capacity / 2 {
            // All of them look, and who finds nothing says again that it waits.
            let waiters = self.waiters.lock();
            self.word.fetch_and(!AWAITED, Ordering::AcqRel);
            // Or who is woken would find the lock taken, and sleep again.
            drop(waiters);
            self.freed.notify_all();
        }
    }
}
