//! What tests call the kinds of events, without their contents.

use gargoyle::EventKind;

pub(crate) fn name_of(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Born => "born",
        EventKind::Revived => "revived",
        EventKind::NotRevived(_) => "not revived",
        EventKind::Saved(_) => "saved",
        EventKind::Petrified => "petrified",
        EventKind::Stopped => "stopped",
        EventKind::Wiped => "wiped",
        EventKind::NotWiped(_) => "not wiped",
        EventKind::Crashed(_) => "crashed",
        EventKind::Quarantined(_) => "quarantined",
        EventKind::Undeliverable { .. } => "undeliverable",
        _ => "unknown",
    }
}
