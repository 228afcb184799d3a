//! What is promised of timers. One is a part of its message, and of the incarnation that set it: it counts and is given up
//! with either, is told of then, and has its actor stay alive. When its time has come it fires, once.

use std::time::Duration;

use crate::being::{Being, Doing};
use crate::model::{Fate, Faults};
use crate::program::{Deed, Life};

/// A number to be added at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Later {
    set: Duration,
    due: Duration,
    adds: u32,
}

impl Being {
    pub(crate) fn does(mut self, deed: Deed, doing: &Doing) -> Being {
        match deed {
            Deed::Later(seconds) => {
                let timer = Later { set: doing.at, due: doing.at + Duration::from_secs(seconds), adds: doing.then };
                // Behind those of the same time.
                let place = self.timers.partition_point(|other| other.due <= timer.due);
                self.timers.insert(place, timer);
            }
            Deed::Cancel => self.timers.retain(|timer| timer.adds != doing.then),
            Deed::Watch(other) => self.watches(other, doing.adds),
            Deed::Unwatch(other) => self.unwatches(other),
        }
        self
    }

    /// As [`does`](Self::does), of a message that does not count.
    pub(crate) fn does_not(mut self, deed: Deed) -> Being {
        self.given_up += usize::from(matches!(deed, Deed::Later(_)));
        self
    }

    /// The incarnation ends.
    pub(crate) fn without_timers(self) -> Being {
        Being { given_up: self.given_up + self.timers.len(), timers: Vec::new(), ..self }
    }

    /// Those timers fire whose time has come, in its order.
    fn fires(self, now: Duration, kind: Life) -> Vec<Being> {
        let due: Vec<Later> = self.timers.iter().copied().filter(|timer| timer.due <= now).collect();
        let waits = Being { timers: self.timers[due.len()..].to_vec(), ..self };
        due.iter().fold(vec![waits], |may_be, timer| {
            may_be.into_iter().flat_map(|being| being.handles_timer(*timer, kind)).collect()
        })
    }

    fn handles_timer(self, timer: Later, kind: Life) -> Vec<Being> {
        let before = self.woken();
        before.clone().adds(timer.adds).saved_by_mode(kind, &before)
    }
}

/// The timers of an actor that the store has failed for. Nobody knows which of them it has, nor how many are told of.
#[derive(Debug, Default)]
pub(crate) struct DoubtfulTimers(Vec<Later>);

impl DoubtfulTimers {
    pub(crate) fn add_those_of(&mut self, being: &mut Being) {
        being.given_up = 0;
        let new = std::mem::take(&mut being.timers).into_iter().filter(|timer| !self.0.contains(timer));
        let new: Vec<Later> = new.collect();
        self.0.extend(new);
    }

    fn due(&self, now: Duration) -> usize {
        self.0.iter().filter(|timer| timer.due <= now).count()
    }

    fn take_due(&mut self, now: Duration) -> Vec<Later> {
        let mut due: Vec<Later> = self.0.extract_if(.., |timer| timer.due <= now).collect();
        due.sort_by_key(|timer| (timer.due, timer.adds));
        due
    }
}

impl Fate {
    /// How many timers may be due.
    pub(crate) fn most_due(&mut self, now: Duration) -> usize {
        let due = |being: &Being| being.timers.iter().filter(|timer| timer.due <= now).count();
        self.may_be().iter().map(due).max().unwrap_or(0) + self.doubtful_timers().due(now)
    }

    /// The numbers that timers have to add by now, whatever the actor is.
    pub(crate) fn must_be_added(&self, now: Duration) -> Vec<u32> {
        let is_due = |being: &Being, adds| being.timers.iter().any(|timer| timer.adds == adds && timer.due <= now);
        let some = self.may_be().first().into_iter().flat_map(|being| &being.timers);
        some.map(|timer| timer.adds).filter(|adds| self.may_be().iter().all(|being| is_due(being, *adds))).collect()
    }

    /// Whether it surely has this timer.
    pub(crate) fn has_timer(&self, adds: u32) -> bool {
        self.may_be().iter().all(|being| being.timers.iter().any(|timer| timer.adds == adds))
    }

    /// Whether a timer that is due had its actor stay alive for longer than this.
    pub(crate) fn waited_longer_than(&self, time: Duration, now: Duration) -> bool {
        let waited = |timer: &Later| timer.due <= now && timer.due - timer.set > time;
        self.may_be().iter().all(|being| being.timers.iter().any(waited))
    }

    /// All timers have fired whose time has come.
    pub(crate) fn fired(&mut self, now: Duration, faults: Faults) {
        let kind = self.kind();
        self.fail(faults);
        self.become_of(|being| being.fires(now, kind));
        for timer in self.doubtful_timers().take_due(now) {
            self.become_of(|being| [vec![being.clone()], being.handles_timer(timer, kind)].concat());
            self.fail(faults);
        }
    }
}
