//! The specification, as a program: what an actor may be after whatever was done with it.
//!
//! An actor is what is alive and what is stored ([`Being`]), what it has still to do ([`timers`](crate::timers)), and what it
//! and others are told ([`watches`](crate::watches)). Where the promises leave several possibilities (a weaker mode
//! may have saved, a store that failed may have done it), there are several beings; whatever is seen rules some of them
//! out, and if none is left, a promise was broken.

use std::fmt::Debug;
use std::time::Duration;

use gargoyle::{CallError, EventKind, Failure, Handled, SaveMode};

use crate::actor::{Entries, is_ring};
use crate::being::{Being, Doing, Outcome};
use crate::program::{Birth, IDLE, Life, Operation, What};
use crate::timers::DoubtfulTimers;
use crate::watches::Doubts;

pub(crate) type Verdict<T = ()> = Result<T, String>;

/// How many crashes within how long are one too many, and the limits of a quarantine.
const CRASHES: usize = 4;
const WINDOW: Duration = Duration::from_secs(5);
const QUARANTINE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

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
    /// How long nobody has talked to it.
    quiet: Duration,
    doubts: Doubts,
    doubtful_timers: DoubtfulTimers,
}

/// What came of casts.
pub(crate) struct Came {
    /// How many are told of as undeliverable, if nothing is `None` below.
    pub(crate) undeliverable: usize,
    /// Whether each was handled, if that is known.
    pub(crate) handled: Vec<Option<bool>>,
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

    pub(crate) fn any(self) -> bool {
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
            quiet: Duration::ZERO,
            doubts: Doubts::default(),
            doubtful_timers: DoubtfulTimers::default(),
        }
    }

    pub(crate) fn kind(&self) -> Life {
        self.kind
    }

    pub(crate) fn may_be(&self) -> &[Being] {
        &self.may_be
    }

    pub(crate) fn doubts(&self) -> &Doubts {
        &self.doubts
    }

    pub(crate) fn doubts_mut(&mut self) -> &mut Doubts {
        &mut self.doubts
    }

    pub(crate) fn doubtful_timers(&mut self) -> &mut DoubtfulTimers {
        &mut self.doubtful_timers
    }

    /// What is surely so of what was seen.
    pub(crate) fn certain(&self, mut seen: Entries) -> Entries {
        self.doubts.strip(&mut seen.told);
        seen
    }

    /// Every possibility becomes others.
    pub(crate) fn become_of(&mut self, change: impl Fn(Being) -> Vec<Being>) {
        let before = std::mem::take(&mut self.may_be);
        for being in before.into_iter().flat_map(change) {
            let mut being = self.doubts.without(being);
            if self.disturbed {
                self.doubtful_timers.add_those_of(&mut being);
            }
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
            let before: String = before.iter().map(|being| format!("\n    {being:?}")).collect();
            Err(format!("seen: {seen:?}; it was one of{before}"))
        } else {
            Ok(())
        }
    }

    /// What may happen by itself before and after whatever is modelled.
    pub(crate) fn disturb(&mut self, faults: Faults) {
        self.may_have_been_woken();
        self.fail(faults);
    }

    /// The store failed while nobody was waiting, or at the end of what is modelled already.
    pub(crate) fn fail(&mut self, faults: Faults) {
        let kind = self.kind;
        self.disturbed |= faults.any();
        if faults.change {
            // What failed may be the save of one that was woken.
            self.may_have_been_woken();
            self.become_of(|being| being.disturbed(kind));
        }
    }

    /// The store has failed for it, which somebody may see before the model looks at what that did.
    pub(crate) fn is_failed(&mut self) {
        self.disturbed = true;
    }

    /// To be told of something that is in doubt.
    fn may_have_been_woken(&mut self) {
        if self.is_in_doubt() {
            let is_there = |being: &Being| being.record().is_some();
            self.become_of(|being| if is_there(&being) { vec![being.clone(), being.woken()] } else { vec![being] });
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
        self.disturb(faults);
        if let Some(verdict) = self.refused(seen, at) {
            return verdict;
        }
        match seen {
            Ok(entries) => {
                let entries = self.certain(entries.clone());
                self.see(&entries, |being| match being.handles(doing, kind, faults) {
                    (Outcome::Replies(expected), after) if expected == entries => after,
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
        self.disturb(faults);
        if let Some(verdict) = self.refused(seen, at) {
            return verdict;
        }
        match seen {
            Ok(entries) => {
                let entries = self.certain(entries.clone());
                self.see(&entries, |being| {
                    let woken = being.woken();
                    let same = woken.entries() == Some(&entries);
                    if same { woken.clone().saved_by_mode(kind, &woken) } else { Vec::new() }
                })?;
            }
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
            Ok(entries) => {
                let entries = entries.clone().map(|entries| self.certain(entries));
                self.see(&entries, |being| {
                    let same = being.entries() == entries.as_ref();
                    if same { vec![being] } else { Vec::new() }
                })?;
            }
            Err(error) => check_blame(error, faults)?,
        }
        // Of one that saves by itself, the save may have failed since.
        self.disturb(faults);
        Ok(())
    }

    /// Who is started is born, and its own settings are, in the store when its starter hears of it, in every mode.
    pub(crate) fn started(
        &mut self,
        birth: Birth,
        own: Option<Life>,
        seen: &Result<(), CallError>,
        at: Duration,
        faults: Faults,
    ) -> Verdict {
        self.disturb(faults);
        if let Some(verdict) = self.refused(seen, at) {
            return verdict;
        }
        let lives = |being: Being| {
            let mut woken = being.woken();
            let new_life = own.is_some() && own != woken.living().own;
            if new_life {
                woken.living().own = own;
            }
            if woken.stored.is_none() || new_life { woken.saved() } else { woken }
        };
        let is_born = |being: &Being| being.record().is_some() || matches!(birth, Birth::Fine);
        match seen {
            Ok(()) => {
                self.see("it was started", |being| if is_born(&being) { vec![lives(being)] } else { Vec::new() })?
            }
            Err(error) if matches!(error.failure(), Failure::NotBorn(_)) => {
                self.crash_is_due();
                self.see(error, |being| if is_born(&being) { Vec::new() } else { vec![being.found()] })?;
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
        self.ordered(seen, faults, Being::wiped)
    }

    /// An order that crashes who is alive.
    pub(crate) fn told_to_crash(&mut self, seen: &Result<(), CallError>, faults: Faults) -> Verdict {
        let kind = self.kind;
        let lives = self.may_be.iter().filter(|being| being.alive.is_some()).count();
        if self.may_return() || self.is_in_doubt() || lives > 0 && lives < self.may_be.len() {
            self.due = None;
            self.may_have_returned();
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
        Ok(())
    }

    pub(crate) fn aged(&mut self, by: Duration) {
        self.quiet += by;
        if self.quiet >= IDLE || self.kind.1 != SaveMode::EveryTurn || self.has_own() {
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
        self.become_of(|being| vec![being.died(kind)]);
        self.forget();
    }

    /// Its record was deleted, and nobody told.
    pub(crate) fn is_deleted(&mut self) {
        self.become_of(|being| vec![being.gone()]);
    }

    fn forget(&mut self) {
        self.crashes.clear();
        self.quarantined_until = Duration::ZERO;
        self.doubtful_timers = DoubtfulTimers::default();
        // The events that would say so went to nobody.
        self.become_of(|being| vec![Being { given_up: 0, ..being }]);
        self.may_have_returned();
    }

    fn may_have_returned(&mut self) {
        self.become_of(|being| if being.returns { vec![being.clone(), being.woken()] } else { vec![being] });
    }

    /// Whether it may come to life though nobody talks to it.
    pub(crate) fn may_return(&self) -> bool {
        self.may_be.iter().any(|being| being.returns)
    }

    /// Whether it surely comes to life by itself, and soon.
    pub(crate) fn must_return(&self, at: Duration) -> bool {
        !self.disturbed && !self.is_quarantined(at) && self.may_be.iter().all(|being| being.returns)
    }

    pub(crate) fn is_quarantined(&self, at: Duration) -> bool {
        at < self.quarantined_until
    }

    /// It has come to life by itself.
    pub(crate) fn returned(&mut self, faults: Faults) {
        self.fail(faults);
        self.become_of(|being| if being.returns { vec![being.woken()] } else { vec![being] });
        self.fail(faults);
    }

    /// The events of an actor: as many crashes as there have to be, and a quarantine after one too many.
    pub(crate) fn heard(&mut self, events: &[EventKind], at: Duration) -> Verdict {
        self.quiet = Duration::ZERO;
        self.heard_of_timers(events)?;
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

    /// As many timers are told of as given up as were.
    fn heard_of_timers(&mut self, events: &[EventKind]) -> Verdict {
        let is_one = |event: &&EventKind| matches!(event, EventKind::Undeliverable { message, .. } if is_ring(message));
        let seen = events.iter().filter(is_one).count();
        let (any, heard) = (self.disturbed, |being| Being { given_up: 0, ..being });
        let may_be = |being: &Being| any || being.given_up == seen;
        self.see(
            format!("{seen} timers given up"),
            |being| if may_be(&being) { vec![heard(being)] } else { Vec::new() },
        )
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
