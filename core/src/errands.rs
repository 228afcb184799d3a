//! Errands of the system, from one actor to another of which only the id is known: news of an end, a watch, or to come back.
//!
//! Who sends one waits for nothing, neither for space in a mailbox nor for room to bring an actor to life: the thread of an
//! actor that ended would hold up others that wait for it, and no edge would say so. What cannot be delivered now waits
//! here and is tried again. So do permanent actors that are quarantined: they are stone meanwhile, without a thread each.
//! One thread waits for all of them, and is there only as long as there is one to wait for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::clock::Deadline;
use crate::error::Failure;
use crate::event::EventKind;
use crate::guard::guard;
use crate::message::{Errand, Notice};
use crate::shared::Shared;
use crate::sync::{Arc, Condvar, Mutex};
use crate::{ActorId, StorageErrorKind, Watch};

/// When to try again if there was no space or no room.
const AGAIN: Duration = Duration::from_millis(100);

/// How long the thread that tries again waits for room. Idle actors make it for one that waits.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Errands {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// By time; the number keeps those of the same time in their order.
    due: BTreeMap<(Instant, u64), (ActorId, Errand)>,
    last: u64,
    has_thread: bool,
    closed: bool,
}

impl Waiting {
    fn add(&mut self, id: ActorId, errand: Errand, at: Instant) {
        self.last += 1;
        self.due.insert((at, self.last), (id, errand));
    }
}

/// Sends an errand now, or later if it cannot be delivered now. If it never can, there is an event.
pub(crate) fn send(shared: &Arc<Shared>, id: &ActorId, errand: Errand) {
    deliver(shared, id, &errand, None);
}

/// Tells who wants to watch an actor that there is none.
pub(crate) fn tell_absent(shared: &Arc<Shared>, id: &ActorId, Watch { other, token }: Watch) {
    send(shared, &other, Errand::Notice(Notice::absent(id.clone(), token)));
}

fn deliver(shared: &Arc<Shared>, id: &ActorId, errand: &Errand, room: Option<Duration>) {
    let again = |after| add(shared, id.clone(), errand.clone(), shared.clock.after(after));
    match shared.kinds.send(shared, id, errand.clone(), room) {
        Ok(()) => {}
        Err(Failure::Full | Failure::Saturated { .. }) => again(AGAIN),
        Err(Failure::Quarantined { left, .. }) => again(left),
        // As if its own thread had found it so.
        Err(failure @ Failure::NotLoaded(_)) if matches!(errand, Errand::ComeBack) => {
            let event = EventKind::NotRevived(failure.clone());
            let until = shared.count_crash(id, shared.settings_of(id.kind()), &failure, event);
            add(shared, id.clone(), errand.clone(), until.unwrap_or_else(|| shared.clock.after(AGAIN)));
        }
        Err(failure) => fail(shared, id, errand, failure),
    }
}

/// An errand that was delivered and came to nothing: it is sent again if the store may do then what it did not do now.
pub(crate) fn put_off(shared: &Arc<Shared>, id: &ActorId, errand: Errand, failure: Failure) {
    match &failure {
        Failure::NotLoaded(error) | Failure::NotSaved(error) if error.kind() != StorageErrorKind::Damaged => {
            add(shared, id.clone(), errand, shared.clock.after(shared.settings_of(id.kind()).backoff));
        }
        _ => fail(shared, id, &errand, failure),
    }
}

/// Has an errand sent at this time.
pub(crate) fn add(shared: &Arc<Shared>, id: ActorId, errand: Errand, at: Instant) {
    let errands = &shared.errands;
    let mut waiting = errands.waiting.lock();
    if waiting.closed {
        drop(waiting);
        return fail(shared, &id, &errand, Failure::Shutdown);
    }
    waiting.add(id, errand, at);
    errands.changed.notify_all();
    if std::mem::replace(&mut waiting.has_thread, true) {
        return;
    }
    drop(waiting);
    let waits = shared.clone();
    if let Err(error) = shared.threads.run("gargoyle errands".to_owned(), None, Box::new(move |_| run(&waits))) {
        shared.errands.give_up(shared, false, &Failure::NoThread(Arc::new(error)));
    }
}

fn fail(shared: &Shared, id: &ActorId, errand: &Errand, failure: Failure) {
    match errand {
        // Whoever finds its record will have it come back.
        Errand::ComeBack if matches!(failure, Failure::Shutdown) => {}
        Errand::ComeBack => shared.events.tell(id, EventKind::NotRevived(failure)),
        errand => shared.events.undeliverable(id, errand.name(), failure),
    }
}

impl Errands {
    /// Has an actor come back now that waits for the end of its quarantine.
    pub(crate) fn hurry(&self, id: &ActorId, now: Instant) {
        let mut waiting = self.waiting.lock();
        let comes_back =
            |(_, (other, errand)): &(_, &(ActorId, Errand))| other == id && matches!(errand, Errand::ComeBack);
        let key = waiting.due.iter().find(comes_back).map(|(key, _)| *key);
        if let Some((id, errand)) = key.and_then(|key| waiting.due.remove(&key)) {
            waiting.add(id, errand, now);
            self.changed.notify_all();
        }
    }

    /// A shutdown has begun: nothing is tried again.
    pub(crate) fn close(&self, shared: &Shared) {
        self.give_up(shared, true, &Failure::Shutdown);
    }

    fn give_up(&self, shared: &Shared, close: bool, failure: &Failure) {
        let mut waiting = self.waiting.lock();
        waiting.closed |= close;
        // Without a thread there is none to say so.
        waiting.has_thread &= close;
        let due = std::mem::take(&mut waiting.due);
        self.changed.notify_all();
        drop(waiting);
        due.into_values().for_each(|(id, errand)| fail(shared, &id, &errand, failure.clone()));
    }

    /// The next one, when its time has come. `None`: there is none, and the thread has left.
    fn next(&self, shared: &Shared) -> Option<(ActorId, Errand)> {
        let mut waiting = self.waiting.lock();
        loop {
            let Some(at) = waiting.due.first_key_value().map(|((at, _), _)| *at) else {
                waiting.has_thread = false;
                return None;
            };
            match Deadline::until(at).nap(&*shared.clock) {
                Some(nap) => waiting = self.changed.wait_for(waiting, nap),
                None => return waiting.due.pop_first().map(|(_, errand)| errand),
            }
        }
    }
}

fn run(shared: &Arc<Shared>) {
    while let Some((id, errand)) = shared.errands.next(shared) {
        // Others count on this thread: it must not end by a panic, of a registry say.
        if let Err(panic) = guard(|| deliver(shared, &id, &errand, Some(PATIENCE))) {
            fail(shared, &id, &errand, Failure::Crashed(panic));
        }
    }
}
