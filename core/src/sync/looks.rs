//! How long a thread looks before it sleeps.
//!
//! To sleep and be woken costs a thread and its waker some microseconds, and some tens of them from one processor to
//! another. What an actor or its caller waits for comes sooner than that, most often. So who waits looks first: a few times
//! with a pause between, which is best if the other one runs on another processor; then a few times with a yield between,
//! which is best if it does not. Only then it sleeps.
//!
//! Looks that find nothing are a waste: pauses on one processor, all looks if what is waited for is long in coming. So
//! each kind of them has to earn its keep: one that has failed in many waits running is left out, but for a rare wait that
//! sees whether things have changed. A wait that was short all the same could have been spared its sleep, and is no proof
//! against looks: two threads that sleep at once whenever they wait for each other never find out. A long one is none
//! against pauses, as they were a small part of it: in a crowd, two that wait for each other have two processors to
//! themselves now and then, and go on there without a switch as long as both of them pause. No number of processors is asked
//! for, as it does not say where the kernel puts two threads; what yields take says how many others want them.
//!
//! Nothing depends on a look: it finds what the sleep would have waited for. In a model nobody looks.

use std::cell::Cell;
use std::thread::LocalKey;
use std::time::{Duration, Instant};

use super::thread;

/// Some two microseconds: what is waited for on another processor is there by then, or takes longer than a yield.
const PAUSES: u32 = 100;
/// Some twenty microseconds if nobody else wants the processor: as long as it takes to wake a thread on another one.
const YIELDS: u32 = 100;
/// If others want it, a yield may take as long as they like. Who has yielded for so long leaves it to them: each yield is a
/// switch of threads then, and a sleep is one in all.
const YIELDING_MAX: Duration = Duration::from_micros(30);
/// Yields that failed this often in a row are left out …
const FAILED_YIELDS_MAX: u8 = 8;
/// … and pauses, which cost little and in a crowd fail in long rows, this often …
const FAILED_PAUSES_MAX: u8 = 250;
/// … but in one wait of so many.
const RARELY: u8 = 250;
/// A sleep of less could have been spared. A longer one is proof enough against yields: many threads that look at once keep
/// each other from what they wait for.
const SHORT: Duration = Duration::from_micros(100);

/// What a thread that waits in one place has seen of its looks there.
pub(crate) struct Place {
    pausing: Looks,
    yielding: Looks,
}

/// One kind of looks.
struct Looks {
    /// Failures in a row after which they are left out.
    failures_max: u8,
    /// Failures in a row.
    failures: Cell<u8>,
    /// Waits without these looks, since the last one with them.
    left_out: Cell<u8>,
}

std::thread_local! {
    // What one actor has taught its thread counts for the next one.
    pub(crate) static FOR_MESSAGES: Place = const { Place::new() };
    pub(crate) static FOR_REPLIES: Place = const { Place::new() };
    pub(crate) static FOR_SPACE: Place = const { Place::new() };
    pub(crate) static FOR_WORK: Place = const { Place::new() };
}

/// Waits: by looks until one finds something, and then by `sleep`, which would have found the same.
pub(crate) fn wait<T>(
    place: &'static LocalKey<Place>,
    mut look: impl FnMut() -> Option<T>,
    sleep: impl FnOnce() -> T,
) -> T {
    if !thread::MAY_LOOK {
        return sleep();
    }
    if let Some(found) = look() {
        return found;
    }
    // A thread that ends has no memory any more.
    match place.try_with(|place| place.look(Instant::now, &mut look)) {
        Ok(Some(found)) => found,
        Ok(None) => {
            let start = Instant::now();
            let found = sleep();
            let _ = place.try_with(|place| place.slept(start.elapsed()));
            found
        }
        Err(_) => sleep(),
    }
}

impl Place {
    const fn new() -> Self {
        Place { pausing: Looks::new(FAILED_PAUSES_MAX), yielding: Looks::new(FAILED_YIELDS_MAX) }
    }

    fn look<T>(&self, now: impl Fn() -> Instant, look: &mut impl FnMut() -> Option<T>) -> Option<T> {
        let found = self.pausing.try_with(|| {
            (0..PAUSES).find_map(|_| {
                std::hint::spin_loop();
                look()
            })
        });
        found.or_else(|| self.yielding.try_with(|| yielding(now, look)))
    }

    fn slept(&self, time: Duration) {
        if time > SHORT {
            self.yielding.failed(FAILED_YIELDS_MAX);
        }
    }
}

impl Looks {
    const fn new(failures_max: u8) -> Self {
        Looks { failures_max, failures: Cell::new(0), left_out: Cell::new(0) }
    }

    /// Looks, unless that has failed too often.
    fn try_with<T>(&self, looks: impl FnOnce() -> Option<T>) -> Option<T> {
        if self.failures.get() >= self.failures_max {
            self.left_out.set((self.left_out.get() + 1) % RARELY);
            if self.left_out.get() > 0 {
                return None;
            }
        }
        let found = looks();
        match found {
            Some(_) => self.failures.set(0),
            None => self.failed(1),
        }
        found
    }

    fn failed(&self, times: u8) {
        self.failures.set(self.failures.get().saturating_add(times));
    }
}

/// Looks after each yield, as long as others do not take up the time.
fn yielding<T>(now: impl Fn() -> Instant, look: &mut impl FnMut() -> Option<T>) -> Option<T> {
    let start = now();
    for _ in 0..YIELDS {
        thread::yield_now();
        let found = look();
        if found.is_some() || now() - start >= YIELDING_MAX {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u32 = PAUSES + YIELDS;

    /// How often a wait looks for what does not come.
    fn looks_in_vain(place: &Place) -> u32 {
        let start = Instant::now();
        looks_in_vain_until(place, || start)
    }

    fn looks_in_vain_until(place: &Place, now: impl Fn() -> Instant) -> u32 {
        let mut looks = 0;
        let found: Option<()> = place.look(now, &mut || {
            looks += 1;
            None
        });
        assert!(found.is_none());
        looks
    }

    /// Whether a wait finds what comes at this look.
    fn finds_at(place: &Place, at: u32) -> bool {
        let (mut looks, start) = (0, Instant::now());
        let found = place.look(|| start, &mut || {
            looks += 1;
            (looks == at).then_some(())
        });
        found.is_some()
    }

    #[test]
    fn looks_that_fail_are_left_out_but_rarely() {
        let place = Place::new();
        for _ in 0..FAILED_YIELDS_MAX {
            assert_eq!(looks_in_vain(&place), ALL);
        }
        let looks = |waits: u8| (0..waits).map(|_| looks_in_vain(&place)).collect::<Vec<_>>();
        let pauses_alone = looks(FAILED_PAUSES_MAX - FAILED_YIELDS_MAX);
        assert_eq!(pauses_alone, vec![PAUSES; pauses_alone.len()], "pauses have more patience");
        let later = looks(RARELY);
        assert_eq!(later.iter().sum::<u32>(), ALL, "each kind in one of them: {later:?}");
    }

    #[test]
    fn one_find_brings_the_looks_back_that_found() {
        // The rare waits with pauses are the 500th, the 750th …, those with yields the 508th, the 758th ….
        for (waits, rare, back) in [(300, 200, PAUSES), (505, 3, YIELDS)] {
            let place = Place::new();
            for _ in 0..waits {
                looks_in_vain(&place);
            }
            assert_eq!((1..=u32::from(RARELY)).find(|_| finds_at(&place, 1)), Some(rare));
            assert!(finds_at(&place, back), "they are back");
            assert_eq!(looks_in_vain(&place), back, "and the others are not");
        }
    }

    #[test]
    fn who_yields_to_others_who_take_their_time_leaves_it_to_them() {
        let (start, asked) = (Instant::now(), Cell::new(0));
        let slow = || {
            asked.set(asked.get() + 1);
            start + asked.get() * YIELDING_MAX / 3
        };
        // Three yields after the first time that it was asked.
        assert_eq!(looks_in_vain_until(&Place::new(), slow), PAUSES + 3);
    }

    #[test]
    fn after_a_long_sleep_the_yields_are_left_out_and_the_pauses_are_not() {
        let place = Place::new();
        place.slept(SHORT);
        assert_eq!(looks_in_vain(&place), ALL);
        place.slept(SHORT * 2);
        assert_eq!(looks_in_vain(&place), PAUSES);
    }
}
