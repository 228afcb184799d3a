//! A turn: the messages between two saves, and what is held back until the save is durable.
//!
//! The turn knows the record and the outbox of a live actor, and nothing of its type. It moves through these steps:
//!
//! ```text
//! begin_message → (handler) → keep_state, finish_message     the message counts
//!                           → undo_message                   it does not: panic, or a state that cannot be saved
//! commit: save if dirty, then release all that was held
//! ```
//!
//! Whatever is released runs without a borrow of the turn: an answer that nobody gets is dropped there, and its `drop`
//! is a user's code that may cast again.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;

use crate::error::Failure;
use crate::event::EventKind;
use crate::reply::Promise;
use crate::storage::{Storage, StorageErrorKind};
use crate::sync::Arc;
use crate::system::Shared;
use crate::{ActorId, CallError, Handled, Record, Revision};

pub(crate) struct Turn {
    shared: Arc<Shared>,
    storage: Arc<dyn Storage>,
    id: ActorId,
    state: RefCell<State>,
}

struct State {
    /// Its state section is the state after the last message that counts.
    record: Record,
    /// What the store has; `None` before the first save.
    revision: Option<Revision>,
    /// Whether the record differs from what the store has.
    dirty: bool,
    /// Held back, in the order of the handlers' doing.
    outbox: Vec<Held>,
    /// Where the part of the outbox begins that belongs to the present message.
    message_start: usize,
    /// Whether the present message saved in its middle.
    saved_within: bool,
    /// Casts of the actor to itself that were released, for its worker to take.
    to_itself: VecDeque<Box<dyn Any>>,
    /// A save failed: the incarnation is lost.
    lost: Option<Failure>,
}

/// Something that must not outrun the save.
pub(crate) enum Held {
    /// An answer.
    Reply(Promise),
    /// A cast to another actor.
    Cast(Box<dyn HeldCast>),
    /// A cast of the actor to itself: an envelope of its own type.
    ToItself { envelope: Box<dyn Any>, message: &'static str },
    /// A cast that was handled: nothing to release, but to be told of if the save fails.
    Handled { message: &'static str },
}

/// A cast to another actor that is held back.
pub(crate) trait HeldCast {
    fn target(&self) -> &ActorId;
    fn send(self: Box<Self>);
    fn give_up(self: Box<Self>, failure: Failure);
}

impl Turn {
    pub(crate) fn new(
        shared: Arc<Shared>,
        storage: Arc<dyn Storage>,
        record: Record,
        revision: Option<Revision>,
    ) -> Self {
        let id = record.id.clone();
        let state = State {
            record,
            revision,
            dirty: false,
            outbox: Vec::new(),
            message_start: 0,
            saved_within: false,
            to_itself: VecDeque::new(),
            lost: None,
        };
        Turn { shared, storage, id, state: RefCell::new(state) }
    }

    pub(crate) fn id(&self) -> &ActorId {
        &self.id
    }

    /// Whether the actor is newborn: the store has nothing of it.
    pub(crate) fn is_first(&self) -> bool {
        self.state.borrow().revision.is_none()
    }

    /// What the store has; `None` before the first save.
    pub(crate) fn revision(&self) -> Option<Revision> {
        self.state.borrow().revision
    }

    /// Runs `read` on one of the record's sections.
    pub(crate) fn with_record<R>(&self, read: impl FnOnce(&Record) -> R) -> R {
        read(&self.state.borrow().record)
    }

    /// The failure that ended the incarnation, if one did.
    pub(crate) fn lost(&self) -> Option<Failure> {
        self.state.borrow().lost.clone()
    }

    pub(crate) fn begin_message(&self) {
        let mut state = self.state.borrow_mut();
        state.message_start = state.outbox.len();
        state.saved_within = false;
    }

    /// Makes `bytes` the state to save, and leaves the former one in `bytes`. The same bytes again change nothing.
    pub(crate) fn keep_state(&self, bytes: &mut Vec<u8>) {
        let mut state = self.state.borrow_mut();
        let first = state.revision.is_none();
        if first || state.record.state != *bytes {
            std::mem::swap(&mut state.record.state, bytes);
            state.dirty = true;
        }
    }

    /// The present message counts, and this is its outcome. It goes out at once if nothing unsaved precedes it.
    pub(crate) fn finish_message(&self, outcome: Held) {
        self.hold(outcome);
        if let Some(failure) = self.lost() {
            self.lose(&failure);
        } else if !self.state.borrow().dirty {
            self.release_all();
        }
    }

    /// The present message does not count: what it wanted to send is given up.
    pub(crate) fn undo_message(&self, failure: &Failure) {
        let undone = {
            let mut state = self.state.borrow_mut();
            let start = state.message_start;
            state.outbox.split_off(start)
        };
        self.give_up(undone, failure);
    }

    /// Whether the effect of a message that failed is undone in full.
    pub(crate) fn handled_if_undone(&self) -> Handled {
        if self.state.borrow().saved_within { Handled::Unknown } else { Handled::RolledBack }
    }

    /// Holds something back until the next save.
    pub(crate) fn hold(&self, held: Held) {
        self.state.borrow_mut().outbox.push(held);
    }

    /// Saves and releases everything.
    ///
    /// # Errors
    ///
    /// The failure by which the incarnation is lost. All that was held has been refused.
    pub(crate) fn commit(&self) -> Result<(), Failure> {
        self.save()?;
        self.release_all();
        Ok(())
    }

    /// Saves in the middle of a message, and releases everything up to there.
    pub(crate) fn commit_within(&self, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        self.keep_state(bytes);
        self.state.borrow_mut().saved_within = true;
        self.commit()
    }

    /// Before a call of the present message to `target`: saves and releases what the messages before it did, as those
    /// who wait for that must not wait for the call too, and sends its own casts to `target`, as the call must not
    /// overtake them.
    ///
    /// # Errors
    ///
    /// The failure by which the incarnation is lost; the call must not be made.
    pub(crate) fn commit_before_call(&self, target: &ActorId) -> Result<(), Failure> {
        let earlier = {
            let mut state = self.state.borrow_mut();
            let start = std::mem::take(&mut state.message_start);
            let own = state.outbox.split_off(start);
            std::mem::replace(&mut state.outbox, own)
        };
        // An error refuses what is in the outbox; the earlier part shares that fate.
        if let Err(failure) = self.save() {
            self.give_up(earlier, &failure);
            return Err(failure);
        }
        self.release(earlier);
        let overtaken: Vec<Held> = {
            let mut state = self.state.borrow_mut();
            state.outbox.extract_if(.., |held| matches!(held, Held::Cast(cast) if cast.target() == target)).collect()
        };
        self.release(overtaken);
        Ok(())
    }

    /// The next cast of the actor to itself that was released.
    pub(crate) fn take_cast_to_itself(&self) -> Option<Box<dyn Any>> {
        self.state.borrow_mut().to_itself.pop_front()
    }

    /// Ends the incarnation by a failure: refuses everything that is still held.
    pub(crate) fn lose(&self, failure: &Failure) {
        let held = {
            let mut state = self.state.borrow_mut();
            state.lost.get_or_insert_with(|| failure.clone());
            std::mem::take(&mut state.outbox)
        };
        self.give_up(held, failure);
    }

    /// Brings the record to the store, if it is not there yet.
    fn save(&self) -> Result<(), Failure> {
        let (bytes, expected) = {
            let mut state = self.state.borrow_mut();
            if let Some(failure) = &state.lost {
                return Err(failure.clone());
            }
            if !state.dirty {
                return Ok(());
            }
            state.record.saved_at = self.shared.clock.wall();
            (state.record.to_bytes(), state.revision)
        };
        match self.storage.save(&self.id, expected, &bytes) {
            Ok(revision) => {
                assert!(Some(revision) > expected, "{}: the store gave revision {revision} again", self.id);
                let mut state = self.state.borrow_mut();
                state.revision = Some(revision);
                state.dirty = false;
                drop(state);
                self.shared.events.tell(&self.id, EventKind::Saved(revision));
                Ok(())
            }
            Err(error) => {
                let failure = match error.kind() {
                    StorageErrorKind::Stale => Failure::Conflict(error),
                    _ => Failure::NotSaved(error),
                };
                self.lose(&failure);
                Err(failure)
            }
        }
    }

    /// Releases what is held, and what is held in the meantime too.
    fn release_all(&self) {
        loop {
            let held = std::mem::take(&mut self.state.borrow_mut().outbox);
            if held.is_empty() {
                return;
            }
            self.release(held);
        }
    }

    fn release(&self, held: Vec<Held>) {
        for held in held {
            match held {
                Held::Reply(promise) => promise.release(),
                Held::Cast(cast) => cast.send(),
                Held::ToItself { envelope, .. } => self.state.borrow_mut().to_itself.push_back(envelope),
                Held::Handled { .. } => {}
            }
        }
    }

    fn give_up(&self, held: Vec<Held>, failure: &Failure) {
        for held in held {
            match held {
                Held::Reply(promise) => promise.refuse(CallError::new(&self.id, failure.clone())),
                Held::Cast(cast) => cast.give_up(failure.clone()),
                Held::ToItself { message, .. } | Held::Handled { message } => {
                    self.shared.events.undeliverable(&self.id, message, failure.clone());
                }
            }
        }
    }
}
