//! LMDB's file with any of its bytes changed: with `check_pages`, it does not open or it can be worked with. LMDB itself
//! trusts its pages, so that whatever the look at them lets through shows as a crash in C, or as pages that are no longer
//! in order after some saves.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime};

use gargoyle::{ActorId, Storage, StorageError, StorageErrorKind};
use gargoyle_storage_lmdb::{LmdbStorage, OpenErrorKind};

use crate::input::Input;
use crate::scratch::Scratch;

/// Enough for all that is done, and little to map.
const MAP_BYTES: u64 = 8 << 20;

/// A sound store.
struct Template {
    data: Vec<u8>,
    format: Vec<u8>,
    records: BTreeMap<ActorId, Vec<u8>>,
}

thread_local! {
    static TEMPLATES: Vec<Template> = [0, 3, 60, 400].map(template).into();
}

fn soon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(5)
}

/// The id of a record, one in twenty of them too long for a key of LMDB's.
fn id(number: usize) -> ActorId {
    let key = if number % 20 == 7 { "long".repeat(200) + &number.to_string() } else { format!("{number:04}") };
    ActorId::new("account", key).expect("short enough")
}

/// A store with so many records, some of them large, some due, some wiped again: so that there are free pages.
fn template(count: usize) -> Template {
    let scratch = Scratch::new();
    let store = LmdbStorage::options().map_bytes(MAP_BYTES).open(scratch.root()).expect("a new store");
    let mut records = BTreeMap::new();
    for number in 0..count {
        let body = vec![number as u8; if number % 30 == 5 { 9_000 } else { 60 + number % 7 }];
        let wake_at = Some(soon()).filter(|_| number % 2 == 0);
        store.save(&id(number), None, &body, wake_at).expect("room");
        records.insert(id(number), body);
    }
    for number in (0..count).step_by(5) {
        store.wipe(&id(number), None).expect("there");
        records.remove(&id(number));
    }
    drop(store);
    let read = |name: &str| fs::read(scratch.root().join(name)).expect("there");
    Template { data: read("data.mdb"), format: read("FORMAT"), records }
}

pub fn check(input: &[u8]) {
    let mut input = Input::new(input);
    TEMPLATES.with(|templates| {
        let template = &templates[usize::from(input.byte()) % templates.len()];
        let mut data = template.data.clone();
        change(&mut data, &mut input);
        let scratch = Scratch::new();
        let root = scratch.root();
        fs::create_dir(&root).expect("room");
        fs::write(root.join("FORMAT"), &template.format).expect("room");
        fs::write(root.join("data.mdb"), &data).expect("room");
        if let Some(store) = open(&root) {
            work(&store, template);
            drop(store);
            // What was in order stays so.
            let again = LmdbStorage::options().map_bytes(MAP_BYTES).check_pages(true).open(&root);
            again.expect("LMDB made its own pages worse");
        }
        scratch.check_nothing_else_changed();
    });
}

/// Does to the file what the input says.
fn change(data: &mut Vec<u8>, input: &mut Input<'_>) {
    const PAGE: usize = 4096;
    while !input.is_empty() {
        let what = input.byte();
        let page = input.number() % (data.len() / PAGE).max(1) * PAGE;
        match what % 8 {
            // Where a page says how it is laid out, or where its entries are, or anywhere.
            0..=5 => {
                let at = input.number();
                let at = page + if what % 8 < 3 { at % 160 } else { at % PAGE };
                let count = if what & 0x80 != 0 { 2 } else { usize::from(input.byte() % 8) + 1 };
                let bytes = input.bytes(count);
                if let Some(place) = data.get_mut(at..at + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
            }
            // One page in the place of another, with the number of that or its own.
            6 => {
                let from = input.number() % (data.len() / PAGE).max(1) * PAGE;
                let Some(mut copy) = data.get(from..from + PAGE).map(<[u8]>::to_vec) else { continue };
                if what & 0x80 != 0 {
                    copy[..8].copy_from_slice(&((page / PAGE) as u64).to_ne_bytes());
                }
                if let Some(place) = data.get_mut(page..page + PAGE) {
                    place.copy_from_slice(&copy);
                }
            }
            _ => data.resize(page + input.number() % (2 * PAGE), 0),
        }
    }
}

fn open(root: &Path) -> Option<LmdbStorage> {
    match LmdbStorage::options().map_bytes(MAP_BYTES).check_pages(true).open(root) {
        Ok(store) => Some(store),
        Err(error) => {
            let is_right = matches!(
                error.kind(),
                OpenErrorKind::Damaged | OpenErrorKind::UnknownFormat | OpenErrorKind::NotAStore
            );
            assert!(is_right, "{:?}: {error}", error.kind());
            None
        }
    }
}

/// Everything that can be done with a store. Errors are fine, as long as they are of damage.
fn work(store: &LmdbStorage, template: &Template) {
    for (id, body) in &template.records {
        if let Some(Some(found)) = fine(store.load(id)) {
            assert_eq!(found.bytes, *body, "{id} is not what was saved");
        }
    }
    let _ = fine(store.load(&ActorId::new("account", "nobody").expect("short")));
    let mut seen = Vec::new();
    let _ = fine(store.scan(None, None, &mut |id| {
        seen.push(id);
        ControlFlow::Continue(())
    }));
    let _ = fine(store.due(soon(), &mut |_| ControlFlow::Continue(())));

    // Pages that are split, merged, freed and used again.
    for number in 0..40 {
        let new = ActorId::new("account", format!("{:04}-{number}", number * 13)).expect("short");
        let _ = fine(store.save(&new, None, &vec![7; number * 97 % 5000], Some(soon())));
    }
    for (at, id) in seen.iter().enumerate() {
        match at % 3 {
            0 => drop(fine(store.wipe(id, None))),
            1 => {
                if let Some(Some(found)) = fine(store.load(id)) {
                    let _ = fine(store.save(id, Some(found.revision), &vec![9; at * 31 % 3000], None));
                }
            }
            _ => {}
        }
    }
    for number in (0..40).step_by(2) {
        let new = ActorId::new("account", format!("{:04}-{number}", number * 13)).expect("short");
        let _ = fine(store.wipe(&new, None));
    }
}

fn fine<T>(result: Result<T, StorageError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let is_right = matches!(
                error.kind(),
                StorageErrorKind::Damaged
                    | StorageErrorKind::Refused
                    | StorageErrorKind::Stale
                    | StorageErrorKind::Full
            );
            assert!(is_right, "{:?}: {error}", error.kind());
            None
        }
    }
}
