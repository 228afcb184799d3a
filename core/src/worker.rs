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
use crate::guard::guard;
use crate::handle::Target;
use crate::message::{Delivery, Envelope, Message, Order};
use crate::record::RecordError;
use crate::reply::{Promise, ReplyPort};
use crate::slot::{Close, Inbox, SlotRef};
use crate::storage::Storage;
use crate::sync::Arc;
use crate::system::{Shared, System};
use crate::turn::{Held, Turn};
use crate::{Actor, ActorId, Context, Handle, Record, Revision, codec};

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
    actor: A,
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
        while let Some(envelope) = self.next_at_rest() {
            self.say_carried_out();
            match envelope {
                Envelope::Order(order, port) if order != Order::Start => self.order_at_rest(order, port),
                envelope if envelope.is_given_up() => {}
                envelope => self.incarnation(envelope),
            }
        }
        self.shared.worker_left();
        self.say_carried_out();
    }

    /// There is no thread to run on: takes the slot out of the world, refuses all that came into it but the first
    /// message, and gives that back.
    pub(crate) fn condemn(self, failure: &Failure) -> Envelope<A> {
        let first = self.inbox.try_take().expect("a slot is born with a message, and nobody took it");
        let refuse = |envelope: Envelope<A>| envelope.refuse(&self.target.id, failure.clone(), &self.shared.events);
        self.slot.condemn(&self.inbox, refuse);
        self.shared.registry.remove_if_same(&self.slot);
        self.slot.leave();
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
        let turn = match guard(|| self.load()).unwrap_or_else(|panic| Err(Failure::Crashed(panic))) {
            Ok(turn) => Rc::new(turn),
            Err(failure) => return self.not_revived(first, failure),
        };
        let current = Current { shared: self.shared.clone(), turn: Some(turn.clone()) };
        current::enter(current, || {
            let born = turn.is_first();
            match self.awaken(&turn) {
                Ok(live) => {
                    self.shared.events.tell(&self.target.id, if born { EventKind::Born } else { EventKind::Revived });
                    self.live(live, first);
                }
                Err(failure) => {
                    turn.undo_message(&failure);
                    self.not_revived(first, failure);
                }
            }
        });
    }

    fn not_revived(&mut self, first: Envelope<A>, failure: Failure) {
        self.shared.events.tell(&self.target.id, EventKind::NotRevived(failure.clone()));
        first.refuse(&self.target.id, failure, &self.shared.events);
    }

    /// The record from the store, or a new one.
    fn load(&self) -> Result<Turn, Failure> {
        let storage = self.shared.storage().ok_or(Failure::Shutdown)?;
        let (record, revision) = match load_record(&*storage, &self.target.id)? {
            Some((record, revision)) => (record, Some(revision)),
            None => (self.target.new_record()?, None),
        };
        Ok(Turn::new(self.shared.clone(), storage, record, revision))
    }

    /// The actor from its record, or born.
    fn awaken(&self, turn: &Rc<Turn>) -> Result<Live<A>, Failure> {
        let born = turn.is_first();
        let args = if born { self.target.args.clone() } else { Arc::new(section(turn, |record| &record.args)?) };
        let system = System::of_actors(self.shared.clone());
        let handle = Handle::new(self.shared.clone(), Target { id: self.target.id.clone(), args });
        let mut cx = Context::new(system, handle.clone(), turn.clone());
        let mut scratch = Vec::new();
        let actor = if born {
            let actor = guard(|| A::init(handle.args(), &mut cx))
                .unwrap_or_else(|panic| Err(format!("init panicked: {panic}").into()))
                .map_err(|error| Failure::NotBorn(error.into_shared()))?;
            encode_state(&actor, &mut scratch)?;
            turn.keep_state(&mut scratch);
            actor
        } else {
            last_good_state(turn)?
        };
        Ok(Live { actor, cx, turn: turn.clone(), scratch })
    }

    fn live(&mut self, mut live: Live<A>, first: Envelope<A>) {
        let turn = live.turn.clone();
        let ending = guard(|| self.turns(&mut live, first)).unwrap_or_else(|panic| {
            // Not a handler's panic, which is caught nearer: the store's, say.
            let failure = Failure::Crashed(panic);
            turn.lose(&failure);
            Ending::Crash(failure)
        });
        // A panic here changes nothing: what counts is saved.
        let _ = guard(|| drop(live));
        // What the actor sent while it was dropped.
        let _ = turn.commit();
        self.collect_casts_to_itself(&turn);
        self.end(ending, &turn);
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
            let flow = self.handle(live, envelope);
            self.idle_since = self.shared.clock.now();
            flow?;
            if live.turn.lost().is_some() || handled == most || self.idle_since - started >= time {
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
                        live.turn.finish_message(Held::Reply(port.hold(())));
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
        match message.deliver(&mut live.actor, &mut live.cx) {
            Delivery::GivenUp => ControlFlow::Continue(()),
            Delivery::Answered(held) => {
                live.turn.finish_message(held);
                ControlFlow::Continue(())
            }
            Delivery::Handled(held) => match encode_state(&live.actor, &mut live.scratch) {
                Ok(()) => {
                    live.turn.keep_state(&mut live.scratch);
                    live.turn.finish_message(held);
                    self.after_message(&mut live.cx)
                }
                Err(failure) => self.reject(live, held, name, failure),
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
        for envelope in cx.take_next().into_iter().rev() {
            self.next.push_front((self.turns, envelope));
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
        match last_good_state(&live.turn) {
            Ok(actor) => {
                let rejected = std::mem::replace(&mut live.actor, actor);
                match guard(|| drop(rejected)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(panic) => ControlFlow::Break((Ending::Crash(Failure::Crashed(panic)), None)),
                }
            }
            Err(failure) => ControlFlow::Break((Ending::Crash(failure), None)),
        }
    }

    /// Takes back what a message wanted that does not count. Gives its sender's promise and what to tell it, which has
    /// to wait until the messages before it are saved.
    fn undo(&mut self, live: &mut Live<A>, held: Held, name: &'static str, failure: &Failure) -> Late {
        live.turn.undo_message(failure);
        live.cx.take_ending();
        for envelope in live.cx.take_next() {
            envelope.refuse(&self.target.id, failure.clone(), &self.shared.events);
        }
        match held {
            Held::Reply(promise) => {
                let handled = live.turn.handled_if_undone();
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
        for (_, envelope) in lost {
            envelope.refuse(&self.target.id, failure.clone(), &self.shared.events);
        }
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
        let storage = self.shared.storage().ok_or(Failure::Shutdown)?;
        match guard(|| load_record(&*storage, &self.target.id)).unwrap_or_else(|panic| Err(Failure::Crashed(panic)))? {
            Some((_, revision)) => self.wipe(Some(revision)),
            None => Ok(()),
        }
    }

    fn wipe(&self, expected: Option<Revision>) -> Result<(), Failure> {
        let id = &self.target.id;
        let storage = self.shared.storage().ok_or(Failure::Shutdown)?;
        let wiped = match guard(|| storage.wipe(id, expected)) {
            Ok(wiped) => wiped.map_err(Failure::NotSaved),
            Err(panic) => Err(Failure::Crashed(panic)),
        };
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

/// The record of `id` in a store.
pub(crate) fn load_record(storage: &dyn Storage, id: &ActorId) -> Result<Option<(Record, Revision)>, Failure> {
    let Some(stored) = storage.load(id).map_err(Failure::NotLoaded)? else { return Ok(None) };
    let record = Record::from_bytes(&stored.bytes).map_err(Failure::Unreadable)?;
    if record.id == *id {
        Ok(Some((record, stored.revision)))
    } else {
        Err(Failure::Unreadable(RecordError::OtherActor(record.id)))
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
    turn.with_record(|record| decoded(of(record)))
}

/// A section of a record as a value of a user's type.
pub(crate) fn decoded<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    guard(|| codec::decode(bytes))
        .unwrap_or_else(|panic| Err(codec::CodecError::Decode(format!("it panicked: {panic}").into())))
        .map_err(|error| Failure::Refused(error.into_shared()))
}
