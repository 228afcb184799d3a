//! Who crashed how often, and who is quarantined for it.
//!
//! Crashes are counted by id and not by slot, as a slot may end with each of them. An id is here only as long as a crash
//! of it counts: whoever is well leaves nothing behind.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::ActorId;
use crate::clock::FAR;
use crate::error::Failure;
use crate::settings::Resolved;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex};

#[derive(Default)]
pub(crate) struct Health {
    patients: Mutex<Patients>,
    /// Whether there is any patient: nobody takes the lock while all are well.
    any: AtomicBool,
}

#[derive(Default)]
struct Patients {
    by_id: HashMap<ActorId, Patient>,
    /// How many there may be before those whose crashes do not count any more are taken out.
    tidy_at: usize,
}

struct Patient {
    /// The crashes that count, in their order.
    crashes: VecDeque<Instant>,
    quarantine: Option<Quarantine>,
    /// When none of this counts any more.
    well_at: Instant,
}

struct Quarantine {
    until: Instant,
    /// How long it was to be before chance shortened it; the next one is twice as long.
    full: Duration,
    last: Arc<Failure>,
}

impl Health {
    /// Counts a crash. If it is one too many, the actor is quarantined from now on; returns until when.
    pub(crate) fn crashed(
        &self,
        id: &ActorId,
        settings: &Resolved,
        now: Instant,
        failure: &Failure,
    ) -> Option<Instant> {
        // What they failed by is a user's, whose drop may ask who is quarantined. Declared before the lock, dropped after it.
        let mut gone = Vec::new();
        let mut patients = self.patients.lock();
        gone.extend(patients.tidy(now));
        self.any.store(true, Ordering::Relaxed);
        let new = || Patient { crashes: VecDeque::new(), quarantine: None, well_at: now };
        let patient = patients.by_id.entry(id.clone()).or_insert_with(new);
        if patient.well_at <= now {
            gone.extend(std::mem::replace(patient, new()).quarantine);
        }
        let window = settings.restart_window;
        patient.crashes.retain(|crash| now.saturating_duration_since(*crash) < window);
        patient.crashes.push_back(now);
        let quarantined = patient.crashes.len() > usize::try_from(settings.max_restarts).unwrap_or(usize::MAX);
        if quarantined {
            let before = patient.quarantine.as_ref().map(|quarantine| quarantine.full.saturating_mul(2));
            let full = before.unwrap_or(settings.backoff).min(settings.backoff_max);
            let until = later(now, shortened(full));
            gone.extend(patient.quarantine.replace(Quarantine { until, full, last: Arc::new(failure.clone()) }));
        }
        let after_quarantine = patient.quarantine.as_ref().map(|quarantine| later(quarantine.until, quarantine.full));
        patient.well_at = later(after_quarantine.map_or(now, |at| at.max(now)), window);
        let quarantine = patient.quarantine.as_ref().filter(|_| quarantined)?;
        Some(quarantine.until)
    }

    /// Until when the actor is quarantined, if it is, and what failed last.
    pub(crate) fn quarantine(&self, id: &ActorId, now: impl FnOnce() -> Instant) -> Option<(Instant, Arc<Failure>)> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let (patients, now) = (self.patients.lock(), now());
        let quarantine = patients.by_id.get(id)?.quarantine.as_ref()?;
        (now < quarantine.until).then(|| (quarantine.until, quarantine.last.clone()))
    }

    /// Forgets all crashes of the actor. `true`: it was quarantined.
    pub(crate) fn pardon(&self, id: &ActorId, now: Instant) -> bool {
        let mut patients = self.patients.lock();
        let patient = patients.by_id.remove(id);
        self.any.store(!patients.by_id.is_empty(), Ordering::Relaxed);
        // Before what the actor failed by, which is a user's.
        drop(patients);
        patient.and_then(|patient| patient.quarantine).is_some_and(|quarantine| now < quarantine.until)
    }

    /// Who is quarantined.
    pub(crate) fn quarantined(&self, now: Instant) -> Vec<ActorId> {
        self.patients(now).into_iter().map(|(id, ..)| id).collect()
    }

    /// Who is quarantined, for how long still, and what failed last.
    pub(crate) fn patients(&self, now: Instant) -> Vec<(ActorId, Duration, Arc<Failure>)> {
        if !self.any.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let patients = self.patients.lock();
        let quarantined = |(id, patient): (&ActorId, &Patient)| {
            let quarantine = patient.quarantine.as_ref()?;
            let left = quarantine.until.checked_duration_since(now).filter(|left| !left.is_zero())?;
            Some((id.clone(), left, quarantine.last.clone()))
        };
        patients.by_id.iter().filter_map(quarantined).collect()
    }
}

impl Patients {
    /// Takes out who is well, each time that their number has doubled. Gives what is left of their quarantines.
    fn tidy(&mut self, now: Instant) -> Vec<Quarantine> {
        /// Fewer are not worth the work.
        const FEW: usize = 64;
        if self.by_id.len() < self.tidy_at.max(FEW) {
            return Vec::new();
        }
        let well = self.by_id.extract_if(|_, patient| patient.well_at <= now);
        let gone = well.filter_map(|(_, patient)| patient.quarantine).collect();
        self.tidy_at = self.by_id.len() * 2;
        gone
    }
}

/// What the clock cannot say is as late as it can.
fn later(time: Instant, by: Duration) -> Instant {
    time.checked_add(by.min(FAR)).unwrap_or_else(|| time.max(Instant::now() + FAR))
}

/// Chance takes up to half of it.
fn shortened(full: Duration) -> Duration {
    full.min(FAR).mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    const SECOND: Duration = Duration::from_secs(1);

    fn id() -> ActorId {
        ActorId::new("k", "a").unwrap()
    }

    fn settings() -> Resolved {
        Settings::new().backoff(SECOND * 10, SECOND * 35).resolved()
    }

    #[test]
    fn the_window_slides() {
        let (health, settings, start) = (Health::default(), settings(), Instant::now());
        // Three within five seconds for ever, and never four.
        for at in [0, 2, 4, 5, 7, 9, 10, 12, 14] {
            let quarantined = health.crashed(&id(), &settings, start + SECOND * at, &Failure::Ended);
            assert_eq!(quarantined, None, "after {at} s");
        }
        assert!(health.crashed(&id(), &settings, start + SECOND * 14, &Failure::Ended).is_some());
    }

    #[test]
    fn a_quarantine_doubles_up_to_its_limit_and_chance_takes_up_to_half() {
        let (health, settings, mut now) = (Health::default(), settings(), Instant::now());
        for full in [10, 20, 35, 35] {
            let quarantined = loop {
                if let Some(quarantined) = health.crashed(&id(), &settings, now, &Failure::Ended) {
                    break quarantined;
                }
            };
            let time = quarantined - now;
            assert!(time >= SECOND * full / 2 && time <= SECOND * full, "{time:?} of {full}");
            assert_eq!(health.quarantine(&id(), || now).unwrap().0, quarantined);
            assert_eq!(health.quarantined(now), [id()]);
            now = quarantined;
            assert!(health.quarantine(&id(), || now).is_none() && health.quarantined(now).is_empty());
        }
    }

    #[test]
    fn who_is_well_for_long_enough_begins_anew_and_leaves_nothing_behind() {
        let (health, settings, start) = (Health::default(), settings(), Instant::now());
        (0..4).for_each(|_| _ = health.crashed(&id(), &settings, start, &Failure::Ended));
        let well = start + SECOND * 100;
        (0..3).for_each(|_| assert_eq!(health.crashed(&id(), &settings, well, &Failure::Ended), None));
        assert!(health.crashed(&id(), &settings, well, &Failure::Ended).unwrap() <= well + SECOND * 10, "not doubled");

        for n in 0..10_000_u64 {
            let one = ActorId::new("k", n.to_string()).unwrap();
            health.crashed(&one, &settings, well + SECOND * 100 + Duration::from_millis(n * 100), &Failure::Ended);
        }
        assert!(health.patients.lock().by_id.len() < 200);
    }

    #[test]
    fn a_pardon_forgets_everything() {
        let (health, settings, now) = (Health::default(), settings(), Instant::now());
        (0..4).for_each(|_| _ = health.crashed(&id(), &settings, now, &Failure::Ended));
        assert!(health.pardon(&id(), now) && !health.pardon(&id(), now));
        assert!(health.quarantine(&id(), || now).is_none());
        (0..3).for_each(|_| assert_eq!(health.crashed(&id(), &settings, now, &Failure::Ended), None));
    }
}
