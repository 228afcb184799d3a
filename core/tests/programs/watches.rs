//! What is promised of watches. One is part of the records of both sides and is kept and lost with them; who is revived
//! looks after those that it watches. An end is told as what it was, to everybody who watches; one for good ends the watch,
//! and is told as an absence if nobody could tell it in time.

use std::collections::BTreeSet;

use crate::actor::{End, Entries, Told};
use crate::being::{Being, Record};
use crate::model::{Fate, Faults};
use crate::program::Life;

/// Tells a watch from the one before it: the number that its message added.
pub(crate) type Watch = u32;

/// Whether the record is gone, and the watch with it.
pub(crate) type Ends = bool;

/// What the system brings to another actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Letter(pub(crate) usize, pub(crate) News);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Watch(Watch),
    /// From a watcher that was revived: if you do not know of the watch, or are not there.
    StillWatching(Watch),
    Unwatch,
    Ended(End, Watch, Ends),
}

impl Being {
    pub(crate) fn watches(&mut self, other: usize, watch: Watch) {
        self.living().watching.insert(other, watch);
        self.letters.push(Letter(other, News::Watch(watch)));
    }

    pub(crate) fn unwatches(&mut self, other: usize) {
        if self.living().watching.remove(&other).is_some() {
            self.letters.push(Letter(other, News::Unwatch));
        }
    }

    /// One that is revived.
    pub(crate) fn looks_after_watched(&mut self) {
        let watching = self.stored.iter().flat_map(|record| &record.watching);
        self.letters.extend(watching.map(|(other, watch)| Letter(*other, News::StillWatching(*watch))));
    }

    /// Somebody has found the record of a temporary actor whose process died.
    pub(crate) fn found(mut self) -> Being {
        match self.fallen.take() {
            Some(record) => self.tells(&record, End::Crashed, true),
            None => self,
        }
    }

    /// Has `change` made in the record, be it alive or stone, and nobody woken for it.
    fn with_record(self, kind: Life, change: impl Fn(&mut Record)) -> Vec<Being> {
        let before = self.clone();
        let mut being = self;
        if let Some(alive) = &mut being.alive {
            change(alive);
            return being.saved_by_mode(kind, &before);
        }
        being.stored.iter_mut().for_each(change);
        vec![being]
    }

    fn gets(self, from: usize, news: News, kind: Life) -> Vec<Being> {
        let known = self.record().or(self.fallen.as_ref()).and_then(|record| record.watchers.get(&from));
        match news {
            News::StillWatching(watch) if known == Some(&watch) => vec![self],
            News::Watch(watch) | News::StillWatching(watch) => {
                let mut being = self.found();
                if being.record().is_none() {
                    being.letters.push(Letter(from, News::Ended(End::Absent, watch, true)));
                }
                being.with_record(kind, |record| _ = record.watchers.insert(from, watch))
            }
            News::Unwatch => self.found().with_record(kind, |record| _ = record.watchers.remove(&from)),
            News::Ended(end, watch, for_good) => self.hears_of(from, end, watch, for_good, kind),
        }
    }

    fn hears_of(self, from: usize, end: End, watch: Watch, for_good: Ends, kind: Life) -> Vec<Being> {
        let being = self.found();
        if being.record().is_none() {
            return vec![being];
        }
        let was_stone = being.alive.is_none();
        let mut may_be = being.woken().with_record(kind, |record| {
            let Some(present) = record.watching.get(&from) else { return };
            record.entries.told.push(Told(from, end));
            // Or it watches the next one already.
            if for_good && *present == watch {
                record.watching.remove(&from);
            }
        });
        if was_stone && end == End::Absent {
            // Or it was told before the last of several messages, which turned it to stone.
            let stone: Vec<Being> = may_be.iter().cloned().map(Being::stone).collect();
            may_be.extend(stone);
        }
        may_be
    }
}

/// What is not looked at any more, as the store failed for one of both, or one is told later than this model can say.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    /// Those of whose ends this actor may have been told, or not.
    of: BTreeSet<usize>,
    /// Those who may have been told of its ends, or not.
    by: BTreeSet<usize>,
}

impl Doubts {
    /// What is surely told, and in which order: nothing is promised of that of the ends of two.
    pub(crate) fn strip(&self, told: &mut Vec<Told>) {
        told.retain(|Told(who, _)| !self.of.contains(who));
        told.sort_by_key(|Told(who, _)| *who);
    }

    /// Without all that is in doubt: possibilities that differ in nothing else are one.
    pub(crate) fn without(&self, mut being: Being) -> Being {
        for record in being.alive.iter_mut().chain(&mut being.stored).chain(&mut being.fallen) {
            self.strip(&mut record.entries.told);
            record.watching.retain(|other, _| !self.of.contains(other));
            record.watchers.retain(|other, _| !self.by.contains(other));
        }
        being.letters.retain(|Letter(to, news)| !(matches!(news, News::Ended(..)) && self.by.contains(to)));
        being
    }
}

/// The letters of an actor, in each way in which they may have been written.
pub(crate) type Ways = Vec<Vec<Letter>>;

/// Those of them that are for `who`.
pub(crate) fn for_one(ways: &Ways, who: usize) -> Vec<Vec<News>> {
    let mut to_one = Vec::new();
    for letters in ways {
        let news = letters.iter().filter(|Letter(to, _)| *to == who).map(|Letter(_, news)| *news).collect();
        if !to_one.contains(&news) {
            to_one.push(news);
        }
    }
    to_one
}

impl Fate {
    /// What it has for others, as far as it is wanted.
    pub(crate) fn take_letters(&mut self, wanted: fn(&Letter) -> bool) -> Ways {
        let written = |being: &Being| being.letters.iter().copied().filter(wanted).collect();
        let ways = self.may_be().iter().map(written).collect();
        self.become_of(|mut being| {
            being.letters.retain(|letter| !wanted(letter));
            vec![being]
        });
        ways
    }

    pub(crate) fn has_letters(&self) -> bool {
        self.may_be().iter().any(|being| !being.letters.is_empty())
    }

    /// Whether it surely watches this one.
    pub(crate) fn is_watching(&self, other: usize) -> bool {
        self.may_be().iter().all(|being| being.record().is_some_and(|record| record.watching.contains_key(&other)))
    }

    /// Whether these are as many ends as it may be told of by now.
    pub(crate) fn is_told_by(&self, seen: Entries) -> bool {
        let told = |being: &Being| being.entries().map_or(0, |entries| entries.told.len());
        let seen = self.certain(seen).told.len();
        self.may_be().iter().all(|being| told(being) <= seen)
    }

    /// Whether it may have to tell that its process died.
    pub(crate) fn may_have_fallen(&self) -> bool {
        self.may_be().iter().any(|being| being.fallen.is_some())
    }

    pub(crate) fn may_watch(&self, other: usize) -> bool {
        self.may_be().iter().any(|being| being.record().is_some_and(|record| record.watching.contains_key(&other)))
    }

    /// Whether it is surely stone, and will be woken to be told this.
    pub(crate) fn is_woken_by(&self, from: usize, news: News) -> bool {
        let is_stone = self.may_be().iter().all(|being| being.alive.is_none());
        is_stone && matches!(news, News::Ended(..)) && self.is_watching(from)
    }

    /// Letters of one, in one of these ways.
    pub(crate) fn gets(&mut self, from: usize, ways: &[Vec<News>], faults: Faults) {
        let kind = self.kind();
        self.fail(faults);
        let read = |may_be: Vec<Being>, news: &News| {
            may_be.into_iter().flat_map(|being| being.gets(from, *news, kind)).collect()
        };
        self.become_of(|being| ways.iter().flat_map(|way| way.iter().fold(vec![being.clone()], read)).collect());
        self.fail(faults);
    }

    /// From now on nobody knows what it is told of this one.
    pub(crate) fn doubt(&mut self, of: usize) {
        self.doubts_mut().of.insert(of);
        self.become_of(|being| vec![being]);
    }

    /// From now on nobody knows what this one is told of it.
    pub(crate) fn is_doubted(&mut self, by: usize) {
        self.doubts_mut().by.insert(by);
        self.become_of(|being| vec![being]);
    }

    /// Whether it may be told of things that nobody knows of.
    pub(crate) fn is_in_doubt(&self) -> bool {
        !self.doubts().of.is_empty()
    }
}
