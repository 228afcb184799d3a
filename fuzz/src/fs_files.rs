//! The file store on files that rotted or that somebody forged: what was saved, or the word that it is damaged, and
//! never that there is nothing. Everybody else's records stay as they are.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gargoyle::{ActorId, Revision, Storage, StorageErrorKind, Stored};
use gargoyle_storage_fs::{FsStorage, OpenErrorKind};

use crate::input::Input;
use crate::scratch::Scratch;

const ALICE: &[u8] = b"100 coins, and then some";
const BOB: &[u8] = b"70 coins";

/// Where things are in a slot, see FORMAT.md.
const PAYLOAD_AT: usize = 96;

/// A store that is made once and put right again before each input: to make one takes most of the time.
struct Scene {
    scratch: Scratch,
    /// All its files as they were.
    files: Vec<(PathBuf, Vec<u8>)>,
    alices: PathBuf,
    note_of_long: PathBuf,
    revision: Revision,
    /// Alice's file as it is after one save, after two, with and without a time, and with room for more.
    templates: Vec<Vec<u8>>,
}

thread_local! {
    static SCENE: Scene = Scene::new();
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

impl Scene {
    fn new() -> Self {
        let templates = [(1, ALICE.len()), (2, ALICE.len()), (3, 5000)].map(|(saves, bytes)| {
            let scratch = Scratch::new();
            let store = FsStorage::open(scratch.root()).expect("a new store");
            let body: Vec<u8> = ALICE.iter().copied().cycle().take(bytes).collect();
            let mut last = None;
            for save in 0..saves {
                let wake_at = Some(soon()).filter(|_| save == 1);
                last = Some(store.save(&alice(), last, &body, wake_at).expect("room"));
            }
            fs::read(store.path_of(&alice())).expect("saved")
        });
        let scratch = Scratch::new();
        let store = FsStorage::open(scratch.root()).expect("a new store");
        store.save(&bob(), None, BOB, None).expect("room");
        store.save(&long(), None, BOB, Some(soon())).expect("room");
        let revision = store.save(&alice(), None, ALICE, Some(soon())).expect("room");
        let alices = store.path_of(&alice());
        drop(store);
        let mut files = Vec::new();
        walk(&scratch.root(), &mut |path| files.push((path.to_owned(), fs::read(path).expect("readable"))));
        let is_note = |path: &&PathBuf| path.to_string_lossy().contains("+~");
        let note_of_long = files.iter().map(|(path, _)| path).find(is_note).expect("its name is too long").clone();
        Scene { scratch, files, alices, note_of_long, revision, templates: templates.into() }
    }

    fn put_right(&self) {
        walk(&self.scratch.root(), &mut |path| {
            if !self.files.iter().any(|(known, _)| known == path) {
                fs::remove_file(path).expect("nobody else's");
            }
        });
        for (path, bytes) in &self.files {
            fs::write(path, bytes).expect("room for a file");
        }
    }
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("readable");
        match entry.file_type().expect("readable").is_dir() {
            true => walk(&entry.path(), visit),
            false => visit(&entry.path()),
        }
    }
}

/// The first byte says which file is changed.
pub fn check(input: &[u8]) {
    SCENE.with(|scene| {
        let mut input = Input::new(input);
        scene.put_right();
        let root = scene.scratch.root();
        match input.byte() % 6 {
            0..=2 => scene.check_record(&changed(&scene.templates, &mut input)),
            3 => check_own_file(&root, &root.join("REVISIONS"), input.rest()),
            4 => check_own_file(&root, &root.join("FORMAT"), input.rest()),
            _ => {
                fs::write(&scene.note_of_long, input.rest()).expect("room for a file");
                let store = FsStorage::open(&root).expect("notes are not looked at");
                for id in due(&store) {
                    assert!([alice(), long()].contains(&id), "{id:?} has no time");
                }
                let stored = store.load(&alice()).expect("sound").expect("there");
                assert_eq!((stored.revision, &stored.bytes[..]), (scene.revision, ALICE));
            }
        }
        scene.scratch.check_nothing_else_changed();
    });
}

/// Alice's file: raw bytes or a sound one with changes, and then as many checksums put right as the input says. With
/// wrong ones nobody would look any further.
fn changed(templates: &[Vec<u8>], input: &mut Input<'_>) -> Vec<u8> {
    let (mode, right) = (input.byte(), input.byte());
    let mut file = match mode % 4 {
        3 => Vec::new(),
        template => templates[usize::from(template)].clone(),
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

impl Scene {
    fn check_record(&self, file: &[u8]) {
        let (root, path) = (&self.scratch.root(), &self.alices);
        fs::write(path, file).expect("room for a file");
        let looked = {
            let store = FsStorage::open_read_only(root).expect("the file of an actor is not looked at");
            load(&store, file)
        };
        let store = FsStorage::open(root).expect("the file of an actor is not looked at");
        assert_eq!(fs::read(path).expect("still there"), file, "who only looks or opens changes nothing");
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
                assert_eq!(fs::read(path).expect("still there"), file, "what is damaged is left as it is");
            }
        }
        store.wipe(&alice(), None).expect("whatever is there can be wiped");
        assert!(store.load(&alice()).expect("wiped").is_none());
        assert_eq!(scan(&store).0, [bob(), long()]);
    }
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
