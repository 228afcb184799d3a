//! How fast Gargoyle is, beside raw threads and other actor libraries.
//!
//! ```text
//! cargo run --release --manifest-path core/benchmarks/Cargo.toml -- [--quick] [--only ROW]... [--json FILE] [--plot FILE] [--summary FILE]
//! ```
//!
//! Every sample is a process of its own, so that no case leaves threads, memory or a runtime behind for the next one;
//! those of a pinned row have one processor. Rounds go through all cases of a row in turn, so that what the machine does
//! meanwhile hits all alike. Each case checks that the work was done. What is meant to be compared are ratios of one run.

mod harness;
mod ours;
mod peers;
mod plot;
mod raw;
mod report;
mod rows;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Parser;
use serde_json::Value;

use crate::harness::{Effort, Row, sample, sampled, taken_earlier};

#[derive(Parser)]
#[command(about = "How fast Gargoyle is, beside raw threads and other actor libraries")]
struct Arguments {
    /// Fewer and shorter rounds: under two minutes.
    #[arg(long)]
    quick: bool,
    /// Rows whose names begin so; all unless it is given.
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Only cases with this in their name.
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
    /// Writes all samples to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws the medians into this file.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Writes a table of the goals into this file.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Measures nothing: takes the samples from what an earlier run has written with --json.
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,
    /// So many samples of each case, at most.
    #[arg(long, value_name = "NUMBER")]
    rounds: Option<usize>,
    /// Shows the names of all rows.
    #[arg(long)]
    list: bool,
    /// One sample of one case, for the program itself.
    #[arg(long, num_args = 2, hide = true)]
    sample: Option<Vec<String>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let effort = Effort { quick: arguments.quick, rounds: arguments.rounds };
    let rows = rows::all();
    if let Some(names) = &arguments.sample {
        return sample(&rows, &names[0], &names[1], effort);
    }
    if arguments.list {
        rows.iter().for_each(|row| println!("{:<16} {}", row.name, row.title));
        return Ok(());
    }
    let chosen = |row: &Row| arguments.only.is_empty() || arguments.only.iter().any(|name| row.name.starts_with(name));
    let earlier = written(&arguments.from)?;
    let mut measured = Vec::new();
    for mut row in rows.into_iter().filter(chosen) {
        if let Some(text) = &arguments.case {
            row.cases.retain(|case| case.name.contains(text.as_str()));
        }
        let row = match &earlier {
            Some(written) => match taken_earlier(row, written) {
                Some(row) => row,
                None => continue,
            },
            None => sampled(row, effort)?,
        };
        print!("{}", report::table(&row));
        measured.push(row);
    }
    if measured.is_empty() {
        return Err("there is no such row; --list shows all".into());
    }
    if let Some(file) = arguments.json {
        fs::write(file, serde_json::to_vec_pretty(&report::json(&measured))?)?;
    }
    if let Some(file) = arguments.plot {
        fs::write(file, plot::drawn(&measured))?;
    }
    if let Some(file) = arguments.summary {
        fs::write(file, report::summary(&measured))?;
    }
    Ok(())
}

/// What all these files have in them; `None`: there are none.
fn written(files: &[PathBuf]) -> Result<Option<Vec<Value>>, Box<dyn Error>> {
    let mut all = Vec::new();
    for file in files {
        all.extend(serde_json::from_slice::<Vec<Value>>(&fs::read(file)?)?);
    }
    Ok((!files.is_empty()).then_some(all))
}
