//! How an incarnation begins and ends.

use std::rc::Rc;

use super::Worker;
use crate::context::Wish;
use crate::current::{self, Current};
use crate::errands;
use crate::error::{Failure, IntoShared, SharedError};
use crate::event::EventKind;
use crate::guard::{discard, guard, guard_fallible};
use crate::message::{Envelope, Errand, NOTICE, Notice};
use crate::reply::ReplyPort;
use crate::settings::RestartPolicy;
use crate::state::{decoded_args, encode_state, loaded};
use crate::sync::Arc;
use crate::system::System;
use crate::target::Target;
use crate::turn::{Held, Turn};
use crate::{Actor, Context, Exit, Handle, Watch};

/// An actor that is alive.
pub(super) struct Live<A: Actor> {
    /// Always there, but for the moment of a rollback: the rejected value goes before the good one comes.
    pub(super) actor: Option<A>,
    pub(super) cx: Context<A>,
    pub(super) turn: Rc<Turn>,
    /// How `init` or `revived` want the incarnation to end, after its first message.
    pub(super) wish: Option<Wish>,
    /// A buffer for the next state.
    pub(super) scratch: Vec<u8>,
}

/// Why an incarnation ends.
pub(super) enum Ending {
    Petrify(Option<ReplyPort<()>>),
    Stop(Option<ReplyPort<()>>),
    Wipe(ReplyPort<()>),
    Crash(Failure),
}

impl<A: Actor> Worker<A> {
    /// One stretch of life, from load or init to petrify, stop or crash. Nothing of it is left when this returns.
    #[inline(never)]
    pub(super) fn incarnation(&mut self, first: Envelope<A>) {
        if std::mem::take(&mut self.makes_room) {
            self.shared.gate.stay();
        }
        let owed = std::mem::take(&mut self.comes_back) || first.is_come_back();
        let revival = self.shared.events.telemetry.revival(&self.target.id, &*self.shared.clock);
        let turn = match self.load(&first) {
            Ok(Some(turn)) => turn,
            // What it was for has gone.
            Ok(None) => return discard(first),
            Err(failure) => return self.not_revived(first, owed, failure),
        };
        let current = Current { decoding: self.shared.clone(), turn: Some(turn.clone()) };
        let awakened = current::enter(current.clone(), || self.awaken(&turn));
        self.shared.events.telemetry.end_revival(revival, &*self.shared.clock);
        match awakened {
            Ok(live) => {
                let ending = current::enter(current, || self.live(live, first));
                self.collect_casts_to_itself(&turn);
                self.end(ending, &turn);
            }
            Err(failure) => {
                turn.undo_message(&failure);
                // Or an actor that cannot be revived would wake itself for ever.
                self.refuse_casts_to_itself(&turn, &failure);
                self.not_revived(first, owed, failure);
            }
        }
    }

    #[inline(never)]
    fn not_revived(&mut self, first: Envelope<A>, owed: bool, failure: Failure) {
        let event = EventKind::NotRevived(failure.clone());
        if failure.is_of_the_actor() {
            let quarantined = self.count_crash(&failure, event);
            // Whoever was to come back tries again; whoever was called stays where it is.
            if owed {
                self.have_it_back(quarantined);
            }
        } else {
            self.shared.events.tell(&self.target.id, event);
        }
        self.refuse(first, &failure);
    }

    /// The record from the store, or a new one. `None`: nobody is born for this.
    #[inline(never)]
    fn load(&mut self, first: &Envelope<A>) -> Result<Option<Rc<Turn>>, Failure> {
        let (record, revision) = match self.load_record()? {
            Some((record, _)) if first.is_come_back() && !record.live => return Ok(None),
            Some((record, revision)) => (record, Some(revision)),
            None if first.is_errand() => return Ok(None),
            None => (self.target.new_record()?, None),
        };
        let store = self.shared.store()?;
        let (vitals, settings) = (self.slot.vitals().clone(), self.settings.clone());
        Ok(Some(Rc::new(Turn::new(self.shared.clone(), store, vitals, record, revision, settings))))
    }

    /// The actor from its record, or born.
    #[inline(never)]
    fn awaken(&self, turn: &Rc<Turn>) -> Result<Box<Live<A>>, Failure> {
        let born = turn.is_first();
        let args = if born { self.target.args.clone() } else { Arc::new(decoded_args::<A>(&turn.args())?) };
        let system = System::of_actors(self.shared.clone());
        let handle = Handle::new(self.shared.clone(), Target { id: self.target.id.clone(), args });
        let mut cx = Context::new(system, handle, turn.clone());
        let mut scratch = Vec::new();
        let made =
            if born { self.give_birth(turn, &mut cx, &mut scratch) } else { brought_back(turn, &mut cx, &mut scratch) };
        let actor = match made.and_then(|actor| self.claim_kind(actor)) {
            Ok(actor) => actor,
            Err(failure) => {
                cx.take_next().into_iter().chain(cx.timers().end()).for_each(|next| self.refuse(next, &failure));
                // It may have the last of the arguments.
                discard(cx);
                return Err(failure);
            }
        };
        cx.timers().keep();
        turn.mark(true);
        self.shared.events.tell(&self.target.id, if born { EventKind::Born } else { EventKind::Revived });
        let wish = cx.take_ending();
        Ok(Box::new(Live { actor: Some(actor), cx, turn: turn.clone(), wish, scratch }))
    }

    /// The kind belongs to the first type that comes to life under it. An actor of another one is dropped.
    fn claim_kind(&self, actor: A) -> Result<A, Failure> {
        match self.shared.kinds.claim::<A>() {
            Ok(()) => Ok(actor),
            Err(failure) => {
                discard(actor);
                Err(failure)
            }
        }
    }

    fn give_birth(&self, turn: &Turn, cx: &mut Context<A>, scratch: &mut Vec<u8>) -> Result<A, Failure> {
        let args = cx.handle().clone();
        guard_fallible("init", || A::init(args.args(), cx))
            .map_err(IntoShared::into_shared)
            .and_then(|actor| with_state_kept(actor, turn, scratch))
            .map_err(Failure::NotBorn)
    }

    /// An actor that was revived may have missed the end of one that it watches, or not have got through to it.
    #[inline(never)]
    fn check_watched(&self, turn: &Turn) {
        let me = &self.target.id;
        for Watch { other, token } in turn.watchers_and_watching().1 {
            let mine = Watch { other: me.clone(), token };
            let is_live = self.shared.registry.get(&other).is_some();
            let found = self.shared.store().and_then(|store| store.load(&other));
            match found {
                Ok(None) if !is_live => {
                    let envelope = Envelope::<A>::errand(me, Errand::Notice(Notice::absent(other, token)));
                    turn.hold(Held::ToItself { envelope: Box::new(envelope), message: NOTICE });
                }
                Ok(Some((record, _))) if record.watchers.contains(&mine) => {}
                // A kind that nobody knows cannot have come to life, nor ended, since.
                Ok(_) if !self.shared.kinds.knows(&other) => {}
                Ok(_) => errands::send(&self.shared, &other, Errand::Watch(mine)),
                // What cannot be read is not absent.
                Err(_) => {}
            }
        }
    }

    /// From the first message to the drop of the value. Not a part of its caller, which has done with what it had on its
    /// stack for the beginning.
    #[inline(never)]
    fn live(&mut self, mut live: Box<Live<A>>, first: Envelope<A>) -> Ending {
        let turn = live.turn.clone();
        self.check_watched(&turn);
        let first = self.after_init(&mut live.cx, first);
        let ending = guard(|| self.turns(&mut live, first)).unwrap_or_else(|panic| {
            // Not a handler's panic, which is caught nearer: the store's, say.
            let failure = Failure::Crashed(panic);
            turn.lose(&failure);
            self.give_up_this_turns_next(&failure);
            Ending::Crash(failure)
        });
        self.say_farewell(&mut live, &ending);
        discard(live);
        // What the actor sent while it was dropped.
        let _ = turn.commit_now();
        ending
    }

    /// Tells an actor that ends, and gives up what it still had before it.
    #[inline(never)]
    fn say_farewell(&self, live: &mut Live<A>, ending: &Ending) {
        let exit = match ending {
            Ending::Petrify(_) => None,
            Ending::Stop(_) => Some(Exit::Stopped),
            Ending::Wipe(_) => Some(Exit::Wiped),
            Ending::Crash(failure) => Some(Exit::Crashed(failure.clone())),
        };
        if let (Some(exit), Some(actor)) = (exit, &mut live.actor) {
            live.turn.end();
            let _ = guard(|| actor.terminate(&exit, &mut live.cx));
        }
        let given_up = live.cx.take_next().into_iter().chain(live.cx.timers().end());
        given_up.for_each(|envelope| self.refuse(envelope, &Failure::Ended));
    }

    /// What continues `init` comes before the message that the actor was born for.
    #[inline(never)]
    fn after_init(&mut self, cx: &mut Context<A>, first: Envelope<A>) -> Envelope<A> {
        let mut continued = cx.take_next();
        if !self.shared.gate.admits(true) {
            continued.drain(..).for_each(|next| self.refuse(next, &Failure::Shutdown));
        }
        let Some(next) = continued.pop_front() else { return first };
        continued.push_back(first);
        // All of them belong to the first turn: if that is lost, so is a birth, and what was sent for it.
        let turn = self.turns + 1;
        continued.into_iter().rev().for_each(|envelope| self.next.push_front((turn, envelope)));
        next
    }

    /// What is left to do when the value is dropped.
    #[inline(never)]
    fn end(&mut self, ending: Ending, turn: &Turn) {
        self.settings = turn.settings_saved();
        let id = self.target.id.clone();
        let events = |kind| self.shared.events.tell(&id, kind);
        match ending {
            Ending::Petrify(port) => {
                events(EventKind::Petrified);
                if let Some(port) = port {
                    self.carry_out(port, Ok(()));
                }
            }
            Ending::Crash(failure) => {
                self.crashed(failure, turn);
            }
            Ending::Stop(port) => {
                events(EventKind::Stopped);
                let deletes = !self.settings.restart.outlives_a_stop();
                let done = if deletes { self.wipe(turn.revision()) } else { Ok(()) };
                self.gone(Exit::Stopped, deletes && done.is_ok(), turn);
                if let Some(port) = port {
                    self.carry_out(port, done);
                }
            }
            Ending::Wipe(port) => {
                events(EventKind::Stopped);
                let done = self.wipe(None);
                // Else it is what it was, as if it had turned to stone.
                self.comes_back = done.is_err() && self.settings.restart == RestartPolicy::Permanent;
                if done.is_ok() {
                    self.gone(Exit::Wiped, true, turn);
                }
                self.carry_out(port, done);
            }
        }
    }

    /// What becomes of an actor that crashed.
    fn crashed(&mut self, failure: Failure, turn: &Turn) {
        let quarantined = self.count_crash(&failure, EventKind::Crashed(failure.clone()));
        let for_good = match self.settings.restart {
            // What somebody else wrote is not this one's to delete.
            RestartPolicy::Temporary if matches!(failure, Failure::Conflict(_)) => false,
            RestartPolicy::Temporary => {
                // After a save that failed nobody knows the revision. What cannot be deleted is by who finds it, and of that
                // nobody hears who hears of the end now.
                let _ = self.wipe(turn.revision().filter(|_| turn.lost().is_none()));
                true
            }
            RestartPolicy::Transient => false,
            RestartPolicy::Permanent => {
                self.have_it_back(quarantined);
                false
            }
        };
        self.say_ended(&Exit::Crashed(failure), for_good, turn);
        if turn.lost().is_some() && !for_good {
            // Some may be of what was lost, and whoever watches believes that it does.
            let (watchers, _) = turn.watchers_and_watching();
            watchers.into_iter().for_each(|watch| errands::send(&self.shared, &self.target.id, Errand::Watch(watch)));
        }
    }

    /// Somebody ended the actor.
    fn gone(&self, exit: Exit, for_good: bool, turn: &Turn) {
        if for_good {
            self.forgive();
        }
        self.say_ended(&exit, for_good, turn);
    }

    fn say_ended(&self, exit: &Exit, for_good: bool, turn: &Turn) {
        let (watchers, watching) = turn.watchers_and_watching();
        self.notify(&watchers, exit, for_good);
        if for_good {
            self.unwatch_all(&watching);
        }
    }
}

/// The actor as it was after the last message that counted.
///
/// What `migrate` and `revived` made of the state is the state from now on: nobody sees it before it is saved.
pub(super) fn brought_back<A: Actor>(turn: &Turn, cx: &mut Context<A>, scratch: &mut Vec<u8>) -> Result<A, Failure> {
    let (version, state) = turn.last_good_state();
    let mut actor: A = loaded(version, &state)?;
    let kept = match guard_fallible("revived", || actor.revived(cx)) {
        Ok(()) => with_state_kept(actor, turn, scratch),
        Err(error) => {
            discard(actor);
            Err(error.into_shared())
        }
    };
    kept.map_err(Failure::Refused)
}

/// Makes the state of a value that was just made the one to save. A value whose state cannot be saved is dropped.
fn with_state_kept<A: Actor>(actor: A, turn: &Turn, scratch: &mut Vec<u8>) -> Result<A, SharedError> {
    match encode_state(&actor, scratch) {
        Ok(()) => {
            turn.keep_state(A::VERSION, scratch);
            Ok(actor)
        }
        Err(error) => {
            discard(actor);
            Err(error)
        }
    }
}
