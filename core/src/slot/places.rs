//! The word that says who may enter: how many places of a mailbox are taken, and whether it is closed.
//!
//! Who sends takes a place first, in one atomic operation that finds the mailbox open, and pushes then; the owner gives the
//! place back when it has taken the message. So a place that is taken is a message that is there or on its way, and a
//! mailbox of which no place is taken is empty: it can be closed by the same word, and nothing is lost. The queue itself grows
//! by blocks and has no end, so that an actor takes the memory of the messages that wait, and not of those that could.
//!
//! That somebody waits for space is a flag of the word too: in another one, the owner could look for who waits before the
//! sender has said so, and the sender for space before the owner has given it. Who waits is woken when half of the space is
//! free, and not by each place: woken for one place each, senders and owner do little else than switch. An owner that is at
//! a long message gets there late, so who waits also looks by itself.

use std::time::Duration;

use crate::clock::{Clock, Deadline};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, looks, thread};

/// Bit 0 of the word: nothing enters any more.
const CLOSED: usize = 1;
/// Bit 1: somebody waits for space, or did. The other bits count the places that are taken.
const AWAITED: usize = 2;
/// One place.
const PLACE: usize = 4;

/// Who waits looks by itself after this time, then after twice as long, and so on …
const FIRST_NAP: Duration = Duration::from_millis(1);
/// … up to this.
const LONGEST_NAP: Duration = Duration::from_millis(16);

pub(super) struct Places {
    word: AtomicUsize,
    capacity: usize,
    /// The lock that `freed` is announced under.
    waiters: Mutex<()>,
    freed: Condvar,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// All are taken, or were until the deadline.
    Full,
    /// Nothing enters any more.
    Closed,
}

impl Places {
    /// For so many messages, at least one; one is taken, by the message that a slot is born with.
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, usize::MAX / PLACE - 1);
        Places { word: AtomicUsize::new(PLACE), capacity, waiters: Mutex::new(()), freed: Condvar::new() }
    }

    /// How many are taken, at this moment.
    pub(super) fn taken(&self) -> usize {
        self.word.load(Ordering::Acquire) / PLACE
    }

    pub(super) fn are_all_taken(&self) -> bool {
        self.taken() >= self.capacity
    }

    pub(super) fn are_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Whether somebody waits for space, or did.
    pub(super) fn are_awaited(&self) -> bool {
        self.word.load(Ordering::Acquire) & AWAITED != 0
    }

    /// Takes a place, if there is one. Whoever has one pushes its message, whatever happens.
    pub(super) fn try_take(&self) -> Result<(), Refused> {
        let mut word = self.word.load(Ordering::Relaxed);
        let mut is_new = false;
        loop {
            match self.refusal(word) {
                // No count that goes too far and back: another sender could take that for full, and nobody would wake
                // it. Release: the push must not be seen before the place is taken, or the owner could take the message
                // and close before that. Acquire: a push comes after what the owner did before it gave the place back.
                None => match self.word.compare_exchange(word, word + PLACE, Ordering::AcqRel, Ordering::Relaxed) {
                    Ok(_) => return Ok(()),
                    Err(now) => word = now,
                },
                // That may be an old value. A nudge that takes it for the truth could leave an owner asleep that has
                // emptied its mailbox since; an exchange reads the newest one.
                Some(Refused::Full) if !is_new => {
                    word = self.word.fetch_or(0, Ordering::AcqRel);
                    is_new = true;
                }
                Some(refused) => return Err(refused),
            }
        }
    }

    fn refusal(&self, word: usize) -> Option<Refused> {
        if word & CLOSED != 0 {
            Some(Refused::Closed)
        } else {
            (word / PLACE >= self.capacity).then_some(Refused::Full)
        }
    }

    /// Takes a place, and waits for it until the deadline.
    pub(super) fn take(&self, clock: &dyn Clock, deadline: Deadline) -> Result<(), Refused> {
        // Looks that only read leave the word with those who change it.
        let look = || match self.refusal(self.word.load(Ordering::Relaxed)) {
            Some(Refused::Full) => None,
            _ => self.unless_full(),
        };
        looks::wait(&looks::FOR_SPACE, look, || self.take_at_last(clock, deadline))
    }

    /// Takes a place or finds that there will be none; `None`: there may be one later.
    fn unless_full(&self) -> Option<Result<(), Refused>> {
        let taken = self.try_take();
        (taken != Err(Refused::Full)).then_some(taken)
    }

    fn take_at_last(&self, clock: &dyn Clock, deadline: Deadline) -> Result<(), Refused> {
        let mut waiters = self.waiters.lock();
        let mut longest = FIRST_NAP;
        loop {
            if let Some(taken) = self.unless_full() {
                return taken;
            }
            // The flag is set while the mailbox is full: so the place that makes half of it free is given back after it, by
            // somebody who sees it, takes the lock, and so comes after this one has fallen asleep.
            if self.word.fetch_or(AWAITED, Ordering::AcqRel) / PLACE < self.capacity {
                continue;
            }
            let Some(nap) = deadline.nap(clock) else { return Err(Refused::Full) };
            // A model has no time that could pass, and no mailbox of which half is more than a place.
            waiters = self.freed.wait_for(waiters, if thread::MAY_LOOK { nap.min(longest) } else { nap });
            longest = LONGEST_NAP.min(longest * 2);
        }
    }

    /// Gives a place back, of a message that was taken out.
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

    /// Lets nobody in any more, if no place is taken. `false`: a message is there, or will be.
    pub(super) fn close_if_none_is_taken(&self) -> bool {
        let close = |none| self.word.compare_exchange(none, CLOSED, Ordering::AcqRel, Ordering::Acquire).is_ok();
        // Who has said that it waits, and was wrong, is not asleep.
        close(0) || close(AWAITED)
    }

    /// Lets nobody in any more. Those who have a place still push.
    pub(super) fn close(&self) {
        self.word.fetch_or(CLOSED, Ordering::AcqRel);
    }
}
