//! How does a process end with no chance to tidy up?

/// Ends the process as `kill -9` does: no destructor runs, nothing is flushed.
pub(crate) fn kill_this_process() -> ! {
    #[cfg(unix)]
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    // Where there is no such signal.
    std::process::abort()
}
