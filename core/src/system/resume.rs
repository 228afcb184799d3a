//! The return of permanent actors that were alive when the process died.

use std::ops::ControlFlow;
use std::time::SystemTime;

use crate::errands;
use crate::error::Failure;
use crate::event::EventKind;
use crate::message::Errand;
use crate::settings::RestartPolicy;
use crate::shared::Shared;
use crate::sync::Arc;
use crate::{ActorId, CallError, StorageError};

/// What [`System::resume`](crate::System::resume) did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Resumed {
    /// Those who are on their way to life, some when there is room for them. One that does not get there is told of by an
    /// event.
    pub revived: Vec<ActorId>,
    /// Those who should be alive and are not, and why.
    pub failed: Vec<CallError>,
}

pub(super) fn resume(shared: &Arc<Shared>) -> Result<Resumed, StorageError> {
    let mut due = Vec::new();
    let until = shared.clock.wall().max(SystemTime::UNIX_EPOCH);
    let found = shared.visit(|| {
        let store = shared.store()?;
        Ok(store.due(until, &mut |id| {
            due.push(id);
            ControlFlow::Continue(())
        }))
    });
    // A system that shuts down has nobody come back.
    found.unwrap_or(Ok(()))?;
    let mut resumed = Resumed::default();
    for id in due {
        match resume_one(shared, &id) {
            Ok(true) => resumed.revived.push(id),
            Ok(false) => {}
            Err(failure) => {
                shared.events.tell(&id, EventKind::NotRevived(failure.clone()));
                resumed.failed.push(CallError::new(&id, failure));
            }
        }
    }
    Ok(resumed)
}

/// The store gives a hint, the record decides. `false`: it need not come back, or is alive.
fn resume_one(shared: &Arc<Shared>, id: &ActorId) -> Result<bool, Failure> {
    // Or somebody has but an order for it.
    let is_there = shared.registry.get(id).is_some();
    let Some((record, _)) = shared.visit(|| shared.store()?.load(id))? else { return Ok(false) };
    let settings = shared.settings_with(id.kind(), &record.settings);
    if !record.live || settings.restart != RestartPolicy::Permanent {
        return Ok(false);
    }
    if !shared.kinds.knows(id) {
        return Err(Failure::UnknownKind);
    }
    errands::send(shared, id, Errand::ComeBack);
    Ok(!is_there)
}
