//! What a system tells those who measure it: the one place where core is instrumented.
//!
//! Three optional features listen: `tracing` (`traces`), `metrics` (`meters`) and `observe` (`history`); the latter two
//! count what each actor does (`vitals`). Each is a pair of twin files: one that does it, and one for builds without
//! the feature, whose types are empty and whose functions do nothing. So an instrumented line costs nothing when its
//! feature is off: there is no code left of it, no clock is read and no field takes a byte, as a test below says.
//! Subscribers and recorders are others' code, and run behind the guard: one that panics changes nothing.
//! Under a model checker all of them are off: what they do is no part of any protocol, and would only add steps.

#[cfg(all(feature = "observe", not(any(loom, shuttle))))]
mod history;
#[cfg(not(all(feature = "observe", not(any(loom, shuttle)))))]
#[path = "no_history.rs"]
mod history;
#[cfg(all(feature = "metrics", not(any(loom, shuttle))))]
mod meters;
#[cfg(not(all(feature = "metrics", not(any(loom, shuttle)))))]
#[path = "no_meters.rs"]
mod meters;
#[cfg(all(feature = "tracing", not(any(loom, shuttle))))]
mod traces;
#[cfg(not(all(feature = "tracing", not(any(loom, shuttle)))))]
#[path = "no_traces.rs"]
mod traces;
#[cfg(all(any(feature = "metrics", feature = "observe"), not(any(loom, shuttle))))]
mod vitals;
#[cfg(not(all(any(feature = "metrics", feature = "observe"), not(any(loom, shuttle)))))]
#[path = "no_vitals.rs"]
mod vitals;

use std::time::{Duration, Instant};

pub(crate) use self::history::Departed;
use self::history::History;
use self::meters::Meters;
pub(crate) use self::vitals::Vitals;
use crate::clock::Clock;
use crate::error::Failure;
use crate::event::EventKind;
use crate::guard::guard;
use crate::system::ShutdownError;
use crate::{ActorId, Revision};

/// Whether anybody wants to know how long turns and revivals take.
const TIMED: bool = meters::ON;
/// Whether anybody wants to know how long saves take.
const SAVES_TIMED: bool = meters::ON || vitals::ON;

/// What is measured of a system.
pub(crate) struct Telemetry {
    meters: Meters,
    history: History,
}

/// Something that has begun and takes its time: a turn, a revival, a save. What it has in hand is dropped if a panic
/// ends it.
#[must_use]
pub(crate) struct Begun {
    at: Option<Instant>,
    messages_before: u64,
    _span: traces::Span,
}

impl Begun {
    fn new(span: traces::Span, clock: &dyn Clock, timed: bool) -> Self {
        Begun { at: timed.then(|| clock.now()), messages_before: 0, _span: span }
    }

    fn took(&self, clock: &dyn Clock) -> Duration {
        self.at.map_or(Duration::ZERO, |at| clock.now().saturating_duration_since(at))
    }
}

impl Telemetry {
    pub(crate) fn new() -> Self {
        Telemetry { meters: Meters::new(), history: History::new() }
    }

    /// An actor has a thread.
    pub(crate) fn came_alive(&self) {
        tell(|| self.meters.live(1.0));
    }

    /// An actor has given its thread back.
    pub(crate) fn left(&self) {
        tell(|| self.meters.live(-1.0));
    }

    /// The look into the store for an actor begins, or its birth.
    pub(crate) fn revival(&self, id: &ActorId, clock: &dyn Clock) -> Begun {
        Begun::new(traces::revive(id), clock, TIMED)
    }

    /// The actor can handle its first message, or did not come to life.
    pub(crate) fn end_revival(&self, begun: Begun, clock: &dyn Clock) {
        let took = begun.took(clock);
        tell(move || drop(begun));
        tell(|| self.meters.revived(took));
    }

    /// A turn begins.
    pub(crate) fn turn(&self, id: &ActorId, vitals: &Vitals, clock: &dyn Clock) -> Begun {
        Begun { messages_before: vitals.messages(), ..Begun::new(traces::turn(id), clock, TIMED) }
    }

    /// A turn is over: it is saved, if it had to be, and its replies are out.
    pub(crate) fn end_turn(&self, begun: Begun, vitals: &Vitals, clock: &dyn Clock) {
        vitals.turn();
        let (messages, took) = (vitals.messages() - begun.messages_before, begun.took(clock));
        tell(move || drop(begun));
        tell(|| self.meters.turn(messages, took));
    }

    /// Runs `save`, which brings so many bytes to the store.
    pub(crate) fn save(
        &self,
        id: &ActorId,
        vitals: &Vitals,
        bytes: usize,
        clock: &dyn Clock,
        save: impl FnOnce() -> Result<Revision, Failure>,
    ) -> Result<Revision, Failure> {
        let begun = Begun::new(traces::save(id, bytes), clock, SAVES_TIMED);
        let saved = save();
        let took = begun.took(clock);
        tell(move || drop(begun));
        tell(|| self.meters.saved(saved.is_ok(), bytes, took));
        if saved.is_ok() {
            vitals.saved(took);
            self.history.saved(took);
        }
        saved
    }

    /// Something happened to an actor.
    pub(crate) fn happened(&self, id: &ActorId, kind: &EventKind) {
        tell(|| traces::happened(id, kind));
        tell(|| self.meters.happened(kind));
        self.history.happened(id, kind);
    }

    /// A shutdown begins.
    pub(crate) fn shutting_down(&self, limit: Duration) {
        tell(|| traces::shutting_down(limit));
    }

    /// A shutdown is over, or has run out of time.
    pub(crate) fn shut_down(&self, done: &Result<(), ShutdownError>) {
        tell(|| traces::shut_down(done));
    }

    /// The system has shut down, and nobody is alive.
    pub(crate) fn end(&self) {
        self.history.end();
    }

    /// What `observe` has to tell of the system's past.
    #[cfg(all(feature = "observe", not(any(loom, shuttle))))]
    pub(crate) fn history(&self) -> &History {
        &self.history
    }
}

/// Tells those who measure, who may panic.
fn tell(what: impl FnOnce()) {
    let _ = guard(what);
}

/// Without the features there is nothing: no field, no clock read.
#[cfg(not(any(feature = "tracing", feature = "metrics", feature = "observe")))]
const _: () = {
    assert!(!TIMED && !SAVES_TIMED);
    assert!(size_of::<Telemetry>() == 0);
    assert!(size_of::<Vitals>() == 0);
    assert!(size_of::<Departed>() == 0);
    assert!(size_of::<traces::Span>() == 0);
};
