//! One possibility of what an actor is, and what it becomes of whatever is done with it.

use std::collections::BTreeMap;
use std::time::Duration;

use gargoyle::{Handled, RestartPolicy, SaveMode};

use crate::actor::{End, Entries, Manner};
use crate::model::Faults;
use crate::program::{Life, What};
use crate::timers::Later;
use crate::watches::{Letter, News, Watch};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) entries: Entries,
    /// What this one lives by, if it is not what its kind does.
    pub(crate) own: Option<Life>,
    /// Whose ends it is told of.
    pub(crate) watching: BTreeMap<usize, Watch>,
    /// Who is told of its end.
    pub(crate) watchers: BTreeMap<usize, Watch>,
}

/// One possibility of what an actor is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Being {
    pub(crate) alive: Option<Record>,
    pub(crate) stored: Option<Record>,
    /// A permanent one that crashed: comes to life by itself.
    pub(crate) returns: bool,
    /// A temporary one whose process died: there is none, and who finds the record deletes it and tells of the end.
    pub(crate) fallen: Option<Record>,
    /// Of who is alive alone.
    pub(crate) timers: Vec<Later>,
    /// How many timers have to be told of as given up.
    pub(crate) given_up: usize,
    /// What the system has for others.
    pub(crate) letters: Vec<Letter>,
}

/// A message and its numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doing {
    pub(crate) what: What,
    pub(crate) adds: u32,
    /// What it adds by another message, to itself; what it cancels.
    pub(crate) then: u32,
    pub(crate) at: Duration,
}

pub(crate) enum Outcome {
    Replies(Entries),
    Crashes(Handled),
}

impl Outcome {
    pub(crate) fn is_crash(&self) -> bool {
        matches!(self, Outcome::Crashes(_))
    }
}

impl Being {
    pub(crate) fn record(&self) -> Option<&Record> {
        self.alive.as_ref().or(self.stored.as_ref())
    }

    pub(crate) fn entries(&self) -> Option<&Entries> {
        self.record().map(|record| &record.entries)
    }

    fn life(&self, kind: Life) -> Life {
        self.record().and_then(|record| record.own).unwrap_or(kind)
    }

    /// Born, if there is no record.
    pub(crate) fn woken(self) -> Being {
        if self.alive.is_some() {
            return self;
        }
        let mut woken = self.found();
        woken.looks_after_watched();
        woken.alive = Some(woken.stored.clone().unwrap_or_default());
        woken.returns = false;
        woken
    }

    /// Who must be alive for what it does.
    pub(crate) fn living(&mut self) -> &mut Record {
        self.alive.as_mut().expect("who does something is alive")
    }

    pub(crate) fn adds(mut self, n: u32) -> Being {
        self.living().entries.numbers.push(n);
        self
    }

    pub(crate) fn saved(mut self) -> Being {
        self.stored = self.alive.clone().or(self.stored);
        self
    }

    pub(crate) fn stone(self) -> Being {
        self.saved().not_alive()
    }

    fn not_alive(self) -> Being {
        Being { alive: None, ..self.without_timers() }
    }

    /// There is no record any more.
    pub(crate) fn gone(self) -> Being {
        Being { stored: None, returns: false, fallen: None, ..self.not_alive() }
    }

    /// After a message: saved, or in a weaker mode perhaps, or only as it was before the message.
    pub(crate) fn saved_by_mode(self, kind: Life, before: &Being) -> Vec<Being> {
        match self.life(kind).1 {
            SaveMode::EveryTurn => vec![self.saved()],
            _ => vec![Being { stored: before.alive.clone(), ..self.clone() }, self.clone(), self.saved()],
        }
    }

    /// An incarnation crashed, and what was not saved is lost. Those who watch it are told.
    fn lost(self, kind: Life) -> Being {
        let policy = self.life(kind).0;
        match &self.alive {
            None => self,
            Some(alive) if policy == RestartPolicy::Temporary => {
                let record = alive.clone();
                self.tells(&record, End::Crashed, true).gone()
            }
            Some(alive) => {
                let (record, returns) = (alive.clone(), policy == RestartPolicy::Permanent && self.stored.is_some());
                Being { returns, ..self.tells(&record, End::Crashed, false).not_alive() }
            }
        }
    }

    /// Its process died: nobody is told, as nobody is there.
    pub(crate) fn died(self, kind: Life) -> Being {
        let policy = self.life(kind).0;
        let letters = self.letters.clone();
        let mut dead = self.clone().lost(kind);
        if policy == RestartPolicy::Temporary && self.alive.is_some() {
            dead.fallen = self.stored;
        }
        Being { letters, ..dead }
    }

    /// A handler crashed: what came before it is saved in every mode.
    pub(crate) fn crashed(self, kind: Life) -> Being {
        self.saved().lost(kind)
    }

    pub(crate) fn stopped(self, kind: Life) -> Being {
        let being = self.found();
        let Some(record) = being.record().cloned() else { return being };
        match being.life(kind).0 {
            // Of stone, it goes on being stone.
            RestartPolicy::Permanent if being.alive.is_none() => Being { returns: false, ..being },
            RestartPolicy::Permanent => Being { returns: false, ..being.tells(&record, End::Stopped, false).stone() },
            RestartPolicy::Temporary | RestartPolicy::Transient => being.tells(&record, End::Stopped, true).gone(),
        }
    }

    pub(crate) fn wiped(self) -> Being {
        match self.record().or(self.fallen.as_ref()).cloned() {
            Some(record) => self.tells(&record, End::Wiped, true).gone(),
            None => self,
        }
    }

    /// A save or the deletion of its record failed meanwhile, perhaps after it was done.
    pub(crate) fn disturbed(self, kind: Life) -> Vec<Being> {
        vec![self.clone().lost(kind), self.clone().saved().lost(kind), self]
    }

    /// Time passes for one that nobody talks to. Who has a timer stays alive.
    pub(crate) fn aged(self) -> Vec<Being> {
        let mut may_be = vec![self.clone(), self.clone().saved()];
        if self.timers.is_empty() {
            may_be.push(self.stone());
        }
        may_be
    }

    /// Handles a message. If the store fails, what was to be saved or deleted after it may not have been.
    pub(crate) fn handles(self, doing: &Doing, kind: Life, faults: Faults) -> (Outcome, Vec<Being>) {
        let before = self.woken();
        let after = before.clone().adds(doing.adds);
        let (outcome, mut may_be) = Self::outcome(before, after.clone(), doing, kind);
        if faults.change {
            may_be.push(after.clone().saved());
            if after.life(kind).1 != SaveMode::EveryTurn {
                may_be.push(after);
            }
        }
        (outcome, may_be)
    }

    fn outcome(before: Being, after: Being, doing: &Doing, kind: Life) -> (Outcome, Vec<Being>) {
        let reply = Outcome::Replies(after.entries().expect("it is alive").clone());
        let crashes = Outcome::Crashes(Handled::RolledBack);
        match doing.what {
            What::Add | What::Tell(_) | What::Ask(_) => (reply, after.saved_by_mode(kind, &before)),
            What::RollBack => (reply, before.clone().saved_by_mode(kind, &before)),
            What::Continue => {
                let stored = after.saved_by_mode(kind, &before);
                let continued = |being: Being| being.clone().adds(doing.then).saved_by_mode(kind, &being);
                (reply, stored.into_iter().flat_map(continued).collect())
            }
            What::Stop => (reply, vec![after.stopped(kind)]),
            What::Petrify => (reply, vec![after.stone()]),
            What::Panic => (crashes, vec![before.crashed(kind)]),
            // What it saved in its middle is not undone.
            What::SaveAndPanic => (Outcome::Crashes(Handled::Unknown), vec![after.crashed(kind)]),
            What::Also(deed, Manner::Counts) => (reply, after.does(deed, doing).saved_by_mode(kind, &before)),
            What::Also(deed, Manner::RollsBack) => (reply, before.clone().does_not(deed).saved_by_mode(kind, &before)),
            What::Also(deed, Manner::Panics) => (crashes, vec![before.does_not(deed).crashed(kind)]),
        }
    }

    /// Has news of its end for all who are on the other side of its watches.
    pub(crate) fn tells(mut self, record: &Record, end: End, for_good: bool) -> Being {
        let ended = record.watchers.iter().map(|(watcher, watch)| Letter(*watcher, News::Ended(end, *watch, for_good)));
        self.letters.extend(ended);
        if for_good {
            self.letters.extend(record.watching.keys().map(|other| Letter(*other, News::Unwatch)));
        }
        self
    }
}
