//! What happens between the beginning of an incarnation and its end: turns, and in them messages and orders.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::Worker;
use super::incarnation::{Ending, Live, brought_back};
use crate::clock::Deadline;
use crate::context::Wish;
use crate::error::{CallError, Failure};
use crate::guard::{discard, guard};
use crate::message::{Delivery, Envelope, Message, Order};
use crate::reply::{Promise, ReplyPort};
use crate::settings::Resolved;
use crate::state::encode_state;
use crate::turn::{Held, Turn};
use crate::{Actor, ActorId, Handled};

/// Why an actor's value can be used: a rollback that finds no good state ends the incarnation.
const IS_THERE: &str = "an incarnation has its actor";

/// Whether a turn goes on, or how the incarnation ends.
type Flow = ControlFlow<Box<End>>;

struct End {
    ending: Ending,
    late: Late,
}

/// Who hears of a failure after the turn is saved.
type Late = Option<(Promise, CallError)>;

impl<A: Actor> Worker<A> {
    /// Turns, until one of them ends the incarnation.
    pub(super) fn turns(&mut self, live: &mut Live<A>, first: Envelope<A>) -> Ending {
        let mut first = Some(first);
        loop {
            self.turns += 1;
            let envelope = first.take().or_else(|| self.take_until_idle(live));
            let begun = self.shared.events.telemetry.turn(&self.target.id, self.slot.vitals(), &*self.shared.clock);
            let flow = match envelope {
                Some(envelope) => self.turn(live, envelope),
                None => self.before_petrifying(live, None),
            };
            let saved = match &flow {
                ControlFlow::Continue(()) => live.turn.commit(),
                ControlFlow::Break(end) => {
                    if self.is_clean(&end.ending, live) {
                        live.turn.mark(false);
                    }
                    live.turn.commit_now()
                }
            };
            self.shared.events.telemetry.end_turn(begun, self.slot.vitals(), &*self.shared.clock);
            let petrifies = matches!(&flow, ControlFlow::Break(end) if matches!(end.ending, Ending::Petrify(_)));
            if petrifies && self.shared.gate.is_closing() {
                // Or it would never come to an end.
                self.refuse_casts_to_itself(&live.turn, &Failure::Shutdown);
            }
            self.collect_casts_to_itself(&live.turn);
            match (saved, flow) {
                (Ok(()), ControlFlow::Continue(())) => {}
                (Ok(()), ControlFlow::Break(end)) => {
                    let End { ending, late } = *end;
                    refuse_late(late);
                    return ending;
                }
                (Err(failure), flow) => return self.not_saved(failure, flow.break_value()),
            }
        }
    }

    /// How the incarnation ends after a turn that was not saved.
    #[inline(never)]
    fn not_saved(&mut self, failure: Failure, end: Option<Box<End>>) -> Ending {
        self.give_up_this_turns_next(&failure);
        match end.map(|end| *end) {
            // To delete it is what a store without room for it is asked to do.
            Some(End { ending: ending @ Ending::Wipe(_), .. }) => return ending,
            Some(End { ending, late }) => refuse_order(ending, late, &self.target.id, &failure),
            None => {}
        }
        Ending::Crash(failure)
    }

    /// Handles `first`, and what else is there, up to the turn's limits.
    #[inline(never)]
    fn turn(&mut self, live: &mut Live<A>, first: Envelope<A>) -> Flow {
        let Resolved { turn_messages: most, turn_time: time, .. } = *live.turn.settings();
        let (mut until, mut envelope) = (None, first);
        for handled in 1.. {
            self.handle(live, envelope)?;
            if live.turn.is_lost() || handled == most || self.is_late(&mut until, time) {
                break;
            }
            match self.try_take_live(live) {
                Some(next) => envelope = next,
                None => break,
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether somebody has waited for the end of the turn for so long: from when there is something to wait for.
    fn is_late(&self, until: &mut Option<Instant>, time: Duration) -> bool {
        let Some(now) = self.idle_since else { return false };
        match *until {
            Some(until) => now >= until,
            None => {
                *until = now.checked_add(time);
                time.is_zero()
            }
        }
    }

    /// The next envelope that is there. Timers whose time has come take turns with all others, behind what continues a
    /// message; each is taken when it is handled, as it may be cancelled until then, and ends with the incarnation.
    fn try_take_live(&mut self, live: &mut Live<A>) -> Option<Envelope<A>> {
        let timer_first = !self.timer_was_last && self.next.is_empty();
        let timer = if timer_first { self.take_due(live) } else { None };
        self.timer_was_last = timer.is_some();
        timer.or_else(|| self.try_take()).or_else(|| self.take_due(live))
    }

    /// The next timer, if its time has come. A shutdown ends them with the incarnation.
    fn take_due(&self, live: &mut Live<A>) -> Option<Envelope<A>> {
        let timers = live.cx.timers();
        if self.shared.gate.is_closing() { None } else { timers.take_due(|| self.shared.clock.now()) }
    }

    /// The next envelope. `None`: there was none for the idle time, or the system shuts down.
    fn take_until_idle(&mut self, live: &mut Live<A>) -> Option<Envelope<A>> {
        loop {
            if let Some(envelope) = self.try_take_live(live) {
                return Some(envelope);
            }
            if self.shared.gate.is_closing() {
                return None;
            }
            let timer = live.cx.timers().next_due();
            let until = match (timer, live.turn.settings().idle) {
                // Not idle, as there is something to come.
                (Some(due), _) => Deadline::until(due),
                (None, Some(idle)) => {
                    let since = self.idle_since.get_or_insert_with(|| self.shared.clock.now());
                    Deadline::at(*since, idle)
                }
                (None, None) => Deadline::NEVER,
            };
            let save = live.turn.save_due().map_or(Deadline::NEVER, Deadline::until);
            self.slot.set_idle(timer.is_none());
            if timer.is_none() && self.shared.gate.wants_room() {
                self.slot.set_idle(false);
                self.makes_room = true;
                return None;
            }
            let taken = self.inbox.take(&*self.shared.clock, until.earlier(save));
            self.slot.set_idle(false);
            if taken.is_none() && save.has_passed(&*self.shared.clock) {
                // A turn without a message, at whose end it is saved.
                return Some(Envelope::Nudge);
            }
            if taken.is_some() || timer.is_none() {
                return taken;
            }
        }
    }

    /// Whether an end is none that the record should know of: the actor is where it wants to be.
    fn is_clean(&self, ending: &Ending, live: &Live<A>) -> bool {
        match ending {
            Ending::Petrify(_) => true,
            Ending::Stop(_) => live.turn.settings().restart.outlives_a_stop(),
            Ending::Wipe(_) | Ending::Crash(_) => false,
        }
    }

    /// The last thing before a petrified actor is dropped: its `petrifying`, which may change the state once more.
    #[inline(never)]
    fn before_petrifying(&mut self, live: &mut Live<A>, port: Option<ReplyPort<()>>) -> Flow {
        live.turn.begin_message();
        let actor = live.actor.as_mut().expect(IS_THERE);
        let failure = match guard(|| actor.petrifying(&mut live.cx)) {
            Ok(()) if live.cx.take_rollback() => {
                self.undo(live, &Failure::RolledBack);
                return end(Ending::Petrify(port), None);
            }
            Ok(()) => match encode_state(actor, &mut live.scratch) {
                Ok(()) => {
                    live.turn.keep_state(A::VERSION, &mut live.scratch);
                    live.turn.finish_message(None);
                    let may_go_on = !self.shared.gate.is_closing();
                    return match self.after_message(live, may_go_on) {
                        Some(Wish::Stop) => end(Ending::Stop(port), None),
                        _ => end(Ending::Petrify(port), None),
                    };
                }
                Err(error) => Failure::Rejected(error),
            },
            Err(panic) => Failure::Crashed(panic),
        };
        let handled = self.undo(live, &failure);
        let late = port.map(|port| (port.into_promise(), self.error(&failure).with_handled(handled)));
        end(Ending::Crash(failure), late)
    }

    fn handle(&mut self, live: &mut Live<A>, envelope: Envelope<A>) -> Flow {
        match envelope {
            Envelope::Nudge => ControlFlow::Continue(()),
            Envelope::Message(message) => self.handle_message(live, message),
            Envelope::Order(order) => self.handle_order(live, *order),
        }
    }

    #[inline(never)]
    fn handle_order(&mut self, live: &mut Live<A>, (order, port): (Order, ReplyPort<()>)) -> Flow {
        if port.take().is_none() {
            return ControlFlow::Continue(());
        }
        match order {
            Order::Start | Order::ComeBack => {
                if live.turn.is_first() {
                    live.turn.urge();
                }
                self.finish_order(live, port)
            }
            Order::Configure(own) => {
                let settings = self.shared.settings_with(A::KIND, &own);
                if live.turn.is_first() {
                    live.turn.urge();
                }
                live.turn.configure(*own, settings);
                live.turn.mark(true);
                self.finish_order(live, port)
            }
            Order::Watch(watch) => {
                live.turn.set_watcher(&watch);
                self.finish_order(live, port)
            }
            Order::Unwatch(watch) => {
                live.turn.end_watcher(&watch);
                self.finish_order(live, port)
            }
            Order::Crash => {
                let failure = Failure::Crashed("it was told to, for a test".to_owned());
                self.carry_out(port, Ok(()));
                end(Ending::Crash(failure), None)
            }
            Order::Petrify => self.before_petrifying(live, Some(port)),
            Order::Stop => end(Ending::Stop(Some(port)), None),
            Order::Wipe => end(Ending::Wipe(port), None),
        }
    }

    fn handle_message(&mut self, live: &mut Live<A>, message: Message<A>) -> Flow {
        let name = message.name();
        self.slot.vitals().message();
        live.turn.begin_message();
        // What a callback said before is of no message.
        live.cx.take_rollback();
        match message.deliver(live.actor.as_mut().expect(IS_THERE), &mut live.cx) {
            Delivery::GivenUp => ControlFlow::Continue(()),
            Delivery::Answered(held) => self.finish_message(live, held),
            // A save in its middle failed, and took all of the turn along.
            Delivery::Handled(held) if live.turn.is_lost() => {
                live.turn.finish_message(Some(held));
                ControlFlow::Continue(())
            }
            Delivery::Handled(held) if live.cx.take_rollback() => self.roll_back(live, held),
            Delivery::Handled(held) => match encode_state(live.actor.as_ref().expect(IS_THERE), &mut live.scratch) {
                Ok(()) => {
                    live.turn.keep_state(A::VERSION, &mut live.scratch);
                    self.finish_message(live, held)
                }
                Err(error) => self.reject(live, held, name, Failure::Rejected(error)),
            },
            Delivery::Panicked(held, panic) => {
                let failure = Failure::Crashed(panic);
                let late = self.refuse_message(live, held, name, &failure);
                end(Ending::Crash(failure), late)
            }
        }
    }

    /// An order that changed the record, or nothing, is carried out when that is saved.
    fn finish_order(&mut self, live: &mut Live<A>, port: ReplyPort<()>) -> Flow {
        live.turn.begin_message();
        self.finish_message(live, Held::reply(port.hold(())))
    }

    /// The message counts.
    fn finish_message(&mut self, live: &mut Live<A>, held: Held) -> Flow {
        // Most messages that are cast have no effect on others, and need no clock.
        let has_effect = !live.turn.is_over_with(&held);
        // Before its sender can see the reply, and move the clock.
        self.idle_since = has_effect.then(|| self.shared.clock.now());
        if has_effect {
            live.turn.finish_message(Some(held));
        }
        let may_go_on = self.shared.gate.admits(true);
        match self.after_message(live, may_go_on) {
            // One that wishes to be stone is told like any other that will be.
            Some(Wish::Petrify) => self.before_petrifying(live, None),
            Some(Wish::Stop) => end(Ending::Stop(None), None),
            None => ControlFlow::Continue(()),
        }
    }

    /// What the message that counted asked for: what comes next, and how it wishes the incarnation to end.
    fn after_message(&mut self, live: &mut Live<A>, may_go_on: bool) -> Option<Wish> {
        if live.wish.is_none() && live.cx.wants_nothing() {
            return None;
        }
        let ending = live.cx.take_ending().or(live.wish.take());
        live.cx.timers().keep();
        let mut next = live.cx.take_kept();
        next.append(&mut live.cx.take_next());
        // To the front, in their order, before what earlier messages asked for.
        for envelope in next.into_iter().rev() {
            match ending {
                Some(Wish::Stop) => self.refuse(envelope, &Failure::Ended),
                _ if !may_go_on => self.refuse(envelope, &Failure::Shutdown),
                _ => self.next.push_front((self.turns, envelope)),
            }
        }
        ending
    }

    /// The state after a message cannot be saved: the actor goes back to the state before it.
    #[inline(never)]
    fn reject(&mut self, live: &mut Live<A>, held: Held, name: &'static str, failure: Failure) -> Flow {
        let late = self.refuse_message(live, held, name, &failure);
        refuse_late(late);
        match bring_back(live) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => end(Ending::Crash(failure), None),
        }
    }

    /// The handler wants its message undone: its reply counts, and nothing else of it but an end that it wishes.
    #[inline(never)]
    fn roll_back(&mut self, live: &mut Live<A>, mut held: Held) -> Flow {
        let ending = live.cx.take_ending();
        let handled = self.undo(live, &Failure::RolledBack);
        // The value is made anew as if for another message, and what this one has saved stays saved.
        if let Held::Reply { saved_within, .. } = &mut held {
            *saved_within = handled == Handled::Unknown;
        }
        live.wish = ending.or(live.wish.take());
        match bring_back(live) {
            Err(failure) if live.wish != Some(Wish::Stop) => {
                let late = match held {
                    Held::Reply { promise, .. } => Some((promise, self.error(&failure).with_handled(handled))),
                    _ => None,
                };
                end(Ending::Crash(failure), late)
            }
            _ => self.finish_message(live, held),
        }
    }

    /// The message does not count. Gives its sender's promise and what to tell it, which has to wait until the messages
    /// before it are saved.
    #[inline(never)]
    fn refuse_message(&mut self, live: &mut Live<A>, held: Held, name: &'static str, failure: &Failure) -> Late {
        self.idle_since = Some(self.shared.clock.now());
        let handled = self.undo(live, failure);
        match held {
            Held::Reply { promise, .. } => Some((promise, self.error(failure).with_handled(handled))),
            _ => {
                self.shared.events.undeliverable(&self.target.id, name, failure.clone());
                None
            }
        }
    }

    /// Takes back what a message or a callback wanted that does not count. Tells whether its effect is undone in full.
    fn undo(&mut self, live: &mut Live<A>, failure: &Failure) -> Handled {
        let handled = live.turn.undo_message(failure);
        live.cx.take_ending();
        live.cx.take_rollback();
        let wanted = live.cx.take_next().into_iter().chain(live.cx.timers().undo());
        wanted.for_each(|envelope| self.refuse(envelope, failure));
        // These were saved with the first half of it, and belong to no turn that could be lost.
        live.cx.take_kept().into_iter().rev().for_each(|envelope| self.next.push_front((0, envelope)));
        handled
    }

    fn error(&self, failure: &Failure) -> CallError {
        CallError::new(&self.target.id, failure.clone())
    }

    pub(super) fn refuse_casts_to_itself(&mut self, turn: &Turn, failure: &Failure) {
        let kept = std::mem::take(&mut self.to_itself);
        self.collect_casts_to_itself(turn);
        let refused = std::mem::replace(&mut self.to_itself, kept);
        refused.into_iter().for_each(|envelope| self.refuse(envelope, failure));
    }

    /// A lost turn takes along what its messages wanted to be handled next.
    pub(super) fn give_up_this_turns_next(&mut self, failure: &Failure) {
        let turn = self.turns;
        let (lost, kept) = std::mem::take(&mut self.next).into_iter().partition(|(sent_in, _)| *sent_in == turn);
        self.next = kept;
        let lost: VecDeque<(u64, Envelope<A>)> = lost;
        lost.into_iter().for_each(|(_, next)| self.refuse(next, failure));
    }
}

/// Makes the value anew from its last good state. The one that is there goes first: it may have what the other needs.
fn bring_back<A: Actor>(live: &mut Live<A>) -> Result<(), Failure> {
    discard(live.actor.take());
    live.turn.begin_message();
    let brought_back = brought_back(&live.turn, &mut live.cx, &mut live.scratch);
    // It was revived before, and sent then what it has to send.
    live.turn.forget_message();
    live.cx.take_ending();
    let sent = live.cx.take_kept().into_iter().chain(live.cx.take_next());
    sent.chain(live.cx.timers().undo()).for_each(discard);
    live.actor = Some(brought_back?);
    Ok(())
}

fn end(ending: Ending, late: Late) -> Flow {
    ControlFlow::Break(Box::new(End { ending, late }))
}

fn refuse_late(late: Late) {
    if let Some((promise, error)) = late {
        promise.refuse(error);
    }
}

/// The turn that an order ended was not saved: the order is not carried out, and who waits late hears the same.
fn refuse_order(ending: Ending, late: Late, id: &ActorId, failure: &Failure) {
    refuse_late(late);
    match ending {
        Ending::Petrify(Some(port)) | Ending::Stop(Some(port)) | Ending::Wipe(port) => {
            port.into_promise().refuse(CallError::new(id, failure.clone()));
        }
        Ending::Petrify(None) | Ending::Stop(None) | Ending::Crash(_) => {}
    }
}
