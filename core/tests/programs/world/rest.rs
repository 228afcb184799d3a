//! What a program waits for before it looks: never a time, but actors that have done what they were asked to, that came back
//! by themselves, whose timers fired, and that were told of others.

use std::time::{Duration, Instant};

use super::World;
use crate::being::Doing;
use crate::model::{Faults, Verdict};
use crate::program::{ACTORS, Deed, IDLE, What};
use crate::watches::{Letter, News, for_one};

/// How long something may take that happens by itself, before it counts as what does not happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// More peeks than one turn can have, and the next one.
const PEEKS: usize = 600;

/// How often letters between two are looked at, in one step, of which nobody knows whether they were written.
const IN_DOUBT: usize = 3;

impl World<'_> {
    /// Waits until an actor, and whomever these messages have it tell something, has done what it was asked to. Returns
    /// the store's faults until then.
    pub(super) fn settle(&mut self, who: usize, doings: &[Doing]) -> Faults {
        self.await_rest(who);
        for doing in doings {
            if let What::Ask(other) | What::Tell(other) | What::Also(Deed::Watch(other) | Deed::Unwatch(other), _) =
                doing.what
            {
                self.await_rest(other);
            }
        }
        self.take_faults(who)
    }

    pub(super) fn await_rest(&self, who: usize) {
        let somebody = self.somebody(who);
        // Behind everything that is in the mailbox, and wakes nobody.
        let _ = somebody.peek();
        // In a quarantine a peek does not go through the mailbox, of which what is left is refused.
        while self.system.quarantined().contains(somebody.id()) && somebody.is_live() {
            std::thread::yield_now();
        }
    }

    /// Waits until the timers of an actor have fired whose time has come, and looks at what they did.
    pub(super) fn await_timers(&mut self, who: usize) -> Verdict {
        let most = self.fates[who].most_due(self.now);
        if most == 0 {
            return Ok(());
        }
        // Whatever it is, as many peeks as these were behind it: what an actor sends itself takes turns with what comes
        // from elsewhere.
        (0..most + 2).for_each(|_| self.await_rest(who));
        let must = self.fates[who].must_be_added(self.now);
        let patience = Instant::now() + PATIENCE;
        let have_fired = |world: &Self| match world.somebody(who).peek() {
            Ok(Some(entries)) => must.iter().all(|adds| entries.numbers.contains(adds)),
            Ok(None) => must.is_empty(),
            Err(_) => true,
        };
        let mut faults = self.take_faults(who);
        while !faults.any() && !have_fired(self) {
            if Instant::now() > patience {
                return Err(format!("a timer of {who} does not fire, one of those that add {must:?}"));
            }
            std::thread::yield_now();
            faults = self.take_faults(who);
        }
        self.seen.saw(if must.is_empty() { "timer: perhaps fired" } else { "timer: fired" });
        if self.fates[who].waited_longer_than(IDLE, self.now) {
            self.seen.saw("timer: longer than idle");
        }
        self.fates[who].fired(self.now, faults);
        self.heard(who)?;
        self.come_to_rest()?;
        self.look(who)
    }

    /// Waits for what the system does by itself: actors that come back, and that are told of others.
    pub(super) fn come_to_rest(&mut self) -> Verdict {
        (0..ACTORS).try_for_each(|who| self.await_return(who))?;
        self.doubt_fallen();
        let mut doubtful = [[0; ACTORS]; ACTORS];
        while let Some(from) = (0..ACTORS).find(|who| self.fates[*who].has_letters()) {
            let ways = self.fates[from].take_letters(|_| true);
            for to in (0..ACTORS).filter(|to| *to != from) {
                let ways = for_one(&ways, to);
                // Two who may have to tell each other that they may have gone would do so without end.
                doubtful[from][to] += usize::from(ways.len() > 1);
                if doubtful[from][to] <= IN_DOUBT && !ways.iter().all(Vec::is_empty) {
                    self.bring(from, to, ways)?;
                }
            }
        }
        Ok(())
    }

    /// Who was revived for a message has looked after those that it watches before that can have told them anything.
    pub(super) fn look_after_watched(&mut self, who: usize) {
        let ways = self.fates[who].take_letters(|Letter(_, news)| matches!(news, News::StillWatching(_)));
        for to in (0..ACTORS).filter(|to| *to != who) {
            self.fates[to].gets(who, &for_one(&ways, to), Faults::default());
        }
    }

    /// Waits until somebody has got letters, which were written in one of these ways.
    fn bring(&mut self, from: usize, to: usize, mut ways: Vec<Vec<News>>) -> Verdict {
        // Who is quarantined is told later.
        if self.fates[to].is_quarantined(self.now) {
            self.doubt(to, from);
            ways.iter_mut().for_each(|way| way.retain(|news| !matches!(news, News::Ended(..))));
        }
        // Who was found before this is looked at may be writing still.
        self.await_rest(from);
        self.await_rest(to);
        let faults = self.take_faults(to);
        if ways.iter().flatten().any(|news| self.fates[to].is_woken_by(from, *news)) {
            self.seen.saw("told: stone is woken");
        }
        self.fates[to].gets(from, &ways, faults);
        self.await_told(to);
        self.heard(to).map(drop)
    }

    /// That one has gone, who is revived tells itself: behind its turn, which is longer by each peek that comes in time. Who
    /// has not been told by the end of it will not be.
    fn await_told(&self, who: usize) {
        for _ in 0..PEEKS {
            let Ok(Some(entries)) = self.somebody(who).peek() else { return };
            if self.fates[who].is_told_by(entries) {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// A permanent actor that crashed comes back by itself, and looks after those that it watches.
    fn await_return(&mut self, who: usize) -> Verdict {
        if !self.fates[who].must_return(self.now) {
            if self.fates[who].may_return() && !self.fates[who].is_quarantined(self.now) {
                // Nobody knows when, if it does.
                (0..ACTORS).for_each(|other| self.doubt(who, other));
            }
            return Ok(());
        }
        let patience = Instant::now() + PATIENCE;
        let mut faults = self.take_faults(who);
        self.listen();
        while self.down[who] && !faults.any() {
            if Instant::now() > patience {
                return Err(format!("{who} does not come back"));
            }
            std::thread::yield_now();
            faults = self.take_faults(who);
            self.listen();
        }
        self.await_rest(who);
        self.seen.saw("came back by itself");
        self.fates[who].returned(faults);
        self.heard(who).map(drop)
    }

    /// Who may have been told something may so have been found to have fallen, and others have been told of that.
    fn doubt_fallen(&mut self) {
        let fallen: Vec<usize> = (0..ACTORS).filter(|who| self.fates[*who].may_have_fallen()).collect();
        if fallen.iter().any(|who| self.fates[*who].is_in_doubt()) {
            fallen.into_iter().for_each(|who| self.doubt_both_ways(who));
        }
    }

    /// From now on nobody knows what one is told of the others, nor they of it.
    pub(super) fn doubt_both_ways(&mut self, who: usize) {
        for other in 0..ACTORS {
            self.doubt(other, who);
            self.doubt(who, other);
        }
    }

    /// From now on nobody knows what one is told of another.
    pub(super) fn doubt(&mut self, who: usize, of: usize) {
        self.fates[who].doubt(of);
        self.fates[of].is_doubted(who);
    }
}
