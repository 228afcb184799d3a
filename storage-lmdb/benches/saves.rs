//! How many durable saves a second, beside what LMDB itself does in the same run.
//!
//! ```text
//! cargo bench -p gargoyle-storage-lmdb                     # 5 rounds of half a second each
//! cargo bench -p gargoyle-storage-lmdb -- --rounds 9 --millis 1000 --folder /mnt/disk
//! cargo bench -p gargoyle-storage-lmdb -- --actors 1000000 # a store of so many instead
//! ```
//!
//! Three ways to save 200 bytes over 20,000 rows: *saves* of this store, by so many threads; *puts* into bare LMDB, each in
//! a transaction of its own, by as many threads; and bare *batches* of as many puts a transaction, by one thread. All that
//! is compared runs in turns, round by round, so that whatever else the machine does hits all alike; what is shown is the
//! median of the rounds, and its ratios.
//!
//! With `--actors`: how fast so many are made by 64 threads, how much disk each takes, how long the store takes to open, to
//! load one of them, and to list all.
//!
//! Its single operations, by size: `core/benches/stores.rs`.

/// The same few lines that open the store's environment: the only unsafe ones.
#[path = "../src/env.rs"]
mod env;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gargoyle::{ActorId, BoxError, Revision, Storage};
use gargoyle_storage_lmdb::LmdbStorage;
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, WithoutTls};

const ROWS: usize = 20_000;
const VALUE_BYTES: usize = 200;
const THREADS: [usize; 4] = [1, 16, 64, 256];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Saves,
    Puts,
    Batches,
}

const WAYS: [Way; 3] = [Way::Saves, Way::Puts, Way::Batches];

struct Settings {
    rounds: usize,
    time: Duration,
    folder: Option<PathBuf>,
    actors: Option<usize>,
}

/// What is measured, one of each, with all rows in it.
struct Stores {
    store: LmdbStorage,
    ids: Vec<ActorId>,
    /// The revision of each row, so that a save can say what it replaces. A thread has rows of its own.
    revisions: Vec<Mutex<Revision>>,
    env: Env<WithoutTls>,
    bare: Database<'static, Bytes, Bytes>,
}

fn main() -> Result<(), BoxError> {
    let settings = settings()?;
    let temp = match &settings.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    if let Some(actors) = settings.actors {
        return measure_many(temp.path(), actors);
    }
    let stores = Stores::open(temp.path())?;
    let mut rates = vec![Vec::new(); WAYS.len() * THREADS.len()];
    for round in 0..settings.rounds {
        eprintln!("round {} of {}", round + 1, settings.rounds);
        for (at, &threads) in THREADS.iter().enumerate() {
            for (way_at, &way) in WAYS.iter().enumerate() {
                rates[at * WAYS.len() + way_at].push(stores.measure(way, threads, settings.time));
            }
        }
    }
    let medians: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
    print_table(&medians, &rates);
    Ok(())
}

fn settings() -> Result<Settings, BoxError> {
    let mut settings = Settings { rounds: 5, time: Duration::from_millis(500), folder: None, actors: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--rounds" => settings.rounds = value()?.parse::<usize>()?.max(1),
            "--millis" => settings.time = Duration::from_millis(value()?.parse()?),
            "--folder" => settings.folder = Some(value()?.into()),
            "--actors" => settings.actors = Some(value()?.parse::<usize>()?.max(1)),
            // cargo says so.
            "--bench" => {}
            other => return Err(format!("{other} is none of --rounds, --millis, --folder, --actors").into()),
        }
    }
    Ok(settings)
}

impl Stores {
    fn open(folder: &Path) -> Result<Self, BoxError> {
        let store = LmdbStorage::open(folder.join("store"))?;
        let ids: Vec<ActorId> =
            (0..ROWS).map(|row| ActorId::new("account", format!("{row:016}"))).collect::<Result<_, _>>()?;
        let revisions: Vec<_> = ids.iter().map(|_| Mutex::new(Revision::new(0))).collect();
        by_64_threads(ROWS, |row| {
            let revision = store.save(&ids[row], None, &value(row as u64), None).expect("a first save");
            *revisions[row].lock().expect("no panic") = revision;
        });

        let bare_folder = folder.join("bare");
        std::fs::create_dir(&bare_folder)?;
        let env = env::open(&bare_folder, 1 << 30, 512)?;
        let txn = env.write_txn()?;
        let bare = env.create_databases_and_commit(txn, |opener, txn| {
            let bare = opener.create_database::<Bytes, Bytes>(txn, Some("rows"))?;
            for row in 0..ROWS {
                bare.put(txn, &key(row), &value(row as u64))?;
            }
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(bare))
        })?;
        Ok(Stores { store, ids, revisions, env, bare: bare.unwrap_commit() })
    }

    /// Saves a second.
    fn measure(&self, way: Way, threads: usize, time: Duration) -> f64 {
        let (stop, saves) = (AtomicBool::new(false), AtomicU64::new(0));
        let workers = if way == Way::Batches { 1 } else { threads };
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for worker in 0..workers {
                let (stop, saves) = (&stop, &saves);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(worker as u64);
                    while !stop.load(Ordering::Relaxed) {
                        // Rows of this worker alone.
                        let row = random.usize(0..ROWS / workers) * workers + worker;
                        let done = match way {
                            Way::Saves => self.save(row, &mut random),
                            Way::Puts => self.put(1, row, &mut random),
                            Way::Batches => self.put(threads, row, &mut random),
                        };
                        saves.fetch_add(done, Ordering::Relaxed);
                    }
                });
            }
            std::thread::sleep(time);
            stop.store(true, Ordering::Relaxed);
        });
        saves.into_inner() as f64 / begun.elapsed().as_secs_f64()
    }

    fn save(&self, row: usize, random: &mut fastrand::Rng) -> u64 {
        let mut revision = self.revisions[row].lock().expect("no panic");
        *revision = self.store.save(&self.ids[row], Some(*revision), &value(random.u64(..)), None).expect("a save");
        1
    }

    fn put(&self, count: usize, first: usize, random: &mut fastrand::Rng) -> u64 {
        let mut txn = self.env.write_txn().expect("a transaction");
        let mut row = first;
        for _ in 0..count {
            self.bare.put(&mut txn, &key(row), &value(random.u64(..))).expect("a put");
            row = random.usize(0..ROWS);
        }
        txn.commit().expect("a commit");
        count as u64
    }
}

/// Does something with each row, by many threads, so that they share commits.
fn by_64_threads(rows: usize, work: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for part in 0..64 {
            let work = &work;
            scope.spawn(move || (part..rows).step_by(64).for_each(work));
        }
    });
}

fn measure_many(folder: &Path, actors: usize) -> Result<(), BoxError> {
    // In no order, as names are.
    let id = |row: usize| ActorId::new("account", format!("{:016x}", (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let path = folder.join("store");
    let store = LmdbStorage::open(&path)?;
    let begun = Instant::now();
    by_64_threads(actors, |row| {
        store.save(&id(row).expect("a short key"), None, &value(row as u64), None).expect("a first save");
    });
    let making = begun.elapsed();
    drop(store);
    let bytes = std::fs::metadata(path.join("data.mdb"))?.len();

    let begun = Instant::now();
    let store = LmdbStorage::open(&path)?;
    let opening = begun.elapsed();

    let mut random = fastrand::Rng::with_seed(1);
    let loads = 100_000;
    let begun = Instant::now();
    for _ in 0..loads {
        store.load(&id(random.usize(..actors))?)?.ok_or("an actor is missing")?;
    }
    let loading = begun.elapsed() / loads;

    let mut listed = 0;
    let begun = Instant::now();
    store.scan(None, None, &mut |_| {
        listed += 1;
        std::ops::ControlFlow::Continue(())
    })?;
    let listing = begun.elapsed();
    println!("| actors | made/s by 64 threads | bytes on disk each | open | load, warm | list all |");
    println!("|---|---|---|---|---|---|");
    println!(
        "| {listed} | {:.0} | {:.0} | {opening:.1?} | {loading:.1?} | {listing:.1?} |",
        actors as f64 / making.as_secs_f64(),
        bytes as f64 / actors as f64
    );
    Ok(())
}

fn key(row: usize) -> Vec<u8> {
    format!("account\0{row:016}").into_bytes()
}

fn value(seed: u64) -> [u8; VALUE_BYTES] {
    let mut bytes = [0; VALUE_BYTES];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print_table(medians: &[f64], rates: &[Vec<f64>]) {
    let at = |threads: usize, way: usize| medians[threads * WAYS.len() + way];
    println!(
        "| threads | saves/s | spread | of 1 thread | bare put a transaction | saves / puts | bare batch of as many | saves / batch |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (row, threads) in THREADS.iter().enumerate() {
        let (saves, puts, batches) = (at(row, 0), at(row, 1), at(row, 2));
        let spread = &rates[row * WAYS.len()];
        println!(
            "| {threads} | {saves:.0} | {:.0}–{:.0} | {:.1} | {puts:.0} | {:.2} | {batches:.0} | {:.2} |",
            spread[0],
            spread[spread.len() - 1],
            saves / at(0, 0),
            saves / puts,
            saves / batches
        );
    }
}
