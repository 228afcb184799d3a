//! `gargoyle`: looks into a store of durable actors that no program has open, and at a system that runs.
#![forbid(unsafe_code)]

mod commands;
mod line;
mod notation;
mod problems;
mod put;
mod state;
mod store;
mod terminal;
mod text;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use gargoyle::{ActorId, BoxError};

use crate::store::StoreKind;

/// Looks into a store of Gargoyle's durable actors, and copies, checks and mends it.
///
/// The store must not be open in a program, but for `top`, which shows what one does. Commands that only look never change
/// a byte of it.
///
/// Exit statuses: 0 if all went well; 1 if something could not be read, differs or failed, which is said on standard
/// error; 2 for bad arguments.
#[derive(Parser)]
#[command(name = "gargoyle", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the records: when each was saved, revision, size, id, whether its actor was alive
    Ls(Ls),
    /// Shows one record: its head, arguments and state
    Show(Show),
    /// Reads every record, and what the store needs beside them, and says what is wrong
    Verify {
        /// The folder of the store
        store: PathBuf,
    },
    /// Copies all records into another store, and checks them there; goes on where an earlier copy was cut short
    Copy(Copy),
    /// Writes all records as JSON, one in a line
    Export {
        /// The folder of the store
        store: PathBuf,
        /// The file to write, which must not be there; standard output unless given
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Reads records as `export` writes them into a store; goes on where an earlier import was cut short
    Import(Import),
    /// Opens a state as JSON in an editor ($VISUAL, $EDITOR), and saves it unless somebody else has saved meanwhile
    Edit(Edit),
    /// Deletes a record, whatever it is
    Wipe(Wipe),
    /// Counts: records, bytes, ages, by kind
    Stats {
        /// The folder of the store
        store: PathBuf,
        /// As JSON, one kind in a line
        #[arg(long)]
        json: bool,
    },
    /// Shows what a running system does, of a program that allows it by `.observe(…)`
    Top {
        /// The folder of the store that the program has open, or the path of the socket that it was told
        store: PathBuf,
        /// One sample as a line of JSON
        #[arg(long)]
        json: bool,
        /// How often, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = text::seconds, conflicts_with = "json")]
        every: f64,
    },
}

#[derive(Args)]
struct Ls {
    /// The folder of the store
    store: PathBuf,
    /// Only those of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only those whose key begins with this
    #[arg(long)]
    prefix: Option<String>,
    /// Only those whose record says that the actor is alive, or cannot be read
    #[arg(long)]
    live: bool,
    /// As JSON, one record in a line
    #[arg(long)]
    json: bool,
}

/// One record of a store.
#[derive(Args)]
struct Which {
    /// The folder of the store
    store: PathBuf,
    /// The kind of the actor
    kind: String,
    /// The key of the actor
    key: String,
    /// Kind and key are written as `ls` writes them: with \n, \\, \u{1b} and the like
    #[arg(long, short)]
    escaped: bool,
}

impl Which {
    fn id(&self) -> Result<ActorId, BoxError> {
        if self.escaped {
            Ok(ActorId::new(text::unescape(&self.kind)?, text::unescape(&self.key)?)?)
        } else {
            Ok(ActorId::new(self.kind.clone(), self.key.clone())?)
        }
    }
}

#[derive(Args)]
struct Show {
    #[command(flatten)]
    which: Which,
    /// Arguments and state in CBOR's diagnostic notation, which can say everything; JSON unless given or needed
    #[arg(long)]
    cbor: bool,
    /// All of it as one line of JSON, as `export` writes it
    #[arg(long, conflicts_with = "cbor")]
    json: bool,
}

#[derive(Args)]
struct Copy {
    /// The folder of the store to read
    from: PathBuf,
    /// The folder of the store to write
    to: PathBuf,
    /// What kind of store to make, if there is none
    #[arg(long = "to", value_name = "KIND")]
    new: Option<StoreKind>,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
struct Import {
    /// The folder of the store to write
    store: PathBuf,
    /// The file to read; standard input unless given
    #[arg(long, short, value_name = "FILE")]
    input: Option<PathBuf>,
    /// What kind of store to make, if there is none
    #[arg(long = "to", value_name = "KIND")]
    new: Option<StoreKind>,
    #[command(flatten)]
    how: How,
}

/// How records are put into a store.
#[derive(Args, Clone, Copy)]
struct How {
    /// Replaces records that are there and differ; unless given they are named and left alone
    #[arg(long)]
    overwrite: bool,
    /// Names each record that is written, when it is durable
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Args)]
struct Edit {
    #[command(flatten)]
    which: Which,
    /// In CBOR's diagnostic notation, for states that JSON cannot say
    #[arg(long)]
    cbor: bool,
}

#[derive(Args)]
struct Wipe {
    #[command(flatten)]
    which: Which,
    /// Does not ask
    #[arg(long, short)]
    yes: bool,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Ls(ls) => commands::ls::run(&ls),
        Command::Show(show) => commands::show::run(&show),
        Command::Verify { store } => commands::verify::run(&store),
        Command::Copy(copy) => commands::copy::run(&copy),
        Command::Export { store, output } => commands::export::run(&store, output.as_deref()),
        Command::Import(import) => commands::import::run(&import),
        Command::Edit(edit) => commands::edit::run(&edit),
        Command::Wipe(wipe) => commands::wipe::run(&wipe),
        Command::Stats { store, json } => commands::stats::run(&store, json),
        Command::Top { store, json, every } => commands::top::run(&store, json, Duration::from_secs_f64(every)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has had enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            problems::complain(&format!("gargoyle: {}", text::chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

/// Only what is written to standard output is passed on as the bare error of the system.
fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
