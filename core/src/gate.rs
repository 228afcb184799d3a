//! How many actors are alive, and whether more may come: the cap on live actors, and the order of a shutdown.
//!
//! Every activation goes through the gate: in, alive or turned back, out. At the cap it waits until somebody makes room:
//! the gate nudges an idle actor that was not used for long, and that one petrifies. The promises to make room are
//! counted, so that as many go as are needed, and no more.

#[cfg(test)]
mod test;

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::ActorId;
use crate::clock::{Clock, Deadline};
use crate::slot::SlotRef;
use crate::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::telemetry::Departed;

pub(crate) struct Gate {
    /// How many may be alive, apart from the margin.
    max_live: usize,
    inside: Mutex<Inside>,
    /// Nobody is inside.
    empty: Condvar,
    /// Somebody left, or the phase changed.
    room: Condvar,
    /// How many should go, `Inside::room_needed` as it was last: actors look at it whenever they become idle.
    room_needed: AtomicUsize,
    /// Written with the lock held, so that who is let in is counted before a shutdown looks at the count; read without
    /// it on the way of every message.
    phase: AtomicU8,
}

#[derive(Default)]
struct Inside {
    /// Those who peek: they use the store, and no thread of the system's.
    visiting: usize,
    /// Let in to wake an actor, and not alive yet: of several for the same one all but one are turned back.
    waking: usize,
    /// Those who wait for room.
    waiting: usize,
    /// Those who said that they would go, and have not gone yet.
    promised: usize,
    /// Who is alive, in the order in which they came.
    live: BTreeMap<Ticket, SlotRef>,
    peak: usize,
    /// What those did who were alive.
    departed: Departed,
    last: Ticket,
    /// Where the search for one who could go went on last.
    hand: Ticket,
}

/// What an actor has while it is inside.
pub(crate) type Ticket = u64;

/// Why somebody was not let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Closed,
    /// As many are alive as may be, and nobody made room in time.
    Saturated,
}

/// Everybody may send.
const OPEN: u8 = 0;
/// A shutdown waits: only actors may send, to finish what was accepted before.
const CLOSING: u8 = 1;
/// The shutdown is over: nobody may send.
const CLOSED: u8 = 2;

impl Inside {
    fn is_empty(&self) -> bool {
        self.visiting + self.threads() == 0
    }

    /// How many threads there are, or will be in a moment.
    fn threads(&self) -> usize {
        self.waking + self.live.len()
    }

    fn live_ids(&self) -> Vec<ActorId> {
        self.live.values().map(|slot| slot.id().clone()).collect()
    }

    /// How many more should go. Who waits although there is room needs nobody to go: it has only not woken up yet.
    fn room_needed(&self, max_live: usize) -> usize {
        (self.waiting + self.threads()).saturating_sub(max_live).saturating_sub(self.promised)
    }

    /// The next one behind the hand that is idle, and was not used since the hand came by last: the least recently
    /// used one, nearly. `None` if nobody is idle.
    fn next_idle(&mut self) -> Option<SlotRef> {
        // Twice round: the first may only find what was used since.
        for _ in 0..2 * self.live.len() {
            let behind = (Bound::Excluded(self.hand), Bound::Unbounded);
            let (ticket, slot) = self.live.range(behind).next().or_else(|| self.live.first_key_value())?;
            self.hand = *ticket;
            if slot.is_idle() && !slot.take_used() {
                return Some(slot.clone());
            }
        }
        None
    }
}

impl Gate {
    pub(crate) fn new(max_live: usize) -> Self {
        Gate {
            max_live,
            inside: Mutex::new(Inside::default()),
            empty: Condvar::new(),
            room: Condvar::new(),
            room_needed: AtomicUsize::new(0),
            phase: AtomicU8::new(OPEN),
        }
    }

    /// Whether a message may be sent, from an actor of this system or from elsewhere.
    pub(crate) fn admits(&self, from_actor: bool) -> bool {
        match self.phase.load(Ordering::Acquire) {
            OPEN => true,
            CLOSING => from_actor,
            _ => false,
        }
    }

    /// Whether actors are to petrify as soon as they have nothing to do.
    pub(crate) fn is_closing(&self) -> bool {
        self.phase.load(Ordering::Acquire) != OPEN
    }

    /// Lets one in who wants to bring an actor to life, if need be when somebody has made room. `None` does not wait.
    ///
    /// An actor may exceed the cap, up to the margin: those that hold the others up may be waiting for it.
    pub(crate) fn enter(&self, from_actor: bool, clock: &dyn Clock, until: Option<Deadline>) -> Result<(), Refusal> {
        let most = if from_actor { self.max_live + margin(self.max_live) } else { self.max_live };
        let mut inside = self.inside.lock();
        inside.waiting += 1;
        let entered = loop {
            if !self.admits(from_actor) {
                break Err(Refusal::Closed);
            }
            if inside.threads() < most {
                inside.waking += 1;
                break Ok(());
            }
            self.ask_for_room(&mut inside);
            let Some(nap) = until.and_then(|deadline| deadline.nap(clock)) else { break Err(Refusal::Saturated) };
            inside = self.room.wait_for(inside, nap);
        };
        inside.waiting -= 1;
        self.ask_for_room(&mut inside);
        entered
    }

    /// Says how many should go, and wakes one who can.
    fn ask_for_room(&self, inside: &mut Inside) {
        let needed = inside.room_needed(self.max_live);
        self.room_needed.store(needed, Ordering::Relaxed);
        if needed > 0 {
            // Pairs with the fence in `wants_room`: an actor that becomes idle sees the need, or this sees it idle.
            fence(Ordering::SeqCst);
            if let Some(slot) = inside.next_idle() {
                slot.nudge();
            }
        }
    }

    /// Whether an actor that has just become idle should go. If so, it has to: by `leave`, or by `stay` if it cannot.
    pub(crate) fn wants_room(&self) -> bool {
        fence(Ordering::SeqCst);
        if self.room_needed.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut inside = self.inside.lock();
        let wanted = inside.room_needed(self.max_live) > 0;
        inside.promised += usize::from(wanted);
        self.room_needed.store(inside.room_needed(self.max_live), Ordering::Relaxed);
        wanted
    }

    /// An actor that was to make room got a message and stays.
    pub(crate) fn stay(&self) {
        let mut inside = self.inside.lock();
        inside.promised -= 1;
        self.ask_for_room(&mut inside);
    }

    /// One who was let in brought an actor to life, in this slot.
    pub(crate) fn came_alive(&self, slot: SlotRef) -> Ticket {
        let mut inside = self.inside.lock();
        inside.waking -= 1;
        inside.last += 1;
        let ticket = inside.last;
        inside.live.insert(ticket, slot);
        inside.peak = inside.peak.max(inside.live.len());
        ticket
    }

    /// One who was let in brought nobody to life. `true`: it was the last one of a shutdown.
    pub(crate) fn turn_back(&self) -> bool {
        self.out(|inside| inside.waking -= 1)
    }

    /// An actor is alive no more. `true`: it was the last one of a shutdown.
    pub(crate) fn leave(&self, ticket: Ticket, promised: bool) -> bool {
        self.out(|inside| {
            if let Some(slot) = inside.live.remove(&ticket) {
                inside.departed.add(slot.vitals());
            }
            inside.promised -= usize::from(promised);
        })
    }

    /// Lets one in who wants to look at an actor of stone. `false`: it may not.
    pub(crate) fn visit(&self, from_actor: bool) -> bool {
        let mut inside = self.inside.lock();
        let admitted = self.admits(from_actor);
        inside.visiting += usize::from(admitted);
        admitted
    }

    /// A visitor goes. `true`: it was the last one of a shutdown.
    pub(crate) fn end_visit(&self) -> bool {
        self.out(|inside| inside.visiting -= 1)
    }

    fn out(&self, count: impl FnOnce(&mut Inside)) -> bool {
        let mut inside = self.inside.lock();
        count(&mut inside);
        self.room_needed.store(inside.room_needed(self.max_live), Ordering::Relaxed);
        if inside.waiting > 0 {
            self.room.notify_all();
        }
        if !inside.is_empty() {
            return false;
        }
        self.empty.notify_all();
        let closing = self.is_closing();
        if closing {
            self.change_phase(&inside, CLOSED);
        }
        closing
    }

    /// Begins a shutdown.
    pub(crate) fn close(&self) {
        let inside = self.inside.lock();
        if !self.is_closing() {
            self.change_phase(&inside, CLOSING);
        }
    }

    /// Waits until nobody is inside or the deadline has passed, and lets nobody in any more.
    ///
    /// # Errors
    ///
    /// Who is alive when the deadline passes; it may be nobody but who wakes an actor, or peeks at one.
    pub(crate) fn close_when_empty(&self, clock: &dyn Clock, deadline: Deadline) -> Result<(), Vec<ActorId>> {
        let mut inside = self.inside.lock();
        while !inside.is_empty() {
            let Some(nap) = deadline.nap(clock) else { break };
            inside = self.empty.wait_for(inside, nap);
        }
        self.change_phase(&inside, CLOSED);
        if inside.is_empty() { Ok(()) } else { Err(inside.live_ids()) }
    }

    /// Who is alive.
    pub(crate) fn live_ids(&self) -> Vec<ActorId> {
        self.inside.lock().live_ids()
    }

    /// What those did who have gone, the most that were alive at once, and who is alive: what they do from now on is in
    /// neither of them twice.
    #[cfg(all(feature = "observe", not(any(loom, shuttle))))]
    pub(crate) fn census(&self) -> (Departed, usize, Vec<SlotRef>) {
        let inside = self.inside.lock();
        (inside.departed, inside.peak, inside.live.values().cloned().collect())
    }

    fn change_phase(&self, _inside: &MutexGuard<'_, Inside>, phase: u8) {
        self.phase.store(phase, Ordering::Release);
        self.room.notify_all();
    }

    /// How many are alive, and the most that were at once.
    pub(crate) fn live_and_peak(&self) -> (usize, usize) {
        let inside = self.inside.lock();
        (inside.live.len(), inside.peak)
    }
}

/// By how many the actors that a handler needs may exceed the cap.
pub(crate) fn margin(max_live: usize) -> usize {
    max_live / 4 + 16
}

/// How many actors may be alive unless it is set: half of what the machine allows a process, as far as it can be read,
/// since a Rust program that gets no memory maps for a thread's stack is aborted and hears of no error.
pub(crate) fn default_max_live() -> usize {
    /// A thread of Rust takes four maps on Linux: stack, guard page, signal stack, guard page.
    const MAPS_A_THREAD: usize = 4;
    /// Where nothing can be read.
    const ELSEWHERE: usize = 2000;
    let limit = |file: &str| std::fs::read_to_string(file).ok()?.trim().parse::<usize>().ok();
    let by_maps = limit("/proc/sys/vm/max_map_count").map(|maps| maps / MAPS_A_THREAD);
    let limits = [by_maps, limit("/proc/sys/kernel/threads-max"), limit("/sys/fs/cgroup/pids.max")];
    limits.into_iter().flatten().min().map_or(ELSEWHERE, |threads| (threads / 2).max(1))
}
