//! What a slot's thread does with the record of an actor that is not alive, and who hears of its end.

use super::Worker;
use crate::context::Wish;
use crate::error::Failure;
use crate::event::EventKind;
use crate::message::{Errand, Notice, Order};
use crate::reply::ReplyPort;
use crate::settings::RestartPolicy;
use crate::turn::wake_at;
use crate::{Actor, ActorId, Exit, Record, Revision};

impl<A: Actor> Worker<A> {
    /// An order to an actor of stone, which stays one.
    pub(super) fn order_at_rest(&mut self, (order, port): (Order, ReplyPort<()>)) {
        if !port.take() {
            return;
        }
        let done = match order {
            Order::Stop => self.stop_stone(),
            Order::Wipe => self.wipe_stone(),
            Order::Watch(watcher) => self.watch_stone(&watcher, true),
            Order::Unwatch(watcher) => self.watch_stone(&watcher, false),
            Order::Start | Order::Configure(_) | Order::Petrify | Order::Crash => Ok(()),
        };
        self.carry_out(port, done);
    }

    /// The record, and what the actor lives by from now on. One that a temporary actor left behind, because it could not
    /// be deleted or because its process died, is deleted now.
    pub(super) fn load_record(&mut self) -> Result<Option<(Record, Revision)>, Failure> {
        let Some((record, revision)) = self.shared.store()?.load(&self.target.id)? else {
            self.settings = self.shared.settings_of(A::KIND).clone();
            return Ok(None);
        };
        self.settings = self.shared.settings_with(A::KIND, &record.settings);
        if record.live && self.settings.restart == RestartPolicy::Temporary {
            self.wipe(Some(revision))?;
            self.notify(&record.watchers, &Exit::Crashed(Failure::ProcessDied), true);
            self.settings = self.shared.settings_of(A::KIND).clone();
            return Ok(None);
        }
        Ok(Some((record, revision)))
    }

    /// `stop` on an actor of stone: deletes its record if that is one, unless the actor is permanent. What is damaged
    /// stays, for `wipe`.
    fn stop_stone(&mut self) -> Result<(), Failure> {
        // It was to come back after a crash, and need not any more.
        self.comes_back = false;
        let Some((mut record, revision)) = self.load_record()? else { return Ok(()) };
        if self.settings.restart != RestartPolicy::Permanent {
            self.wipe(Some(revision))?;
            self.forgive();
            self.notify(&record.watchers, &Exit::Stopped, true);
        } else if record.live {
            record.live = false;
            self.save_stone(record, revision)?;
        }
        Ok(())
    }

    fn wipe_stone(&mut self) -> Result<(), Failure> {
        self.comes_back = false;
        // What cannot be read names nobody who should be told.
        let watchers = match self.shared.store()?.load(&self.target.id) {
            Ok(Some((record, _))) => record.watchers,
            _ => Vec::new(),
        };
        self.wipe(None)?;
        self.forgive();
        self.notify(&watchers, &Exit::Wiped, true);
        Ok(())
    }

    fn watch_stone(&mut self, watcher: &ActorId, watches: bool) -> Result<(), Failure> {
        let Some((mut record, revision)) = self.load_record()? else {
            if watches {
                self.notify(std::slice::from_ref(watcher), &Exit::Absent, true);
            }
            return Ok(());
        };
        match (record.watchers.iter().position(|other| other == watcher), watches) {
            (None, true) => record.watchers.push(watcher.clone()),
            (Some(at), false) => drop(record.watchers.remove(at)),
            _ => return Ok(()),
        }
        self.save_stone(record, revision)
    }

    fn save_stone(&self, record: Record, revision: Revision) -> Result<(), Failure> {
        let wake_at = wake_at(&record, &self.settings);
        let saved = self.shared.store()?.save(&self.target.id, Some(revision), &record.to_bytes(), wake_at)?;
        self.shared.events.tell(&self.target.id, EventKind::Saved(saved));
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

    /// Counts a crash, and says so if it was one too many.
    pub(super) fn count_crash(&self, failure: &Failure) {
        let now = self.shared.clock.now();
        if let Some(time) = self.shared.health.crashed(&self.target.id, &self.settings, now, failure) {
            self.shared.events.tell(&self.target.id, EventKind::Quarantined(time));
        }
    }

    /// Tells those who watch the actor that it has ended.
    pub(super) fn notify(&self, watchers: &[ActorId], exit: &Exit, for_good: bool) {
        for watcher in watchers {
            let notice = Notice { ended: self.target.id.clone(), exit: exit.clone(), for_good };
            self.shared.send_errand(watcher, Errand::Notice(notice));
        }
    }

    /// Whether an end of this kind deletes the record.
    pub(super) fn deletes(&self, wish: Wish) -> bool {
        wish == Wish::Stop && self.settings.restart != RestartPolicy::Permanent
    }
}
