//! Runs a program: does each step, and asks the model whether what was seen may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::Receiver;
use gargoyle::testing::TestClock;
use gargoyle::{ActorId, CallError, Event, EventKind, Failure, Handled, Settings, System};
use gargoyle_registry_sharded::ShardedRegistry;
use gargoyle_registry_std::StdRegistry;

use crate::actor::{Do, Ledger, Somebody, allow_birth, not_alone};
use crate::coverage::Coverage;
use crate::event_names;
use crate::model::{Doing, Fate, Faults, Verdict};
use crate::program::{ACTORS, Birth, IDLE, Life, Program, Registry, Step, What, kind_of};
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
        }
    }

    /// Does all steps, then looks what a restart leaves of it.
    pub(crate) fn run(&mut self) -> Verdict {
        self.seen.saw(format!("store: {:?}", self.program.store));
        self.seen.saw(format!("registry: {:?}", self.program.registry));
        let last = [Step::Restart].into_iter().chain((0..ACTORS).map(Step::Peek)).collect::<Vec<_>>();
        for (at, step) in self.program.steps.iter().chain(&last).enumerate() {
            self.step(step).map_err(|why| format!("step {at}, {step:?}: {why}"))?;
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
                Ok(())
            }
            Step::Fault(who, operation, fault) => {
                self.store().arm(self.somebody(who).id(), operation, fault);
                Ok(())
            }
            Step::Restart => self.restart(true),
            Step::Die => self.restart(false),
        }
    }

    fn call(&mut self, who: usize, what: What) -> Verdict {
        let doing = self.doing(who, what);
        let (seen, asked) = match self.somebody(who).call(self.message(&doing)) {
            Ok(reply) => (Ok(reply.entries), reply.asked),
            Err(error) => (Err(error), None),
        };
        self.saw(&format!("call {}", name(what)), &seen);
        let faults = self.settle(who, &[doing]);
        let not_handled = matches!(&seen, Err(error) if matches!(error.failure(), Failure::Quarantined { .. }));
        self.fates[who].called(&doing, &seen, self.now, faults)?;
        self.heard(who)?;
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
                let told = Doing { what: What::Add, adds: doing.then, then: 0 };
                let lost_asker = matches!(&asked, Err(error) if error.id() != self.somebody(other).id());
                if !lost_asker {
                    let faults = self.take_faults(other);
                    self.fates[other].called(&told, &asked, self.now, faults)?;
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
            for (doing, handled) in to_other {
                let faults = self.take_faults(other);
                let told = Doing { what: What::Add, adds: doing.then, then: 0 };
                let came = match handled {
                    Some(false) => continue,
                    Some(true) => self.fates[other].cast(&[told], self.now, faults),
                    None => self.fates[other].may_be_cast(&told, faults),
                };
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
        self.told(who, &doings, &came.handled)?;
        // What these casts led to was looked at with all of it done.
        self.look(who)
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
        let was_stone = !somebody.is_live() && !self.fates[who].may_return();
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
        let faults = self.take_faults(who);
        self.fates[who].peeked(&seen, faults)
    }

    fn restart(&mut self, in_peace: bool) -> Verdict {
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
            if in_peace { self.fates[who].shut_down(faults) } else { self.fates[who].died(faults) }
        }
        if self.store.take().and_then(Arc::into_inner).is_none() {
            return Err("the store was not given back".to_owned());
        }
        let store = self.disk.open();
        self.system = system(self.program, store.clone(), self.clock.clone());
        self.store = Some(store);
        self.events = self.system.events();
        self.unheard.clear();
        Ok(())
    }

    fn store(&self) -> &Mortal {
        self.store.as_ref().expect("no step is taken during a restart")
    }

    /// Waits until an actor, and whomever these messages have it tell something, has done what it was asked to. Returns
    /// the store's faults until then.
    fn settle(&mut self, who: usize, doings: &[Doing]) -> Faults {
        self.await_rest(who);
        for doing in doings {
            if let What::Ask(other) | What::Tell(other) = doing.what {
                self.await_rest(other);
            }
        }
        self.take_faults(who)
    }

    fn await_rest(&self, who: usize) {
        let somebody = self.somebody(who);
        // Behind everything that is in the mailbox, and wakes nobody.
        let _ = somebody.peek();
        // In a quarantine a peek does not go through the mailbox, of which what is left is refused.
        while self.system.quarantined().contains(somebody.id()) && somebody.is_live() {
            std::thread::yield_now();
        }
    }

    fn take_faults(&mut self, who: usize) -> Faults {
        for (id, operation) in self.store().take_fired() {
            self.seen.saw(format!("fault: {operation:?}"));
            let whose = (0..ACTORS).find(|who| *self.somebody(*who).id() == id).expect("faults are of our actors");
            self.faults[whose].add(operation);
        }
        std::mem::take(&mut self.faults[who])
    }

    /// Has the model hear the events of an actor. Returns how many messages to it were undeliverable.
    fn heard(&mut self, who: usize) -> Verdict<usize> {
        let ids: Vec<ActorId> = (0..ACTORS).map(|who| self.somebody(who).id().clone()).collect();
        let mut undeliverable = 0;
        self.unheard.extend(self.events.try_iter());
        let (mine, others) = std::mem::take(&mut self.unheard).into_iter().partition(|event| event.id == ids[who]);
        self.unheard = others;
        let mine: Vec<Event> = mine;
        for event in &mine {
            self.seen.saw(format!("event: {}", event_names::name_of(&event.kind)));
            undeliverable += usize::from(matches!(event.kind, EventKind::Undeliverable { .. }));
        }
        let kinds: Vec<EventKind> = mine.into_iter().map(|event| event.kind).collect();
        // What the store did by itself meanwhile, to one that saves now and then, explains some of them.
        let faults = self.take_faults(who);
        self.fates[who].disturb(faults);
        self.fates[who].heard(&kinds, self.now)?;
        Ok(undeliverable)
    }

    fn saw<T>(&self, what: &str, seen: &Result<T, CallError>) {
        match seen {
            Ok(_) => self.seen.saw(format!("{what}: ok")),
            Err(error) => self.seen.saw(format!("{what}: {}", name_of(error.failure()))),
        }
    }

    fn doing(&mut self, who: usize, what: What) -> Doing {
        let what = match what {
            // What it tells itself takes turns with what comes from outside, in no order that is promised.
            What::Tell(other) if other == who => What::Tell((who + 1) % ACTORS),
            what => what,
        };
        self.last_number += 2;
        Doing { what, adds: self.last_number - 1, then: self.last_number }
    }

    fn message(&self, Doing { what, adds, then }: &Doing) -> Do {
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
        }
    }

    fn somebody(&self, who: usize) -> Box<dyn Somebody> {
        let key = format!("{}-{who}", self.run);
        match kind_of(who) {
            0 => Box::new(self.system.handle::<Ledger<0>>(key, ())),
            1 => Box::new(self.system.handle::<Ledger<1>>(key, ())),
            _ => Box::new(self.system.handle::<Ledger<2>>(key, ())),
        }
    }
}

fn name(what: What) -> &'static str {
    match what {
        What::Add => "add",
        What::Panic => "panic",
        What::RollBack => "roll back",
        What::SaveAndPanic => "save and panic",
        What::Stop => "stop",
        What::Petrify => "petrify",
        What::Continue => "continue",
        What::Tell(_) => "tell",
        What::Ask(_) => "ask",
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
