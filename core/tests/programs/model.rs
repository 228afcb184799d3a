//! The specification, as a program: what an actor may be after whatever was done with it.
//!
//! An actor is what is alive and what is stored ([`Being`]). Where the promises leave several possibilities (a weaker mode
//! may have saved, a store that failed may have done it), there are several beings; whatever is seen rules some of them
//! out, and if none is left, a promise was broken.

use std::fmt::Debug;
use std::time::Duration;

use gargoyle::{CallError, EventKind, Failure, Handled, RestartPolicy, SaveMode};

use crate::program::{Birth, IDLE, Life, Operation, What};

type Entries = Vec<u32>;
pub(crate) type Verdict<T = ()> = Result<T, String>;

/// How many crashes within how long are one too many, and the limits of a quarantine.
const CRASHES: usize = 4;
const WINDOW: Duration = Duration::from_secs(5);
const QUARANTINE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Record {
    entries: Entries,
    /// What this one lives by, if it is not what its kind does.
    own: Option<Life>,
}

/// One possibility of what an actor is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Being {
    alive: Option<Record>,
    stored: Option<Record>,
    /// A permanent one that crashed: comes to life by itself.
    returns: bool,
}

/// A message and its numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doing {
    pub(crate) what: What,
    pub(crate) adds: u32,
    /// What it adds by another message, to itself.
    pub(crate) then: u32,
}

enum Outcome {
    Replies(Entries),
    Crashes(Handled),
}

impl Being {
    fn record(&self) -> Option<&Record> {
        self.alive.as_ref().or(self.stored.as_ref())
    }

    fn entries(&self) -> Option<&Entries> {
        self.record().map(|record| &record.entries)
    }

    fn life(&self, kind: Life) -> Life {
        self.record().and_then(|record| record.own).unwrap_or(kind)
    }

    /// Born, if there is no record.
    fn woken(mut self) -> Being {
        let record = self.record().cloned().unwrap_or_default();
        self.alive = Some(record);
        self.returns = false;
        self
    }

    fn adds(mut self, n: u32) -> Being {
        self.alive.as_mut().expect("who adds is alive").entries.push(n);
        self
    }

    fn saved(mut self) -> Being {
        self.stored = self.alive.clone().or(self.stored);
        self
    }

    fn stone(self) -> Being {
        Being { alive: None, ..self.saved() }
    }

    fn gone() -> Being {
        Being::default()
    }

    /// After a message: saved, or in a weaker mode perhaps, or only as it was before the message.
    fn saved_by_mode(self, kind: Life, before: &Being) -> Vec<Being> {
        match self.life(kind).1 {
            SaveMode::EveryTurn => vec![self.saved()],
            _ => vec![Being { stored: before.alive.clone(), ..self.clone() }, self.clone(), self.saved()],
        }
    }

    /// What was not saved is lost: the process has died, or a save has failed.
    fn lost(self, kind: Life) -> Being {
        let policy = self.life(kind).0;
        match policy {
            RestartPolicy::Temporary if self.alive.is_some() => Being::gone(),
            _ => {
                let returns = self.stored.is_some()
                    && policy == RestartPolicy::Permanent
                    && (self.returns || self.alive.is_some());
                Being { alive: None, returns, ..self }
            }
        }
    }

    /// A handler crashed: what came before it is saved in every mode.
    fn crashed(self, kind: Life) -> Being {
        self.saved().lost(kind)
    }

    fn stopped(self, kind: Life) -> Being {
        match self.life(kind).0 {
            RestartPolicy::Permanent => Being { returns: false, ..self.stone() },
            RestartPolicy::Temporary | RestartPolicy::Transient => Being::gone(),
        }
    }

    /// A save or the deletion of its record failed meanwhile, perhaps after it was done.
    fn disturbed(self, kind: Life) -> Vec<Being> {
        vec![self.clone().lost(kind), self.clone().saved().lost(kind), self]
    }

    /// Time passes for one that nobody talks to.
    fn aged(self) -> Vec<Being> {
        let mut may_be = vec![self.clone(), self.clone().saved(), self.clone().stone()];
        if self.returns {
            may_be.push(self.woken());
        }
        may_be
    }

    /// Handles a message. If the store fails, what was to be saved or deleted after it may not have been.
    fn handles(self, doing: &Doing, kind: Life, faults: Faults) -> (Outcome, Vec<Being>) {
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
            What::Panic => (Outcome::Crashes(Handled::RolledBack), vec![before.crashed(kind)]),
            // What it saved in its middle is not undone.
            What::SaveAndPanic => (Outcome::Crashes(Handled::Unknown), vec![after.crashed(kind)]),
        }
    }
}

/// Everything that is known of one actor.
#[derive(Debug)]
pub(crate) struct Fate {
    may_be: Vec<Being>,
    /// What those of its kind live by.
    kind: Life,
    /// When it crashed, as far as that counts.
    crashes: Vec<Duration>,
    quarantined_until: Duration,
    /// How many crashes have to be told of, if that is known.
    due: Option<usize>,
    /// Faults of the store may have had it crash more often.
    disturbed: bool,
}

/// What came of casts.
pub(crate) struct Came {
    /// How many are told of as undeliverable, if nothing is `None` below.
    pub(crate) undeliverable: usize,
    /// Whether each was handled, if that is known.
    pub(crate) handled: Vec<Option<bool>>,
}

impl Outcome {
    fn is_crash(&self) -> bool {
        matches!(self, Outcome::Crashes(_))
    }
}

/// What the store did to an actor while something was done with it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    pub(crate) load: bool,
    /// A save, or a deletion.
    pub(crate) change: bool,
}

impl Faults {
    pub(crate) fn add(&mut self, operation: Operation) {
        match operation {
            Operation::Load => self.load = true,
            Operation::Save | Operation::Wipe => self.change = true,
        }
    }

    fn any(self) -> bool {
        self.load || self.change
    }
}

impl Fate {
    pub(crate) fn new(kind: Life) -> Self {
        Fate {
            may_be: vec![Being::default()],
            kind,
            crashes: Vec::new(),
            quarantined_until: Duration::ZERO,
            due: Some(0),
            disturbed: false,
        }
    }

    /// Every possibility becomes others.
    fn become_of(&mut self, change: impl Fn(Being) -> Vec<Being>) {
        let before = std::mem::take(&mut self.may_be);
        for being in before.into_iter().flat_map(change) {
            if !self.may_be.contains(&being) {
                self.may_be.push(being);
            }
        }
    }

    /// As `become_of`; nothing that is seen may rule out all of them.
    fn see(&mut self, seen: impl Debug, change: impl Fn(Being) -> Vec<Being>) -> Verdict {
        let before = self.may_be.clone();
        self.become_of(change);
        if self.may_be.is_empty() {
            {
                let before: String = before.iter().map(|being| format!("\n    {being:?}")).collect();
                Err(format!("seen: {seen:?}; it was one of{before}"))
            }
        } else {
            Ok(())
        }
    }

    /// The store failed while nobody was waiting, or at the end of what is modelled already.
    pub(crate) fn disturb(&mut self, faults: Faults) {
        let kind = self.kind;
        self.disturbed |= faults.any();
        if faults.change {
            self.become_of(|being| being.disturbed(kind));
        }
    }

    /// A call, and what its caller heard.
    pub(crate) fn called(
        &mut self,
        doing: &Doing,
        seen: &Result<Entries, CallError>,
        at: Duration,
        faults: Faults,
    ) -> Verdict {
        let kind = self.kind;
        if let Some(verdict) = self.refused(seen, at) {
            return verdict;
        }
        self.disturb(faults);
        match seen {
            Ok(entries) => {
                self.see(entries, |being| match being.handles(doing, kind, faults) {
                    (Outcome::Replies(expected), after) if expected == *entries => after,
                    _ => Vec::new(),
                })?;
            }
            Err(error) if matches!(error.failure(), Failure::Crashed(_)) && !faults.change => {
                self.crash_is_due();
                let handled = error.handled();
                self.see(error, |being| match being.handles(doing, kind, faults) {
                    (Outcome::Crashes(expected), after) if expected == handled => after,
                    _ => Vec::new(),
                })?;
            }
            Err(error) => {
                check_blame(error, faults)?;
                self.may_have_lived();
                if error.handled() == Handled::Unknown {
                    self.may_handle(doing, faults);
                }
            }
        }
        self.disturb(faults);
        Ok(())
    }

    /// Casts, one after the other, each of which was handled, or told of, by now.
    pub(crate) fn cast(&mut self, doings: &[Doing], at: Duration, faults: Faults) -> Came {
        let kind = self.kind;
        self.disturb(faults);
        let mut came = Came { undeliverable: 0, handled: Vec::new() };
        let mut quarantined = at < self.quarantined_until;
        let mut crashes = self.crashes_at(at);
        for doing in doings {
            if self.disturbed {
                // It may be lost with others that shared its save, or meet a quarantine that nobody can know of.
                self.may_handle(doing, faults);
                came.handled.push(None);
                continue;
            }
            came.handled.push(Some(!quarantined));
            if quarantined {
                came.undeliverable += 1;
                continue;
            }
            if self.may_be.iter().any(|being| being.clone().handles(doing, kind, faults).0.is_crash()) {
                self.crash_is_due();
                came.undeliverable += 1;
                crashes += 1;
                quarantined = crashes >= CRASHES;
            }
            self.become_of(|being| being.handles(doing, kind, faults).1);
            if matches!(doing.what, What::Stop) && self.may_be.iter().all(|being| being.record().is_none()) {
                // What comes next is another one.
                crashes = 0;
            }
        }
        came
    }

    /// A cast of which nobody knows whether it was sent.
    pub(crate) fn may_be_cast(&mut self, doing: &Doing, faults: Faults) -> Came {
        self.disturb(faults);
        self.may_handle(doing, faults);
        Came { undeliverable: 0, handled: vec![None] }
    }

    /// A message of which nobody knows whether it was handled.
    fn may_handle(&mut self, doing: &Doing, faults: Faults) {
        let kind = self.kind;
        self.become_of(|being| {
            [vec![being.clone(), being.clone().woken()], being.handles(doing, kind, faults).1].concat()
        });
        self.disturb(faults);
    }

    /// It was brought to life for a message that failed, perhaps.
    fn may_have_lived(&mut self) {
        self.become_of(|being| vec![being.clone(), being.woken()]);
    }

    fn crash_is_due(&mut self) {
        self.due = self.due.map(|due| due + 1);
    }

    pub(crate) fn queried(&mut self, seen: &Result<Entries, CallError>, at: Duration, faults: Faults) -> Verdict {
        let kind = self.kind;
        if let Some(verdict) = self.refused(seen, at) {
            return verdict;
        }
        self.disturb(faults);
        match seen {
            Ok(entries) => self.see(entries, |being| {
                let woken = being.woken();
                if woken.entries() == Some(entries) { woken.clone().saved_by_mode(kind, &woken) } else { Vec::new() }
            })?,
            Err(error) => {
                check_blame(error, faults)?;
                self.may_have_lived();
            }
        }
        self.disturb(faults);
        Ok(())
    }

    /// A peek sees what there is, and changes nothing. It is answered in a quarantine too.
    pub(crate) fn peeked(&mut self, seen: &Result<Option<Entries>, CallError>, faults: Faults) -> Verdict {
        self.disturb(faults);
        match seen {
            Ok(entries) => self.see(entries, |being| {
                let same = being.entries() == entries.as_ref();
                if same { vec![being] } else { Vec::new() }
            })?,
            Err(error) => check_blame(error, faults)?,
        }
        // Of one that saves by itself, the save may have failed since.
        self.disturb(faults);
        Ok(())
    }

    /// Who is started is in the store when its starter hears of it, in every mode.
    pub(crate) fn started(
        &mut self,
        birth: Birth,
        own: Option<Life>,
        seen: &Result<(), CallError>,
        at: Duration,
        faults: Faults,
    ) -> Verdict {
        if let Some(verdict) = self.refused(seen, at) {
            return verdict;
        }
        self.disturb(faults);
        let lives = |being: Being| {
            let mut woken = being.woken();
            if let (Some(own), Some(record)) = (own, &mut woken.alive) {
                record.own = Some(own);
            }
            if woken.stored.is_none() || own.is_some() { woken.saved() } else { woken }
        };
        let is_born = |being: &Being| being.record().is_some() || matches!(birth, Birth::Fine);
        match seen {
            Ok(()) => {
                self.see("it was started", |being| if is_born(&being) { vec![lives(being)] } else { Vec::new() })?
            }
            Err(error) if matches!(error.failure(), Failure::NotBorn(_)) => {
                self.crash_is_due();
                self.see(error, |being| if is_born(&being) { Vec::new() } else { vec![being] })?;
            }
            Err(error) => {
                check_blame(error, faults)?;
                self.may_have_lived();
                if error.handled() == Handled::Unknown {
                    self.become_of(|being| vec![being.clone(), lives(being)]);
                }
            }
        }
        self.disturb(faults);
        Ok(())
    }

    pub(crate) fn stopped(&mut self, seen: &Result<(), CallError>, faults: Faults) -> Verdict {
        let kind = self.kind;
        self.ordered(seen, faults, |being| being.stopped(kind))
    }

    pub(crate) fn petrified(&mut self, seen: &Result<(), CallError>, faults: Faults) -> Verdict {
        self.ordered(seen, faults, Being::stone)
    }

    pub(crate) fn wiped(&mut self, seen: &Result<(), CallError>, faults: Faults) -> Verdict {
        self.ordered(seen, faults, |_| Being::gone())
    }

    /// An order that crashes who is alive.
    pub(crate) fn told_to_crash(&mut self, seen: &Result<(), CallError>, faults: Faults) -> Verdict {
        let kind = self.kind;
        let lives = self.may_be.iter().filter(|being| being.alive.is_some()).count();
        if self.may_return() || lives > 0 && lives < self.may_be.len() {
            self.due = None;
            self.become_of(|being| if being.returns { vec![being.clone(), being.woken()] } else { vec![being] });
        } else if lives > 0 {
            self.crash_is_due();
        }
        self.ordered(seen, faults, |being| if being.alive.is_some() { being.crashed(kind) } else { being })
    }

    /// An order that is carried out on stone too, and in a quarantine.
    fn ordered(&mut self, seen: &Result<(), CallError>, faults: Faults, done: impl Fn(Being) -> Being) -> Verdict {
        self.disturb(faults);
        match seen {
            Ok(()) => self.become_of(|being| vec![done(being)]),
            Err(error) => {
                check_blame(error, faults)?;
                self.become_of(|being| vec![being.clone(), done(being)]);
            }
        }
        self.disturb(faults);
        Ok(())
    }

    pub(crate) fn pardoned(&mut self, seen: bool, at: Duration) -> Verdict {
        let expected = at < self.quarantined_until;
        self.crashes.clear();
        self.quarantined_until = Duration::ZERO;
        if seen != expected && !self.disturbed {
            return Err(format!("a pardon said {seen}"));
        }
        self.become_of(|being| if being.returns { vec![being.clone(), being.woken()] } else { vec![being] });
        Ok(())
    }

    pub(crate) fn aged(&mut self, by: Duration) {
        if by >= IDLE || self.may_return() || self.kind.1 != SaveMode::EveryTurn || self.has_own() {
            self.become_of(Being::aged);
        }
    }

    fn has_own(&self) -> bool {
        self.may_be.iter().any(|being| being.record().is_some_and(|record| record.own.is_some()))
    }

    /// The system was shut down, and another one is there.
    pub(crate) fn shut_down(&mut self, faults: Faults) {
        self.disturb(faults);
        self.become_of(|being| vec![being.stone()]);
        self.forget();
    }

    /// The process died, and another one is there.
    pub(crate) fn died(&mut self, faults: Faults) {
        self.disturb(faults);
        let kind = self.kind;
        self.become_of(|being| vec![being.lost(kind)]);
        self.forget();
    }

    fn forget(&mut self) {
        self.crashes.clear();
        self.quarantined_until = Duration::ZERO;
        self.become_of(|being| if being.returns { vec![being.clone(), being.woken()] } else { vec![being] });
    }

    /// Whether it may come to life though nobody talks to it.
    pub(crate) fn may_return(&self) -> bool {
        self.may_be.iter().any(|being| being.returns)
    }

    /// The events of an actor: as many crashes as there have to be, and a quarantine after one too many.
    pub(crate) fn heard(&mut self, events: &[EventKind], at: Duration) -> Verdict {
        let (mut crashed_before, mut crashes) = (false, 0);
        for event in events {
            let crashed = match event {
                EventKind::Crashed(_) | EventKind::NotRevived(_) => {
                    crashes += 1;
                    self.crashes.push(at);
                    let too_often = self.crashes_at(at) >= CRASHES;
                    if too_often
                        && !self.disturbed
                        && !matches!(events_after(events, event), Some(EventKind::Quarantined(_)))
                    {
                        return Err(format!("a crash too many without a quarantine: {events:?}"));
                    }
                    true
                }
                EventKind::Quarantined(time) => {
                    if self.crashes_at(at) < CRASHES && !self.disturbed {
                        return Err(format!("quarantined after {} crashes", self.crashes_at(at)));
                    }
                    if *time < QUARANTINE.0 || *time > QUARANTINE.1 {
                        return Err(format!("quarantined for {time:?}"));
                    }
                    self.quarantined_until = at + *time;
                    true
                }
                // Somebody wanted it gone; not a temporary one that crashed.
                EventKind::Wiped if !crashed_before => {
                    self.crashes.clear();
                    self.quarantined_until = Duration::ZERO;
                    false
                }
                _ => false,
            };
            crashed_before = crashed;
        }
        match self.due.replace(0) {
            Some(due) if due != crashes && !self.disturbed => Err(format!("{due} crashes, and the events {events:?}")),
            _ => Ok(()),
        }
    }

    fn crashes_at(&self, at: Duration) -> usize {
        self.crashes.iter().filter(|crash| at - **crash < WINDOW).count()
    }

    /// Whether it is refused as quarantined, and whether it has to be.
    fn refused<T>(&self, seen: &Result<T, CallError>, at: Duration) -> Option<Verdict> {
        let quarantined = at < self.quarantined_until;
        let refused = matches!(seen, Err(error) if matches!(error.failure(), Failure::Quarantined { .. }));
        match (quarantined, refused) {
            (true, true) => Some(match seen {
                Err(error) if error.handled() != Handled::No => Err("who is refused is not handled".to_owned()),
                _ => Ok(()),
            }),
            (false, true) if !self.disturbed => Some(Err("refused as quarantined, and is not".to_owned())),
            (true, false) if !self.disturbed => Some(Err("quarantined, and was not refused".to_owned())),
            (false, true) => Some(Ok(())),
            (_, false) => None,
        }
    }
}

fn events_after<'a>(events: &'a [EventKind], event: &EventKind) -> Option<&'a EventKind> {
    let at = events.iter().position(|other| std::ptr::eq(other, event))?;
    events.get(at + 1)
}

/// Nothing fails but by the store's fault, and then it says so.
fn check_blame(error: &CallError, faults: Faults) -> Verdict {
    let blamed = match error.failure() {
        Failure::NotLoaded(_) => faults.load,
        Failure::NotSaved(_) | Failure::NotWiped(_) | Failure::Conflict(_) | Failure::Crashed(_) => faults.change,
        _ => false,
    };
    if blamed { Ok(()) } else { Err(format!("nothing to blame for {error:#}")) }
}
