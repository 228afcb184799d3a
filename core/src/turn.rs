//! A turn: the messages between two saves, and what is held back until the save is durable.
//!
//! The turn knows the record and the outbox of a live actor, and nothing of its type. It moves through these steps:
//!
//! ```text
//! begin_message → (handler) → keep_state, finish_message     the message counts
//!                           → undo_message                   it does not: panic, or a state that cannot be saved
//! commit: save if it is time to, then release all that was held
//! ```
//!
//! In the mode that saves every turn nothing is released before it is saved. In the others what is held is released at
//! once, and saved when its time has come; only what a revival has to know, the live mark and settings, is waited for.
//!
//! Nothing of it is borrowed while a user's code or the store runs: what is released was taken out before. For what is
//! released may run a user's `drop`, which may cast again.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Instant, SystemTime};

use crate::error::Failure;
use crate::event::EventKind;
use crate::guard::discard;
use crate::message::Notice;
use crate::reply::Promise;
use crate::settings::{Resolved, RestartPolicy, SaveMode, Settings};
use crate::shared::Shared;
use crate::store::Store;
use crate::sync::Arc;
use crate::telemetry::Vitals;
use crate::{ActorId, CallError, Handled, Record, Revision, Watch};

pub(crate) struct Turn {
    shared: Arc<Shared>,
    store: Store,
    vitals: Vitals,
    id: ActorId,
    state: RefCell<State>,
}

struct State {
    /// Its state section is the state after the last message that counts.
    record: Box<Record>,
    settings: Arc<Resolved>,
    /// What it lives by if what it is now is lost.
    settings_saved: Arc<Resolved>,
    /// What the store has; `None` before the first save.
    revision: Option<Revision>,
    /// Since when the record differs from what the store has.
    changed: Option<Instant>,
    /// Whether the record has something that must be in the store before anybody hears of the actor, in every mode.
    urgent: bool,
    /// Of messages that count: waits for the save, in the order of the handlers' doing.
    outbox: Vec<Held>,
    /// Of the present message, of which nobody knows yet whether it counts.
    present: Vec<Held>,
    /// Of the present message: whom to watch by which token, or not any more.
    watches: Vec<(ActorId, Option<u64>)>,
    /// Whether the present message saved in its middle.
    saved_within: bool,
    /// Casts of the actor to itself that were released, for its worker to take.
    to_itself: VecDeque<Box<dyn Any>>,
    /// A save failed: the incarnation is lost.
    lost: Option<Failure>,
    /// The actor is told of its end: there is nothing to save any more.
    ending: bool,
}

/// Something that must not outrun the save.
pub(crate) enum Held {
    /// An answer. If its message saved in its middle, to lose the rest does not undo all of it.
    Reply { promise: Promise, saved_within: bool },
    /// An answer to an earlier message, or to one of another actor.
    Answer(Promise),
    /// A cast to another actor.
    Cast(Box<dyn HeldCast>),
    /// A cast of the actor to itself: an envelope of its own type.
    ToItself { envelope: Box<dyn Any>, message: &'static str },
    /// A cast that was handled: nothing to release, but to be told of if the save fails.
    Handled { message: &'static str },
}

/// A cast to another actor that is held back.
pub(crate) trait HeldCast {
    fn is_for(&self, shared: &Arc<Shared>, id: &ActorId) -> bool;

    /// The actor that it is for, of whatever system.
    fn target(&self) -> &ActorId;

    /// Sends it if there is space, or gives it back.
    fn try_send(self: Box<Self>) -> Option<Box<dyn HeldCast>>;

    /// Sends it, and waits for space as long as its sender allowed, from `start` on.
    fn send(self: Box<Self>, start: Instant);

    fn give_up(self: Box<Self>, failure: Failure);
}

impl Held {
    pub(crate) fn reply(promise: Promise) -> Self {
        Held::Reply { promise, saved_within: false }
    }
}

impl State {
    /// The record differs from what the store has.
    fn touch(&mut self, shared: &Shared) {
        self.changed.get_or_insert_with(|| shared.clock.now());
    }

    /// Whether nobody may hear of what is not saved.
    fn holds_back(&self) -> bool {
        self.changed.is_some() && (self.urgent || self.settings.save == SaveMode::EveryTurn)
    }

    /// Whether nothing is held back, nor has to be: most messages that are cast leave it so, and are over with that. What
    /// waits for the time of its save is not: it is saved at the end of a turn, which has to come.
    fn holds_nothing(&self) -> bool {
        self.sends_nothing()
            && self.watches.is_empty()
            && self.lost.is_none()
            && !self.holds_back()
            && !self.waits_for_its_time()
    }

    fn sends_nothing(&self) -> bool {
        self.outbox.is_empty() && self.present.is_empty()
    }

    /// Whether the record has to be saved when its time has come.
    fn waits_for_its_time(&self) -> bool {
        self.changed.is_some() && matches!(self.settings.save, SaveMode::Every(_))
    }

    /// The present message counts, and so do its watches.
    fn keep_watches(&mut self, shared: &Shared) {
        if self.watches.is_empty() {
            return;
        }
        for (other, token) in std::mem::take(&mut self.watches) {
            if set_watch(&mut self.record.watching, &other, token) {
                self.touch(shared);
            }
        }
    }
}

fn token_of(watches: &[Watch], other: &ActorId) -> Option<u64> {
    watches.iter().find(|watch| watch.other == *other).map(|watch| watch.token)
}

/// Takes out this very watch. `true`: it was there.
pub(crate) fn end_watch(watches: &mut Vec<Watch>, watch: &Watch) -> bool {
    let before = watches.len();
    watches.retain(|other| other != watch);
    watches.len() < before
}

/// One watch for each actor, by the newest token. `true`: that was a change.
pub(crate) fn set_watch(watches: &mut Vec<Watch>, other: &ActorId, token: Option<u64>) -> bool {
    if token_of(watches, other) == token {
        return false;
    }
    watches.retain(|watch| watch.other != *other);
    watches.extend(token.map(|token| Watch { other: other.clone(), token }));
    true
}

/// From when on the actor has to be revived without a message: a permanent one that is alive, if its process dies.
pub(crate) fn wake_at(record: &Record, settings: &Resolved) -> Option<SystemTime> {
    (record.live && settings.restart == RestartPolicy::Permanent).then_some(SystemTime::UNIX_EPOCH)
}

impl Turn {
    pub(crate) fn new(
        shared: Arc<Shared>,
        store: Store,
        vitals: Vitals,
        record: Box<Record>,
        revision: Option<Revision>,
        settings: Arc<Resolved>,
    ) -> Self {
        let id = record.id.clone();
        let state = State {
            record,
            settings_saved: settings.clone(),
            settings,
            revision,
            changed: None,
            urgent: false,
            outbox: Vec::new(),
            present: Vec::new(),
            watches: Vec::new(),
            saved_within: false,
            to_itself: VecDeque::new(),
            lost: None,
            ending: false,
        };
        Turn { shared, store, vitals, id, state: RefCell::new(state) }
    }

    pub(crate) fn id(&self) -> &ActorId {
        &self.id
    }

    /// Whether its actor is one of this system.
    pub(crate) fn is_in(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// Whether the store has nothing of the actor yet.
    pub(crate) fn is_first(&self) -> bool {
        self.state.borrow().revision.is_none()
    }

    /// Whether the actor could be saved now: not in its `init`, and not in its `terminate`.
    pub(crate) fn can_be_saved(&self) -> bool {
        let state = self.state.borrow();
        !state.ending && (state.revision.is_some() || state.changed.is_some())
    }

    /// What the actor lives by.
    pub(crate) fn settings(&self) -> Arc<Resolved> {
        self.state.borrow().settings.clone()
    }

    /// What the actor lives by if its turn is lost.
    pub(crate) fn settings_saved(&self) -> Arc<Resolved> {
        self.state.borrow().settings_saved.clone()
    }

    /// What there is to save has to be in the store before anybody hears of it, in every mode.
    pub(crate) fn urge(&self) {
        self.state.borrow_mut().urgent = true;
    }

    /// Has the actor live by other settings, of which these are its own.
    pub(crate) fn configure(&self, own: Settings, settings: Arc<Resolved>) {
        let mut state = self.state.borrow_mut();
        if state.record.settings != own {
            state.record.settings = own;
            state.urgent = true;
            state.touch(&self.shared);
        }
        state.settings = settings;
    }

    /// Says in the record whether the actor is alive, if its policy has to know. Nobody hears of an actor that comes alive
    /// before the store has it.
    pub(crate) fn mark(&self, live: bool) {
        let mut state = self.state.borrow_mut();
        let live = live && state.settings.restart.marks();
        if state.record.live != live {
            state.record.live = live;
            state.urgent |= live;
            state.touch(&self.shared);
        }
    }

    /// Adds one who is told of the actor's end.
    pub(crate) fn set_watcher(&self, watch: &Watch) {
        let mut state = self.state.borrow_mut();
        if set_watch(&mut state.record.watchers, &watch.other, Some(watch.token)) {
            state.touch(&self.shared);
        }
    }

    /// Removes one who was to be told of the actor's end, unless it has come to watch anew.
    pub(crate) fn end_watcher(&self, watch: &Watch) {
        let mut state = self.state.borrow_mut();
        if end_watch(&mut state.record.watchers, watch) {
            state.touch(&self.shared);
        }
    }

    /// By which token it watches another actor.
    pub(crate) fn watch_token(&self, other: &ActorId) -> Option<u64> {
        let state = self.state.borrow();
        let staged = state.watches.iter().rev().find(|(id, _)| id == other).map(|(_, token)| *token);
        staged.unwrap_or_else(|| token_of(&state.record.watching, other))
    }

    /// Who is told of the actor's end, and of whose ends the actor is told.
    pub(crate) fn watchers_and_watching(&self) -> (Vec<Watch>, Vec<Watch>) {
        let record = &self.state.borrow().record;
        (record.watchers.clone(), record.watching.clone())
    }

    /// Has the present message watch another actor by this token, or not any more, if it counts.
    pub(crate) fn watch(&self, other: &ActorId, token: Option<u64>) {
        self.state.borrow_mut().watches.push((other.clone(), token));
    }

    /// Whether the actor is to be told of this end. A watch that is over by it is over also if what it is told crashes the
    /// actor: it would be told again and again.
    pub(crate) fn heed(&self, notice: &Notice) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(token) = token_of(&state.record.watching, &notice.ended) else { return false };
        // Or it watches the next one under that id already.
        if notice.for_good && notice.token == token {
            set_watch(&mut state.record.watching, &notice.ended, None);
            state.touch(&self.shared);
        }
        true
    }

    /// When the record has to be saved though nothing happens.
    pub(crate) fn save_due(&self) -> Option<Instant> {
        let state = self.state.borrow();
        match state.settings.save {
            SaveMode::Every(interval) => state.changed?.checked_add(interval),
            _ => None,
        }
    }

    /// Whether the actor is told of its end.
    pub(crate) fn is_ending(&self) -> bool {
        self.state.borrow().ending
    }

    /// The actor is told of its end.
    pub(crate) fn end(&self) {
        self.state.borrow_mut().ending = true;
    }

    /// What the store has; `None` before the first save.
    pub(crate) fn revision(&self) -> Option<Revision> {
        self.state.borrow().revision
    }

    /// A copy of the arguments that the actor was born with.
    pub(crate) fn args(&self) -> Vec<u8> {
        self.state.borrow().record.args.clone()
    }

    /// A copy of the last good state, and the version of the type that it is of.
    pub(crate) fn last_good_state(&self) -> (u32, Vec<u8>) {
        let state = self.state.borrow();
        (state.record.version, state.record.state.clone())
    }

    /// The failure that ended the incarnation, if one did.
    pub(crate) fn lost(&self) -> Option<Failure> {
        self.state.borrow().lost.clone()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.state.borrow().lost.is_some()
    }

    pub(crate) fn begin_message(&self) {
        let mut state = self.state.borrow_mut();
        // What was cast since the last message, by a `load` say, is of no message that could fail.
        let state = &mut *state;
        state.outbox.append(&mut state.present);
        state.keep_watches(&self.shared);
        state.saved_within = false;
    }

    /// Makes `bytes` the state to save, and leaves the former one in `bytes`. The same bytes again change nothing.
    pub(crate) fn keep_state(&self, version: u32, bytes: &mut Vec<u8>) {
        let mut state = self.state.borrow_mut();
        let first = state.revision.is_none();
        if first || state.record.version != version || state.record.state != *bytes {
            std::mem::swap(&mut state.record.state, bytes);
            state.record.version = version;
            state.touch(&self.shared);
        }
    }

    /// Whether the present message, which counts and has this outcome, is over with that: nobody hears of it, and nothing is
    /// held back.
    pub(crate) fn is_over_with(&self, outcome: &Held) -> bool {
        matches!(outcome, Held::Handled { .. }) && self.state.borrow().holds_nothing()
    }

    /// The present message counts, and this is its outcome. It goes out at once if nothing unsaved precedes it.
    pub(crate) fn finish_message(&self, mut outcome: Option<Held>) {
        let (is_lost, held_back) = {
            let mut state = self.state.borrow_mut();
            if let Some(Held::Reply { saved_within, .. }) = &mut outcome {
                *saved_within |= state.saved_within;
            }
            state.keep_watches(&self.shared);
            let held_back = state.holds_back();
            let state = &mut *state;
            state.outbox.append(&mut state.present);
            // Most messages send nothing but their answer, which needs no outbox then.
            let is_lost = state.lost.is_some();
            if held_back || is_lost || !state.outbox.is_empty() {
                state.outbox.extend(outcome.take());
            }
            (is_lost, held_back)
        };
        match outcome {
            Some(Held::Reply { promise, .. }) => promise.release(),
            Some(Held::Handled { .. }) => {}
            Some(outcome) => self.release(vec![outcome]),
            None => {}
        }
        if is_lost {
            self.refuse_held();
        } else if !held_back {
            self.release_all();
        }
    }

    /// The present message does not count: what it wanted to send is given up. Tells whether its effect is undone.
    pub(crate) fn undo_message(&self, failure: &Failure) -> Handled {
        let (undone, saved_within) = {
            let mut state = self.state.borrow_mut();
            state.watches.clear();
            (std::mem::take(&mut state.present), state.saved_within)
        };
        self.give_up(undone, failure);
        if saved_within { Handled::Unknown } else { Handled::RolledBack }
    }

    /// What the present message wanted to send is forgotten: it is no message, but a value that is made anew.
    pub(crate) fn forget_message(&self) {
        let forgotten = {
            let mut state = self.state.borrow_mut();
            state.watches.clear();
            std::mem::take(&mut state.present)
        };
        forgotten.into_iter().for_each(discard);
    }

    /// Holds something of the present message back until it counts and is saved.
    pub(crate) fn hold(&self, held: Held) {
        self.state.borrow_mut().present.push(held);
    }

    /// The turn is over: saves if it is time to, and releases everything.
    ///
    /// # Errors
    ///
    /// The failure by which the incarnation is lost. All that was held has been refused.
    pub(crate) fn commit(&self) -> Result<(), Failure> {
        let held_back = self.state.borrow().holds_back();
        if held_back || self.is_lost() || self.save_due().is_some_and(|due| due <= self.shared.clock.now()) {
            self.save()?;
        }
        self.release_all();
        Ok(())
    }

    /// As [`commit`](Self::commit), and saves in every mode.
    pub(crate) fn commit_now(&self) -> Result<(), Failure> {
        self.save()?;
        self.release_all();
        Ok(())
    }

    /// Saves in the middle of a message, and releases everything up to there.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub(crate) fn commit_within(&self, version: u32, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        self.keep_state(version, bytes);
        let changed = {
            let mut state = self.state.borrow_mut();
            state.keep_watches(&self.shared);
            state.changed.is_some()
        };
        let saved = self.save();
        let undone = matches!(&saved, Err(failure) if failure.is_surely_undone());
        self.state.borrow_mut().saved_within |= changed && !undone;
        saved?;
        self.release_all();
        Ok(())
    }

    /// Before a call of the present message to `target`: saves and releases what the messages before it did, as those
    /// who wait for that must not wait for the call too, and sends its own casts to `target`, as the call must not
    /// overtake them.
    ///
    /// # Errors
    ///
    /// The failure by which the incarnation is lost; the call must not be made.
    pub(crate) fn commit_before_call(&self, shared: &Arc<Shared>, target: &ActorId) -> Result<(), Failure> {
        let held_back = self.state.borrow().holds_back();
        if held_back || self.is_lost() {
            self.save()?;
        }
        let (earlier, overtaken) = {
            let mut state = self.state.borrow_mut();
            let earlier = std::mem::take(&mut state.outbox);
            let to_target = |held: &mut Held| matches!(held, Held::Cast(cast) if cast.is_for(shared, target));
            (earlier, state.present.extract_if(.., to_target).collect())
        };
        self.release(earlier);
        self.release(overtaken);
        Ok(())
    }

    /// The next cast of the actor to itself that was released.
    pub(crate) fn take_cast_to_itself(&self) -> Option<Box<dyn Any>> {
        self.state.borrow_mut().to_itself.pop_front()
    }

    /// Ends the incarnation by a failure: refuses everything that is still held.
    pub(crate) fn lose(&self, failure: &Failure) {
        let (outbox, present) = {
            let mut state = self.state.borrow_mut();
            state.lost.get_or_insert_with(|| failure.clone());
            (std::mem::take(&mut state.outbox), std::mem::take(&mut state.present))
        };
        self.give_up(outbox, failure);
        self.give_up(present, failure);
    }

    /// Brings the record to the store, if it is not there yet.
    fn save(&self) -> Result<(), Failure> {
        if self.is_lost() {
            return Err(self.refuse_held());
        }
        if self.state.borrow().changed.is_some() { self.save_changed() } else { Ok(()) }
    }

    /// What was held since the incarnation was lost is refused too, and what is cast by the drop of that.
    #[inline(never)]
    fn refuse_held(&self) -> Failure {
        /// A message that always casts another one when it is dropped must not be refused for ever: it goes with the turn.
        const ROUNDS: usize = 100;
        let failure = self.lost().expect("it is lost");
        for _ in 0..ROUNDS {
            if self.state.borrow().sends_nothing() {
                break;
            }
            self.lose(&failure);
        }
        failure
    }

    #[inline(never)]
    fn save_changed(&self) -> Result<(), Failure> {
        let saved_at = self.shared.clock.wall();
        let (bytes, expected, wake_at) = {
            let mut state = self.state.borrow_mut();
            state.record.saved_at = saved_at;
            (state.record.to_bytes(), state.revision, wake_at(&state.record, &state.settings))
        };
        let Shared { clock, events, .. } = &*self.shared;
        let save = || self.store.save(&self.id, expected, &bytes, wake_at);
        let saved = events.telemetry.save(&self.id, &self.vitals, bytes.len(), &**clock, save);
        let revision = saved.inspect_err(|failure| self.lose(failure))?;
        {
            let mut state = self.state.borrow_mut();
            state.revision = Some(revision);
            state.changed = None;
            state.urgent = false;
            state.settings_saved = state.settings.clone();
        }
        self.shared.events.tell(&self.id, EventKind::Saved(revision));
        Ok(())
    }

    /// Releases what is held, and what is held in the meantime too.
    fn release_all(&self) {
        loop {
            let held = {
                let mut state = self.state.borrow_mut();
                if state.sends_nothing() {
                    return;
                }
                let mut held = std::mem::take(&mut state.outbox);
                held.append(&mut state.present);
                held
            };
            self.release(held);
        }
    }

    /// Casts that find space go first, so that who has a reply finds them delivered; then the replies; and then the
    /// casts that have to wait for space, so that nobody else waits for it.
    fn release(&self, held: Vec<Held>) {
        let (mut promises, mut waiting) = (Vec::new(), Vec::<Box<dyn HeldCast>>::new());
        for held in held {
            match held {
                Held::Reply { promise, .. } | Held::Answer(promise) => promises.push(promise),
                // To keep their order, a cast waits behind those to the same actor.
                Held::Cast(cast) if waiting.iter().any(|other| other.target() == cast.target()) => waiting.push(cast),
                Held::Cast(cast) => waiting.extend(cast.try_send()),
                Held::ToItself { envelope, .. } => self.state.borrow_mut().to_itself.push_back(envelope),
                Held::Handled { .. } => {}
            }
        }
        promises.into_iter().for_each(Promise::release);
        let start = self.shared.clock.now();
        waiting.into_iter().for_each(|cast| cast.send(start));
    }

    fn give_up(&self, held: Vec<Held>, failure: &Failure) {
        for held in held {
            match held {
                Held::Reply { promise, saved_within } => {
                    let error = CallError::new(&self.id, failure.clone());
                    promise.refuse(if saved_within { error.with_handled(Handled::Unknown) } else { error });
                }
                Held::Answer(promise) => promise.refuse_answer(failure.clone()),
                Held::Cast(cast) => cast.give_up(failure.clone()),
                Held::ToItself { envelope, message } => {
                    discard(envelope);
                    self.shared.events.undeliverable(&self.id, message, failure.clone());
                }
                Held::Handled { message } => {
                    self.shared.events.undeliverable(&self.id, message, failure.clone());
                }
            }
        }
    }
}
