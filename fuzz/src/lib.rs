//! What is checked of inputs that nobody meant well: files that rotted or were forged, names, lines, settings.
//!
//! Each target is a function from bytes to nothing that panics if something is wrong. libFuzzer calls it through a file
//! in `targets`, and the replay of the seeds, which needs no fuzzer, through [`TARGETS`].

pub mod cbor;
pub mod config;
pub mod fs_files;
pub mod import;
pub mod lmdb_pages;
pub mod names;
pub mod record;

mod input;
mod scratch;

// The parts of the tool `gargoyle` that read what others wrote. It is a program and no library, so its files are taken in.
#[allow(dead_code, reason = "the tool uses the rest")]
#[path = "../../cli/src/line.rs"]
mod line;
#[path = "../../cli/src/notation.rs"]
mod notation;
#[path = "tool.rs"]
mod put;
#[allow(dead_code, reason = "the tool uses the rest")]
#[path = "../../cli/src/state.rs"]
mod state;
#[allow(dead_code, reason = "the tool uses the rest")]
#[path = "../../cli/src/terminal.rs"]
mod terminal;

/// A target's name, which is that of its folder of seeds, and its check.
pub const TARGETS: [(&str, fn(&[u8])); 7] = [
    ("record", record::check),
    ("names", names::check),
    ("fs_files", fs_files::check),
    ("lmdb_pages", lmdb_pages::check),
    ("import", import::check),
    ("cbor", cbor::check),
    ("config", config::check),
];
