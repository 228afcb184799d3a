//! A file system in memory that knows what of it is durable: it can be killed, lose its power, and fail.
//!
//! What is promised, and no more:
//!
//! - A file is sectors of 512 bytes and a length. Each has candidates: what is durable, and whatever was written since.
//!   A sync that succeeds leaves the newest one. A power cut takes any candidate of each sector and of the length,
//!   independent of each other, or noise in those bytes of a sector that were being written.
//! - A folder is its durable names, and the changes since, each of which happens or not. A sync that succeeds makes all of
//!   them durable. A power cut leaves any number of the first ones, independent of files and of other folders. A file
//!   system with a journal promises more than this; one without (any subset, in any order) promises less.
//! - The sync of a file does nothing for its name, and that of a folder nothing for the files in it.
//! - A sync that fails writes some of it or nothing, and forgets that there was something to write: the next sync
//!   succeeds, and what was lost stays lost, whether it can still be read or not.

mod choices;
mod test;
mod world;

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

pub(crate) use choices::Random;
use choices::choices;
use world::{Change, Data, Entries, Names, Node, World, split};

use super::{Access, Disk, File, Folder, Identity, Kind, OpenFile, OpenFolder};

/// A machine. Clones are the same machine.
#[derive(Clone, Debug)]
pub(crate) struct Model(Arc<Mutex<State>>);

/// A call that changes something or may, and so can fail for want of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Look,
    Change,
    Sync,
}

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// The number of the first call that fails, of those that can.
    pub(crate) at: usize,
    pub(crate) error: ErrorKind,
    /// Whether all later ones fail too.
    pub(crate) for_ever: bool,
    /// Whether what a failed sync lost can still be read.
    pub(crate) cache_lies: bool,
    /// At which change or sync after the first failure the process dies.
    pub(crate) dies_after: Option<usize>,
}

#[derive(Debug)]
struct State {
    world: World,
    /// Files and folders that are locked, by the living.
    locked: HashSet<usize>,
    /// Counts the processes: those before are dead, and their open files with them.
    process: u64,
    /// The changes and syncs that are still done. Then the process is dead.
    changes_left: Option<usize>,
    fault: Option<Fault>,
    /// The calls that the fault could have hit.
    calls: usize,
    /// How often somebody wanted a file opened straight, or at all.
    straight: usize,
    opened: usize,
}

impl Model {
    pub(crate) fn new() -> Self {
        World(vec![Node::Folder(Names { durable: vec![Entries::new()], ..Names::default() })]).into()
    }

    /// After so many more changes and syncs, the process dies: nothing that it calls has an effect.
    pub(crate) fn die_after(&self, changes: usize) {
        self.state().changes_left = Some(changes);
    }

    /// Whether the process died.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().changes_left == Some(0)
    }

    /// Lets calls fail, or no more.
    pub(crate) fn fail(&self, fault: Option<Fault>) {
        let mut state = self.state();
        (state.fault, state.calls) = (fault, 0);
    }

    /// Whether the fault has hit.
    pub(crate) fn has_failed(&self) -> bool {
        let state = self.state();
        state.fault.is_some_and(|fault| state.calls > fault.at)
    }

    /// The process is killed, if it is not dead yet, and the next one begins. The machine goes on.
    pub(crate) fn kill(&self) {
        let mut state = self.state();
        state.process += 1;
        state.locked.clear();
        (state.changes_left, state.fault) = (None, None);
    }

    /// How often somebody wanted a file to be opened.
    pub(crate) fn opened(&self) -> usize {
        self.state().opened
    }

    /// The machine finds the time to write this file, though nobody asked for it.
    pub(crate) fn write_back(&self, path: &Path) {
        let mut state = self.state();
        if let Ok(Some(node)) = state.world.find(path) {
            state.world.file_at(node).sync();
        }
    }

    /// What a power cut may leave now, up to so many cases: all of them if they are fewer, otherwise nothing lost,
    /// everything lost, each file and folder by itself, and others at random.
    pub(crate) fn after_power_cut(&self, cases_max: usize, random: &mut Random) -> Vec<Model> {
        let world = self.state().world.clone();
        let in_use = world.in_use();
        let outcomes: Vec<usize> = in_use.iter().map(|&node| world.0[node].outcomes()).collect();
        let after = |choice: Vec<usize>| {
            // What no name leads to is gone.
            let mut after = World(vec![Node::File(Data::durable(Vec::new())); world.0.len()]);
            for (&node, outcome) in in_use.iter().zip(choice) {
                after.0[node] = world.0[node].after(outcome);
            }
            after.into()
        };
        choices(&outcomes, cases_max, random).into_iter().map(after).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Begins a call: counts it, and fails if it is the time for that.
    fn call(&self, process: Option<u64>, call: Call) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if process.is_some_and(|process| process != state.process) {
            return Err(io::Error::other("of a process that was killed"));
        }
        if state.changes_left == Some(0) {
            return Err(io::Error::other("the process is dead"));
        }
        if let Some(fault) = state.fault {
            // Only a medium that fails keeps one from looking.
            let can_fail = call != Call::Look || fault.error == ErrorKind::Other;
            let number = state.calls;
            state.calls += usize::from(can_fail);
            if can_fail && number == fault.at && fault.dies_after.is_some() {
                state.changes_left = fault.dies_after;
            }
            if can_fail && (number == fault.at || fault.for_ever && number > fault.at) {
                return Err(fault.error.into());
            }
        }
        if call != Call::Look {
            state.changes_left = state.changes_left.map(|left| left - 1);
            if state.changes_left == Some(0) {
                return Err(io::Error::other("the process dies"));
            }
        }
        Ok(state)
    }

    fn handle(&self, state: &State, node: usize) -> Handle {
        Handle { machine: self.clone(), process: state.process, node, has_lock: AtomicBool::new(false) }
    }
}

impl From<World> for Model {
    fn from(world: World) -> Self {
        Model(Arc::new(Mutex::new(State {
            world,
            locked: HashSet::new(),
            process: 0,
            changes_left: None,
            fault: None,
            calls: 0,
            straight: 0,
            opened: 0,
        })))
    }
}

impl Disk for Model {
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        let state = self.call(None, Call::Look)?;
        Ok(state.world.find(path)?.map(|node| match state.world.0[node] {
            Node::File(_) => Kind::File,
            Node::Folder(_) => Kind::Folder,
        }))
    }

    fn is_link(&self, path: &Path) -> io::Result<Option<bool>> {
        Ok(self.call(None, Call::Look)?.world.find(path)?.map(|_| false))
    }

    fn leads_to_folder(&self, path: &Path) -> bool {
        matches!(self.kind(path), Ok(Some(Kind::Folder)))
    }

    fn identity(&self, path: &Path) -> io::Result<Option<Identity>> {
        Ok(self.call(None, Call::Look)?.world.find(path)?.map(identity))
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.call(None, Call::Look)?.world.must_find(path).map(|_| path.to_owned())
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<File> {
        self.state().opened += 1;
        let found = self.state().world.find(path);
        let makes = matches!(access, Access::New | Access::ReadOrNew) && matches!(found, Ok(None));
        let mut state = self.call(None, if makes { Call::Change } else { Call::Look })?;
        let node = match (found?, access) {
            (Some(_), Access::New) => return Err(ErrorKind::AlreadyExists.into()),
            (Some(node), _) => match state.world.0[node] {
                Node::File(_) => node,
                Node::Folder(_) => return Err(ErrorKind::IsADirectory.into()),
            },
            (None, Access::Read | Access::Write | Access::Change) => return Err(ErrorKind::NotFound.into()),
            (None, Access::New | Access::ReadOrNew) => state.world.add(path, Node::File(Data::durable(Vec::new())))?,
        };
        Ok(Box::new(self.handle(&state, node)))
    }

    /// Every third time it cannot, so that the other way is gone too. Not every second: tests load and save in turns.
    fn open_straight(&self, path: &Path, access: Access) -> Option<File> {
        let mut state = self.state();
        state.straight += 1;
        state.opened += 1;
        let can = !state.straight.is_multiple_of(3);
        drop(state);
        can.then(|| self.open(path, access).ok()).flatten()
    }

    fn open_folder(&self, path: &Path) -> io::Result<Folder> {
        let mut state = self.call(None, Call::Look)?;
        let node = state.world.must_find(path)?;
        state.world.folder_at(node)?;
        Ok(Box::new(self.handle(&state, node)))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        Ok(self.call(None, Call::Look)?.world.folder(folder)?.cached.keys().cloned().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.call(None, Call::Change)?;
        let node = state.world.must_find(from)?;
        let ((folder, from), (other, to)) = (split(from), split(to));
        assert_eq!(folder, other, "nothing is moved between folders");
        state.world.folder(folder)?.change(Change::Move(from, to, node));
        Ok(())
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        let mut state = self.call(None, Call::Change)?;
        let node = state.world.must_find(file)?;
        if let Node::Folder(_) = state.world.0[node] {
            return Err(ErrorKind::IsADirectory.into());
        }
        let (folder, name) = split(file);
        state.world.folder(folder)?.change(Change::Unset(name));
        Ok(())
    }

    fn make_folder(&self, path: &Path) -> io::Result<bool> {
        let found = self.state().world.find(path)?;
        let mut state = self.call(None, if found.is_none() { Call::Change } else { Call::Look })?;
        if found.is_none() {
            let names = Names { durable: vec![Entries::new()], ..Names::default() };
            state.world.add(path, Node::Folder(names))?;
        }
        Ok(found.is_none())
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call(None, Call::Change)?;
        if !state.world.folder(path)?.cached.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        let (folder, name) = split(path);
        state.world.folder(folder)?.change(Change::Unset(name));
        Ok(())
    }
}

fn identity(node: usize) -> Identity {
    Identity { inode: Some((0, node as u64)), names: 1 }
}

/// An open file or folder.
#[derive(Debug)]
struct Handle {
    machine: Model,
    process: u64,
    node: usize,
    has_lock: AtomicBool,
}

impl Handle {
    fn call(&self, call: Call) -> io::Result<MutexGuard<'_, State>> {
        self.machine.call(Some(self.process), call)
    }

    fn sync(&self) -> io::Result<()> {
        let synced = self.call(Call::Sync).map(|mut state| match &mut state.world.0[self.node] {
            Node::File(data) => data.sync(),
            Node::Folder(names) => names.sync(),
        });
        synced.inspect_err(|_| {
            let mut state = self.machine.state();
            // Whose process is dead cannot lose anything by a sync.
            let Some(fault) = state.fault.filter(|_| state.changes_left != Some(0) && state.process == self.process)
            else {
                return;
            };
            match &mut state.world.0[self.node] {
                Node::File(data) => data.lose(fault.cache_lies),
                Node::Folder(names) => names.lose(),
            }
        })
    }

    fn lock(&self) -> io::Result<bool> {
        let is_free = self.call(Call::Look)?.locked.insert(self.node);
        self.has_lock.store(is_free, Ordering::Relaxed);
        Ok(is_free)
    }

    fn unlock(&self) {
        let mut state = self.machine.state();
        if state.process == self.process && self.has_lock.swap(false, Ordering::Relaxed) {
            state.locked.remove(&self.node);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.unlock();
    }
}

impl OpenFile for Handle {
    fn bytes(&mut self) -> io::Result<u64> {
        Ok(self.call(Call::Look)?.world.file_at(self.node).cached.len() as u64)
    }

    fn identity(&self) -> io::Result<Identity> {
        self.call(Call::Look).map(|_| identity(self.node))
    }

    fn read_behind(&mut self, before: &mut Vec<u8>, offset: u64, bytes: usize) -> io::Result<()> {
        let mut state = self.call(Call::Look)?;
        let at = offset as usize;
        let found = state.world.file_at(self.node).cached.get(at..at + bytes);
        before.extend_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    /// A write that fails has written a part.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let at = offset as usize;
        match self.call(Call::Change) {
            Ok(mut state) => {
                state.world.file_at(self.node).write(at, bytes);
                Ok(())
            }
            Err(error) => {
                let mut state = self.machine.state();
                if state.changes_left != Some(0) && state.process == self.process {
                    state.world.file_at(self.node).write(at, &bytes[..bytes.len() * 5 / 9]);
                }
                Err(error)
            }
        }
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.call(Call::Change)?.world.file_at(self.node).set_bytes(bytes as usize);
        Ok(())
    }

    /// Nobody may rely on it, so nothing is done.
    fn wish_for(&self, _: u64) {}

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.lock()
    }

    /// As if alone: no two look at the same time here.
    fn try_lock_shared(&self) -> io::Result<bool> {
        self.lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.unlock();
        Ok(())
    }
}

impl OpenFolder for Handle {
    fn sync(&self) -> io::Result<()> {
        self.sync()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.lock()
    }

    /// As if alone: no two look at the same time here.
    fn try_lock_shared(&self) -> io::Result<bool> {
        self.lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.unlock();
        Ok(())
    }
}
