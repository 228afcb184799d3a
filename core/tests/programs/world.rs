//! Runs a program: does each step, and asks the model whether what was seen may be.

mod rest;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::Receiver;
use gargoyle::testing::TestClock;
use gargoyle::{ActorId, CallError, Event, EventKind, Failure, Handled, Settings, System};
use gargoyle_registry_sharded::ShardedRegistry;
use gargoyle_registry_std::StdRegistry;

use crate::actor::{Act, Do, Ledger, Manner, Somebody, Timers, Told, Watched};
use crate::actor::{allow_birth, is_do, is_ring, key, not_alone};
use crate::being::Doing;
use crate::coverage::Coverage;
use crate::event_names;
use crate::model::{Fate, Faults, Verdict};
use crate::program::{ACTORS, Birth, Deed, IDLE, Life, Program, Registry, Step, What, kind_of};
use crate::store::{Disk, Mortal};

/// Longer than any program's clock goes.
const LONG: Duration = Duration::from_secs(1_000_000);

/// What is told apart in the coverage.
fn name_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Crashed(_) => "crashed",
        Failure::NotSaved(_) => "not saved",
        Failure::Conflict(_) => "conflict",
        Failure::NotWiped(_) => "not wiped",
        Failure::NotLoaded(_) => "not loaded",
        Failure::NotBorn(_) => "not born",
        Failure::Quarantined { .. } => "quarantined",
        Failure::Deadlock(_) => "deadlock",
        Failure::Shutdown => "shut down",
        _ => "something else",
    }
}

pub(crate) struct World<'a> {
    program: &'a Program,
    seen: &'a Coverage,
    /// Sets the ids of this run apart from all others'.
    run: usize,
    disk: Disk,
    /// `None` for the moment of a restart.
    store: Option<Arc<Mortal>>,
    clock: TestClock,
    /// How far the clock was moved.
    now: Duration,
    system: System,
    events: Receiver<Event>,
    /// Those that the model has not heard yet.
    unheard: Vec<Event>,
    fates: Vec<Fate>,
    /// What the store did to each, of which its fate does not know yet.
    faults: [Faults; ACTORS],
    last_number: u32,
    timers: Timers,
    /// The number of the last timer that each was to set.
    last_timer: [u32; ACTORS],
    /// Those of whom the last thing that was heard is that they crashed, or are quarantined.
    down: [bool; ACTORS],
}

impl<'a> World<'a> {
    pub(crate) fn new(program: &'a Program, seen: &'a Coverage) -> Self {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let disk = Disk::new(program.store);
        let (store, clock) = (disk.open(), TestClock::new());
        let system = system(program, store.clone(), clock.clone());
        World {
            program,
            seen,
            run: RUNS.fetch_add(1, Ordering::Relaxed),
            disk,
            store: Some(store),
            clock,
            now: Duration::ZERO,
            events: system.events(),
            unheard: Vec::new(),
            faults: [Faults::default(); ACTORS],
            system,
            fates: (0..ACTORS).map(|who| Fate::new(program.kinds[kind_of(who)])).collect(),
            last_number: 0,
            timers: Timers::default(),
            last_timer: [0; ACTORS],
            down: [false; ACTORS],
        }
    }

    /// Does all steps, then looks what a restart leaves of it.
    pub(crate) fn run(&mut self) -> Verdict {
        self.seen.saw(format!("store: {:?}", self.program.store));
        self.seen.saw(format!("registry: {:?}", self.program.registry));
        let last = [Step::Restart].into_iter().chain((0..ACTORS).map(Step::Peek)).collect::<Vec<_>>();
        for (at, step) in self.program.steps.iter().chain(&last).enumerate() {
            let done = self.step(step).and_then(|()| self.come_to_rest());
            done.map_err(|why| format!("step {at}, {step:?}: {why}"))?;
            if not_alone() > 0 {
                return Err(format!("step {at}, {step:?}: two incarnations at once"));
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Verdict {
        match *step {
            Step::Call(who, what) => self.call(who, what),
            Step::Casts(who, ref casts) => self.casts(who, casts),
            Step::Query(who) => {
                let seen = self.somebody(who).query();
                self.saw("query", &seen);
                let faults = self.settle(who, &[]);
                self.fates[who].queried(&seen, self.now, faults)?;
                self.heard(who).map(drop)
            }
            Step::Peek(who) => self.peek(who),
            Step::Start(who, birth) => {
                let somebody = self.somebody(who);
                allow_birth(somebody.id(), birth);
                let seen = somebody.start();
                allow_birth(somebody.id(), Birth::Fine);
                self.saw(&format!("start of one whose birth {birth:?}"), &seen);
                let faults = self.settle(who, &[]);
                self.fates[who].started(birth, None, &seen, self.now, faults)?;
                self.heard(who).map(drop)
            }
            Step::StartWith(who, life) => {
                let seen = self.somebody(who).start_with(settings(life));
                self.saw("start with settings", &seen);
                let faults = self.settle(who, &[]);
                self.fates[who].started(Birth::Fine, Some(life), &seen, self.now, faults)?;
                self.heard(who).map(drop)
            }
            Step::Stop(who) => self.ordered(who, "stop", self.somebody(who).stop(), Fate::stopped),
            Step::Petrify(who) => self.ordered(who, "petrify", self.somebody(who).petrify(), Fate::petrified),
            Step::Wipe(who) => self.ordered(who, "wipe", self.somebody(who).wipe(), Fate::wiped),
            Step::Crash(who) => self.ordered(who, "crash", self.somebody(who).crash(), Fate::told_to_crash),
            Step::Pardon(who) => {
                let pardoned = self.system.pardon(self.somebody(who).id());
                self.seen.saw(format!("pardon: {pardoned}"));
                self.fates[who].pardoned(pardoned, self.now)
            }
            Step::Advance(seconds) => {
                let by = Duration::from_secs(seconds);
                self.now += by;
                self.clock.advance(by);
                self.seen.saw(if by >= IDLE { "time: idle" } else { "time" });
                self.fates.iter_mut().for_each(|fate| fate.aged(by));
                (0..ACTORS).try_for_each(|who| self.await_timers(who))
            }
            Step::Fault(who, operation, fault) => {
                self.store().arm(self.somebody(who).id(), operation, fault);
                Ok(())
            }
            Step::Restart => self.restart(true, None),
            Step::Die(deleted) => self.restart(false, deleted),
        }
    }

    fn call(&mut self, who: usize, what: What) -> Verdict {
        let doing = self.doing(who, what);
        let (seen, asked) = match self.somebody(who).call(self.message(&doing)) {
            Ok(reply) => (Ok(reply.entries), reply.asked),
            Err(error) => (Err(error), None),
        };
        self.saw(&format!("call {}", name(what)), &seen);
        match doing.what {
            What::Also(Deed::Cancel, Manner::Counts) if self.fates[who].has_timer(doing.then) => {
                self.seen.saw("timer: cancelled");
            }
            What::Also(Deed::Unwatch(other), Manner::Counts) if self.fates[who].is_watching(other) => {
                self.seen.saw("watch: ended");
            }
            _ => {}
        }
        let faults = self.settle(who, &[doing]);
        let not_handled = matches!(&seen, Err(error) if matches!(error.failure(), Failure::Quarantined { .. }));
        self.fates[who].called(&doing, &seen, self.now, faults)?;
        self.heard(who)?;
        self.look_after_watched(who);
        match (doing.what, asked) {
            (What::Ask(other), Some(Err(error))) if other == who => match error.failure() {
                Failure::Deadlock(_) => {
                    self.seen.saw("ask: itself");
                    Ok(())
                }
                _ => Err(format!("it asked itself: {error:#}")),
            },
            (What::Ask(other), Some(Ok(_))) if other == who => Err("it asked itself, and was answered".to_owned()),
            (What::Ask(other), Some(asked)) => {
                self.saw("ask", &asked);
                let told = Doing { what: What::Add, adds: doing.then, then: 0, at: self.now };
                let lost_asker = matches!(&asked, Err(error) if error.id() != self.somebody(other).id());
                if !lost_asker {
                    let faults = self.take_faults(other);
                    self.fates[other].called(&told, &asked, self.now, faults)?;
                    self.look_after_watched(other);
                }
                self.heard(other).map(drop)
            }
            (What::Ask(_) | What::Tell(_), _) if !not_handled => {
                let handled = if seen.is_ok() { Some(true) } else { None };
                self.told(who, &[doing], &[handled])
            }
            _ => Ok(()),
        }
    }

    /// What messages of an actor did to others. Of each is known whether it was handled, or it is not.
    fn told(&mut self, who: usize, doings: &[Doing], handled: &[Option<bool>]) -> Verdict {
        for other in (0..ACTORS).filter(|other| *other != who) {
            let to_other = doings
                .iter()
                .zip(handled)
                .filter(|(doing, _)| matches!(doing.what, What::Tell(told) | What::Ask(told) if told == other));
            let mut expected = None;
            let mut is_known = true;
            for (doing, handled) in to_other.filter(|(_, handled)| **handled != Some(false)) {
                let faults = self.take_faults(other);
                let told = Doing { what: What::Add, adds: doing.then, then: 0, at: self.now };
                let came = match handled {
                    Some(_) => self.fates[other].cast(&[told], self.now, faults),
                    None => self.fates[other].may_be_cast(&told, faults),
                };
                self.look_after_watched(other);
                // Whoever asks hears of it itself.
                let told_of = if matches!(doing.what, What::Ask(_)) { 0 } else { came.undeliverable };
                expected = Some(expected.unwrap_or(0) + told_of);
                is_known &= came.handled[0].is_some();
                self.seen.saw(if came.undeliverable > 0 { "tell: quarantined" } else { "tell" });
            }
            let Some(expected) = expected else { continue };
            let undeliverable = self.heard(other)?;
            if is_known && expected != undeliverable {
                return Err(format!("told {other}: {undeliverable} undeliverable, not {expected}"));
            }
        }
        Ok(())
    }

    fn casts(&mut self, who: usize, casts: &[What]) -> Verdict {
        let casts = self.without_races(who, casts);
        let doings: Vec<Doing> = casts.iter().map(|what| self.doing(who, *what)).collect();
        let somebody = self.somebody(who);
        let refused = doings.iter().filter_map(|doing| somebody.cast(self.message(doing)).err()).collect::<Vec<_>>();
        if let Some(other) = refused.iter().find(|failure| !matches!(failure, Failure::Quarantined { .. })) {
            return Err(format!("a cast was refused: {other}"));
        }
        let faults = self.settle(who, &doings);
        let came = self.fates[who].cast(&doings, self.now, faults);
        let undeliverable = self.heard(who)? + refused.len();
        if came.handled.iter().all(Option::is_some) {
            if undeliverable != came.undeliverable {
                return Err(format!("{undeliverable} of the casts were undeliverable, not {}", came.undeliverable));
            }
            self.seen.saw(if came.undeliverable > 0 { "casts: some undeliverable" } else { "casts" });
        }
        self.look_after_watched(who);
        self.told(who, &doings, &came.handled)?;
        // What these casts led to was looked at with all of it done.
        self.come_to_rest()?;
        self.look(who)
    }

    /// Of two who are woken by the same casts, one that watches the other may find it born by now, or not: then only the
    /// first of them is told anything.
    fn without_races(&self, who: usize, casts: &[What]) -> Vec<What> {
        let told = |what: &What| match what {
            What::Tell(other) => Some(somebody_else(who, *other)),
            What::Ask(other) if *other != who => Some(*other),
            _ => None,
        };
        let all: Vec<usize> = casts.iter().filter_map(told).collect();
        let is_race = all.iter().any(|one| all.iter().any(|other| self.fates[*one].may_watch(*other)));
        let is_kept = |what: &&What| !is_race || told(what).is_none_or(|other| other == all[0]);
        casts.iter().filter(is_kept).copied().collect()
    }

    fn ordered(
        &mut self,
        who: usize,
        name: &str,
        seen: Result<(), CallError>,
        model: fn(&mut Fate, &Result<(), CallError>, Faults) -> Verdict,
    ) -> Verdict {
        self.saw(name, &seen);
        let faults = self.settle(who, &[]);
        model(&mut self.fates[who], &seen, faults)?;
        self.heard(who).map(drop)
    }

    /// P8: whoever is stone stays so, unless it was to come back anyway.
    fn peek(&mut self, who: usize) -> Verdict {
        let somebody = self.somebody(who);
        let may_wake = self.fates[who].may_return() || self.fates[who].is_in_doubt();
        let was_stone = !somebody.is_live() && !may_wake;
        self.seen.saw(if was_stone { "peek at stone" } else { "peek at one alive" });
        self.look(who)?;
        if was_stone && somebody.is_live() {
            return Err("a peek brought it to life".to_owned());
        }
        Ok(())
    }

    fn look(&mut self, who: usize) -> Verdict {
        let seen = self.somebody(who).peek();
        self.saw("peek", &seen);
        if let Ok(Some(entries)) = &seen {
            entries.told.iter().for_each(|Told(_, end)| self.seen.saw(format!("told: {end:?}")));
        }
        let faults = self.take_faults(who);
        self.fates[who].peeked(&seen, faults)
    }

    fn restart(&mut self, in_peace: bool, deleted: Option<usize>) -> Verdict {
        self.store().disarm();
        if !in_peace {
            self.store().die();
        }
        self.seen.saw(if in_peace { "shutdown" } else { "death" });
        self.system.shutdown(LONG).map_err(|error| error.to_string())?;
        let refused = self.somebody(0).call(Do::Add(0)).map(|_| ()).unwrap_err();
        if !matches!(refused.failure(), Failure::Shutdown) || refused.handled() != Handled::No {
            return Err(format!("called after the shutdown: {refused:#}"));
        }
        for who in 0..ACTORS {
            let faults = self.take_faults(who);
            if in_peace {
                self.fates[who].shut_down(faults)
            } else {
                self.fates[who].died(faults)
            }
            if !in_peace && (0..ACTORS).any(|other| self.fates[who].is_watching(other)) {
                self.seen.saw("watch: after a death");
            }
        }
        if let Some(who) = deleted {
            if (0..ACTORS).any(|other| self.fates[other].is_watching(who)) {
                self.seen.saw("watch: of one that is gone");
            }
            self.store().delete(self.somebody(who).id());
            self.fates[who].is_deleted();
        }
        if self.store.take().and_then(Arc::into_inner).is_none() {
            return Err("the store was not given back".to_owned());
        }
        let store = self.disk.open();
        self.system = system(self.program, store.clone(), self.clock.clone());
        self.store = Some(store);
        self.events = self.system.events();
        self.unheard.clear();
        self.down = [false; ACTORS];
        // Who was alive is back before anybody gets through to it.
        (0..ACTORS).for_each(|who| self.await_rest(who));
        Ok(())
    }

    fn store(&self) -> &Mortal {
        self.store.as_ref().expect("no step is taken during a restart")
    }

    fn take_faults(&mut self, who: usize) -> Faults {
        for (id, operation) in self.store().take_fired() {
            self.seen.saw(format!("fault: {operation:?}"));
            let whose = (0..ACTORS).find(|who| *self.somebody(*who).id() == id).expect("faults are of our actors");
            self.faults[whose].add(operation);
            self.fates[whose].is_failed();
            // What the store fails for may be a watch, or news of an end.
            self.doubt_both_ways(whose);
        }
        std::mem::take(&mut self.faults[who])
    }

    /// Has the model hear the events of an actor. Returns how many messages to it were undeliverable.
    fn heard(&mut self, who: usize) -> Verdict<usize> {
        let ids: Vec<ActorId> = (0..ACTORS).map(|who| self.somebody(who).id().clone()).collect();
        let mut undeliverable = 0;
        self.listen();
        let (mine, others) = std::mem::take(&mut self.unheard).into_iter().partition(|event| event.id == ids[who]);
        self.unheard = others;
        let mine: Vec<Event> = mine;
        for event in &mine {
            self.seen.saw(format!("event: {}", event_names::name_of(&event.kind)));
            if let EventKind::Undeliverable { message, .. } = event.kind {
                undeliverable += usize::from(is_do(message));
                if is_ring(message) {
                    self.seen.saw("timer: given up");
                }
            }
        }
        let kinds: Vec<EventKind> = mine.into_iter().map(|event| event.kind).collect();
        // What the store did by itself meanwhile, to one that saves now and then, explains some of them.
        let faults = self.take_faults(who);
        self.fates[who].fail(faults);
        self.fates[who].heard(&kinds, self.now)?;
        Ok(undeliverable)
    }

    fn listen(&mut self) {
        let before = self.unheard.len();
        self.unheard.extend(self.events.try_iter());
        for event in &self.unheard[before..] {
            let Some(who) = (0..ACTORS).find(|who| *self.somebody(*who).id() == event.id) else { continue };
            match event.kind {
                EventKind::Crashed(_) | EventKind::Quarantined(_) => self.down[who] = true,
                EventKind::Born | EventKind::Revived | EventKind::NotRevived(_) => self.down[who] = false,
                _ => {}
            }
        }
    }

    fn saw<T>(&self, what: &str, seen: &Result<T, CallError>) {
        match seen {
            Ok(_) => self.seen.saw(format!("{what}: ok")),
            Err(error) => self.seen.saw(format!("{what}: {}", name_of(error.failure()))),
        }
    }

    fn doing(&mut self, who: usize, what: What) -> Doing {
        // What it tells itself takes turns with what comes from outside, in no order that is promised; to watch oneself is
        // nothing.
        let what = match what {
            What::Tell(other) => What::Tell(somebody_else(who, other)),
            // Left out: the other one would hear of the end before it is asked, and this is looked at after that.
            What::Ask(_) if self.fates[who].may_have_fallen() => What::Add,
            What::Also(Deed::Watch(other), manner) => What::Also(Deed::Watch(somebody_else(who, other)), manner),
            What::Also(Deed::Unwatch(other), manner) => {
                // Rather one that it watches: chance alone seldom finds it.
                let watched = (0..ACTORS).find(|other| self.fates[who].is_watching(*other));
                What::Also(Deed::Unwatch(watched.unwrap_or(somebody_else(who, other))), manner)
            }
            what => what,
        };
        self.last_number += 2;
        let (adds, mut then) = (self.last_number - 1, self.last_number);
        match what {
            What::Also(Deed::Later(_), _) => self.last_timer[who] = then,
            What::Also(Deed::Cancel, _) => then = self.last_timer[who],
            _ => {}
        }
        Doing { what, adds, then, at: self.now }
    }

    fn message(&self, Doing { what, adds, then, .. }: &Doing) -> Do {
        let (n, then) = (*adds, *then);
        match *what {
            What::Add => Do::Add(n),
            What::Panic => Do::AddAndPanic(n),
            What::RollBack => Do::AddAndRollBack(n),
            What::SaveAndPanic => Do::AddSaveAndPanic(n),
            What::Stop => Do::AddAndStop(n),
            What::Petrify => Do::AddAndPetrify(n),
            What::Continue => Do::AddAndContinue(n, then),
            What::Tell(other) => Do::AddAndTell(n, self.somebody(other), then),
            What::Ask(other) => Do::AddAndAsk(n, self.somebody(other), then),
            What::Also(deed, manner) => Do::AddAnd(n, self.act(deed, then), manner),
        }
    }

    fn act(&self, deed: Deed, then: u32) -> Act {
        match deed {
            Deed::Later(seconds) => Act::Later(Duration::from_secs(seconds), then, self.timers.clone()),
            Deed::Cancel => Act::Cancel(then, self.timers.clone()),
            Deed::Watch(other) => Act::Watch(self.watched(other)),
            Deed::Unwatch(other) => Act::Unwatch(self.watched(other)),
        }
    }

    fn watched(&self, who: usize) -> Watched {
        let key = key(self.run, who);
        match kind_of(who) {
            0 => Watched::First(self.system.handle(key, ())),
            1 => Watched::Second(self.system.handle(key, ())),
            _ => Watched::Third(self.system.handle(key, ())),
        }
    }

    fn somebody(&self, who: usize) -> Box<dyn Somebody> {
        let key = key(self.run, who);
        match kind_of(who) {
            0 => Box::new(self.system.handle::<Ledger<0>>(key, ())),
            1 => Box::new(self.system.handle::<Ledger<1>>(key, ())),
            _ => Box::new(self.system.handle::<Ledger<2>>(key, ())),
        }
    }
}

fn somebody_else(who: usize, other: usize) -> usize {
    if other == who { (who + 1) % ACTORS } else { other }
}

fn name(what: What) -> String {
    let name = match what {
        What::Add => "add",
        What::Panic => "panic",
        What::RollBack => "roll back",
        What::SaveAndPanic => "save and panic",
        What::Stop => "stop",
        What::Petrify => "petrify",
        What::Continue => "continue",
        What::Tell(_) => "tell",
        What::Ask(_) => "ask",
        What::Also(deed, manner) => return format!("{} that {manner:?}", name_of_deed(deed)),
    };
    name.to_owned()
}

fn name_of_deed(deed: Deed) -> &'static str {
    match deed {
        Deed::Later(_) => "later",
        Deed::Cancel => "cancel",
        Deed::Watch(_) => "watch",
        Deed::Unwatch(_) => "unwatch",
    }
}

fn settings((policy, save): Life) -> Settings {
    Settings::new().restart(policy).save(save)
}

fn system(program: &Program, store: Arc<Mortal>, clock: TestClock) -> System {
    let builder = match program.registry {
        Registry::Std => System::builder(StdRegistry::new(), store),
        Registry::Sharded => System::builder(ShardedRegistry::new(), store),
    };
    let [first, second, third] = program.kinds.map(settings);
    let builder = builder.clock(clock).idle(IDLE).call_timeout(LONG);
    let builder = builder.actor_with::<Ledger<0>>(first).actor_with::<Ledger<1>>(second).actor_with::<Ledger<2>>(third);
    builder.build().expect("the store can say who has to be revived")
}
