//! What the store promises to several processes: that one has it, and that what it acknowledged survives its death.
//!
//! In a binary of their own, and one after the other: a process that is just being started has all open files of this
//! one for a moment, the locks of its stores among them.

mod crashes;
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod holes;
#[cfg(unix)]
mod limits;
mod owners;

/// The same few lines that open the store's environment: the only unsafe ones.
#[cfg(unix)]
#[path = "../../src/env.rs"]
mod env;

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gargoyle::ActorId;

/// The store that a child process works on. A test that is a child's work does nothing without it.
const CHILD_STORE: &str = "GARGOYLE_TEST_CHILD_STORE";

/// Keeps the other tests of this process waiting.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The command that runs one test of this binary in a process of its own.
fn child(test: &str, store: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--quiet"]).env(CHILD_STORE, store);
    command
}

/// `None` outside of a child.
fn store_of_child() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD_STORE).map(Into::into)
}

fn id(key: &str) -> ActorId {
    ActorId::new("account", key).unwrap()
}
