//! Everything at once, for a given time: threads that transfer between accounts which petrify, crash, are stopped and
//! evicted, in stores that fail, in systems that are restarted, in processes that are killed with `kill -9`. Do the books
//! balance?
//!
//! Run it: `cargo run --release --example soak -- --seconds 60`. It ends with status 1 if they do not, and prints what
//! happened.
//!
//! What is checked: a transfer that was acknowledged is in both accounts, once, whatever died since; one that was cut short
//! is completed by doing it again, and counts once too; so each account has exactly the balance and the number of
//! transfers that the books say, and all balances come to 0. Who looks after an acknowledgement sees it. No two
//! incarnations of an account are alive at once. Every store passes its own check when it is opened.

mod account;
mod books;
mod life;
mod store;

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use gargoyle::BoxError;
use serde::Serialize;

use books::Books;
use life::{Counts, Line, Orders};
use store::Store;

/// Kills a process that makes durable transfers, again and again, and sees whether the books balance.
#[derive(Parser)]
struct Options {
    /// For how long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What chance begins with; another one each time unless set.
    #[arg(long)]
    seed: Option<u64>,
    /// Only this store; both, by turns, unless set.
    #[arg(long)]
    store: Option<Store>,
    /// Where to keep them; a folder that is deleted at the end unless set.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Prints one line of JSON.
    #[arg(long)]
    json: bool,
    /// What the program tells a child of its own.
    #[arg(long, hide = true)]
    child: Option<String>,
}

#[derive(Default, Serialize)]
struct Report {
    seed: u64,
    seconds: f64,
    processes: u64,
    kills: u64,
    transfers: u64,
    cut_short: u64,
    audits: u64,
    #[serde(flatten)]
    counts: Counts,
    /// What does not balance.
    wrong: Vec<String>,
}

/// How many processes work on a store before its books are compared.
const LIVES: u32 = 8;

fn main() -> Result<ExitCode, BoxError> {
    let options = Options::parse();
    if let Some(orders) = &options.child {
        silence_panics_of_accounts();
        life::live(serde_json::from_str(orders)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let temporary = tempfile::Builder::new().prefix("gargoyle-soak-").tempdir()?;
    let report = soak(&options, options.data.as_deref().unwrap_or(temporary.path()))?;
    if !report.wrong.is_empty() {
        // To be looked at.
        eprintln!("the stores are kept in {}", temporary.keep().display());
    }
    print(&report, options.json)?;
    Ok(if report.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn soak(options: &Options, data: &Path) -> Result<Report, BoxError> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 53));
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut report, start) = (Report { seed, ..Report::default() }, Instant::now());
    let stores: Vec<Store> = options.store.map_or(Store::ALL.to_vec(), |store| vec![store]);
    for round in 0.. {
        let store = stores[round % stores.len()];
        // A new one each time: the books begin with nothing.
        let folder = data.join(format!("{round}-{}", store.name()));
        let mut books = Books::default();
        for _ in 0..LIVES {
            one_life(store, &folder, &mut books, &mut random, &mut report)?;
        }
        report.wrong.extend(books.audit(store, &folder)?);
        report.audits += 1;
        report.transfers += books.done;
        report.cut_short += books.cut_short;
        // What does not balance is kept to be looked at.
        if !report.wrong.is_empty() || start.elapsed().as_secs() >= options.seconds {
            break;
        }
        std::fs::remove_dir_all(&folder)?;
    }
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// One process, which is killed in most cases and ends by itself in others.
fn one_life(
    store: Store,
    folder: &Path,
    books: &mut Books,
    random: &mut fastrand::Rng,
    report: &mut Report,
) -> Result<(), BoxError> {
    let lmdb = store == Store::Lmdb;
    let orders = Orders { lmdb, folder: folder.to_owned(), seed: random.u64(..1 << 53), lanes: books.lanes() };
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--child", &serde_json::to_string(&orders)?])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("it is a pipe")));
    let (time, kill) = (Duration::from_millis(random.u64(20..1_200)), random.u32(..8) > 0);
    let (ended, counts) = thread::scope(|scope| {
        let listener = scope.spawn(|| listen(output, books, &mut report.wrong));
        thread::sleep(time);
        // Its end of the pipe is closed: that tells it to end.
        let killed = if kill {
            child.kill()
        } else {
            drop(input);
            Ok(())
        };
        let heard = listener.join().expect("the books are kept");
        killed.and(heard)
    })?;
    report.processes += 1;
    report.kills += u64::from(kill);
    report.counts.add(&counts);
    check_end(child, kill, ended, report)
}

fn check_end(mut child: Child, killed: bool, ended: bool, report: &mut Report) -> Result<(), BoxError> {
    let status = child.wait()?;
    let (what, is_as_told) = match killed {
        // By the signal, which is no code; or it could not be killed, because it had ended.
        true => ("killed", status.code().is_none_or(|code| code == 0)),
        false => ("told to end", status.success() && ended),
    };
    if !is_as_told {
        report.wrong.push(format!("a process that was {what} ended with {status}"));
    }
    Ok(())
}

/// Keeps the books by what a child says, until it is dead. Returns whether it said that it ended, and its counts.
fn listen(output: impl BufRead, books: &mut Books, wrong: &mut Vec<String>) -> io::Result<(bool, Counts)> {
    let (mut ended, mut counts) = (false, Counts::default());
    for text in output.lines() {
        // What a death cut short, nobody heard.
        let Ok(line) = serde_json::from_str::<Line>(&text?) else { continue };
        match line {
            Line::Begins(transfer) => books.begins(transfer),
            Line::Done { lane } => books.done(lane),
            Line::Counts(so_far) => counts = so_far,
            Line::Broken(promise) => wrong.push(promise),
            Line::Ended => ended = true,
        }
    }
    Ok((ended, counts))
}

fn print(report: &Report, json: bool) -> Result<(), BoxError> {
    if json {
        println!("{}", serde_json::to_string(report)?);
        return Ok(());
    }
    let Report { processes, kills, transfers, cut_short, audits, counts, .. } = report;
    println!("{processes} processes in {:.0} s, {kills} of them killed (seed {})", report.seconds, report.seed);
    println!("{transfers} transfers, {cut_short} of them cut short by a death and completed; {audits} audits");
    let Counts { crashes, petrified, revived, faults, restarts, looks, repeated } = counts;
    println!("{crashes} crashes, {petrified} petrified, {revived} revived, {restarts} restarts of a system");
    println!("{faults} faults of the store, {repeated} messages sent again, {looks} looks after an acknowledgement");
    report.wrong.iter().for_each(|wrong| println!("WRONG: {wrong}"));
    println!("{}", if report.wrong.is_empty() { "the books balance" } else { "the books do not balance" });
    Ok(())
}

/// Panics are part of it; others are shown.
fn silence_panics_of_accounts() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some(account::PANIC) {
            shown(info);
        }
    }));
}
