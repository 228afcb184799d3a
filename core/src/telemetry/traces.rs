//! The feature `tracing`: spans for what takes time, events for what happens. Whatever is traced has the target
//! `gargoyle` and the field `actor`.

use std::time::Duration;

use tracing::span::EnteredSpan;
use tracing::{debug, debug_span, trace, warn};

use crate::ActorId;
use crate::error::WithCauses;
use crate::event::EventKind;
use crate::guard::guard;
use crate::system::ShutdownError;

const TARGET: &str = "gargoyle";

pub(super) type Span = EnteredSpan;

pub(super) fn revive(id: &ActorId) -> Span {
    entered(|| debug_span!(target: TARGET, "revive", actor = %id))
}

pub(super) fn turn(id: &ActorId) -> Span {
    entered(|| debug_span!(target: TARGET, "turn", actor = %id))
}

pub(super) fn save(id: &ActorId, bytes: usize) -> Span {
    entered(|| debug_span!(target: TARGET, "save", actor = %id, bytes))
}

/// None if the subscriber panics.
fn entered(span: impl FnOnce() -> tracing::Span) -> Span {
    guard(|| span().entered()).unwrap_or_else(|_| tracing::Span::none().entered())
}

pub(super) fn happened(id: &ActorId, kind: &EventKind) {
    match kind {
        EventKind::Born => debug!(target: TARGET, actor = %id, "born"),
        EventKind::Revived => debug!(target: TARGET, actor = %id, "revived"),
        EventKind::Saved(revision) => trace!(target: TARGET, actor = %id, %revision, "saved"),
        EventKind::Petrified => debug!(target: TARGET, actor = %id, "petrified"),
        EventKind::Stopped => debug!(target: TARGET, actor = %id, "stopped"),
        EventKind::Wiped => debug!(target: TARGET, actor = %id, "wiped"),
        EventKind::NotRevived(failure) => {
            warn!(target: TARGET, actor = %id, error = %WithCauses(failure), "not revived");
        }
        EventKind::Crashed(failure) => warn!(target: TARGET, actor = %id, error = %WithCauses(failure), "crashed"),
        EventKind::Quarantined(time) => warn!(target: TARGET, actor = %id, ?time, "quarantined"),
        EventKind::NotWiped(failure) => warn!(target: TARGET, actor = %id, error = %WithCauses(failure), "not wiped"),
        EventKind::Undeliverable { message, failure } => {
            warn!(target: TARGET, actor = %id, message_type = message, error = %WithCauses(failure), "undeliverable");
        }
    }
}

pub(super) fn shutting_down(limit: Duration) {
    debug!(target: TARGET, ?limit, "shutting down");
}

pub(super) fn shut_down(done: &Result<(), ShutdownError>) {
    match done {
        Ok(()) => debug!(target: TARGET, "shut down"),
        Err(error) => warn!(target: TARGET, error = %error, "not shut down"),
    }
}
