//! Opening LMDB: the only unsafe code of this crate, and of the workspace.
//!
//! An LMDB environment is the file `data.mdb`, mapped into memory. Rust calls this unsafe because nothing keeps others
//! from changing a file under its map. What the argument for it rests on is done by others here, and said where.
#![allow(unsafe_code)]

use std::path::Path;

use heed::{Env, EnvFlags, EnvOpenOptions, WithoutTls};

/// Named databases in an environment: the records and the index of those who are due.
const DATABASES_MAX: u32 = 2;

/// Opens the environment in `folder`, and makes one if there is none.
///
/// `map_bytes` addresses are reserved, which is the limit of what fits in. Read transactions are tied to themselves and
/// not to threads, of which there may be thousands.
pub(crate) fn open(folder: &Path, map_bytes: usize, readers_max: u32) -> heed::Result<Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map_bytes).max_readers(readers_max).max_dbs(DATABASES_MAX);
    // SAFETY: heed asks for these things of whoever opens an environment.
    //
    // - *Nobody else changes or shortens the file while it is mapped.* The caller owns the store: `owner.rs` holds a lock
    //   that is exclusive among processes and among openers of this process, for longer than the environment lives. All
    //   who respect that lock go through this crate, and this crate writes to the file through LMDB alone while it is
    //   open. Whoever does not (a person with an editor, `truncate`, a restore over a live store) breaks what the README
    //   asks for, as with any program that maps its files.
    // - *The file is one that LMDB can work on.* `pages.rs` has looked at both of its meta pages before, and no page
    //   that they count lies behind the end of the file, where touching it would kill the process. LMDB trusts the other
    //   pages: that these are as LMDB wrote them is what a medium has to keep, and what `check_pages` looks at.
    // - *It is not opened twice in one process*, which would drop LMDB's own locks. That lock again; and heed refuses a
    //   second one by its canonical path.
    // - *No use after a fork.* The store compares the process id at every call, and forgets the environment instead of
    //   closing it in another process.
    // - *No flags that weaken LMDB's locking or order of writes.* None is set but that for read transactions without
    //   thread-local storage, which heed's types account for.
    unsafe { options.open(folder) }
}

/// Opens the environment in `folder`, which is there, to read it. Neither of its files is written, made or locked.
#[cfg_attr(test, allow(dead_code, reason = "tests/processes takes this file in for the rest"))]
pub(crate) fn open_read_only(folder: &Path, map_bytes: usize) -> heed::Result<Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map_bytes).max_dbs(DATABASES_MAX);
    // SAFETY: as for `open`, but for the flags. Without LMDB's locks nothing tells a writer which pages a reader still
    // needs, so there must be no writer: the lock of `owner.rs` is held here too, shared with others who only read, and
    // whoever writes holds it alone.
    unsafe { options.flags(EnvFlags::READ_ONLY | EnvFlags::NO_LOCK) };
    // SAFETY: as for `open`. `pages.rs` has looked at the file, and if it is shorter than its meta pages say, at all
    // pages: those that are missing are free, and a reader touches no free page.
    unsafe { options.open(folder) }
}

/// Does `work` in a process forked from this one, and returns whether it said yes there.
#[cfg(all(test, unix))]
#[allow(dead_code, reason = "for tests/processes, which take this file in, and not for the unit tests")]
pub(crate) fn in_forked_process(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the new process has this thread only. All it does is `work`, which must not wait for a lock that another
    // thread may have had at the time, and to end without running what others registered for the end of a process.
    match unsafe { libc::fork() } {
        0 => {
            let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(false);
            // SAFETY: it touches no memory.
            unsafe { libc::_exit(i32::from(!said)) }
        }
        child => {
            let mut status = -1;
            // SAFETY: `status` outlives the call. If the fork failed, so does this, and `status` stays as it is.
            unsafe { libc::waitpid(child, &mut status, 0) };
            status == 0
        }
    }
}
