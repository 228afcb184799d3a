//! The thread of a slot: one incarnation after the other, until the slot closes.
//!
//! ```text
//!        ┌────────────── a message or an order ──────────────┐
//!        ▼                                                   │
//!    incarnation: load or init → turns → end → drop ──▶ at rest ──▶ closed, thread given back
//! ```

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::clock::Deadline;
use crate::context::{IntoShared, Wish, encode_state};
use crate::current::{self, Current};
use crate::error::{CallError, Failure};
use crate::event::EventKind;
use crate::guard::{discard, guard};
use crate::handle::Target;
use crate::message::{Delivery, Envelope, Message, Order};
use crate::reply::{Promise, ReplyPort};
use crate::slot::{Close, Inbox, SlotRef};
use crate::sync::Arc;
use crate::system::{Shared, System};
use crate::turn::{Held, Turn};
use crate::{Actor, ActorId, Context, Handle, Record, Revision, codec};

/// Why an actor's value can be used: a rollback that finds no good state ends the incarnation.
const IS_THERE: &str = "an incarnation has its actor";

/// How long an owner that wants to close waits for a sender that is about to push. Its message wakes the owner at
/// once; this is for the sender that pushed before and has not let go yet.
const BUSY_WAIT: Duration = Duration::from_millis(1);

pub(crate) struct Worker<A: Actor> {
    shared: Arc<Shared>,
    target: Target<A>,
    slot: SlotRef,
    inbox: Inbox<Envelope<A>>,
    /// Messages of `continue_with`, each with the number of the turn that it was sent in.
    next: VecDeque<(u64, Envelope<A>)>,
    /// Casts of the actor to itself. They take turns with the inbox, so that neither starves the other.
    to_itself: VecDeque<Envelope<A>>,
    itself_was_last: bool,
    turns: u64,
    /// When the last message was handled.
    idle_since: Instant,
    /// Orders that are carried out when the incarnation has left nothing behind.
    carried_out: Vec<Promise>,
}

/// An actor that is alive.
struct Live<A: Actor> {
    /// Always there, but for the moment of a rollback: the rejected value goes before the good one comes.
    actor: Option<A>,
    cx: Context<A>,
    turn: Rc<Turn>,
    /// A buffer for the next state.
    scratch: Vec<u8>,
}

/// Why an incarnation ends.
enum Ending {
    Petrify(Option<ReplyPort<()>>),
    Stop(Option<ReplyPort<()>>),
    Wipe(ReplyPort<()>),
    Crash(Failure),
}

impl<A: Actor> Worker<A> {
    pub(crate) fn new(shared: Arc<Shared>, target: Target<A>, slot: SlotRef, inbox: Inbox<Envelope<A>>) -> Self {
        let idle_since = shared.clock.now();
        Worker {
            shared,
            target,
            slot,
            inbox,
            next: VecDeque::new(),
            to_itself: VecDeque::new(),
            itself_was_last: false,
            turns: 0,
            idle_since,
            carried_out: Vec::new(),
        }
    }

    /// The thread's whole work.
    pub(crate) fn run(mut self) {
        self.shared.gate.came_alive();
        if let Err(panic) = guard(|| self.live_and_rest()) {
            self.break_off(Failure::Crashed(panic));
        }
        self.shared.worker_left();
        self.say_carried_out();
    }

    fn live_and_rest(&mut self) {
        while let Some(envelope) = self.next_at_rest() {
            self.say_carried_out();
            match envelope {
                Envelope::Order(order, port) if order != Order::Start => self.order_at_rest(order, port),
                envelope if envelope.is_given_up() => discard(envelope),
                envelope => self.incarnation(envelope),
            }
        }
    }

    /// A panic where none should be, of a registry or a clock: what is still inside hears of it, and the id is free
    /// for a new slot.
    fn break_off(&mut self, failure: Failure) {
        let inside = self.next.drain(..).map(|(_, next)| next).chain(self.to_itself.drain(..)).collect::<Vec<_>>();
        inside.into_iter().for_each(|envelope| self.refuse(envelope, &failure));
        self.leave_the_world(&failure);
        self.shared.events.tell(&self.target.id, EventKind::Crashed(failure));
    }

    /// Closes the slot whatever is in it, and refuses that.
    fn leave_the_world(&self, failure: &Failure) {
        self.slot.condemn(&self.inbox, |envelope| self.refuse(envelope, failure));
        let _ = guard(|| self.shared.registry.remove_if_same(&self.slot));
        self.slot.leave();
    }

    /// There is no thread to run on: takes the slot out of the world, refuses all that came into it but the first
    /// message, and gives that back.
    pub(crate) fn condemn(self, failure: &Failure) -> Envelope<A> {
        let first = self.inbox.try_take().expect("a slot is born with a message, and nobody took it");
        self.leave_the_world(failure);
        first
    }

    /// An order to an actor of stone, which stays one.
    fn order_at_rest(&mut self, order: Order, port: ReplyPort<()>) {
        if port.take() {
            let done = match order {
                Order::Start | Order::Petrify => Ok(()),
                Order::Stop => self.stop_stone(),
                Order::Wipe => self.wipe(None),
            };
            self.carry_out(port, done);
        }
    }

    /// The next envelope while nobody is alive; `None`: the slot is closed and out of the registry.
    fn next_at_rest(&mut self) -> Option<Envelope<A>> {
        loop {
            if let Some(envelope) = self.try_take() {
                return Some(envelope);
            }
            match self.slot.close(&self.inbox) {
                Close::Reopened(envelope) => return Some(envelope),
                Close::Closed => {
                    self.shared.registry.remove_if_same(&self.slot);
                    self.slot.leave();
                    return None;
                }
                Close::Busy => {
                    let clock = &crate::SystemClock;
                    if let Some(envelope) = self.inbox.take(clock, Deadline::after(clock, BUSY_WAIT)) {
                        return Some(envelope);
                    }
                }
            }
        }
    }

    /// The next envelope that is there: what continues a message, then the actor's own and others' by turns.
    fn try_take(&mut self) -> Option<Envelope<A>> {
        if let Some((_, envelope)) = self.next.pop_front() {
            return Some(envelope);
        }
        let itself_first = !self.itself_was_last;
        let own = if itself_first { self.to_itself.pop_front() } else { None };
        self.itself_was_last = own.is_some();
        own.or_else(|| self.inbox.try_take()).or_else(|| self.to_itself.pop_front())
    }

    /// The next envelope of a live actor. `None`: there was none for the idle time, or the system shuts down.
    fn take_until_idle(&mut self) -> Option<Envelope<A>> {
        if let Some(envelope) = self.try_take() {
            return Some(envelope);
        }
        if self.shared.gate.is_closing() {
            return None;
        }
        let clock = &*self.shared.clock;
        let idle = self.shared.limits.idle.map_or(Deadline::NEVER, |idle| Deadline::at(self.idle_since, idle));
        self.inbox.take(clock, idle)
    }

    /// One stretch of life, from load or init to petrify, stop or crash. Nothing of it is left when this returns.
    fn incarnation(&mut self, first: Envelope<A>) {
        let turn = match self.load() {
            Ok(turn) => Rc::new(turn),
            Err(failure) => return self.not_revived(first, failure),
        };
        let current = Current { decoding: self.shared.clone(), turn: Some(turn.clone()) };
        match current::enter(current.clone(), || self.awaken(&turn)) {
            Ok(live) => {
                let ending = current::enter(current, || self.live(live, first));
                self.collect_casts_to_itself(&turn);
                self.end(ending, &turn);
            }
            Err(failure) => {
                turn.undo_message(&failure);
                self.not_revived(first, failure);
            }
        }
    }

    fn not_revived(&mut self, first: Envelope<A>, failure: Failure) {
        self.shared.events.tell(&self.target.id, EventKind::NotRevived(failure.clone()));
        self.refuse(first, &failure);
    }

    /// The record from the store, or a new one.
    fn load(&self) -> Result<Turn, Failure> {
        let store = self.shared.store()?;
        let (record, revision) = match store.load(&self.target.id)? {
            Some((record, revision)) => (record, Some(revision)),
            None => (self.target.new_record()?, None),
        };
        Ok(Turn::new(self.shared.clone(), store, record, revision))
    }

    /// The actor from its record, or born.
    fn awaken(&self, turn: &Rc<Turn>) -> Result<Live<A>, Failure> {
        let born = turn.is_first();
        let args = if born { self.target.args.clone() } else { Arc::new(section(turn, |record| &record.args)?) };
        let system = System::of_actors(self.shared.clone());
        let handle = Handle::new(self.shared.clone(), Target { id: self.target.id.clone(), args });
        let mut cx = Context::new(system, handle, turn.clone());
        let mut scratch = Vec::new();
        let actor = if born { self.give_birth(turn, &mut cx, &mut scratch) } else { last_good_state(turn) }
            .inspect_err(|failure| {
                cx.take_next().into_iter().for_each(|next| self.refuse(next, failure));
            })?;
        self.shared.events.tell(&self.target.id, if born { EventKind::Born } else { EventKind::Revived });
        Ok(Live { actor: Some(actor), cx, turn: turn.clone(), scratch })
    }

    fn give_birth(&self, turn: &Turn, cx: &mut Context<A>, scratch: &mut Vec<u8>) -> Result<A, Failure> {
        let args = cx.handle().clone();
        let actor = guard(|| A::init(args.args(), cx))
            .unwrap_or_else(|panic| Err(format!("init panicked: {panic}").into()))
            .map_err(|error| Failure::NotBorn(error.into_shared()))?;
        match encode_state(&actor, scratch) {
            Ok(()) => {
                turn.keep_state(scratch);
                Ok(actor)
            }
            Err(error) => {
                discard(actor);
                Err(Failure::NotBorn(error))
            }
        }
    }

    /// From the first message to the drop of the value.
    fn live(&mut self, mut live: Live<A>, first: Envelope<A>) -> Ending {
        let turn = live.turn.clone();
        let first = self.after_init(&mut live.cx, first);
        let ending = guard(|| self.turns(&mut live, first)).unwrap_or_else(|panic| {
            // Not a handler's panic, which is caught nearer: the store's, say.
            let failure = Failure::Crashed(panic);
            turn.lose(&failure);
            self.give_up_this_turns_next(&failure);
            Ending::Crash(failure)
        });
        discard(live);
        // What the actor sent while it was dropped.
        let _ = turn.commit();
        ending
    }

    /// What continues `init` comes before the message that the actor was born for.
    fn after_init(&mut self, cx: &mut Context<A>, first: Envelope<A>) -> Envelope<A> {
        // The first message outlives its turn if that is lost. The others are lost with the birth, which sent them.
        const NO_TURN: u64 = 0;
        let mut continued = cx.take_next();
        let Some(next) = continued.pop_front() else { return first };
        self.next.push_front((NO_TURN, first));
        let birth = self.turns + 1;
        continued.into_iter().rev().for_each(|envelope| self.next.push_front((birth, envelope)));
        next
    }

    /// What is left to do when the value is dropped.
    fn end(&mut self, ending: Ending, turn: &Turn) {
        let id = self.target.id.clone();
        let events = |kind| self.shared.events.tell(&id, kind);
        match ending {
            Ending::Petrify(port) => {
                events(EventKind::Petrified);
                if let Some(port) = port {
                    self.carry_out(port, Ok(()));
                }
            }
            Ending::Crash(failure) => events(EventKind::Crashed(failure)),
            Ending::Stop(port) => {
                events(EventKind::Stopped);
                let wiped = self.wipe(turn.revision());
                if let Some(port) = port {
                    self.carry_out(port, wiped);
                }
            }
            Ending::Wipe(port) => {
                events(EventKind::Stopped);
                let wiped = self.wipe(None);
                self.carry_out(port, wiped);
            }
        }
    }

    /// Turns, until one of them ends the incarnation.
    fn turns(&mut self, live: &mut Live<A>, first: Envelope<A>) -> Ending {
        let mut first = Some(first);
        loop {
            let Some(envelope) = first.take().or_else(|| self.take_until_idle()) else { return Ending::Petrify(None) };
            self.turns += 1;
            let flow = self.turn(live, envelope);
            let saved = live.turn.commit();
            self.collect_casts_to_itself(&live.turn);
            let ending = match (saved, flow) {
                // To delete it is what a store without room for it is asked to do.
                (Err(failure), ControlFlow::Break((ending @ Ending::Wipe(_), _))) => {
                    self.give_up_this_turns_next(&failure);
                    ending
                }
                (Err(failure), flow) => {
                    self.give_up_this_turns_next(&failure);
                    refuse_order(flow, &self.target.id, &failure);
                    Ending::Crash(failure)
                }
                (Ok(()), ControlFlow::Continue(())) => continue,
                (Ok(()), ControlFlow::Break((ending, late))) => {
                    refuse_late(late);
                    ending
                }
            };
            return ending;
        }
    }

    /// Handles `first`, and what else is there, up to the turn's limits.
    fn turn(&mut self, live: &mut Live<A>, first: Envelope<A>) -> Flow {
        let (most, time) = (self.shared.limits.turn_messages, self.shared.limits.turn_time);
        let started = self.shared.clock.now();
        let mut envelope = first;
        for handled in 1.. {
            let is_nudge = matches!(envelope, Envelope::Nudge);
            let flow = self.handle(live, envelope);
            let now = self.shared.clock.now();
            if !is_nudge {
                self.idle_since = now;
            }
            flow?;
            if live.turn.lost().is_some() || handled == most || now - started >= time {
                break;
            }
            match self.try_take() {
                Some(next) => envelope = next,
                None => break,
            }
        }
        ControlFlow::Continue(())
    }

    fn handle(&mut self, live: &mut Live<A>, envelope: Envelope<A>) -> Flow {
        match envelope {
            Envelope::Nudge => ControlFlow::Continue(()),
            Envelope::Message(message) => self.handle_message(live, message),
            Envelope::Order(order, port) => {
                if !port.take() {
                    return ControlFlow::Continue(());
                }
                match order {
                    Order::Start => {
                        live.turn.begin_message();
                        live.turn.finish_message(Held::reply(port.hold(())));
                        ControlFlow::Continue(())
                    }
                    Order::Petrify => ControlFlow::Break((Ending::Petrify(Some(port)), None)),
                    Order::Stop => ControlFlow::Break((Ending::Stop(Some(port)), None)),
                    Order::Wipe => ControlFlow::Break((Ending::Wipe(port), None)),
                }
            }
        }
    }

    fn handle_message(&mut self, live: &mut Live<A>, message: Box<dyn Message<A>>) -> Flow {
        let name = message.name();
        live.turn.begin_message();
        match message.deliver(live.actor.as_mut().expect(IS_THERE), &mut live.cx) {
            Delivery::GivenUp => ControlFlow::Continue(()),
            Delivery::Answered(held) => {
                live.turn.finish_message(held);
                ControlFlow::Continue(())
            }
            Delivery::Handled(held) => match encode_state(live.actor.as_ref().expect(IS_THERE), &mut live.scratch) {
                Ok(()) => {
                    live.turn.keep_state(&mut live.scratch);
                    live.turn.finish_message(held);
                    self.after_message(&mut live.cx)
                }
                Err(error) => self.reject(live, held, name, Failure::Rejected(error)),
            },
            Delivery::Panicked(held, panic) => {
                let failure = Failure::Crashed(panic);
                let late = self.undo(live, held, name, &failure);
                ControlFlow::Break((Ending::Crash(failure), late))
            }
        }
    }

    /// What the message that counted asked for: what comes next, and whether the incarnation goes on.
    fn after_message(&mut self, cx: &mut Context<A>) -> Flow {
        // To the front, in their order, before what earlier messages asked for.
        let may_go_on = self.shared.gate.admits(true);
        for envelope in cx.take_next().into_iter().rev() {
            if may_go_on {
                self.next.push_front((self.turns, envelope));
            } else {
                self.refuse(envelope, &Failure::Shutdown);
            }
        }
        match cx.take_ending() {
            None => ControlFlow::Continue(()),
            Some(Wish::Petrify) => ControlFlow::Break((Ending::Petrify(None), None)),
            Some(Wish::Stop) => ControlFlow::Break((Ending::Stop(None), None)),
        }
    }

    /// The state after a message cannot be saved: the actor goes back to the state before it.
    fn reject(&mut self, live: &mut Live<A>, held: Held, name: &'static str, failure: Failure) -> Flow {
        let late = self.undo(live, held, name, &failure);
        refuse_late(late);
        discard(live.actor.take());
        match last_good_state(&live.turn) {
            Ok(actor) => {
                live.actor = Some(actor);
                ControlFlow::Continue(())
            }
            Err(failure) => ControlFlow::Break((Ending::Crash(failure), None)),
        }
    }

    /// Takes back what a message wanted that does not count. Gives its sender's promise and what to tell it, which has
    /// to wait until the messages before it are saved.
    fn undo(&mut self, live: &mut Live<A>, held: Held, name: &'static str, failure: &Failure) -> Late {
        let handled = live.turn.undo_message(failure);
        live.cx.take_ending();
        live.cx.take_next().into_iter().for_each(|next| self.refuse(next, failure));
        match held {
            Held::Reply { promise, .. } => {
                Some((promise, CallError::new(&self.target.id, failure.clone()).with_handled(handled)))
            }
            _ => {
                self.shared.events.undeliverable(&self.target.id, name, failure.clone());
                None
            }
        }
    }

    /// A lost turn takes along what its messages wanted to be handled next.
    fn give_up_this_turns_next(&mut self, failure: &Failure) {
        let turn = self.turns;
        let (lost, kept) = std::mem::take(&mut self.next).into_iter().partition(|(sent_in, _)| *sent_in == turn);
        self.next = kept;
        let lost: VecDeque<(u64, Envelope<A>)> = lost;
        lost.into_iter().for_each(|(_, next)| self.refuse(next, failure));
    }

    fn refuse(&self, envelope: Envelope<A>, failure: &Failure) {
        envelope.refuse(&self.target.id, failure.clone(), &self.shared.events);
    }

    fn collect_casts_to_itself(&mut self, turn: &Turn) {
        while let Some(envelope) = turn.take_cast_to_itself() {
            match envelope.downcast::<Envelope<A>>() {
                Ok(envelope) => self.to_itself.push_back(*envelope),
                Err(_) => unreachable!("what an actor casts to itself is of its own type"),
            }
        }
    }

    /// `stop` on an actor of stone: deletes its record if that is one. What is damaged stays, for `wipe`.
    fn stop_stone(&self) -> Result<(), Failure> {
        match self.shared.store()?.load(&self.target.id)? {
            Some((_, revision)) => self.wipe(Some(revision)),
            None => Ok(()),
        }
    }

    fn wipe(&self, expected: Option<Revision>) -> Result<(), Failure> {
        let id = &self.target.id;
        let wiped = self.shared.store()?.wipe(id, expected);
        match &wiped {
            Ok(()) => self.shared.events.tell(id, EventKind::Wiped),
            Err(failure) => self.shared.events.tell(id, EventKind::NotWiped(failure.clone())),
        }
        wiped
    }

    /// Keeps the answer to an order until the incarnation, and the slot if nothing else is there, have gone.
    fn carry_out(&mut self, port: ReplyPort<()>, done: Result<(), Failure>) {
        match done {
            Ok(()) => self.carried_out.push(port.hold(())),
            Err(failure) => port.into_promise().refuse(CallError::new(&self.target.id, failure)),
        }
    }

    fn say_carried_out(&mut self) {
        self.carried_out.drain(..).for_each(Promise::release);
    }
}

/// Whether a turn goes on; if not, how the incarnation ends, and who hears of it after the turn is saved.
type Flow = ControlFlow<(Ending, Late)>;
type Late = Option<(Promise, CallError)>;

fn refuse_late(late: Late) {
    if let Some((promise, error)) = late {
        promise.refuse(error);
    }
}

/// The turn that an order ended was not saved: the order is not carried out, and who waits late hears the same.
fn refuse_order(flow: Flow, id: &ActorId, failure: &Failure) {
    let ControlFlow::Break((ending, late)) = flow else { return };
    refuse_late(late);
    match ending {
        Ending::Petrify(Some(port)) | Ending::Stop(Some(port)) | Ending::Wipe(port) => {
            port.into_promise().refuse(CallError::new(id, failure.clone()));
        }
        Ending::Petrify(None) | Ending::Stop(None) | Ending::Crash(_) => {}
    }
}

/// The actor as its record has it.
fn last_good_state<A: Actor>(turn: &Turn) -> Result<A, Failure> {
    let stored = section(turn, |record| &record.state)?;
    revived(stored)
}

/// The actor of a stored form.
pub(crate) fn revived<A: Actor>(stored: A::Stored) -> Result<A, Failure> {
    guard(|| A::load(stored))
        .unwrap_or_else(|panic| Err(format!("load panicked: {panic}").into()))
        .map_err(|error| Failure::Refused(error.into_shared()))
}

fn section<T: serde::de::DeserializeOwned>(turn: &Turn, of: impl Fn(&Record) -> &Vec<u8>) -> Result<T, Failure> {
    decoded(&turn.section(of))
}

/// A section of a record as a value of a user's type.
pub(crate) fn decoded<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    guard(|| codec::decode(bytes))
        .unwrap_or_else(|panic| Err(codec::CodecError::Decode(format!("it panicked: {panic}").into())))
        .map_err(|error| Failure::Refused(error.into_shared()))
}
