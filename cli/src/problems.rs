//! What is wrong with single records: said at once, and counted for the end.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use gargoyle::BoxError;
use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal;

/// Says something on standard error, in one line. If nobody listens, the exit status says it.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", terminal::line(text));
}

/// The progress of a command over many records, and what went wrong with some of them. Shared by threads.
pub(crate) struct Problems {
    bar: ProgressBar,
    count: AtomicUsize,
}

impl Problems {
    /// With a bar for so many records, on a terminal only.
    pub(crate) fn new(records: usize) -> Self {
        let bar = ProgressBar::new(records as u64);
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {per_sec}  {eta} to go");
        Problems { bar: style.map(|style| bar.clone().with_style(style)).unwrap_or(bar), count: AtomicUsize::new(0) }
    }

    /// For a command that does not know how many records there are.
    pub(crate) fn without_end() -> Self {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{spinner} {pos}  {per_sec}");
        Problems { bar: style.map(|style| bar.clone().with_style(style)).unwrap_or(bar), count: AtomicUsize::new(0) }
    }

    /// One record more is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }

    /// Does something with the terminal while the bar is not there.
    pub(crate) fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bar.suspend(work)
    }

    pub(crate) fn say(&self, text: &str) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.aside(|| complain(text));
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Fails if there was a problem.
    pub(crate) fn end(&self) -> Result<(), BoxError> {
        self.finish();
        match self.count() {
            0 => Ok(()),
            1 => Err("there was a problem, named above".into()),
            count => Err(format!("there were {count} problems, named above").into()),
        }
    }
}
