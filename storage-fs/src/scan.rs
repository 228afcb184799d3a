//! Who has a record: the names of folders and files, read backwards.
//!
//! The ids of one kind are listed, put into their order and then shown, so their keys are in memory meanwhile.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use gargoyle::{ActorId, KIND_BYTES_MAX, StorageError, StorageErrorKind, Visit};

use crate::disk::{Access, Kind};
use crate::id_locks::IdLocks;
use crate::names::{self, Named, Place};
use crate::permits::{self, Permits};
use crate::store::Store;
use crate::{failure, slot};

/// One look at all that is there.
pub(crate) struct Scan<'a> {
    store: &'a Store,
    permits: &'a Permits,
    locks: &'a IdLocks,
    damage: Damage,
}

/// What surely is somebody's and was not shown: one message for each of the first, and how many there are.
#[derive(Default)]
struct Damage {
    messages: Vec<String>,
    count: usize,
}

/// More are counted and not named: an error is for people.
const DAMAGE_NAMED_MAX: usize = 10;

/// A kind and the name of its folder.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    kind: String,
    name: String,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(store: &'a Store, permits: &'a Permits, locks: &'a IdLocks) -> Self {
        Scan { store, permits, locks, damage: Damage::default() }
    }

    /// Shows the ids in their order. Each listing holds a permit and the lock of its folder; nothing is held while
    /// `visit` runs.
    pub(crate) fn run(
        mut self,
        kind: Option<&str>,
        after: Option<&ActorId>,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        self.store.check_in_place()?;
        let mut kinds = match kind {
            Some(kind) if ActorId::new(kind.to_owned(), "").is_err() => Vec::new(),
            Some(kind) => vec![Listed { kind: kind.to_owned(), name: names::of_kind(kind) }],
            None => self.kinds()?,
        };
        kinds.retain(|listed| after.is_none_or(|after| listed.kind.as_str() >= after.kind()));
        kinds.sort_unstable();
        for listed in kinds {
            let after = after.filter(|after| after.kind() == listed.kind).map(ActorId::key);
            let mut keys = self.keys(&listed, after)?;
            keys.sort_unstable();
            for key in keys {
                let id =
                    ActorId::new(listed.kind.clone(), key).expect("kind and key were checked when they were listed");
                if visit(id).is_break() {
                    return Ok(());
                }
            }
        }
        // What was not found was absent only if the store was there.
        self.store.check_in_place()?;
        self.damage.into_result()
    }

    fn kinds(&mut self) -> Result<Vec<Listed>, StorageError> {
        let root = &self.store.root;
        let names = self.open(|| self.store.disk.list(root)).map_err(|error| failure::not_listed(root, error))?;
        let mut kinds = Vec::new();
        for name in names {
            match names::named(&name) {
                Named::Text(kind) if kind.len() <= KIND_BYTES_MAX => kinds.push(Listed { kind, name }),
                Named::Hashed => kinds.extend(self.kind_inside(&name)?.map(|kind| Listed { kind, name })),
                Named::Text(_) | Named::Foreign => {}
            }
        }
        Ok(kinds)
    }

    /// The kind of a folder whose name does not tell: any file in it does.
    fn kind_inside(&mut self, name: &str) -> Result<Option<String>, StorageError> {
        let mut unclear = Vec::new();
        for (shard, folder) in self.shards(name)? {
            for file in self.files(name, shard, &folder)? {
                if names::named(&file) == Named::Foreign {
                    continue;
                }
                let path = folder.join(file);
                match self.claimed_id(&path)? {
                    Claim::Of { kind, .. } if names::of_kind(&kind) == name => return Ok(Some(kind)),
                    Claim::Gone => {}
                    Claim::Of { .. } | Claim::Unclear => unclear.push(path),
                }
            }
        }
        unclear.iter().for_each(|path| self.report(path));
        Ok(None)
    }

    /// The keys of a kind, beyond `after`, in no order.
    fn keys(&mut self, listed: &Listed, after: Option<&str>) -> Result<Vec<String>, StorageError> {
        let mut keys = Vec::new();
        for (shard, folder) in self.shards(&listed.name)? {
            for name in self.files(&listed.name, shard, &folder)? {
                let key = match names::named(&name) {
                    Named::Text(key) => Some(key),
                    Named::Hashed => self.key_inside(listed, &folder.join(&name), &name)?,
                    Named::Foreign => None,
                };
                let Some(key) = key else { continue };
                if names::shard(&key) != shard {
                    self.report_if_misplaced(&folder.join(&name));
                } else if after.is_none_or(|after| key.as_str() > after) {
                    keys.push(key);
                }
            }
        }
        Ok(keys)
    }

    /// The key of a file whose name does not tell.
    fn key_inside(&mut self, listed: &Listed, path: &Path, name: &str) -> Result<Option<String>, StorageError> {
        match self.claimed_id(path)? {
            Claim::Of { kind, key } if kind == listed.kind && names::of_key(&key) == name => Ok(Some(key)),
            Claim::Gone => Ok(None),
            Claim::Of { .. } | Claim::Unclear => {
                self.report(path);
                Ok(None)
            }
        }
    }

    /// The folders of a kind, with the numbers of their shards.
    fn shards(&mut self, kind: &str) -> Result<Vec<(u8, PathBuf)>, StorageError> {
        let folder = self.store.root.join(kind);
        if !self.is_folder(&folder)? {
            return Ok(Vec::new());
        }
        let names = or_nothing(self.open(|| self.store.disk.list(&folder)))
            .map_err(|error| failure::not_listed(&folder, error))?;
        let shards = names.iter().filter_map(|name| Some((names::shard_of_folder(name)?, folder.join(name))));
        let mut found = Vec::new();
        for (shard, folder) in shards {
            if self.is_folder(&folder)? {
                found.push((shard, folder));
            }
        }
        Ok(found)
    }

    fn files(&self, kind: &str, shard: u8, folder: &Path) -> Result<Vec<String>, StorageError> {
        let listed = self.open(|| self.store.folders.list(kind, shard, folder));
        or_nothing(listed).map_err(|error| failure::not_listed(folder, error))
    }

    /// A file in a folder's place holds no records. Behind anything else there may be some.
    fn is_folder(&mut self, path: &Path) -> Result<bool, StorageError> {
        match self.store.disk.kind(path).map_err(|error| failure::not_listed(path, error))? {
            Some(Kind::Folder) => Ok(true),
            Some(Kind::File) | None => Ok(false),
            Some(Kind::Other) => {
                self.report(path);
                Ok(false)
            }
        }
    }

    /// Whose file it says it is, in one of its slots: no matter which, as no writer changes that.
    fn claimed_id(&self, path: &Path) -> Result<Claim, StorageError> {
        let heads = self.open(|| {
            let mut file = self.store.disk.open(path, Access::Read)?;
            let Ok(slot_bytes) = slot::slot_bytes_in(file.bytes()?) else { return Ok(Vec::new()) };
            [0, slot_bytes].iter().map(|&at| file.read_at(at as u64, slot::HEAD_BYTES)).collect()
        });
        match heads {
            Ok(heads) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
                let claimed = |head: &Vec<u8>| {
                    let (kind, key) = slot::claimed_id(head)?;
                    let id = ActorId::new(text(kind)?, text(key)?).ok()?;
                    Some(Claim::Of { kind: id.kind().to_owned(), key: id.key().to_owned() })
                };
                Ok(heads.iter().find_map(claimed).unwrap_or(Claim::Unclear))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Claim::Gone),
            // What is no file cannot be read as one.
            Err(_) if !matches!(self.store.disk.kind(path), Ok(Some(Kind::File))) => Ok(Claim::Unclear),
            Err(error) => Err(failure::not_listed(path, error)),
        }
    }

    /// Looks into a folder or a file.
    fn open<T>(&self, look: impl Fn() -> io::Result<T>) -> io::Result<T> {
        self.locks.make_room_for(|| self.permits.hold(permits::ANY, &look))
    }

    fn report(&mut self, path: &Path) {
        self.damage.add(format!(
            "{} does not say whose it is, so what it may hold was not shown; restore it from a backup, or delete it",
            path.display()
        ));
    }

    /// Reports a file in a shard where no load looks for it, if it says whose it is: else it is nobody's.
    fn report_if_misplaced(&mut self, path: &Path) {
        let Ok(Claim::Of { kind, key }) = self.claimed_id(path) else { return };
        let id = ActorId::new(kind, key).expect("kind and key were checked when they were read");
        self.damage.add(format!(
            "{} is not where its record belongs, so that was not shown; move it to {} if no newer one is there, or \
             delete it",
            path.display(),
            Place::of(&id).file(&self.store.root).display()
        ));
    }
}

impl Damage {
    fn add(&mut self, message: String) {
        self.count += 1;
        if self.messages.len() < DAMAGE_NAMED_MAX {
            self.messages.push(message);
        }
    }

    fn into_result(self) -> Result<(), StorageError> {
        if self.count == 0 {
            return Ok(());
        }
        let mut message = self.messages.join("; ");
        if self.count > self.messages.len() {
            message += &format!("; and {} more like these", self.count - self.messages.len());
        }
        Err(StorageError::new(StorageErrorKind::Damaged, message))
    }
}

/// Whose a file says it is.
enum Claim {
    Of {
        kind: String,
        key: String,
    },
    Unclear,
    /// Wiped meanwhile.
    Gone,
}

/// A folder that is gone, or never was one, has no names in it.
fn or_nothing(listed: io::Result<Vec<String>>) -> io::Result<Vec<String>> {
    match listed {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Vec::new()),
        listed => listed,
    }
}
