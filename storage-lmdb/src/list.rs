//! Who is there, and who is due: pages of ids, each copied out of a transaction that ends before anybody looks at them.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::time::SystemTime;

use gargoyle::{ActorId, StorageError, Visit};
use heed::RoTxn;

use crate::lookup::is_in_place;
use crate::store::Store;
use crate::{failure, key, record};

/// So many ids are copied at once.
const PAGE_IDS: usize = 256;

/// Ids in their order.
struct Page {
    ids: Vec<ActorId>,
    /// Whether nothing comes after them.
    is_last: bool,
    /// That a record is not whose its place says.
    unknown: Option<StorageError>,
}

/// A bound of LMDB keys.
type KeyBound = Bound<Vec<u8>>;

impl Store {
    /// Shows the ids that have a record, in their order.
    ///
    /// One that is not whose its place says is shown as far as that can be told. Then this shows all others, and fails.
    pub(crate) fn scan(
        &self,
        kind: Option<&str>,
        after: Option<&ActorId>,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        let mut after = after.cloned();
        let mut unknown = None;
        loop {
            let page = self.read(|txn| self.page(txn, kind, after.as_ref()))?;
            unknown = unknown.or(page.unknown);
            after = page.ids.last().cloned().or(after);
            for id in page.ids {
                if let ControlFlow::Break(()) = visit(id) {
                    return Ok(());
                }
            }
            if page.is_last {
                return unknown.map_or(Ok(()), Err);
            }
        }
    }

    /// The next ids. Those of a group of long names are in no order in the database, so the whole group is looked at and
    /// the next of them are kept.
    fn page(&self, txn: &RoTxn, kind: Option<&str>, after: Option<&ActorId>) -> Result<Page, StorageError> {
        let failed = |error| failure::of_lmdb("cannot list", &self.root, error);
        let mut page = Page { ids: Vec::new(), is_last: false, unknown: None };
        let (from, to) = (begin(kind, after), end(kind));
        let is_empty =
            matches!((&from, &to), (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to)) if from >= to);
        if is_empty {
            page.is_last = true;
            return Ok(page);
        }
        let range = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        let mut group = Group::default();
        for entry in self.records.range(txn, &range).map_err(failed)? {
            let (key, record) = entry.map_err(failed)?;
            if !group.is_of(key) {
                page.ids.extend(group.take());
                if page.ids.len() >= PAGE_IDS {
                    return Ok(page);
                }
            }
            if !is_in_place(key, record) {
                page.unknown = page.unknown.or_else(|| Some(self.nobodys()));
            }
            match (id_at(key, record), key::group(key)) {
                (Some(id), None) => page.ids.push(id),
                (Some(id), Some(prefix)) => group.add(prefix, id, after, PAGE_IDS - page.ids.len()),
                (None, _) => {}
            }
        }
        page.is_last = !group.is_cut;
        page.ids.extend(group.take());
        Ok(page)
    }

    fn nobodys(&self) -> StorageError {
        failure::damaged(&self.root, "a record is not whose its place says, so that one may be missing")
    }

    /// Shows the ids that want to wake up to this time, the earliest first.
    pub(crate) fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        let end = key::due(record::millis(until) + 1, &[]);
        // Before all entries: they have more than a time.
        let mut from = key::due(0, &[]);
        let mut unknown = None;
        loop {
            let page = self.read(|txn| self.due_page(txn, &from, &end))?;
            let Some((last, _)) = page.last() else { return unknown.map_or(Ok(()), Err) };
            from.clone_from(last);
            for (_, id) in page {
                match id {
                    Ok(Some(id)) => {
                        if let ControlFlow::Break(()) = visit(id) {
                            return Ok(());
                        }
                    }
                    Ok(None) => {}
                    Err(error) => unknown = unknown.or(Some(error)),
                }
            }
        }
    }

    /// The next entries of the index, each with whose it is; `None` if there is no record to it.
    fn due_page(&self, txn: &RoTxn, from: &[u8], end: &[u8]) -> Result<Vec<DueEntry>, StorageError> {
        let failed = |error| failure::of_lmdb("cannot list", &self.root, error);
        let range = (Bound::Excluded(from), Bound::Excluded(end));
        let entries = self.due.range(txn, &range).map_err(failed)?.take(PAGE_IDS);
        entries
            .map(|entry| {
                let (due, _) = entry.map_err(failed)?;
                let key = key::of_due(due).unwrap_or_default();
                let id = match key::group(key) {
                    None => key::id_of_short(key).map(Some),
                    Some(_) => match self.records.get(txn, key).map_err(failed)? {
                        Some(record) => id_at(key, record).map(Some),
                        None => Some(None),
                    },
                };
                let id = id.ok_or_else(|| self.nobodys());
                Ok((due.to_vec(), id))
            })
            .collect()
    }
}

/// A key of the index, and whose it is.
type DueEntry = (Vec<u8>, Result<Option<ActorId>, StorageError>);

/// The next ids of those long names that begin alike.
#[derive(Default)]
struct Group {
    prefix: Vec<u8>,
    ids: BTreeSet<ActorId>,
    /// Whether there were more than room.
    is_cut: bool,
}

impl Group {
    fn is_of(&self, key: &[u8]) -> bool {
        key::group(key).is_some_and(|prefix| prefix == self.prefix)
    }

    /// Keeps the first ids that come after this one, as many as there is room for.
    fn add(&mut self, prefix: &[u8], id: ActorId, after: Option<&ActorId>, room: usize) {
        if self.prefix != prefix {
            *self = Group { prefix: prefix.to_vec(), ..Group::default() };
        }
        if after.is_none_or(|after| *after < id) {
            self.ids.insert(id);
        }
        if self.ids.len() > room {
            self.ids.pop_last();
            self.is_cut = true;
        }
    }

    fn take(&mut self) -> impl Iterator<Item = ActorId> + use<> {
        std::mem::take(&mut self.ids).into_iter()
    }
}

/// Whose record is at a key, as far as that can be told: a short key says it, and of a long name its record.
fn id_at(key: &[u8], record: &[u8]) -> Option<ActorId> {
    match key::group(key) {
        None => key::id_of_short(key),
        Some(_) => record::claimed_id(record).filter(|id| key::of(id) == key),
    }
}

/// Where the records begin that a scan has to show.
fn begin(kind: Option<&str>, after: Option<&ActorId>) -> KeyBound {
    let of_kind = kind.map(key::beginning_of_kind);
    let after = after.map(|id| {
        let mut key = key::of(id);
        // Of its group, any may come after it. The short name that is the group's beginning comes before.
        key.truncate(key::NAME_BYTES_MAX);
        key
    });
    match (of_kind, after) {
        (Some(of_kind), Some(after)) if of_kind > after => Bound::Included(of_kind),
        (_, Some(after)) => Bound::Excluded(after),
        (Some(of_kind), None) => Bound::Included(of_kind),
        (None, None) => Bound::Unbounded,
    }
}

/// Where they end.
fn end(kind: Option<&str>) -> KeyBound {
    kind.map_or(Bound::Unbounded, |kind| Bound::Excluded(key::end_of_kind(kind)))
}
