//! What a child does until it is killed or told to end: transfers on several lanes, and whatever else may disturb them.
//!
//! It says what it does, a line each, to its parent, who keeps the books. Whatever fails is done again: a `Move` counts
//! once.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::Duration;

use gargoyle::{BoxError, CallError, Handle, RestartPolicy, Settings, System, testing};
use gargoyle_registry_sharded::ShardedRegistry;
use gargoyle_registry_std::StdRegistry;
use serde::{Deserialize, Serialize};

use crate::account::{Account, Look, Move, not_alone};
use crate::store::{Moody, Store, faults};

/// More than may be alive at once.
pub(crate) const ACCOUNTS: u32 = 24;
const MOST_LIVE: usize = 10;

/// Threads that make transfers.
pub(crate) const LANES: u32 = 4;

/// No shutdown and no call takes this long.
const LONG: Duration = Duration::from_secs(30);

/// One transfer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) lane: u32,
    pub(crate) number: u64,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) amount: i64,
}

/// What a child is told.
#[derive(Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) lmdb: bool,
    pub(crate) folder: PathBuf,
    pub(crate) seed: u64,
    /// Of each lane: the number of its next transfer, and one that was begun by a child that died.
    pub(crate) lanes: Vec<(u64, Option<Transfer>)>,
}

impl Orders {
    /// What the accounts live by in this process: one that a permanent one leaves behind may be a transient one's next.
    /// Not temporary: a crash would delete what the books say.
    fn policy(&self) -> RestartPolicy {
        if (self.seed / 2).is_multiple_of(3) { RestartPolicy::Transient } else { RestartPolicy::Permanent }
    }
}

/// What a child says.
#[derive(Serialize, Deserialize)]
pub(crate) enum Line {
    Begins(Transfer),
    Done {
        lane: u32,
    },
    /// What happened in this life so far.
    Counts(Counts),
    /// A promise was broken.
    Broken(String),
    /// It was told to end, and has shut down.
    Ended,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) crashes: u64,
    pub(crate) petrified: u64,
    pub(crate) revived: u64,
    pub(crate) faults: u64,
    pub(crate) restarts: u64,
    pub(crate) looks: u64,
    pub(crate) repeated: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Counts) {
        self.crashes += other.crashes;
        self.petrified += other.petrified;
        self.revived += other.revived;
        self.faults += other.faults;
        self.restarts += other.restarts;
        self.looks += other.looks;
        self.repeated += other.repeated;
    }
}

pub(crate) fn open(storage: impl gargoyle::Storage, sharded: bool, policy: RestartPolicy) -> Result<System, BoxError> {
    // Never quarantined, as it crashes all the time.
    let settings = Settings::new().restart(policy).max_restarts(u32::MAX).call_timeout(LONG);
    let settings = settings.idle(Duration::from_millis(20));
    let builder = match sharded {
        true => System::builder(ShardedRegistry::new(), storage),
        false => System::builder(StdRegistry::new(), storage),
    };
    Ok(builder.actor_with::<Account>(settings).max_live(MOST_LIVE).build()?)
}

pub(crate) fn account(system: &System, number: u32) -> Handle<Account> {
    system.handle(number.to_string(), ())
}

struct Life {
    orders: Orders,
    system: RwLock<System>,
    counts: Mutex<Counts>,
    looks: AtomicU64,
    repeated: AtomicU64,
    ends: AtomicBool,
}

/// A child's whole life, if nobody kills it.
pub(crate) fn live(orders: Orders) -> Result<(), BoxError> {
    fastrand::seed(orders.seed);
    let system = RwLock::new(start(&orders)?);
    let (counts, looks, repeated) = (Mutex::default(), AtomicU64::new(0), AtomicU64::new(0));
    let life = Life { orders, system, counts, looks, repeated, ends: AtomicBool::new(false) };
    thread::scope(|scope| {
        for lane in 0..LANES {
            let life = &life;
            scope.spawn(move || life.transfer(lane));
        }
        scope.spawn(|| life.disturb());
        // The parent says something, or is dead itself.
        _ = io::stdin().read_line(&mut String::new());
        life.ends.store(true, Ordering::SeqCst);
    });
    life.close(&life.system.write().expect(HELD))?;
    life.count(&Counts::default());
    say(&Line::Ended);
    Ok(())
}

const HELD: &str = "nobody panics with the lock";

fn start(orders: &Orders) -> Result<System, BoxError> {
    let store = if orders.lmdb { Store::Lmdb } else { Store::Fs };
    open(Moody::new(store.open(&orders.folder)?), orders.seed.is_multiple_of(2), orders.policy())
}

fn say(line: &Line) {
    let text = serde_json::to_string(line).expect("lines are plain data");
    // If nobody reads it, this process is about to be killed.
    _ = writeln!(io::stdout(), "{text}");
}

impl Life {
    fn ends(&self) -> bool {
        self.ends.load(Ordering::SeqCst)
    }

    /// Makes one transfer after the other.
    fn transfer(&self, lane: u32) {
        let mut random = fastrand::Rng::with_seed(self.orders.seed.wrapping_add(lane.into()));
        let (first, begun) = self.orders.lanes[lane as usize];
        if let Some(begun) = begun {
            self.carry_out(&begun, &mut random);
        }
        for number in first.. {
            if self.ends() {
                return;
            }
            let from = random.u32(..ACCOUNTS);
            let to = (from + random.u32(1..ACCOUNTS)) % ACCOUNTS;
            let transfer = Transfer { lane, number, from, to, amount: random.i64(1..100) };
            say(&Line::Begins(transfer));
            self.carry_out(&transfer, &mut random);
        }
    }

    fn carry_out(&self, transfer: &Transfer, random: &mut fastrand::Rng) {
        let Transfer { lane, number, from, to, amount } = *transfer;
        for (who, amount) in [(from, -amount), (to, amount)] {
            let part = |panics| Move { lane, number, amount, panics };
            if random.u32(..20) == 0 {
                // Undone in full, or the books will not balance.
                _ = self.account(who).call(part(true));
            }
            self.until_done(|account| account.call(part(false)), who);
            if random.u32(..4) == 0 {
                self.look(transfer, who, random.bool());
            }
        }
        say(&Line::Done { lane });
    }

    /// What was acknowledged is seen by whoever looks afterwards.
    fn look(&self, transfer: &Transfer, who: u32, wakes: bool) {
        let book = match wakes {
            true => self.until_done(|account| account.query(Look).map(Some), who),
            false => self.until_done(|account| account.peek(Look), who),
        };
        self.looks.fetch_add(1, Ordering::Relaxed);
        let last = book.as_ref().and_then(|book| book.last.get(&transfer.lane)).copied().unwrap_or(0);
        if last < transfer.number {
            say(&Line::Broken(format!("after {transfer:?} was acknowledged by {who}, it shows {book:?}")));
        }
    }

    fn account(&self, number: u32) -> Handle<Account> {
        account(&self.system.read().expect(HELD), number)
    }

    /// Crashes, faults of the store and restarts of the system are no reason to give up.
    fn until_done<T>(&self, run: impl Fn(&Handle<Account>) -> Result<T, CallError>, who: u32) -> T {
        loop {
            match run(&self.account(who)) {
                Ok(done) => return done,
                Err(_) => _ = self.repeated.fetch_add(1, Ordering::Relaxed),
            }
        }
    }

    /// Ends lives in every way, restarts the system, and counts.
    fn disturb(&self) {
        let mut random = fastrand::Rng::with_seed(!self.orders.seed);
        let keeps_stopped = self.orders.policy() == RestartPolicy::Permanent;
        while !self.ends() {
            let account = self.account(random.u32(..ACCOUNTS));
            _ = match random.u32(..40) {
                0..10 => account.petrify(),
                10..15 if keeps_stopped => account.stop(),
                10..20 => testing::crash(&account),
                20..22 => testing::petrify_all(&self.system.read().expect(HELD)),
                22 => {
                    self.restart();
                    Ok(())
                }
                _ => account.query(Look).map(drop),
            };
            let present = counts_of(&self.system.read().expect(HELD));
            self.count(&present);
        }
    }

    fn restart(&self) {
        let mut system = self.system.write().expect(HELD);
        let restarted = self.close(&system).and_then(|()| start(&self.orders));
        match restarted {
            Ok(restarted) => *system = restarted,
            Err(error) => say(&Line::Broken(format!("the system was not restarted: {error}"))),
        }
        self.counts.lock().expect(HELD).restarts += 1;
    }

    /// Shuts a system down, and keeps what it counted.
    fn close(&self, system: &System) -> Result<(), BoxError> {
        system.shutdown(LONG)?;
        self.counts.lock().expect(HELD).add(&counts_of(system));
        Ok(())
    }

    /// Says what happened so far: in the systems that were closed, and in the present one.
    fn count(&self, present: &Counts) {
        let mut counts = *self.counts.lock().expect(HELD);
        counts.add(present);
        counts.faults = faults();
        counts.looks = self.looks.load(Ordering::Relaxed);
        counts.repeated = self.repeated.load(Ordering::Relaxed);
        say(&Line::Counts(counts));
        match not_alone() {
            0 => {}
            times => say(&Line::Broken(format!("{times} times two incarnations of an account lived at once"))),
        }
    }
}

fn counts_of(system: &System) -> Counts {
    let stats = system.stats();
    let (crashes, petrified, revived) = (stats.crashed, stats.petrified, stats.revived);
    Counts { crashes, petrified, revived, ..Counts::default() }
}
