//! Rows, their cases, and how they are sampled.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How much is done for a sample.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) quick: bool,
    /// How many samples of each case; as many as are usual unless it is given.
    pub(crate) rounds: Option<usize>,
}

impl Effort {
    fn rounds(self) -> usize {
        self.rounds.unwrap_or(if self.quick { 3 } else { 7 })
    }

    pub(crate) fn time(self) -> Duration {
        Duration::from_millis(if self.quick { 60 } else { 200 })
    }

    /// A number of things to do, of which a quick run does a tenth.
    pub(crate) fn of(self, number: u64) -> u64 {
        if self.quick { number / 10 } else { number }
    }
}

/// What is measured, in all ways that are compared.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    pub(crate) place: Place,
    /// No more rounds than this, for what takes long.
    pub(crate) rounds_max: usize,
    pub(crate) cases: Vec<Case>,
    pub(crate) goals: Vec<Goal>,
}

/// One way to do it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    /// Does it, checks that it was done, and says what it took in the unit of the row.
    pub(crate) run: fn(Effort) -> f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    /// What it is made of, with nothing of a library around it.
    Floor,
    Peer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nanoseconds for one: less is better.
    Time,
    /// So many in a second: more is better.
    Rate,
    /// Bytes: less is better.
    Memory,
    /// Processor time in nanoseconds: less is better.
    Cpu,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the kernel likes.
    Free,
    /// All on one processor.
    Pinned,
}

/// What one case should be, beside another one.
pub(crate) struct Goal {
    pub(crate) case: &'static str,
    pub(crate) against: &'static str,
    pub(crate) bound: Bound,
}

#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Row {
    pub(crate) fn new(name: &'static str, title: &'static str, unit: Unit) -> Self {
        Row { name, title, unit, place: Place::Free, rounds_max: usize::MAX, cases: Vec::new(), goals: Vec::new() }
    }

    /// The same on one processor.
    pub(crate) fn pinned(self) -> Self {
        Row { place: Place::Pinned, ..self }
    }

    pub(crate) fn rounds_max(self, rounds: usize) -> Self {
        Row { rounds_max: rounds, ..self }
    }

    pub(crate) fn ours(self, name: &'static str, run: fn(Effort) -> f64) -> Self {
        self.case(name, Side::Ours, run)
    }

    pub(crate) fn floor(self, name: &'static str, run: fn(Effort) -> f64) -> Self {
        self.case(name, Side::Floor, run)
    }

    pub(crate) fn peer(self, name: &'static str, run: fn(Effort) -> f64) -> Self {
        self.case(name, Side::Peer, run)
    }

    fn case(mut self, name: &'static str, side: Side, run: fn(Effort) -> f64) -> Self {
        self.cases.push(Case { name, side, run });
        self
    }

    pub(crate) fn goal(mut self, case: &'static str, bound: Bound, against: &'static str) -> Self {
        self.goals.push(Goal { case, against, bound });
        self
    }
}

/// A row and its samples, in the order of its cases.
pub(crate) struct Sampled {
    pub(crate) row: Row,
    pub(crate) samples: Vec<Vec<f64>>,
}

impl Sampled {
    pub(crate) fn median(&self, case: &str) -> Option<f64> {
        let at = self.row.cases.iter().position(|other| other.name == case)?;
        Some(median(&self.samples[at]))
    }
}

pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The samples of a row that were taken earlier, of those that [`report::json`](crate::report::json) wrote. `None`: there
/// are none of some case of it.
pub(crate) fn taken_earlier(row: Row, written: &[Value]) -> Option<Sampled> {
    let of_row = written.iter().find(|other| other["row"] == row.name)?;
    let samples_of = |case: &Case| -> Option<Vec<f64>> {
        let of_case = of_row["cases"].as_array()?.iter().find(|other| other["name"] == case.name)?;
        of_case["samples"].as_array()?.iter().map(Value::as_f64).collect()
    };
    let samples = row.cases.iter().map(samples_of).collect::<Option<_>>()?;
    Some(Sampled { row, samples })
}

/// Samples all cases of a row, one after the other, round by round.
pub(crate) fn sampled(row: Row, effort: Effort) -> Result<Sampled, Box<dyn Error>> {
    let rounds = row.rounds_max.min(effort.rounds());
    let mut samples = vec![Vec::new(); row.cases.len()];
    for _ in 0..rounds {
        for (case, samples) in row.cases.iter().zip(&mut samples) {
            samples.push(sample_in_a_process(&row, case, effort)?);
            eprint!(".");
            std::io::stderr().flush()?;
        }
    }
    eprintln!();
    Ok(Sampled { row, samples })
}

fn sample_in_a_process(row: &Row, case: &Case, effort: Effort) -> Result<f64, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--sample", row.name, case.name]).args(effort.quick.then_some("--quick"));
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}, {}: {}\n{why}", row.name, case.name, output.status).into());
    }
    Ok(told.trim().parse()?)
}

/// Takes one sample in this process, and prints it.
pub(crate) fn sample(rows: &[Row], row: &str, case: &str, effort: Effort) -> Result<(), Box<dyn Error>> {
    let row = rows.iter().find(|other| other.name == row).ok_or("there is no such row")?;
    let case = row.cases.iter().find(|other| other.name == case).ok_or("there is no such case")?;
    if row.place == Place::Pinned {
        let mut processors = rustix::thread::CpuSet::new();
        processors.set(0);
        rustix::thread::sched_setaffinity(None, &processors)?;
    }
    println!("{}", (case.run)(effort));
    // Runtimes of peers have threads that nobody can end.
    std::process::exit(0);
}

/// Does `act` until the time is up, a quarter of it to get warm. Gives the nanoseconds that one took, and how many were
/// done, the warming included.
pub(crate) fn each(effort: Effort, mut act: impl FnMut()) -> (f64, u64) {
    /// The clock is read this rarely.
    const BATCH: u32 = 8;
    let mut done = 0;
    let mut until = |limit: Duration| {
        let start = Instant::now();
        let mut here = 0;
        loop {
            for _ in 0..BATCH {
                act();
            }
            here += u64::from(BATCH);
            let took = start.elapsed();
            if took >= limit {
                done += here;
                return took.as_nanos() as f64 / here as f64;
            }
        }
    };
    until(effort.time() / 4);
    let took = until(effort.time());
    (took, done)
}

/// So many a second, if each of these threads does `act` again and again: what `caller` makes for each of them. Gives
/// how many were done in all, too.
pub(crate) fn crowd<F: FnMut() + Send>(effort: Effort, callers: usize, caller: impl Fn(usize) -> F) -> (f64, u64) {
    let start = Instant::now();
    let end = start + effort.time();
    let done: u64 = std::thread::scope(|scope| {
        let run = |mut act: F| {
            move || {
                let mut done = 0;
                while Instant::now() < end {
                    act();
                    done += 1;
                }
                done
            }
        };
        let threads: Vec<_> = (0..callers).map(|number| scope.spawn(run(caller(number)))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a caller got its answers")).sum()
    });
    (done as f64 / start.elapsed().as_secs_f64(), done)
}

/// Nanoseconds for each of `number`, if `act` does them all.
pub(crate) fn all(number: u64, act: impl FnOnce()) -> f64 {
    let start = Instant::now();
    act();
    start.elapsed().as_nanos() as f64 / number as f64
}

/// The processor time of this process.
pub(crate) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What a number of bytes is in, of the lines `name: 12 kB` of a file of the kernel.
pub(crate) fn kernel_says(file: &str, name: &str) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let line = text.lines().find(|line| line.split(':').next() == Some(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    1024.0 * kib.unwrap_or_else(|| panic!("{file} has no {name}"))
}

/// Of a value that nobody uses.
pub(crate) fn used<T>(value: T) {
    black_box(value);
}
