//! The thread of a slot: one incarnation after the other, until the slot closes.
//!
//! ```text
//!        ┌────────────── a message or an order ──────────────┐
//!        ▼                                                   │
//!    incarnation: load or init → turns → end → drop ──▶ at rest ──▶ closed, thread given back
//! ```
//!
//! What a thread has touched of its stack stays in memory as long as it lives, and a message is waited for deep in it. So
//! what happens rarely, or is over before that, has a frame of its own instead of room in one of those above: such functions
//! are not inlined, and what they hand on is in a box.

mod incarnation;
mod stone;
mod turns;

use std::collections::VecDeque;
use std::time::Instant;

use crate::Actor;
use crate::clock::Deadline;
use crate::current;
use crate::error::{CallError, Failure};
use crate::event::EventKind;
use crate::gate::Ticket;
use crate::guard::{discard, guard};
use crate::message::{Envelope, Order};
use crate::reply::{Promise, ReplyPort};
use crate::settings::Resolved;
use crate::shared::Shared;
use crate::slot::{Inbox, SlotRef};
use crate::sync::Arc;
use crate::target::Target;
use crate::threads::Free;
use crate::turn::Turn;

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
    timer_was_last: bool,
    turns: u64,
    /// What the actor lives by, as its last incarnation knew it.
    settings: Arc<Resolved>,
    /// Whether it has to come back though nobody sends to it: a permanent one that crashed.
    comes_back: bool,
    /// Whether the actor has promised the gate to go.
    makes_room: bool,
    /// When the last message was handled, if it had an effect that somebody could see and set the clock by.
    idle_since: Option<Instant>,
    /// Orders that are carried out when the incarnation has left nothing behind, and those who only look.
    carried_out: Vec<Promise>,
}

impl<A: Actor> Worker<A> {
    pub(crate) fn new(shared: Arc<Shared>, target: Target<A>, slot: SlotRef, inbox: Inbox<Envelope<A>>) -> Self {
        let settings = shared.settings_of(A::KIND).clone();
        Worker {
            shared,
            target,
            slot,
            inbox,
            next: VecDeque::new(),
            to_itself: VecDeque::new(),
            itself_was_last: false,
            timer_was_last: false,
            turns: 0,
            settings,
            comes_back: false,
            makes_room: false,
            idle_since: None,
            carried_out: Vec::new(),
        }
    }

    /// The thread's whole work for this slot.
    pub(crate) fn run(mut self: Box<Self>, free: &Free) {
        let _owned = current::own(&self.shared, &self.slot);
        let ticket = self.shared.gate.came_alive(self.slot.clone());
        self.shared.events.telemetry.came_alive();
        if let Err(panic) = guard(|| self.live_and_rest()) {
            self.break_off(Failure::Crashed(panic));
        }
        self.leave(ticket, free);
    }

    /// Counted among the living no more.
    #[inline(never)]
    #[expect(clippy::boxed_local, reason = "out of its box it would be on the stack of `run`")]
    fn leave(self: Box<Self>, ticket: Ticket, free: &Free) {
        let Worker { shared, target, inbox, makes_room, carried_out, .. } = *self;
        // A user's values, whose drop may ask another actor: not one that this thread has said it is free for.
        discard((target, inbox));
        // Before it is counted out: whoever takes its place at the gate finds this thread.
        free.say();
        shared.worker_left(ticket, makes_room);
        carried_out.into_iter().for_each(Promise::release);
    }

    fn live_and_rest(&mut self) {
        while let Some(envelope) = self.next_at_rest() {
            self.say_carried_out();
            if let Some(envelope) = self.at_rest(envelope) {
                self.incarnation(envelope);
            }
            self.rest();
        }
    }

    /// What becomes of an envelope while nobody is alive. Gives back what the actor has to live for.
    #[inline(never)]
    fn at_rest(&mut self, envelope: Envelope<A>) -> Option<Envelope<A>> {
        match envelope {
            envelope if envelope.is_given_up() => discard(envelope),
            envelope if envelope.needs_life() => match self.shared.quarantine(&self.target.id) {
                Some(failure) => self.not_now(envelope, &failure),
                None => return Some(envelope),
            },
            Envelope::Order(order) => self.order_at_rest(*order),
            // Answered when the slot has gone, as then the record alone says what there is.
            Envelope::Message(message) => self.carried_out.extend(message.pass_by()),
            Envelope::Nudge => {}
        }
        None
    }

    /// Whoever is called in a quarantine hears of it; who is to come back does when it is over.
    fn not_now(&mut self, envelope: Envelope<A>, failure: &Failure) {
        match failure {
            Failure::Quarantined { left, .. } if envelope.is_come_back() => {
                self.have_it_back(Some(self.shared.clock.after(*left)));
            }
            failure => self.refuse(envelope, failure),
        }
    }

    /// Tells the store that nobody is alive: a stone actor holds nothing of it. Before the slot closes, as this may be I/O.
    fn rest(&self) {
        if let Ok(store) = self.shared.store() {
            store.rest(&self.target.id);
        }
    }

    /// A panic where none should be, of a registry or a clock: what is still inside hears of it, and the id is free
    /// for a new slot.
    #[inline(never)]
    fn break_off(&mut self, failure: Failure) {
        let mut inside = self.next.drain(..).map(|(_, next)| next).chain(self.to_itself.drain(..)).collect::<Vec<_>>();
        self.rest();
        inside.append(&mut self.leave_the_world());
        inside.into_iter().for_each(|envelope| self.refuse(envelope, &failure));
        self.shared.events.tell(&self.target.id, EventKind::Crashed(failure));
    }

    /// Closes the slot whatever is in it. That is refused when the slot has gone: what a user's message does when it is
    /// dropped may be to send to this actor, and to wait for that.
    fn leave_the_world(&self) -> Vec<Envelope<A>> {
        let mut inside = Vec::new();
        self.slot.condemn(&self.inbox, |envelope| inside.push(envelope));
        let _ = guard(|| self.shared.registry.remove_if_same(&self.slot));
        self.slot.leave();
        inside
    }

    /// There is no thread to run on: takes the slot out of the world, refuses all that came into it but the first
    /// message, and gives that back.
    pub(crate) fn condemn(self, failure: &Failure) -> Envelope<A> {
        let first = self.inbox.try_take().expect("a slot is born with a message, and nobody took it");
        self.leave_the_world().into_iter().for_each(|envelope| self.refuse(envelope, failure));
        first
    }

    /// The next envelope while nobody is alive; `None`: the slot is closed and out of the registry.
    #[inline(never)]
    fn next_at_rest(&mut self) -> Option<Envelope<A>> {
        loop {
            if let Some(envelope) = self.try_take().or_else(|| self.come_back()) {
                return Some(envelope);
            }
            if self.slot.close() {
                self.shared.registry.remove_if_same(&self.slot);
                self.slot.leave();
                return None;
            }
            // Somebody has a place, and is about to push.
            if let Some(envelope) = self.inbox.take(&*self.shared.clock, Deadline::NEVER) {
                return Some(envelope);
            }
        }
    }

    /// A permanent actor that crashed comes back without a message, if it is not quarantined.
    fn come_back(&mut self) -> Option<Envelope<A>> {
        let comes = std::mem::take(&mut self.comes_back) && !self.shared.gate.is_closing();
        comes.then(|| Envelope::order(&self.target.id, Order::ComeBack))
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
