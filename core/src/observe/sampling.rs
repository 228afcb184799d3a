//! How a sample is taken: the gate's lock is held while the list of slots is copied, and no other one.

use std::time::{Duration, SystemTime};

use super::{ActorSample, LateFailure, Quarantined, Sample, SaveTimes, VERSION};
use crate::Stats;
use crate::error::WithCauses;
use crate::guard::guard;
use crate::shared::Shared;

/// How many of the quarantined a sample has.
const QUARANTINED_SHOWN: usize = 100;

fn ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The system at this moment.
pub(crate) fn sample(shared: &Shared) -> Sample {
    let history = shared.events.telemetry.history();
    let (departed, live_peak, slots) = shared.gate.census();
    let (mut messages, mut turns) = (departed.messages, departed.turns);
    let mut actors = Vec::with_capacity(slots.len());
    for slot in &slots {
        let read = slot.vitals().read();
        messages += read.messages;
        turns += read.turns;
        actors.push(ActorSample {
            id: slot.id().clone(),
            queued: slot.queued() as u64,
            idle: slot.is_idle(),
            messages: read.messages,
            turns: read.turns,
            saves: read.saves,
            last_save_ns: read.last_save.map(nanoseconds),
        });
    }
    let quarantined = shared.health.patients(shared.clock.now());
    Sample {
        version: VERSION,
        process: std::process::id(),
        at_ms: ms(SystemTime::now()),
        up_us: u64::try_from(history.age().as_micros()).unwrap_or(u64::MAX),
        max_live: shared.config.most_live() as u64,
        stats: Stats { live: slots.len(), live_peak, ..shared.events.stats() },
        messages,
        turns,
        saves: SaveTimes(history.saves().into_iter().map(|(took, count)| (nanoseconds(took), count)).collect()),
        actors,
        quarantined: quarantined.len() as u64,
        quarantine: quarantined
            .into_iter()
            .take(QUARANTINED_SHOWN)
            .map(|(id, left, last)| Quarantined {
                id,
                left_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
                last: said(&WithCauses(&*last)),
            })
            .collect(),
        failures: history
            .failures()
            .into_iter()
            .map(|(at, event)| LateFailure { at_ms: ms(at), what: said(&event), id: event.id })
            .collect(),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// An error as it shows itself, which is a user's code, up to a length.
fn said(error: &dyn std::fmt::Display) -> String {
    /// Enough to know which it is.
    const CHARS_MAX: usize = 500;
    let text = guard(|| error.to_string()).unwrap_or_else(|panic| format!("an error that panics when shown: {panic}"));
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_is_long_is_cut_and_one_that_panics_is_named() {
        struct Panics;
        impl std::fmt::Display for Panics {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic!("no words")
            }
        }
        assert_eq!(said(&Panics), "an error that panics when shown: no words");
        assert_eq!(said(&"ä".repeat(501)), "ä".repeat(500) + "…");
        assert_eq!(said(&"ä".repeat(500)), "ä".repeat(500));
    }
}
