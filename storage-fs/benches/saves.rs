//! How many durable saves a second, beside what the file system itself does in the same run.
//!
//! ```text
//! cargo bench -p gargoyle-storage-fs                     # 7 rounds of half a second each
//! cargo bench -p gargoyle-storage-fs -- --quick          # 3 rounds of 0.15 s
//! cargo bench -p gargoyle-storage-fs -- --rounds 9 --millis 1000 --threads 64 --folder /mnt/disk
//! cargo bench -p gargoyle-storage-fs -- --keep 0         # with no file open from one save to the next
//! cargo bench -p gargoyle-storage-fs -- --actors 1000000 # a store of so many instead
//! ```
//!
//! Two ways to save, by so many threads, each with one actor and so one file of its own: *saves* of 500 bytes by this store;
//! and *bare* overwrites, 4 KiB into one half and then the other of a file of 8 KiB that stays open, each with an
//! `fdatasync`. That is the least that a save in place can cost. They run in turns, round by round, the one that begins
//! changing each time, so that whatever else the machine does hits both alike. What is shown is the median of the rounds
//! with the least and the most, and the median of the ratios, one a round.
//!
//! With `--actors`: how fast so many are made by 64 threads, how much disk each takes, how long the store takes to open,
//! to load one of them (the median), and to list all.
//!
//! Its single operations, by size: `core/benches/stores.rs`.
//!
//! # Where the rest goes, and what was tried
//!
//! Saves by this store relative to bare overwrites, two cores (November 2026, Linux 6.18, ext4 without a journal, 0.1 ms a
//! flush), medians of 5 to 9 rounds on a machine that did nothing else, one after the other:
//!
//! | threads | 1 | 16 | 64 | 256 |
//! |---|---|---|---|---|
//! | the file opened, read and closed for each save; one lock for all ids, one for revisions, one for permits | 0.95 | 0.93 | 0.69 | 0.73 |
//! | the ids spread over 64 locks, and none for revisions: `--keep 0` | 0.97 | 0.87 | 0.72 | 0.82 |
//! | and the file stays open, so that a save takes no permit either | 1.01 | 0.96 | 0.85 | 0.83 |
//!
//! Files that stay open behind one lock more did little at 64 threads: 0.64, where the first row was 0.61 in the same hour.
//! 69,000 of these saves did 18,000 calls of `futex`, with the locks spread 600: who is interrupted with a lock in its hand,
//! which the end of somebody's flush does all the time, has everybody queue up behind it.
//!
//! The steps alone, added to the bare way without locks (64 threads, the spread is ±0.05): the seal 0.96; and the path is
//! asked for its inode and 64 bytes are read 0.91; in place of these the file is opened and closed 0.89. With 256 threads
//! none of them shows.
//!
//! Taken before: one opening for reading and writing that refuses links itself; reads and writes that say where, without a
//! seek; a bound on open files in place of one on operations.
//!
//! Not taken:
//!
//! - To write the seal with the next save, as it is overwritten then: a process that is killed would leave records that are
//!   not known to be durable, and rot in them would pass for a save that was cut short.
//! - Not to look at the path: a file that was moved away would be saved into without a word.
//! - `O_NOATIME`, 3 %, which is less than the spread.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use gargoyle::{ActorId, BoxError, Revision, Storage};
use gargoyle_storage_fs::FsStorage;

const THREADS: [usize; 4] = [1, 16, 64, 256];
const RECORD_BYTES: usize = 500;
/// Half a file of the bare way, and a slot of the store's.
const SLOT_BYTES: usize = 4096;
const LOADS: usize = 100_000;

#[derive(Clone, Copy, Debug)]
enum Way {
    Saves,
    Bare,
}

struct Settings {
    rounds: usize,
    time: Duration,
    threads: Vec<usize>,
    /// How many files the store keeps open, if it is not to be its own choice.
    keep: Option<usize>,
    folder: Option<PathBuf>,
    actors: Option<usize>,
}

/// What is measured: for each thread an actor, and a file for the bare way.
struct Subjects {
    store: FsStorage,
    actors: Vec<(ActorId, Mutex<Revision>)>,
    bare: Vec<File>,
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
    let subjects = Subjects::make(temp.path(), settings.threads.iter().copied().max().unwrap_or(1), settings.keep)?;
    let mut rates = vec![(Vec::new(), Vec::new()); settings.threads.len()];
    for round in 0..settings.rounds {
        eprintln!("round {} of {}", round + 1, settings.rounds);
        for (&threads, (saves, bare)) in settings.threads.iter().zip(&mut rates) {
            let mut ways = [Way::Saves, Way::Bare];
            if round % 2 == 1 {
                ways.reverse();
            }
            for way in ways {
                let rate = subjects.measure(way, threads, settings.time);
                match way {
                    Way::Saves => saves.push(rate),
                    Way::Bare => bare.push(rate),
                }
            }
        }
    }
    print_table(&settings.threads, &rates);
    Ok(())
}

fn settings() -> Result<Settings, BoxError> {
    let time = Duration::from_millis(500);
    let mut settings = Settings { rounds: 7, time, threads: THREADS.to_vec(), keep: None, folder: None, actors: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => (settings.rounds, settings.time) = (3, Duration::from_millis(150)),
            "--rounds" => settings.rounds = value()?.parse::<usize>()?.max(1),
            "--millis" => settings.time = Duration::from_millis(value()?.parse()?),
            "--threads" => settings.threads = vec![value()?.parse::<usize>()?.max(1)],
            "--keep" => settings.keep = Some(value()?.parse()?),
            "--folder" => settings.folder = Some(value()?.into()),
            "--actors" => settings.actors = Some(value()?.parse::<usize>()?.max(1)),
            // cargo says so.
            "--bench" => {}
            other => {
                let known = "--quick, --rounds, --millis, --threads, --keep, --folder, --actors";
                return Err(format!("{other} is none of {known}").into());
            }
        }
    }
    Ok(settings)
}

impl Subjects {
    fn make(folder: &Path, count: usize, keep: Option<usize>) -> Result<Self, BoxError> {
        let options = FsStorage::options();
        let options = keep.map_or(options.clone(), |files| options.keep_open(files));
        let store = options.open(folder.join("store"))?;
        let mut actors = Vec::new();
        let mut bare = Vec::new();
        for number in 0..count {
            let id = ActorId::new("account", format!("{number:016}"))?;
            let revision = store.save(&id, None, &record(0), None)?;
            actors.push((id, Mutex::new(revision)));
            let path = folder.join(format!("bare-{number}"));
            let file = OpenOptions::new().write(true).create_new(true).open(path)?;
            write_at(&file, 0, &[1; 2 * SLOT_BYTES])?;
            file.sync_all()?;
            bare.push(file);
        }
        Ok(Subjects { store, actors, bare })
    }

    /// Saves a second.
    fn measure(&self, way: Way, threads: usize, time: Duration) -> f64 {
        let (stop, saves) = (AtomicBool::new(false), AtomicU64::new(0));
        // To start a thread takes as long as some saves.
        let ready = Barrier::new(threads + 1);
        let mut begun = Instant::now();
        std::thread::scope(|scope| {
            for worker in 0..threads {
                let (stop, saves, ready) = (&stop, &saves, &ready);
                scope.spawn(move || {
                    ready.wait();
                    let mut done = 0;
                    while !stop.load(Ordering::Relaxed) {
                        match way {
                            Way::Saves => self.save(worker, done),
                            Way::Bare => self.overwrite(worker, done).expect("an overwrite"),
                        }
                        done += 1;
                    }
                    saves.fetch_add(done, Ordering::Relaxed);
                });
            }
            ready.wait();
            begun = Instant::now();
            std::thread::sleep(time);
            stop.store(true, Ordering::Relaxed);
        });
        saves.into_inner() as f64 / begun.elapsed().as_secs_f64()
    }

    fn save(&self, worker: usize, number: u64) {
        let (id, revision) = &self.actors[worker];
        let mut revision = revision.lock().expect("no panic");
        *revision = self.store.save(id, Some(*revision), &record(number), None).expect("a save");
    }

    fn overwrite(&self, worker: usize, number: u64) -> io::Result<()> {
        let mut slot = [0; SLOT_BYTES];
        slot[..RECORD_BYTES].copy_from_slice(&record(number));
        let file = &self.bare[worker];
        write_at(file, number % 2 * SLOT_BYTES as u64, &slot)?;
        file.sync_data()
    }
}

#[cfg(unix)]
fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

/// Never the same bytes twice in a row.
fn record(number: u64) -> [u8; RECORD_BYTES] {
    let mut bytes = [7; RECORD_BYTES];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn measure_many(folder: &Path, actors: usize) -> Result<(), BoxError> {
    // In no order, as names are.
    let id = |row: usize| ActorId::new("account", format!("{:016x}", (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let path = folder.join("store");
    let store = FsStorage::open(&path)?;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for part in 0..64 {
            let (store, id) = (&store, &id);
            scope.spawn(move || {
                for row in (part..actors).step_by(64) {
                    store.save(&id(row).expect("a short key"), None, &record(row as u64), None).expect("a first save");
                }
            });
        }
    });
    let making = begun.elapsed();
    drop(store);

    let begun = Instant::now();
    let store = FsStorage::open(&path)?;
    let opening = begun.elapsed();

    let mut random = fastrand::Rng::with_seed(1);
    let mut loads = Vec::new();
    for _ in 0..LOADS {
        let id = id(random.usize(..actors))?;
        let begun = Instant::now();
        store.load(&id)?.ok_or("an actor is missing")?;
        loads.push(begun.elapsed().as_secs_f64());
    }
    // Not the mean: it says more about who else wanted the core.
    let loading = Duration::from_secs_f64(median(&mut loads));

    let mut listed = 0;
    let begun = Instant::now();
    store.scan(None, None, &mut |_| {
        listed += 1;
        ControlFlow::Continue(())
    })?;
    let listing = begun.elapsed();
    let bytes = bytes_on_disk(&path)?;
    println!("| actors | made/s by 64 threads | bytes on disk each | open | load, warm, median | list all |");
    println!("|---|---|---|---|---|---|");
    println!(
        "| {listed} | {:.0} | {:.0} | {opening:.1?} | {loading:.1?} | {listing:.1?} |",
        actors as f64 / making.as_secs_f64(),
        bytes as f64 / actors as f64
    );
    Ok(())
}

/// What the files and folders in a folder take, without the inodes.
fn bytes_on_disk(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += allocated(&metadata);
        if metadata.is_dir() {
            bytes += bytes_on_disk(&entry.path())?;
        }
    }
    Ok(bytes)
}

#[cfg(unix)]
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

#[cfg(not(unix))]
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print_table(threads: &[usize], rates: &[(Vec<f64>, Vec<f64>)]) {
    println!("| threads | saves/s | min–max | bare overwrites/s | min–max | saves / bare | min–max |");
    println!("|---|---|---|---|---|---|---|");
    for (threads, (saves, bare)) in threads.iter().zip(rates) {
        let mut ratios: Vec<f64> = saves.iter().zip(bare).map(|(saves, bare)| saves / bare).collect();
        let (mut saves, mut bare) = (saves.clone(), bare.clone());
        let ratio = median(&mut ratios);
        let medians = [median(&mut saves), median(&mut bare)];
        println!(
            "| {threads} | {:.0} | {} | {:.0} | {} | {ratio:.2} | {:.2}–{:.2} |",
            medians[0],
            spread(&saves),
            medians[1],
            spread(&bare),
            ratios[0],
            ratios[ratios.len() - 1]
        );
    }
}

/// Of sorted rates.
fn spread(rates: &[f64]) -> String {
    format!("{:.0}–{:.0}", rates[0], rates[rates.len() - 1])
}
