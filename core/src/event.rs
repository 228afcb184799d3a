//! What happens to actors, for whoever wants to know: events and counters.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Failure, WithCauses, whole_millis};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::channel::{self, Receiver, Sender};
use crate::telemetry::Telemetry;
use crate::{ActorId, Revision};

/// How many events a receiver of [`System::events`](crate::System::events) can be behind.
pub(crate) const EVENTS_KEPT: usize = 16_384;

/// Something that happened to an actor.
#[derive(Clone, Debug)]
pub struct Event {
    /// The actor.
    pub id: ActorId,
    /// What happened to it.
    pub kind: EventKind,
}

/// What can happen to an actor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// It came to life by `init`: there was no record.
    Born,
    /// It came back to life from its record.
    Revived,
    /// It did not come to life.
    NotRevived(Failure),
    /// Its state was saved, under this revision.
    Saved(Revision),
    /// It turned to stone.
    Petrified,
    /// Its incarnation ended by `stop` or `wipe`.
    Stopped,
    /// Its record was deleted: by `stop`, by `wipe`, or as that of a temporary actor that crashed.
    Wiped,
    /// Its incarnation ended by a failure; what becomes of it says its [`RestartPolicy`](crate::RestartPolicy).
    Crashed(Failure),
    /// It crashed too often, and will not come to life for this time, unless it is pardoned.
    Quarantined(Duration),
    /// Its record was to be deleted, by `stop` or `wipe`, and was not.
    NotWiped(Failure),
    /// A cast to it came to nothing after it was accepted.
    Undeliverable {
        /// The type of the message.
        message: &'static str,
        /// Why.
        failure: Failure,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.id;
        // Nobody can ask an event for its causes: it says them itself.
        match &self.kind {
            EventKind::Born => write!(f, "{id} was born"),
            EventKind::Revived => write!(f, "{id} was revived"),
            EventKind::NotRevived(failure) => write!(f, "{id} was not revived: {}", WithCauses(failure)),
            EventKind::Saved(revision) => write!(f, "{id} was saved as revision {revision}"),
            EventKind::Petrified => write!(f, "{id} was petrified"),
            EventKind::Stopped => write!(f, "{id} was stopped"),
            EventKind::Wiped => write!(f, "{id} was wiped"),
            EventKind::Crashed(failure) => write!(f, "{id} crashed: {}", WithCauses(failure)),
            EventKind::Quarantined(time) => {
                write!(f, "{id} crashed too often and is quarantined for {:?}", whole_millis(*time))
            }
            EventKind::NotWiped(failure) => write!(f, "{id} was not wiped: {}", WithCauses(failure)),
            EventKind::Undeliverable { message, failure } => {
                write!(f, "a {message} for {id} was not delivered: {}", WithCauses(failure))
            }
        }
    }
}

/// Counters of a system since it was built; `live` and `live_peak` are levels.
///
/// Read one after the other while actors go on: they need not fit together to the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Stats {
    /// Actors that have a thread now.
    pub live: usize,
    /// The most that had one at once.
    pub live_peak: usize,
    /// Births: incarnations that began with `init`.
    pub born: u64,
    /// Incarnations that began with a record.
    pub revived: u64,
    /// Incarnations that ended as stone.
    pub petrified: u64,
    /// Incarnations that ended by `stop` or `wipe`.
    pub stopped: u64,
    /// Incarnations that ended by a failure.
    pub crashed: u64,
    /// Incarnations that did not begin, by a load or an `init` that failed.
    pub not_revived: u64,
    /// Quarantines that began.
    pub quarantined: u64,
    /// Saves that succeeded.
    pub saved: u64,
    /// Casts that came to nothing after they were accepted.
    pub undeliverable: u64,
    /// Events that a receiver missed because it was too far behind.
    pub events_missed: u64,
}

/// Counts, and tells those who asked for it.
pub(crate) struct Events {
    pub(crate) telemetry: Telemetry,
    /// `None` after the end.
    receivers: Mutex<Option<Vec<Sender<Event>>>>,
    /// How many receivers there are: nobody takes the lock while there is none.
    listening: AtomicUsize,
    born: AtomicU64,
    revived: AtomicU64,
    petrified: AtomicU64,
    stopped: AtomicU64,
    crashed: AtomicU64,
    not_revived: AtomicU64,
    quarantined: AtomicU64,
    saved: AtomicU64,
    undeliverable: AtomicU64,
    missed: AtomicU64,
}

impl Events {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Events {
            telemetry: Telemetry::new(),
            receivers: Mutex::new(Some(Vec::new())),
            listening: AtomicUsize::new(0),
            born: zero(),
            revived: zero(),
            petrified: zero(),
            stopped: zero(),
            crashed: zero(),
            not_revived: zero(),
            quarantined: zero(),
            saved: zero(),
            undeliverable: zero(),
            missed: zero(),
        }
    }

    pub(crate) fn subscribe(&self) -> Receiver<Event> {
        let (sender, receiver) = channel::bounded(EVENTS_KEPT);
        if let Some(receivers) = &mut *self.receivers.lock() {
            receivers.push(sender);
            self.listening.store(receivers.len(), Ordering::Release);
        }
        receiver
    }

    /// No more events: receivers come to their end.
    pub(crate) fn end(&self) {
        let _gone = self.receivers.lock().take();
        self.listening.store(0, Ordering::Release);
    }

    pub(crate) fn tell(&self, id: &ActorId, kind: EventKind) {
        if let Some(counter) = self.counter(&kind) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.telemetry.happened(id, &kind);
        if self.listening.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut guard = self.receivers.lock();
        let Some(receivers) = &mut *guard else { return };
        let is_gone = |receiver: &mut Sender<Event>| {
            let sent = receiver.try_send(Event { id: id.clone(), kind: kind.clone() });
            if let Err(channel::TrySendError::Full(_)) = sent {
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
            matches!(sent, Err(channel::TrySendError::Disconnected(_)))
        };
        let gone = receivers.extract_if(.., is_gone).collect::<Vec<_>>();
        self.listening.store(receivers.len(), Ordering::Release);
        // Before those who are gone: they may have the last of a user's error in them, whose drop may ask for events.
        drop(guard);
        drop(gone);
    }

    /// A cast that was accepted comes to nothing.
    pub(crate) fn undeliverable(&self, id: &ActorId, message: &'static str, failure: Failure) {
        self.tell(id, EventKind::Undeliverable { message, failure });
    }

    fn counter(&self, kind: &EventKind) -> Option<&AtomicU64> {
        match kind {
            EventKind::Born => Some(&self.born),
            EventKind::Revived => Some(&self.revived),
            EventKind::Petrified => Some(&self.petrified),
            EventKind::Stopped => Some(&self.stopped),
            EventKind::Crashed(_) => Some(&self.crashed),
            EventKind::Saved(_) => Some(&self.saved),
            EventKind::Undeliverable { .. } => Some(&self.undeliverable),
            EventKind::NotRevived(_) => Some(&self.not_revived),
            EventKind::Quarantined(_) => Some(&self.quarantined),
            EventKind::Wiped | EventKind::NotWiped(_) => None,
        }
    }

    /// All counters; the levels are the caller's to fill in.
    pub(crate) fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            live: 0,
            live_peak: 0,
            born: read(&self.born),
            revived: read(&self.revived),
            petrified: read(&self.petrified),
            stopped: read(&self.stopped),
            crashed: read(&self.crashed),
            not_revived: read(&self.not_revived),
            quarantined: read(&self.quarantined),
            saved: read(&self.saved),
            undeliverable: read(&self.undeliverable),
            events_missed: read(&self.missed),
        }
    }
}
