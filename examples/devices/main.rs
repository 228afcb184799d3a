//! 100,000 thermostats fed from a stream of readings, with a few hundred of them alive at a time.
//!
//! Run it on readings of your own, `time,device,celsius` with the time in whole seconds, or on generated ones:
//!
//! ```text
//! cargo build --release --example devices
//! target/release/examples/devices --generate 200000 | target/release/examples/devices --plot devices.svg
//! ```
//!
//! A line that makes no sense is reported with its number, and the others are taken. The exit status is 0 if all is well, 1 if
//! something failed, and 2 if there were such lines. To feed the same readings twice, after a kill say, does no harm.
//!
//! To look for: one thread feeds all by `cast`, and `max_live` alone decides how many are alive. Who is not needed turns to
//! stone to make room, and nobody says so. When all are busy, the cast waits: that is the back-pressure up to the stream.

mod chart;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Parser;
use gargoyle::{Actor, BoxError, Context, Handler, Query, Storage, System};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_lmdb::LmdbStorage;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::chart::Sample;

/// Thermostats fed from readings on standard input.
#[derive(Parser)]
struct Options {
    /// The folder of the store, made if there is none.
    #[arg(long, value_name = "DIR", default_value = "devices-data")]
    data: PathBuf,
    /// How many thermostats may be alive at once.
    #[arg(long, default_value_t = 300)]
    max_live: usize,
    /// Where to draw who was alive and who was stone, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Prints so many readings instead.
    #[arg(long, value_name = "READINGS")]
    generate: Option<u64>,
    /// Of how many thermostats the readings are that it prints.
    #[arg(long, default_value_t = 100_000)]
    devices: u64,
    /// Decides on the readings that it prints.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A line of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    time: u64,
    celsius: f64,
}

#[derive(Deserialize)]
struct Line {
    time: u64,
    device: String,
    celsius: f64,
}

#[derive(Serialize, Deserialize)]
struct Thermostat {
    last: Reading,
    coldest: f64,
    warmest: f64,
    is_heating: bool,
}

impl Actor for Thermostat {
    const KIND: &'static str = "thermostat";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        let nothing = Reading { time: 0, celsius: f64::NAN };
        Ok(Thermostat { last: nothing, coldest: f64::INFINITY, warmest: f64::NEG_INFINITY, is_heating: false })
    }
}

impl Handler<Reading> for Thermostat {
    type Reply = ();

    fn handle(&mut self, reading: Reading, _: &mut Context<Self>) {
        // It has this one, or a newer one: the stream is fed again, or came out of order.
        if reading.time <= self.last.time {
            return;
        }
        self.last = reading;
        self.coldest = self.coldest.min(reading.celsius);
        self.warmest = self.warmest.max(reading.celsius);
        // On below 19 degrees, off above 21, and as it is between them.
        self.is_heating = reading.celsius < 19.0 || (self.is_heating && reading.celsius <= 21.0);
    }
}

struct Last;

impl Query<Last> for Thermostat {
    type Reply = Reading;

    fn query(&self, _: Last) -> Reading {
        self.last
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.generate {
        Some(readings) => generate(readings, &options).map(|()| 0),
        None => run(&options),
    };
    match done {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
        Err(error) => {
            eprintln!("devices: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Feeds all readings, looks whether they arrived, and draws. Returns the number of bad lines.
fn run(options: &Options) -> Result<u64, BoxError> {
    // A store behind an Arc is a store: this end counts who has a record.
    let store = Arc::new(LmdbStorage::open(&options.data)?);
    let known = count(&store)?;
    let builder = System::builder(StdRegistry::new(), store.clone()).max_live(options.max_live);
    // A feed may wait longer for room than a person for an answer.
    let system = builder.call_timeout(Duration::from_secs(60)).build()?;
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {human_pos} readings, {per_sec}; {msg}")?);

    let started = Instant::now();
    let (fed, samples) = std::thread::scope(|scope| {
        // Dropped when the feeding is over, by an error too.
        let (at_work, over) = mpsc::channel::<()>();
        let (system, bar) = (&system, &bar);
        let watcher = scope.spawn(move || watch(system, known, bar, started, &over));
        let fed = feed(system, io::stdin().lock(), bar);
        drop(at_work);
        (fed, watcher.join().expect("it does not panic"))
    });
    let fed = fed?;
    // Casts are in mailboxes now. All are handled, and all actors stone, when this returns.
    system.shutdown(Duration::from_secs(300))?;
    bar.finish_and_clear();
    let stats = system.stats();
    if stats.undeliverable > 0 {
        return Err(format!("{} readings came to nothing", stats.undeliverable).into());
    }
    let thermostats = count(&store)?;
    drop((system, store));
    compare(&fed, &options.data)?;
    if let Some(file) = &options.plot {
        chart::draw(file, &samples)?;
    }
    println!(
        "{} readings of {} thermostats in {:.1} s; {thermostats} are known; alive at once: {} at most; {} bad lines",
        fed.readings,
        fed.newest.len(),
        started.elapsed().as_secs_f64(),
        stats.live_peak,
        fed.bad
    );
    Ok(fed.bad)
}

fn count(store: &LmdbStorage) -> Result<u64, BoxError> {
    let mut number = 0;
    let mut one_more = |_| {
        number += 1;
        ControlFlow::Continue(())
    };
    store.scan(Some(Thermostat::KIND), None, &mut one_more)?;
    Ok(number)
}

/// What was read from the stream.
#[derive(Default)]
struct Fed {
    readings: u64,
    bad: u64,
    /// The newest reading of each device.
    newest: HashMap<String, Reading>,
}

fn feed(system: &System, input: impl Read, bar: &ProgressBar) -> Result<Fed, BoxError> {
    // A quote is a character like any other: one that is not closed would swallow the rest of the stream.
    let mut lines = csv::ReaderBuilder::new().quoting(false).trim(csv::Trim::All).from_reader(input);
    let mut fed = Fed::default();
    let headers = lines.headers()?.clone();
    let mut record = csv::StringRecord::new();
    loop {
        let line = lines.position().line();
        let parsed = match lines.read_record(&mut record) {
            Ok(false) => return Ok(fed),
            Ok(true) => parse(&record, &headers),
            Err(error) if error.is_io_error() => return Err(error.into()),
            Err(error) => Err(error.into()),
        };
        match parsed {
            Ok((device, reading)) => {
                system.handle::<Thermostat>(&device, ()).cast(reading)?;
                fed.readings += 1;
                bar.inc(1);
                let newest = fed.newest.entry(device).or_insert(reading);
                if reading.time > newest.time {
                    *newest = reading;
                }
            }
            Err(error) => {
                fed.bad += 1;
                let line = record.position().map_or(line, csv::Position::line);
                bar.suspend(|| eprintln!("line {line}: {error}"));
            }
        }
    }
}

fn parse(record: &csv::StringRecord, headers: &csv::StringRecord) -> Result<(String, Reading), BoxError> {
    let Line { time, device, celsius } = record.deserialize(Some(headers))?;
    if time == 0 || device.is_empty() || device.len() > 100 {
        return Err("a reading has a time from 1 on, and a device with a name of up to 100 bytes".into());
    }
    if !(-90.0..=90.0).contains(&celsius) {
        return Err(format!("{celsius} degrees are none of a room").into());
    }
    Ok((device, Reading { time, celsius }))
}

/// Looks at the system now and then until it is over, and returns what it saw.
fn watch(system: &System, known: u64, bar: &ProgressBar, started: Instant, over: &mpsc::Receiver<()>) -> Vec<Sample> {
    let mut samples = Vec::new();
    loop {
        let stats = system.stats();
        let sample =
            Sample { seconds: started.elapsed().as_secs_f64(), live: stats.live as u64, known: known + stats.born };
        bar.set_message(format!("{} alive, {} stone", sample.live, sample.stone()));
        samples.push(sample);
        match over.recv_timeout(Duration::from_millis(100)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return samples,
        }
    }
}

/// Opens the store anew and reads what each thermostat had last, without waking one.
fn compare(fed: &Fed, data: &Path) -> Result<(), BoxError> {
    let system = System::builder(StdRegistry::new(), LmdbStorage::open(data)?).build()?;
    for (device, reading) in &fed.newest {
        match system.handle::<Thermostat>(device, ()).peek(Last)? {
            Some(last) if last.time > reading.time || last == *reading => {}
            last => return Err(format!("{device}: {last:?} is kept, and {reading:?} was fed").into()),
        }
    }
    Ok(())
}

/// Prints readings: one of each thermostat in an order of chance, and then of any of them.
fn generate(readings: u64, options: &Options) -> Result<(), BoxError> {
    let mut random = fastrand::Rng::with_seed(options.seed);
    let mut order: Vec<u64> = (0..options.devices).collect();
    random.shuffle(&mut order);
    let mut out = io::BufWriter::new(io::stdout().lock());
    writeln!(out, "time,device,celsius")?;
    for number in 0..readings {
        let first = usize::try_from(number).ok().and_then(|number| order.get(number)).copied();
        let device = first.unwrap_or_else(|| random.u64(..options.devices.max(1)));
        let celsius = 15.0 + random.f64() * 10.0;
        writeln!(out, "{},thermostat-{device:06},{celsius:.1}", 1_700_000_000 + number)?;
    }
    Ok(out.flush()?)
}
