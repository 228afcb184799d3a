//! What a scenario has in its hands: a system, its masons, its registry, its store and its clock, and a book of what was
//! accepted.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use gargoyle::sync::{Arc, model};
use gargoyle::{Builder, CallError, Handle, Handled, Registry, Stats, System};

use super::mason::{self, Lay, Mason, Stone, stone, stories, story};
use super::store::Ledger;
use super::time::{IDLE, Time};
use crate::registry::Watched;
use crate::seen::Seen;
use crate::thread::{Thread, spawn};

/// Which messages were accepted, and what became of those whose senders heard of it.
///
/// Behind a lock that shuttle does not know: to write into it is no operation that a thread could be stopped at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book(Arc<std::sync::Mutex<Vec<Entry>>>);

#[derive(Clone, Debug)]
struct Entry {
    key: String,
    stone: Stone,
    heard: Heard,
}

/// What its sender knows of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Heard {
    /// A cast was accepted.
    Accepted,
    Answered,
    Failed(Handled),
}

/// A system to be run.
pub(crate) struct Site<R: Registry> {
    pub(crate) registry: Arc<Watched<R>>,
    pub(crate) store: Arc<Ledger>,
    pub(crate) time: Time,
    pub(crate) book: Book,
    seen: Seen,
    system: Option<System>,
    /// How many senders there were so far.
    senders: Cell<usize>,
}

impl<R: Registry> Site<R> {
    pub(crate) fn new(registry: R, seen: Seen) -> Self {
        Site {
            registry: Arc::new(Watched::new(registry)),
            store: Arc::new(Ledger::default()),
            time: Time::new(),
            book: Book::default(),
            seen,
            system: None,
            senders: Cell::new(0),
        }
    }

    /// Opens the system. All deadlines are endless unless they are set, and nobody is quarantined.
    pub(crate) fn open(self) -> Self {
        self.with(|builder| builder)
    }

    /// As `open`, with settings.
    pub(crate) fn with(mut self, settings: impl FnOnce(Builder) -> Builder) -> Self {
        let builder = System::builder(self.registry.clone(), self.store.clone())
            .clock(self.time.clone())
            .settings(gargoyle::Settings::new().max_restarts(u32::MAX))
            .actor::<Mason>()
            .max_live(32)
            .mailbox_capacity(2)
            .idle(IDLE)
            .call_timeout(Duration::MAX)
            .drop_timeout(Duration::MAX);
        self.system = Some(settings(builder).build().expect("the settings can be"));
        self
    }

    pub(crate) fn system(&self) -> &System {
        self.system.as_ref().expect("the scenario has opened it")
    }

    /// So many masons.
    pub(crate) fn masons(&self, number: usize) -> Masons {
        Masons((0..number).map(|number| self.system().handle(format!("m{number}"), ())).collect())
    }

    pub(crate) fn saw_if(&self, it_was: bool, what: &'static str) {
        if it_was {
            self.seen.saw(what);
        }
    }

    /// To say what was seen on another thread, or after the end.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.clone()
    }

    /// Runs so many senders, each on a thread of its own, and waits for them.
    pub(crate) fn senders(&self, senders: usize, body: impl Fn(&mut Sender) + Clone + Send + 'static) {
        let threads = self.start_senders(senders, body);
        threads.into_iter().for_each(Thread::join);
    }

    /// Starts so many senders, each on a thread of its own.
    pub(crate) fn start_senders(
        &self,
        senders: usize,
        body: impl Fn(&mut Sender) + Clone + Send + 'static,
    ) -> Vec<Thread<()>> {
        let start = |number| {
            let mut sender = Sender { number, sent: 0, book: self.book.clone(), seen: self.seen.clone() };
            let body = body.clone();
            spawn(move || body(&mut sender))
        };
        let before = self.senders.replace(self.senders.get() + senders);
        (before + 1..=before + senders).map(start).collect()
    }

    /// Shuts the system down, and looks whether all is as it has to be then.
    pub(crate) fn end(mut self) -> Stats {
        let system = self.system.take().expect("the scenario has opened it");
        if let Err(error) = system.shutdown(Duration::MAX) {
            panic!("{error}");
        }
        self.registry.close();
        assert!(self.registry.is_empty(), "somebody is in the registry after the shutdown");
        assert_eq!(self.registry.inserted(), self.registry.removed());
        for (key, story) in stories() {
            assert!(!story.is_alive(), "{key} outlived the shutdown");
            assert_eq!(story.saved.unwrap_or_default(), story.laid, "the end of {key} is not stored");
        }
        let stats = system.stats();
        assert_eq!(stats.live, 0);
        self.saw_if(stats.revived > 0, "revived");
        self.settle(&stats);
        stats
    }

    /// What was accepted was handled, or somebody heard that it was not.
    fn settle(&self, stats: &Stats) {
        let mut lost = 0;
        for Entry { key, stone, heard } in self.book.0.lock().expect("nobody panics with it").drain(..) {
            let story = story(&key);
            let (was_begun, was_safe) = (story.begun.contains(&stone), story.safe.contains(&stone));
            match heard {
                Heard::Accepted => lost += u64::from(!was_begun),
                Heard::Answered => assert!(was_safe, "stone {stone} of {key} was answered and is lost"),
                Heard::Failed(Handled::No) => {
                    assert!(!was_begun, "stone {stone} of {key} was laid, its sender heard not")
                }
                Heard::Failed(Handled::RolledBack) => assert!(!was_safe, "stone {stone} of {key} was not undone"),
                Heard::Failed(_) => {}
            }
        }
        assert!(lost <= stats.undeliverable, "{lost} casts are lost, and {} reported", stats.undeliverable);
    }
}

impl<R: Registry> Drop for Site<R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What failed would wait for what never comes.
            std::mem::forget(self.system.take());
        }
    }
}

impl<R: Registry> fmt::Debug for Site<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").finish_non_exhaustive()
    }
}

/// The masons of a scenario.
#[derive(Clone)]
pub(crate) struct Masons(pub(crate) Vec<Handle<Mason>>);

impl Masons {
    /// Any one.
    pub(crate) fn any(&self) -> &Handle<Mason> {
        &self.0[below(self.0.len())]
    }

    /// So many neighbours, the first of them this one; after the last comes the first.
    pub(crate) fn round(&self, from: usize, number: usize) -> Vec<Handle<Mason>> {
        self.0.iter().cycle().skip(from).take(number).cloned().collect()
    }
}

/// A number below `limit`, which the schedule chooses.
pub(crate) fn below(limit: usize) -> usize {
    usize::try_from(model::random() % limit as u64).expect("it is below")
}

/// A scenario has fewer senders.
const SENDERS_MAX: usize = 16;

/// One who sends, on a thread of its own.
pub(crate) struct Sender {
    pub(crate) number: usize,
    sent: usize,
    book: Book,
    pub(crate) seen: Seen,
}

impl Sender {
    /// The number of the next message, or of the first of so many.
    pub(crate) fn next(&mut self, many: usize) -> Stone {
        let next = stone(self.number, self.sent);
        self.sent += many;
        next
    }

    /// The number of a message that a mason is to send for it: `via` is that one's.
    pub(crate) fn next_via(&mut self, via: usize) -> Stone {
        let next = stone((via + 1) * SENDERS_MAX + self.number, self.sent);
        self.sent += 1;
        next
    }

    /// Calls, and enters what became of it.
    pub(crate) fn call(&mut self, mason: &Handle<Mason>) -> Result<usize, CallError> {
        let stone = self.next(1);
        let called = mason::lay(mason, stone);
        self.enter(mason, stone, &called);
        called
    }

    /// Enters what became of a call.
    pub(crate) fn enter<T>(&self, mason: &Handle<Mason>, stone: Stone, called: &Result<T, CallError>) {
        let heard = called.as_ref().map_or_else(|error| Heard::Failed(error.handled()), |_| Heard::Answered);
        self.write(mason, stone, heard);
    }

    /// Casts, and enters that it was accepted, or was not. `None`: it was.
    pub(crate) fn cast(&mut self, mason: &Handle<Mason>) -> Option<gargoyle::CastError<Lay>> {
        let stone = self.next(1);
        let cast = mason.cast(Lay(stone));
        self.write(mason, stone, if cast.is_ok() { Heard::Accepted } else { Heard::Failed(Handled::No) });
        cast.err()
    }

    /// As `cast`, and does not wait for space.
    pub(crate) fn try_cast(&mut self, mason: &Handle<Mason>) -> Option<gargoyle::CastError<Lay>> {
        let stone = self.next(1);
        let cast = mason.try_cast(Lay(stone));
        self.write(mason, stone, if cast.is_ok() { Heard::Accepted } else { Heard::Failed(Handled::No) });
        cast.err()
    }

    /// Calls or casts, where nothing may go wrong.
    pub(crate) fn send(&mut self, mason: &Handle<Mason>) {
        if below(2) == 0 {
            self.call(mason).unwrap_or_else(|error| panic!("{error:#}"));
        } else if let Some(error) = self.cast(mason) {
            panic!("{error:#}");
        }
    }

    pub(crate) fn write(&self, mason: &Handle<Mason>, stone: Stone, heard: Heard) {
        let entry = Entry { key: mason.key().to_owned(), stone, heard };
        self.book.0.lock().expect("nobody panics with it").push(entry);
    }
}
