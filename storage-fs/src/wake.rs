//! The notes of who has to be woken: a name in the folder `WAKE` for each, durable before the save that needs it.
//!
//! A note leads to the actor's file, and that says when. FORMAT.md argues why no crash loses one that is needed.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gargoyle::sync::{Arc, RwLock};
use gargoyle::{ActorId, StorageError, StorageErrorKind};
use once_cell::sync::OnceCell;

use crate::disk::{Access, Disk, Kind};
use crate::names::{self, Noted};
use crate::publish::{self, Failure};
use crate::{failure, folders};

const FOLDER: &str = "WAKE";

/// How much time one note stands for: 2¹⁸ ms, some four minutes. A time that moves within its span costs a save nothing,
/// and whoever asks who is due looks into the files of at most one span in vain.
const SPAN_BITS: u32 = 18;

/// The first line of a note that has to say whom it is about, because its name is too short for that.
const TITLE: &str = "gargoyle-storage-fs wake 1";

/// A note has less: title, kind and key, of which every byte may be escaped.
const NOTE_BYTES_MAX: usize = 4096;

/// The time as it is kept: whole milliseconds since 1970.
pub(crate) fn ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    // One less than the most, as the file keeps one more.
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).min(u64::MAX - 1)
}

/// The time that is kept so, if this machine can express it.
pub(crate) fn time(ms: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(ms))
}

/// The span of time that a note for this moment stands for.
pub(crate) fn span(ms: u64) -> u64 {
    ms >> SPAN_BITS
}

/// The folder with the notes.
#[derive(Debug)]
pub(crate) struct Notes {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Shared by all who make and remove notes, and held alone by whoever lists them: an actor's note that moves to
    /// another span is never missed in both.
    changes: RwLock<()>,
    /// Full once no temp files of an earlier process are left.
    swept: OnceCell<()>,
}

/// What the notes say.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Who may be due, and the spans of the notes about each.
    pub(crate) ids: BTreeMap<ActorId, Vec<u64>>,
    /// The last note that does not say whom it is about.
    pub(crate) damaged: Option<StorageError>,
}

/// Makes the folder, for a new store.
pub(crate) fn create(disk: &dyn Disk, root: &Path) -> io::Result<()> {
    folders::make_durable(disk, &root.join(FOLDER), root)
}

/// Whether this is the name of the folder.
pub(crate) fn is_folder(name: &str) -> bool {
    name == FOLDER
}

impl Notes {
    pub(crate) fn new(disk: &Arc<dyn Disk>, root: &Path) -> Self {
        Notes { disk: disk.clone(), folder: root.join(FOLDER), changes: RwLock::new(()), swept: OnceCell::new() }
    }

    /// Notes that `id` is to be woken in this span, and returns when that is durable.
    pub(crate) fn make(&self, id: &ActorId, span: u64) -> Result<(), StorageError> {
        self.check_folder(StorageErrorKind::Refused)?;
        let (name, noted) = names::note(span, id);
        let made = {
            let _shared = self.changes.read();
            match noted {
                Noted::Id(_) => self.make_name(&name),
                Noted::Hashed => self.publish(&name, &render(id)),
            }
        };
        made.map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.missing(StorageErrorKind::Refused),
            _ => failure::unchanged("cannot note when to wake an actor:", &self.folder.join(name), error),
        })
    }

    /// A name says it all. It needs no sync but the folder's: there is nothing in the file.
    fn make_name(&self, name: &str) -> io::Result<()> {
        let opened = self.disk.open_folder(&self.folder)?;
        match self.disk.open(&self.folder.join(name), Access::New) {
            Ok(_) => opened.sync(),
            // Of somebody whose sync failed or who died before it. A second sync of the same name may say yes to what
            // the first one lost, so it is made anew: but without a moment in which there is none, as a record whose
            // wipe failed may come back.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.publish(name, ""),
            Err(error) => Err(error),
        }
    }

    /// Makes a note in the place of whatever is there.
    fn publish(&self, name: &str, text: &str) -> io::Result<()> {
        self.swept.get_or_try_init(|| publish::sweep(&*self.disk, &self.folder))?;
        match publish::publish(&*self.disk, &self.folder, name, text.as_bytes()) {
            Ok(_) => Ok(()),
            Err(Failure::Unchanged(error) | Failure::Unknown(error)) => Err(error),
        }
    }

    /// Removes a note that no record needs any more, for all that is known to be durable.
    ///
    /// Not synced, and a failure is none of the caller's: a note too many costs whoever is asked who is due a look.
    pub(crate) fn remove(&self, id: &ActorId, span: u64) {
        if self.check_folder(StorageErrorKind::Refused).is_err() {
            return;
        }
        let _shared = self.changes.read();
        let _ = self.disk.remove(&self.folder.join(names::note(span, id).0));
    }

    /// Whom the notes up to this span are about.
    pub(crate) fn until(&self, last: u64) -> Result<Due, StorageError> {
        self.check_folder(StorageErrorKind::Damaged)?;
        let _alone = self.changes.write();
        let names = self.disk.list(&self.folder).map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.missing(StorageErrorKind::Damaged),
            _ => failure::not_listed(&self.folder, error),
        })?;
        let mut due = Due::default();
        for name in names {
            // Most are of later: their ids are not even looked at.
            let Some(span) = names::span_noted(&name).filter(|span| *span <= last) else { continue };
            match names::noted(&name) {
                Some(Noted::Id(id)) => due.ids.entry(id).or_default().push(span),
                Some(Noted::Hashed) => match self.read(&name, span) {
                    Ok(id) => due.ids.entry(id).or_default().push(span),
                    Err(error) => due.damaged = Some(error),
                },
                None => {}
            }
        }
        Ok(due)
    }

    /// Whom a note is about that has a hash for a name.
    fn read(&self, name: &str, span: u64) -> Result<ActorId, StorageError> {
        let path = self.folder.join(name);
        let text = self.disk.open(&path, Access::Read).and_then(|mut file| {
            let bytes = file.bytes()?.min(NOTE_BYTES_MAX as u64);
            file.read_at(0, bytes as usize)
        });
        let text = text.map_err(|error| failure::not_listed(&path, error))?;
        parse(&text).filter(|id| names::note(span, id).0 == name).ok_or_else(|| {
            let message = format!(
                "{} is damaged, and whom it should wake is not known; delete it if you can do without",
                path.display()
            );
            StorageError::new(StorageErrorKind::Damaged, message)
        })
    }

    /// With a link in the folder's place, notes would be made, read and removed who knows where.
    fn check_folder(&self, kind: StorageErrorKind) -> Result<(), StorageError> {
        match self.disk.kind(&self.folder) {
            Ok(Some(Kind::Folder)) => Ok(()),
            Ok(None) => Err(self.missing(kind)),
            Ok(Some(_)) => {
                let message = format!(
                    "{} is not a folder; the store follows no symbolic links and did not put this there",
                    self.folder.display()
                );
                Err(StorageError::new(kind, message))
            }
            Err(error) => Err(failure::unchanged("cannot look at", &self.folder, error)),
        }
    }

    fn missing(&self, kind: StorageErrorKind) -> StorageError {
        let message = format!(
            "{} is missing, and with it who has to be woken; restore it from a backup, or make an empty folder if you \
             can do without",
            self.folder.display()
        );
        StorageError::new(kind, message)
    }
}

fn render(id: &ActorId) -> String {
    format!("{TITLE}\n{}\n{}\n", names::escape(id.kind()), names::escape(id.key()))
}

/// Takes what `render` writes, to the letter, and nothing else.
fn parse(text: &[u8]) -> Option<ActorId> {
    let mut lines = std::str::from_utf8(text).ok()?.lines().skip(1);
    let id = ActorId::new(names::unescape(lines.next()?)?, names::unescape(lines.next()?)?).ok()?;
    (render(&id).as_bytes() == text).then_some(id)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_whole_milliseconds_and_those_beyond_are_the_first_and_the_last() {
        let at = |ns| UNIX_EPOCH + Duration::from_nanos(ns);
        assert_eq!((ms(at(0)), ms(at(999_999)), ms(at(1_000_000))), (0, 0, 1));
        assert_eq!(ms(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(ms(UNIX_EPOCH + Duration::from_secs(i64::MAX as u64)), u64::MAX - 1);
    }

    #[test]
    fn a_text_with_any_byte_changed_is_not_taken_for_another_id() {
        let id = ActorId::new("account", "\n%".repeat(300)).unwrap();
        let (name, text) = (names::note(3, &id).0, render(&id));
        assert_eq!(parse(text.as_bytes()), Some(id.clone()));
        assert!(render(&ActorId::new("\0".repeat(128), "\0".repeat(1024)).unwrap()).len() < NOTE_BYTES_MAX);
        for at in 0..text.len() {
            let mut broken = text.clone().into_bytes();
            broken[at] ^= 1;
            assert!(parse(&broken).is_none_or(|other| names::note(3, &other).0 != name), "byte {at}");
            assert_eq!(parse(&text.as_bytes()[..at]), None, "cut to {at}");
        }
    }
}
