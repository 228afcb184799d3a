//! A store of one's own, in one file: a log that every save is appended to. It passes the kit for stores.
//!
//! Run it: `cargo run --example own_storage`, twice. The test at the end is all that it takes to check a store, and says
//! what this one cannot do.
//!
//! The file is a row of entries: length, checksum, and a save or a wipe in CBOR. Where the newest save of each id is, is in
//! memory. To look for: what a crash leaves at the end of the file, why a failed sync ends the store, and how the whole
//! contract is checked. What it costs: one flush a save, one save at a time; an index in memory; and a file that grows until
//! it is next opened, when what is dead in it is left behind. What it cannot tell: whether the very last entry was cut short
//! by a crash or has rotted since. Gargoyle's own stores can.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gargoyle::sync::Mutex;
use gargoyle::{
    Actor, ActorId, BoxError, Context, Handler, Revision, Storage, StorageError, StorageErrorKind, Stored, System,
    Visit,
};
use gargoyle_registry_std::StdRegistry;
use serde::{Deserialize, Serialize};

/// A store in one file.
struct LogStorage {
    path: PathBuf,
    log: Mutex<Log>,
    /// Locked as long as the store is open. Beside the log, which is replaced when it is compacted.
    _owner: File,
}

struct Log {
    file: File,
    /// Where the next entry goes.
    end: u64,
    newest: BTreeMap<ActorId, Place>,
    /// One count for all ids, so that no revision comes back after a wipe.
    last: u64,
    /// Set when nobody knows any more what of the file is durable.
    is_broken: bool,
}

/// The newest save of an id.
#[derive(Clone, Copy)]
struct Place {
    revision: u64,
    at: u64,
    wake_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    id: ActorId,
    revision: u64,
    change: Change,
}

#[derive(Serialize, Deserialize)]
enum Change {
    Save {
        wake_ms: Option<u64>,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    Wipe,
}

/// Length and checksum, four bytes each.
const HEAD: usize = 8;

impl Entry {
    fn encoded(&self) -> Result<Vec<u8>, BoxError> {
        let mut out = vec![0; HEAD];
        ciborium::into_writer(self, &mut out)?;
        let length = u32::try_from(out.len() - HEAD)?.to_le_bytes();
        out[..4].copy_from_slice(&length);
        let sum = checksum(&length, &out[HEAD..]);
        out[4..HEAD].copy_from_slice(&sum.to_le_bytes());
        Ok(out)
    }

    /// The entry at the beginning of `log` and its length, if there is a whole one.
    fn decoded(log: &[u8]) -> Option<(Entry, usize)> {
        let length: [u8; 4] = log.get(..4)?.try_into().ok()?;
        let sum = u32::from_le_bytes(log.get(4..HEAD)?.try_into().ok()?);
        let end = HEAD.checked_add(usize::try_from(u32::from_le_bytes(length)).ok()?)?;
        let body = log.get(HEAD..end)?;
        let entry = (checksum(&length, body) == sum).then(|| ciborium::from_reader(body).ok())??;
        Some((entry, end))
    }
}

fn checksum(length: &[u8], body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(length);
    sum.update(body);
    sum.finalize()
}

impl Log {
    /// Reads a log, and cuts off what a crash has left of an entry that was being written. It was not acknowledged: each is
    /// synced before the next is begun, so there is one of them at most, and it is the last.
    fn read(mut file: File, path: &Path) -> Result<Log, StorageError> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| failed(path, error))?;
        let (mut newest, mut last, mut at) = (BTreeMap::new(), 0, 0);
        while let Some((entry, length)) = Entry::decoded(&bytes[at..]) {
            last = last.max(entry.revision);
            match entry.change {
                Change::Save { wake_ms, .. } => {
                    newest.insert(entry.id, Place { revision: entry.revision, at: at as u64, wake_ms });
                }
                Change::Wipe => drop(newest.remove(&entry.id)),
            }
            at += length;
        }
        // An entry after something that is none: that was no crash, and what is damaged must not look as if it were absent.
        if (at..bytes.len()).any(|later| Entry::decoded(&bytes[later..]).is_some()) {
            let what = format!("{}: what is at byte {at} was not written by this store", path.display());
            return Err(StorageError::new(StorageErrorKind::Damaged, what));
        }
        let end = at as u64;
        let cut = file.set_len(end).and_then(|()| file.sync_all());
        cut.map_err(|error| failed(path, error))?;
        Ok(Log { file, end, newest, last, is_broken: false })
    }

    /// Appends an entry and makes it durable.
    fn append(&mut self, path: &Path, entry: &Entry) -> Result<(), StorageError> {
        let bytes = entry.encoded().map_err(|error| {
            let what = format!("{}: the record of {} is too large", path.display(), entry.id);
            StorageError::new(StorageErrorKind::Refused, what).with_source(error)
        })?;
        let written = self.file.seek(SeekFrom::Start(self.end)).and_then(|_| self.file.write_all(&bytes));
        if let Err(error) = written {
            // `Full` promises that nothing has changed.
            let is_undone = self.file.set_len(self.end).is_ok();
            self.is_broken = !is_undone;
            let is_full = is_undone && matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
            let kind = if is_full { StorageErrorKind::Full } else { StorageErrorKind::Unreachable };
            return Err(StorageError::new(kind, format!("{}: cannot be written", path.display())).with_source(error));
        }
        if let Err(error) = self.file.sync_data() {
            // Another sync might succeed with the data lost: only who reads the file anew knows what is there.
            self.is_broken = true;
            return Err(failed(path, error));
        }
        self.end += bytes.len() as u64;
        self.last = entry.revision;
        Ok(())
    }

    fn entry_at(&mut self, at: u64, path: &Path) -> Result<Entry, StorageError> {
        let mut read = || {
            let mut bytes = vec![0; HEAD];
            self.file.seek(SeekFrom::Start(at))?;
            self.file.read_exact(&mut bytes)?;
            let length = u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"));
            (&mut self.file).take(length.into()).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error| failed(path, error))?;
        let damaged = || StorageError::new(StorageErrorKind::Damaged, format!("{}: byte {at}", path.display()));
        Entry::decoded(&bytes).map(|(entry, _)| entry).ok_or_else(damaged)
    }

    fn expect(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        let found = self.newest.get(id).map(|place| Revision::new(place.revision));
        let stale =
            || StorageError::new(StorageErrorKind::Stale, format!("{id}: expected {expected:?}, found {found:?}"));
        (found == expected).then_some(()).ok_or_else(stale)
    }
}

fn failed(path: &Path, error: io::Error) -> StorageError {
    let what = format!("{}: the file system failed", path.display());
    StorageError::new(StorageErrorKind::Unreachable, what).with_source(error)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

impl LogStorage {
    /// Opens the store in this file, or makes it. One opener has it at a time.
    fn open(path: impl Into<PathBuf>) -> Result<Self, BoxError> {
        let path = path.into();
        let open = |path: &Path| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let owner = open(&beside(&path, ".lock"))?;
        match owner.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(format!("{} is in use", path.display()).into()),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let log = Log::read(open(&path)?, &path)?;
        // The name of a new file is durable when its folder is.
        sync_folder_of(&path)?;
        let store = LogStorage { path, log: Mutex::new(log), _owner: owner };
        store.compact()?;
        Ok(store)
    }

    /// Writes what is alive of the log into a new one, if that is less than half of it.
    fn compact(&self) -> Result<(), BoxError> {
        let mut log = self.log.lock();
        let new_path = beside(&self.path, ".new");
        let mut bytes = Vec::new();
        let places: Vec<Place> = log.newest.values().copied().collect();
        for place in places {
            bytes.extend(log.entry_at(place.at, &self.path)?.encoded()?);
        }
        // The count goes on: a wipe of an id that nobody has keeps the last revision.
        let last = Entry { id: ActorId::new("log", "count")?, revision: log.last, change: Change::Wipe };
        bytes.extend(last.encoded()?);
        if (bytes.len() as u64) * 2 >= log.end {
            return Ok(());
        }
        let mut file = File::create(&new_path)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new_path, &self.path)?;
        sync_folder_of(&self.path)?;
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        *log = Log::read(file, &self.path)?;
        Ok(())
    }

    /// Appends a change and takes it into the index, if `expected` is there.
    fn change(&self, log: &mut Log, id: &ActorId, change: Change) -> Result<u64, StorageError> {
        if log.is_broken {
            let what = format!("{}: an earlier write failed; open the store anew", self.path.display());
            return Err(StorageError::new(StorageErrorKind::Refused, what));
        }
        let entry = Entry { id: id.clone(), revision: log.last + 1, change };
        let at = log.end;
        log.append(&self.path, &entry)?;
        match entry.change {
            Change::Save { wake_ms, .. } => {
                log.newest.insert(id.clone(), Place { revision: entry.revision, at, wake_ms });
            }
            Change::Wipe => drop(log.newest.remove(id)),
        }
        Ok(entry.revision)
    }

    /// Shows ids without the lock: those that were there a moment ago.
    fn show(&self, accepts: impl Fn(&ActorId, &Place) -> bool, visit: Visit<'_>) {
        let log = self.log.lock();
        let ids: Vec<ActorId> =
            log.newest.iter().filter(|(id, place)| accepts(id, place)).map(|(id, _)| id.clone()).collect();
        drop(log);
        let _ = ids.into_iter().try_for_each(visit);
    }
}

#[cfg(unix)]
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder_of(_: &Path) -> io::Result<()> {
    Ok(())
}

impl Storage for LogStorage {
    fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
        let mut log = self.log.lock();
        let Some(place) = log.newest.get(id).copied() else { return Ok(None) };
        let Change::Save { wake_ms, bytes } = log.entry_at(place.at, &self.path)?.change else {
            unreachable!("the index has saves alone");
        };
        let wake_at = wake_ms.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        Ok(Some(Stored { revision: Revision::new(place.revision), bytes, wake_at }))
    }

    fn save(
        &self,
        id: &ActorId,
        expected: Option<Revision>,
        bytes: &[u8],
        wake_at: Option<SystemTime>,
    ) -> Result<Revision, StorageError> {
        let since_1970 = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let wake_ms = wake_at.map(|at| u64::try_from(since_1970(at).as_millis()).unwrap_or(u64::MAX));
        let mut log = self.log.lock();
        log.expect(id, expected)?;
        self.change(&mut log, id, Change::Save { wake_ms, bytes: bytes.to_vec() }).map(Revision::new)
    }

    fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
        let mut log = self.log.lock();
        if !log.newest.contains_key(id) {
            return Ok(());
        }
        if expected.is_some() {
            log.expect(id, expected)?;
        }
        self.change(&mut log, id, Change::Wipe).map(drop)
    }

    fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
        let is_after = |id: &ActorId| after.is_none_or(|after| id > after);
        self.show(|id, _| kind.is_none_or(|kind| id.kind() == kind) && is_after(id), visit);
        Ok(())
    }

    fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
        let until = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        self.show(|_, place| place.wake_ms.is_some_and(|at| u128::from(at) <= until), visit);
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Diary(Vec<String>);

impl Actor for Diary {
    const KIND: &'static str = "diary";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Diary(Vec::new()))
    }
}

struct Note(String);

impl Handler<Note> for Diary {
    type Reply = usize;

    fn handle(&mut self, Note(line): Note, _: &mut Context<Self>) -> usize {
        self.0.push(line);
        self.0.len()
    }
}

fn main() -> Result<(), BoxError> {
    let system = System::builder(StdRegistry::new(), LogStorage::open("diary.log")?).build()?;
    let diary = system.handle::<Diary>("mine", ());
    let lines = diary.call(Note("Today I wrote a store.".to_owned()))?;
    println!("the diary has {lines} lines");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gargoyle::conformance::storage::{self, Capabilities, Capability, Medium};

    /// A folder with a store in it.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Place(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("store.log")
        }
    }

    impl Medium for Place {
        fn open(&self) -> Result<Box<dyn Storage>, BoxError> {
            Ok(Box::new(LogStorage::open(self.path())?))
        }

        fn name(&self) -> Option<String> {
            Some(self.path().display().to_string())
        }
    }

    #[test]
    fn it_keeps_the_contract_of_a_store() {
        let capabilities = Capabilities::full()
            .lacks(Capability::Damage, "the last record looks like a cut one, and others keep the log from opening")
            .lacks(Capability::Faults, "there is nothing between it and the file that could fail on demand");
        println!("{}", storage::run_all(Place::new, capabilities));
    }

    fn saved(store: &LogStorage, key: &str, expected: Option<Revision>) -> Revision {
        store.save(&ActorId::new("k", key).unwrap(), expected, key.as_bytes(), None).unwrap()
    }

    #[test]
    fn what_a_crash_cuts_short_was_never_there_wherever_it_is_cut() {
        let place = Place::new();
        let store = LogStorage::open(place.path()).unwrap();
        saved(&store, "a", None);
        let whole = fs::metadata(place.path()).unwrap().len();
        saved(&store, "b", None);
        drop(store);
        let log = fs::read(place.path()).unwrap();
        for length in whole..log.len() as u64 {
            fs::write(place.path(), &log[..usize::try_from(length).unwrap()]).unwrap();
            let store = LogStorage::open(place.path()).unwrap();
            assert!(store.load(&ActorId::new("k", "a").unwrap()).unwrap().is_some());
            assert!(store.load(&ActorId::new("k", "b").unwrap()).unwrap().is_none());
            saved(&store, "b", None);
        }
    }

    #[test]
    fn a_log_that_rots_in_its_middle_is_refused() {
        let place = Place::new();
        let store = LogStorage::open(place.path()).unwrap();
        saved(&store, "a", None);
        let damaged = usize::try_from(fs::metadata(place.path()).unwrap().len()).unwrap() - 1;
        saved(&store, "b", None);
        drop(store);
        let mut log = fs::read(place.path()).unwrap();
        log[damaged] ^= 1;
        fs::write(place.path(), &log).unwrap();
        let error = LogStorage::open(place.path()).err().unwrap();
        assert_eq!(error.downcast_ref::<StorageError>().unwrap().kind(), StorageErrorKind::Damaged);
        assert_eq!(fs::read(place.path()).unwrap(), log, "it is left as it was");
    }

    #[test]
    fn a_log_is_compacted_and_its_revisions_go_on() {
        let place = Place::new();
        let store = LogStorage::open(place.path()).unwrap();
        let mut revision = saved(&store, "a", None);
        for _ in 0..50 {
            revision = saved(&store, "a", Some(revision));
        }
        let gone = saved(&store, "b", None);
        store.wipe(&ActorId::new("k", "b").unwrap(), None).unwrap();
        drop(store);
        let before = fs::metadata(place.path()).unwrap().len();
        let store = LogStorage::open(place.path()).unwrap();
        assert!(fs::metadata(place.path()).unwrap().len() < before / 10);
        assert_eq!(store.load(&ActorId::new("k", "a").unwrap()).unwrap().unwrap().revision, revision);
        assert!(saved(&store, "b", None) > gone);
    }
}
