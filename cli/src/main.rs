//! `gargoyle`: looks into a store of durable actors that no program has open.

mod commands;
mod line;
mod state;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use gargoyle::{ActorId, BoxError};

use crate::store::StoreKind;

/// Looks into a store of Gargoyle's durable actors, and copies, checks and mends it.
///
/// The store must not be open in a program. Commands that only look never change a byte of it.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the records: kind, key, revision, size, when it was saved, whether its actor was alive.
    Ls(Ls),
    /// Shows one record: its head, arguments and state.
    Show(Show),
    /// Reads every record and says which cannot be read. Ends with status 1 if there is one.
    Verify {
        /// The folder of the store.
        store: PathBuf,
    },
    /// Copies all records into another store, and checks them there. Goes on where an earlier copy was cut short.
    Copy(Copy),
    /// Writes all records as JSON, one in a line.
    Export {
        /// The folder of the store.
        store: PathBuf,
        /// The file to write; standard output unless given. An existing file is left alone.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Reads records as `export` writes them into a store. Goes on where an earlier import was cut short.
    Import(Import),
    /// Opens a state as JSON in an editor ($VISUAL, $EDITOR), and saves what comes of it unless somebody else has saved.
    Edit(Which),
    /// Deletes a record, whatever it is.
    Wipe(Wipe),
    /// Counts: records, bytes, ages, by kind.
    Stats {
        /// The folder of the store.
        store: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Ls {
    /// The folder of the store.
    store: PathBuf,
    /// Only those of this kind.
    #[arg(long)]
    kind: Option<String>,
    /// Only those whose key begins with this.
    #[arg(long)]
    prefix: Option<String>,
    /// Only those whose record says that the actor is alive.
    #[arg(long)]
    live: bool,
    /// As JSON, one record in a line.
    #[arg(long)]
    json: bool,
}

/// One record of a store.
#[derive(Args)]
struct Which {
    /// The folder of the store.
    store: PathBuf,
    /// The kind of the actor.
    kind: String,
    /// The key of the actor.
    key: String,
}

impl Which {
    fn id(&self) -> Result<ActorId, BoxError> {
        Ok(ActorId::new(self.kind.clone(), self.key.clone())?)
    }
}

#[derive(Args)]
struct Show {
    #[command(flatten)]
    which: Which,
    /// Arguments and state in CBOR's diagnostic notation, which can say everything. JSON unless it cannot.
    #[arg(long)]
    cbor: bool,
}

#[derive(Args)]
struct Copy {
    /// The folder of the store to read.
    from: PathBuf,
    /// The folder of the store to write.
    to: PathBuf,
    /// What kind of store to make, if there is none.
    #[arg(long = "to", value_name = "KIND")]
    new: Option<StoreKind>,
    /// Replaces records that are there and differ. They are named and left alone unless this is given.
    #[arg(long)]
    overwrite: bool,
}

#[derive(Args)]
struct Import {
    /// The folder of the store to write.
    store: PathBuf,
    /// The file to read; standard input unless given.
    #[arg(long, short)]
    input: Option<PathBuf>,
    /// What kind of store to make, if there is none.
    #[arg(long = "to", value_name = "KIND")]
    new: Option<StoreKind>,
    /// Replaces records that are there and differ. They are named and left alone unless this is given.
    #[arg(long)]
    overwrite: bool,
}

#[derive(Args)]
struct Wipe {
    #[command(flatten)]
    which: Which,
    /// Does not ask.
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
        Command::Edit(which) => commands::edit::run(&which),
        Command::Wipe(wipe) => commands::wipe::run(&wipe),
        Command::Stats { store, json } => commands::stats::run(&store, json),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has had enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gargoyle: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
