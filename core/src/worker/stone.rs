//! What a slot's thread does with the record of an actor that is not alive, and who hears of its end.

use std::time::Instant;

use super::Worker;
use crate::errands;
use crate::error::Failure;
use crate::event::EventKind;
use crate::message::{Errand, Notice, Order};
use crate::reply::ReplyPort;
use crate::settings::RestartPolicy;
use crate::state::check_version;
use crate::turn::{end_watch, set_watch, wake_at};
use crate::{Actor, Exit, Record, Revision, Watch};

impl<A: Actor> Worker<A> {
    /// An order to an actor of stone, which stays one.
    pub(super) fn order_at_rest(&mut self, (order, port): (Order, ReplyPort<()>)) {
        if port.take().is_none() {
            return;
        }
        let done = match order {
            Order::Stop => self.stop_stone(),
            Order::Wipe => self.wipe_stone(),
            Order::Watch(watch) => self.watch_stone(&watch).inspect_err(|failure| {
                // Whoever watches believes that it does, and waits for no answer.
                errands::put_off(&self.shared, &self.target.id, Errand::Watch(watch), failure.clone());
            }),
            Order::Unwatch(watch) => self.unwatch_stone(&watch),
            Order::Start | Order::ComeBack | Order::Configure(_) | Order::Petrify | Order::Crash => Ok(()),
        };
        self.carry_out(port, done);
    }

    /// The record, and what the actor lives by from now on. One that a temporary actor left behind, because it could not
    /// be deleted or because its process died, is deleted now.
    pub(super) fn load_record(&mut self) -> Result<Option<(Box<Record>, Revision)>, Failure> {
        let Some((record, revision)) = self.shared.store()?.load(&self.target.id)? else {
            self.settings = self.shared.settings_of(A::KIND).clone();
            return Ok(None);
        };
        self.settings = self.shared.settings_with(A::KIND, &record.settings);
        if record.live && self.settings.restart == RestartPolicy::Temporary {
            check_version::<A>(record.version)?;
            self.wipe(Some(revision))?;
            self.say_gone(&record, &Exit::Crashed(Failure::ProcessDied));
            self.settings = self.shared.settings_of(A::KIND).clone();
            return Ok(None);
        }
        Ok(Some((record, revision)))
    }

    /// `stop` on an actor of stone: deletes its record if that is one, unless the actor is permanent. What is damaged
    /// stays, for `wipe`.
    fn stop_stone(&mut self) -> Result<(), Failure> {
        let Some((mut record, revision)) = self.load_record()? else { return Ok(()) };
        if !self.settings.restart.outlives_a_stop() {
            check_version::<A>(record.version)?;
            self.wipe(Some(revision))?;
            self.forgive();
            self.say_gone(&record, &Exit::Stopped);
        } else if record.live {
            // It was to come back after a crash, and need not any more.
            record.live = false;
            self.save_stone(record, revision)?;
        }
        Ok(())
    }

    fn wipe_stone(&mut self) -> Result<(), Failure> {
        // What cannot be read names nobody who should be told.
        let record = self.shared.store()?.load(&self.target.id);
        self.wipe(None)?;
        self.forgive();
        if let Ok(Some((record, _))) = record {
            self.say_gone(&record, &Exit::Wiped);
        }
        Ok(())
    }

    fn watch_stone(&mut self, watch: &Watch) -> Result<(), Failure> {
        let Some((mut record, revision)) = self.load_record()? else {
            errands::tell_absent(&self.shared, &self.target.id, watch.clone());
            return Ok(());
        };
        let is_new = set_watch(&mut record.watchers, &watch.other, Some(watch.token));
        if is_new { self.save_stone(record, revision) } else { Ok(()) }
    }

    fn unwatch_stone(&mut self, watch: &Watch) -> Result<(), Failure> {
        let Some((mut record, revision)) = self.load_record()? else { return Ok(()) };
        if end_watch(&mut record.watchers, watch) { self.save_stone(record, revision) } else { Ok(()) }
    }

    fn save_stone(&self, record: Box<Record>, revision: Revision) -> Result<(), Failure> {
        let wake_at = wake_at(&record, &self.settings);
        let (id, store, bytes) = (&self.target.id, self.shared.store()?, record.to_bytes());
        let save = || store.save(id, Some(revision), &bytes, wake_at);
        let telemetry = &self.shared.events.telemetry;
        let saved = telemetry.save(id, self.slot.vitals(), bytes.len(), &*self.shared.clock, save)?;
        self.shared.events.tell(id, EventKind::Saved(saved));
        Ok(())
    }

    pub(super) fn wipe(&self, expected: Option<Revision>) -> Result<(), Failure> {
        let id = &self.target.id;
        let wiped = self.shared.store()?.wipe(id, expected);
        match &wiped {
            Ok(()) => self.shared.events.tell(id, EventKind::Wiped),
            Err(failure) => self.shared.events.tell(id, EventKind::NotWiped(failure.clone())),
        }
        wiped
    }

    /// Somebody wanted the actor gone: what comes under its id next is another one.
    pub(super) fn forgive(&self) {
        self.shared.health.pardon(&self.target.id, self.shared.clock.now());
    }

    /// As [`Shared::count_crash`](crate::shared::Shared::count_crash).
    pub(super) fn count_crash(&self, failure: &Failure, event: EventKind) -> Option<Instant> {
        self.shared.count_crash(&self.target.id, &self.settings, failure, event)
    }

    /// A permanent actor that crashed comes back: by its slot's own thread if it may now, else when its quarantine is
    /// over.
    pub(super) fn have_it_back(&mut self, quarantined: Option<Instant>) {
        match quarantined {
            None => self.comes_back = true,
            Some(until) => errands::add(&self.shared, self.target.id.clone(), Errand::ComeBack, until),
        }
    }

    /// Tells those who watch the actor that it has ended.
    pub(super) fn notify(&self, watchers: &[Watch], exit: &Exit, for_good: bool) {
        for Watch { other, token } in watchers {
            let notice = Notice { ended: self.target.id.clone(), exit: exit.clone(), token: *token, for_good };
            errands::send(&self.shared, other, Errand::Notice(notice));
        }
    }

    /// Those who are watched need not keep in mind who does not watch any more.
    pub(super) fn unwatch_all(&self, watching: &[Watch]) {
        for Watch { other, token } in watching {
            errands::send(&self.shared, other, Errand::Unwatch(Watch { other: self.target.id.clone(), token: *token }));
        }
    }

    /// The record is gone: tells all who are on the other side of its watches.
    fn say_gone(&self, record: &Record, exit: &Exit) {
        self.notify(&record.watchers, exit, true);
        self.unwatch_all(&record.watching);
    }
}
