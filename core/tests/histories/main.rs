//! Histories: what several threads, or a process that is killed, saw of an actor, and whether one thing at a time explains
//! it (linearizability, and durable linearizability).
//!
//! [`checker`] is the judge, [`ledger`] the actor and its specification, [`threads`] the histories of threads, [`kills`] those
//! across the death of a process. The checkers on crates.io were looked at: `stateright` 0.31 brings 38 crates, an HTTP server
//! among them, and searches without a memory; `todc-utils` 0.1 takes no operation that never returned. Neither takes a
//! specification that allows several states.
//!
//! `GARGOYLE_HISTORIES=20000` runs so many scripts of threads, `GARGOYLE_TEST_KILLS=1000` so many kills.

mod checker;
#[cfg(unix)]
mod kills;
mod ledger;
mod threads;

/// The number in an environment variable.
fn number<T: std::str::FromStr>(variable: &str, default: T) -> T {
    match std::env::var(variable) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{variable} is a number: {value}")),
        Err(_) => default,
    }
}

/// Panics that are part of a script are not shown.
fn silence_panics_of_actors() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() != Some(ledger::PANIC) {
                shown(info);
            }
        }));
    });
}
