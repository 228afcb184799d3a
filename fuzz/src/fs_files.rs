//! The file store on files that rotted or that somebody forged: what was saved, or the word that it is damaged, and
//! never that there is nothing. Everybody else's records stay as they are.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gargoyle::{ActorId, Storage, StorageErrorKind, Stored};
use gargoyle_storage_fs::{FsStorage, OpenErrorKind};

use crate::input::Input;
use crate::scratch::Scratch;

const ALICE: &[u8] = b"100 coins, and then some";
const BOB: &[u8] = b"70 coins";

/// Where things are in a slot, see FORMAT.md.
const PAYLOAD_AT: usize = 96;

/// Alice's file as it is after one save, after two, with and without a time, and with room for more.
struct Templates {
    files: Vec<Vec<u8>>,
    note_of_long: PathBuf,
}

thread_local! {
    static TEMPLATES: Templates = templates();
}

fn alice() -> ActorId {
    ActorId::new("account", "alice").expect("short")
}

fn bob() -> ActorId {
    // In Alice's folder.
    ActorId::new("account", "bob-325").expect("short")
}

/// Its name is too long for a file, and for a note.
fn long() -> ActorId {
    ActorId::new("account", "x".repeat(300)).expect("short enough")
}

fn soon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(5)
}

fn templates() -> Templates {
    let mut files = Vec::new();
    let mut note_of_long = PathBuf::new();
    for (saves, bytes) in [(1, ALICE.len()), (2, ALICE.len()), (3, 5000)] {
        let scratch = Scratch::new();
        let store = make(&scratch);
        let body: Vec<u8> = ALICE.iter().copied().cycle().take(bytes).collect();
        let mut last = None;
        for save in 0..saves {
            let wake_at = Some(soon()).filter(|_| save == 1);
            last = Some(store.save(&alice(), last, &body, wake_at).expect("room"));
        }
        files.push(fs::read(store.path_of(&alice())).expect("saved"));
        let notes = fs::read_dir(scratch.root().join("WAKE")).expect("there");
        let names = notes.map(|note| note.expect("readable").file_name());
        note_of_long =
            names.filter(|name| name.to_string_lossy().contains("+~")).map(PathBuf::from).next().expect("one");
    }
    Templates { files, note_of_long }
}

/// A store with all but Alice.
fn make(scratch: &Scratch) -> FsStorage {
    let store = FsStorage::open(scratch.root()).expect("a new store");
    store.save(&bob(), None, BOB, None).expect("room");
    store.save(&long(), None, BOB, Some(soon())).expect("room");
    store
}

/// The first byte says which file is changed.
pub fn check(input: &[u8]) {
    let mut input = Input::new(input);
    let scratch = Scratch::new();
    let store = make(&scratch);
    let alices = store.path_of(&alice());
    let revision = store.save(&alice(), None, ALICE, Some(soon())).expect("room");
    drop(store);
    let root = scratch.root();
    match input.byte() % 6 {
        0..=2 => {
            let file = TEMPLATES.with(|templates| changed(templates, &mut input));
            fs::write(&alices, &file).expect("room for a file");
            check_record(&root, &file);
        }
        3 => check_own_file(&root, &root.join("REVISIONS"), input.rest()),
        4 => check_own_file(&root, &root.join("FORMAT"), input.rest()),
        _ => {
            let note = TEMPLATES.with(|templates| root.join("WAKE").join(&templates.note_of_long));
            fs::write(&note, input.rest()).expect("room for a file");
            let store = FsStorage::open(&root).expect("notes are not looked at");
            for id in due(&store) {
                assert!([alice(), long()].contains(&id), "{id:?} has no time");
            }
            let stored = store.load(&alice()).expect("sound").expect("there");
            assert_eq!((stored.revision, &stored.bytes[..]), (revision, ALICE));
        }
    }
    scratch.check_nothing_else_changed();
}

/// Alice's file: raw bytes or a sound one with changes, and then as many checksums put right as the input says. With
/// wrong ones nobody would look any further.
fn changed(templates: &Templates, input: &mut Input<'_>) -> Vec<u8> {
    let (mode, right) = (input.byte(), input.byte());
    let mut file = match mode % 4 {
        3 => Vec::new(),
        template => templates.files[usize::from(template)].clone(),
    };
    if mode & 4 != 0 {
        // Any length, most of them wrong.
        file.resize(input.number().saturating_mul(if mode & 8 != 0 { 512 } else { 1 }), 0);
    }
    if file.is_empty() {
        return file;
    }
    while !input.is_empty() {
        let at = input.number();
        // Where things are decided, or anywhere.
        let at = if at & 0x8000 != 0 { (at & 0xff) + (at >> 8 & 1) * file.len() / 2 } else { at } % file.len();
        let count = usize::from(input.byte() % 16) + 1;
        let bytes = input.bytes(count);
        let end = (at + bytes.len()).min(file.len());
        file[at..end].copy_from_slice(&bytes[..end - at]);
    }
    let slot_bytes = file.len() / 2;
    if file.len() % 2 == 0 && slot_bytes > PAYLOAD_AT {
        for (slot, right) in file.chunks_exact_mut(slot_bytes).zip([right, right >> 4]) {
            put_right(slot, right);
        }
    }
    file
}

fn put_right(slot: &mut [u8], right: u8) {
    let number = |slot: &[u8], at: usize| u32::from_le_bytes(slot[at..at + 4].try_into().expect("4 bytes")) as usize;
    if right & 1 != 0 {
        let bytes = slot.len() as u64;
        slot[16..24].copy_from_slice(&bytes.to_le_bytes());
    }
    if right & 2 != 0 {
        let end = [PAYLOAD_AT, number(slot, 32), number(slot, 36), number(slot, 40)].iter().sum::<usize>();
        if let Some(payload) = slot.get(PAYLOAD_AT..end) {
            let crc = crc32fast::hash(payload);
            slot[12..16].copy_from_slice(&crc.to_le_bytes());
        }
    }
    if right & 4 != 0 {
        let crc = crc32fast::hash(&slot[..60]);
        slot[60..64].copy_from_slice(&crc.to_le_bytes());
    }
    if right & 8 != 0 {
        let crc = crc32fast::hash(&slot[64..92]);
        slot[92..96].copy_from_slice(&crc.to_le_bytes());
    }
}

fn check_record(root: &Path, file: &[u8]) {
    let looked = {
        let store = FsStorage::open_read_only(root).expect("the file of an actor is not looked at");
        load(&store, file)
    };
    let path = {
        let store = FsStorage::open(root).expect("the file of an actor is not looked at");
        store.path_of(&alice())
    };
    assert_eq!(fs::read(&path).expect("still there"), file, "who only looks or opens changes nothing");

    let store = FsStorage::open(root).expect("the file of an actor is not looked at");
    let (seen, scanned) = scan(&store);
    assert_eq!(seen, [alice(), bob(), long()], "its name says whose it is");
    assert!(scanned, "and nothing else is wrong");
    assert!(due(&store).contains(&long()));
    let loaded = load(&store, file);
    assert_eq!(loaded, looked, "an owner sees what a looker saw");
    assert_eq!(load(&store, file), loaded, "and sees it again");
    for id in [bob(), long()] {
        assert_eq!(store.load(&id).expect("sound").expect("there").bytes, BOB);
    }

    let unexpected = store.save(&alice(), None, b"new", None).expect_err("there is something");
    match &loaded {
        Ok(stored) => {
            assert_eq!(unexpected.kind(), StorageErrorKind::Stale);
            match store.save(&alice(), Some(stored.revision), b"next", None) {
                Ok(revision) => {
                    assert!(revision > stored.revision);
                    assert_eq!(store.load(&alice()).expect("saved").expect("saved").bytes, b"next");
                }
                // Of another time: the count of revisions is behind it.
                Err(error) => assert_eq!(error.kind(), StorageErrorKind::Refused, "{error}"),
            }
        }
        Err(kind) => {
            assert_eq!(unexpected.kind(), *kind);
            assert_eq!(fs::read(&path).expect("still there"), file, "what is damaged is left as it is");
        }
    }
    store.wipe(&alice(), None).expect("whatever is there can be wiped");
    assert!(store.load(&alice()).expect("wiped").is_none());
    assert_eq!(scan(&store).0, [bob(), long()]);
}

/// What a load says. Never that there is nothing, and nothing that is not in the file.
fn load(store: &FsStorage, file: &[u8]) -> Result<Stored, StorageErrorKind> {
    match store.load(&alice()) {
        Ok(stored) => {
            let stored = stored.expect("there is a file, whatever is in it");
            let is_in_file =
                stored.bytes.is_empty() || file.windows(stored.bytes.len()).any(|part| part == stored.bytes);
            assert!(is_in_file, "nobody ever wrote this");
            Ok(stored)
        }
        Err(error) => {
            let kind = error.kind();
            assert!(matches!(kind, StorageErrorKind::Damaged | StorageErrorKind::Refused), "{kind:?}: {error}");
            Err(kind)
        }
    }
}

/// A file of the store's own. Without it nothing may be taken for absent, and nothing may be changed.
fn check_own_file(root: &Path, path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("room for a file");
    match FsStorage::open(root) {
        Ok(store) => {
            assert_eq!(store.load(&alice()).expect("sound").expect("there").bytes, ALICE);
            let (seen, scanned) = scan(&store);
            assert_eq!((seen, scanned), (vec![alice(), bob(), long()], true));
        }
        Err(error) => {
            let kind = error.kind();
            let is_right =
                matches!(kind, OpenErrorKind::Damaged | OpenErrorKind::NotAStore | OpenErrorKind::UnknownFormat);
            assert!(is_right, "{kind:?}: {error}");
            assert_eq!(fs::read(path).expect("still there"), bytes, "what is not understood is left as it is");
        }
    }
}

fn scan(store: &FsStorage) -> (Vec<ActorId>, bool) {
    let mut seen = Vec::new();
    let scanned = store.scan(None, None, &mut |id| {
        seen.push(id);
        ControlFlow::Continue(())
    });
    (seen, scanned.is_ok())
}

fn due(store: &FsStorage) -> Vec<ActorId> {
    let mut seen = Vec::new();
    let shown = store.due(soon(), &mut |id| {
        seen.push(id);
        ControlFlow::Continue(())
    });
    if let Err(error) = shown {
        assert_eq!(error.kind(), StorageErrorKind::Damaged, "{error}");
    }
    seen
}
