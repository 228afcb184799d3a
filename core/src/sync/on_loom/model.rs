//! How code is run under the model checker, and what a model can ask of the seam. Only in builds with `--cfg loom`.

use std::any::Any;
use std::cell::Cell;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub use loom::MAX_THREADS;

pub use crate::reply::models as replies;
pub use crate::slot::models as slots;
pub use crate::waits::models as waits;
use crate::{ActorId, SlotRef};

/// The size of a thread's stack, in words of 8 bytes.
pub(super) const STACK_WORDS: usize = 16 * 1024;

/// Far more points of choice than an execution of ours has: one that has so many goes round in circles.
const MAX_BRANCHES: usize = 10_000;

// The real thread's, which all threads of a model share: what is set here is no operation of the model.
std::thread_local! {
    /// How many threads are refused before there are some again.
    static REFUSED: Cell<usize> = const { Cell::new(0) };
    /// Whether a panic is under way that the model wants.
    static IS_WANTED: Cell<bool> = const { Cell::new(false) };
}

/// A panic that a model wants.
struct Wanted;

/// Runs `body` once for each order in which its threads may meet, with at most so many preemptions: places where a
/// thread that could go on does not. `None`: for all orders. Returns how many there were. A
/// `LOOM_MAX_PREEMPTIONS` in the environment wins.
///
/// # Panics
///
/// If `body` panics, or loom finds a deadlock, in any of the executions.
pub fn explore(preemptions: Option<usize>, body: impl Fn() + Send + Sync + 'static) -> usize {
    let executions = crate::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(preemptions);
    builder.max_branches = builder.max_branches.max(MAX_BRANCHES);
    let count = executions.clone();
    builder.check(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        REFUSED.set(0);
        IS_WANTED.set(false);
        body();
    });
    executions.load(std::sync::atomic::Ordering::Relaxed)
}

/// Panics as the handler of an actor may. Any other panic, an assertion of a model say, fails the model, even where
/// Gargoyle would make an error of it.
///
/// Nothing of this module's may be dropped by it but what is never dropped again: an actor of a model crashes over a
/// cast, as over a call it would drop the duty to answer.
///
/// # Panics
///
/// Always.
pub fn crash() -> ! {
    IS_WANTED.set(true);
    // Without a word: nothing went wrong.
    resume_unwind(Box::new(Wanted))
}

/// The next `threads` that are asked for cannot be had.
pub fn refuse_threads(threads: usize) {
    REFUSED.set(threads);
}

pub(super) fn is_thread_refused() -> bool {
    let refused = REFUSED.get();
    REFUSED.set(refused.saturating_sub(1));
    refused > 0
}

/// An open slot of this id that belongs to no system: something for a registry to keep.
pub fn slot(id: &ActorId) -> SlotRef {
    slots::unused(id)
}

/// Runs `code`; `Err` has the payload of its panic if the model wants it. Another one goes on.
pub(crate) fn catch<R>(code: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        if !payload.is::<Wanted>() {
            resume_unwind(payload);
        }
        IS_WANTED.set(false);
        payload
    })
}

/// Whether the model has failed, and is unwound.
pub(in crate::sync) fn is_over() -> bool {
    let unwinding = std::thread::panicking();
    if unwinding && IS_WANTED.get() {
        give_up("a panic that the model wants drops something that other threads can see: let it panic over a cast");
    }
    unwinding
}

/// Ends the process, past the test's grip on its output. A panic would do the same and not say why.
pub(super) fn give_up(why: &str) -> ! {
    let _ = writeln!(std::io::stderr(), "\nthe model is given up: {why}");
    std::process::abort()
}
