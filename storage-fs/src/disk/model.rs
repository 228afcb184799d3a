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

use std::collections::{BTreeMap, HashSet};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Access, Disk, File, Folder, Identity, Kind, OpenFile, OpenFolder};

const SECTOR: usize = 512;

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
    /// How many changes and syncs the process has left after the first failure, that one included.
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
}

#[derive(Clone, Debug)]
struct World(Vec<Node>);

#[derive(Clone, Debug)]
enum Node {
    File(Data),
    Folder(Names),
}

#[derive(Clone, Debug, Default)]
struct Data {
    cached: Vec<u8>,
    sectors: Vec<Candidates<Arc<[u8]>>>,
    bytes: Candidates<usize>,
}

/// What may be durable, the oldest first. The last is what was written last.
#[derive(Clone, Debug, Default)]
struct Candidates<T> {
    all: Vec<T>,
    dirty: bool,
}

type Entries = BTreeMap<String, usize>;

#[derive(Clone, Debug, Default)]
struct Names {
    cached: Entries,
    /// What may be durable: more than one only after a sync that failed.
    durable: Vec<Entries>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Set(String, usize),
    Unset(String),
    Move(String, String, usize),
}

const ROOT: usize = 0;

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
        })))
    }
}

/// Which outcome of each is to be looked at.
fn choices(outcomes: &[usize], cases_max: usize, random: &mut Random) -> Vec<Vec<usize>> {
    let all = outcomes.iter().try_fold(1_usize, |all, n| all.checked_mul(*n).filter(|all| *all <= cases_max));
    if let Some(all) = all {
        let nth = |mut n: usize| {
            let digit = |outcomes: &usize| (n % outcomes, n /= outcomes).0;
            outcomes.iter().map(digit).collect()
        };
        return (0..all).map(nth).collect();
    }
    let lost = vec![0; outcomes.len()];
    let kept: Vec<usize> = outcomes.iter().map(|n| n - 1).collect();
    let mut chosen = vec![lost.clone(), kept.clone()];
    for (axis, n) in outcomes.iter().enumerate() {
        for (others, outcome) in [&lost, &kept].into_iter().flat_map(|others| (0..*n).map(move |o| (others, o))) {
            let mut case = others.clone();
            case[axis] = outcome;
            chosen.push(case);
        }
    }
    // Those that everything else depends on stay; of the rest a fair part.
    while chosen.len() > cases_max {
        chosen.swap_remove(2 + random.below(chosen.len() - 2));
    }
    while chosen.len() < cases_max {
        chosen.push(outcomes.iter().map(|n| random.below(*n)).collect());
    }
    chosen
}

/// Numbers that are the same in every run.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

impl World {
    /// All that some name leads to, or may lead to after a power cut.
    fn in_use(&self) -> Vec<usize> {
        let (mut found, mut todo) = (Vec::new(), vec![ROOT]);
        while let Some(node) = todo.pop() {
            if found.contains(&node) {
                continue;
            }
            found.push(node);
            if let Node::Folder(names) = &self.0[node] {
                todo.extend(names.durable.iter().flat_map(|entries| entries.values()));
                todo.extend(names.pending.iter().filter_map(|change| match change {
                    Change::Set(_, node) | Change::Move(_, _, node) => Some(node),
                    Change::Unset(_) => None,
                }));
            }
        }
        found
    }

    fn find(&self, path: &Path) -> io::Result<Option<usize>> {
        let mut node = ROOT;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            match &self.0[node] {
                Node::Folder(names) => match names.cached.get(name.to_str().expect("names are text")) {
                    Some(&next) => node = next,
                    None => return Ok(None),
                },
                Node::File(_) => return Err(ErrorKind::NotADirectory.into()),
            }
        }
        Ok(Some(node))
    }

    fn must_find(&self, path: &Path) -> io::Result<usize> {
        self.find(path)?.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn folder(&mut self, path: &Path) -> io::Result<&mut Names> {
        let node = self.must_find(path)?;
        self.folder_at(node)
    }

    fn folder_at(&mut self, node: usize) -> io::Result<&mut Names> {
        match &mut self.0[node] {
            Node::Folder(names) => Ok(names),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn file_at(&mut self, node: usize) -> &mut Data {
        match &mut self.0[node] {
            Node::File(data) => data,
            Node::Folder(_) => panic!("a folder was opened as a file"),
        }
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<usize> {
        let (folder, name) = split(path);
        self.folder(folder)?;
        self.0.push(node);
        let node = self.0.len() - 1;
        self.folder(folder)?.change(Change::Set(name, node));
        Ok(node)
    }
}

fn split(path: &Path) -> (&Path, String) {
    let name = path.file_name().expect("a path with a name").to_str().expect("names are text");
    (path.parent().expect("a path with a name"), name.to_owned())
}

impl Node {
    /// How many outcomes of a power cut there are for it, of those that are looked at. In the first everything is lost
    /// that was not synced, in the last nothing.
    fn outcomes(&self) -> usize {
        match self {
            Node::File(data) => data.outcomes().len(),
            Node::Folder(names) => names.durable.len() * (names.pending.len() + 1),
        }
    }

    fn after(&self, outcome: usize) -> Node {
        match self {
            Node::File(data) => Node::File(data.after(data.outcomes()[outcome])),
            Node::Folder(names) => {
                let mut entries = names.durable[outcome % names.durable.len()].clone();
                names.pending.iter().take(outcome / names.durable.len()).for_each(|change| change.apply(&mut entries));
                Node::Folder(Names { cached: entries.clone(), durable: vec![entries], pending: Vec::new() })
            }
        }
    }
}

/// What becomes of a file's sectors and of its length.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// As if nothing later than this candidate had been written.
    All(usize),
    /// The first so many sectors are written, the others not.
    UpTo(usize),
    Only(usize),
    AllBut(usize),
    Noise(usize),
    /// The length without the bytes: zeros.
    LengthOnly,
    /// The bytes without the length.
    AllButLength,
    Random(u64),
}

impl Data {
    fn outcomes(&self) -> Vec<Outcome> {
        let open: Vec<usize> = (0..self.sectors.len()).filter(|&at| self.sectors[at].all.len() > 1).collect();
        let length_is_open = self.bytes.all.len() > 1;
        let mut outcomes = vec![Outcome::All(0)];
        if open.is_empty() && !length_is_open {
            return outcomes;
        }
        let most = open.iter().map(|&at| self.sectors[at].all.len()).max().unwrap_or(1);
        outcomes.extend((1..most - 1).map(Outcome::All));
        // Of a large file, its ends and its middle say enough.
        let shown = |n: &usize| open.len() <= 16 || *n < 4 || *n + 4 > open.len() || n.is_multiple_of(open.len() / 8);
        if open.len() > 1 {
            for at in (0..open.len()).filter(shown).map(|n| open[n]) {
                outcomes.extend([Outcome::UpTo(at), Outcome::Only(at), Outcome::AllBut(at), Outcome::Noise(at)]);
            }
            outcomes.extend((0..40).map(Outcome::Random));
        }
        if length_is_open {
            outcomes.extend([Outcome::LengthOnly, Outcome::AllButLength]);
        }
        outcomes.push(Outcome::All(usize::MAX));
        outcomes
    }

    fn after(&self, outcome: Outcome) -> Data {
        let mut random = Random(if let Outcome::Random(seed) = outcome { seed } else { 0 });
        let mut cached = Vec::with_capacity(self.sectors.len() * SECTOR);
        for (at, sector) in self.sectors.iter().enumerate() {
            let newest = sector.all.len() - 1;
            let is_written = |written: bool| if written { newest } else { 0 };
            let chosen = match outcome {
                Outcome::All(level) => level.min(newest),
                Outcome::UpTo(last) => is_written(at <= last),
                Outcome::Only(only) => is_written(at == only),
                Outcome::AllBut(other) => is_written(at != other),
                Outcome::LengthOnly => 0,
                Outcome::AllButLength | Outcome::Noise(_) => newest,
                Outcome::Random(_) => random.below(newest + 1),
            };
            cached.extend_from_slice(&sector.all[chosen]);
            if matches!(outcome, Outcome::Noise(noisy) if noisy == at) {
                // Only where something was being written.
                for (n, byte) in cached[at * SECTOR..].iter_mut().enumerate() {
                    if sector.all.iter().any(|other| other[n] != sector.all[newest][n]) {
                        *byte = random.below(256) as u8;
                    }
                }
            }
        }
        let (oldest, newest) = (self.bytes.all[0], self.bytes.all[self.bytes.all.len() - 1]);
        let bytes = match outcome {
            Outcome::All(level) => self.bytes.all[level.min(self.bytes.all.len() - 1)],
            Outcome::AllButLength => oldest,
            Outcome::Random(_) => self.bytes.all[random.below(self.bytes.all.len())],
            _ => newest,
        };
        cached.resize(bytes, 0);
        Data::durable(cached)
    }

    fn durable(cached: Vec<u8>) -> Data {
        let sector = |bytes: &[u8]| {
            let mut sector = bytes.to_vec();
            sector.resize(SECTOR, 0);
            Candidates { all: vec![sector.into()], dirty: false }
        };
        let bytes = Candidates { all: vec![cached.len()], dirty: false };
        Data { sectors: cached.chunks(SECTOR).map(sector).collect(), cached, bytes }
    }

    fn set_bytes(&mut self, bytes: usize) {
        if bytes != self.cached.len() {
            let cut = bytes.min(self.cached.len());
            self.cached.resize(bytes, 0);
            self.bytes.write(bytes);
            self.write_sectors(cut, bytes.max(cut + 1));
        }
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        if self.cached.len() < at + bytes.len() {
            self.set_bytes(at + bytes.len());
        }
        self.cached[at..at + bytes.len()].copy_from_slice(bytes);
        self.write_sectors(at, at + bytes.len());
    }

    fn write_sectors(&mut self, from: usize, to: usize) {
        for at in from / SECTOR..to.div_ceil(SECTOR) {
            if at == self.sectors.len() {
                self.sectors.push(Candidates { all: vec![vec![0; SECTOR].into()], dirty: false });
            }
            let start = (at * SECTOR).min(self.cached.len());
            let mut sector = self.cached[start..(start + SECTOR).min(self.cached.len())].to_vec();
            sector.resize(SECTOR, 0);
            if **self.sectors[at].all.last().expect("there is one") != *sector {
                self.sectors[at].write(sector.into());
            }
        }
    }

    fn sync(&mut self) {
        self.sectors.iter_mut().for_each(Candidates::sync);
        self.bytes.sync();
    }

    fn lose(&mut self, cache_lies: bool) {
        self.sectors.iter_mut().for_each(|sector| sector.dirty = false);
        self.bytes.dirty = false;
        if !cache_lies {
            self.cached = self.after(Outcome::All(0)).cached;
        }
    }
}

impl<T> Candidates<T> {
    fn write(&mut self, newest: T) {
        self.all.push(newest);
        self.dirty = true;
    }

    fn sync(&mut self) {
        if self.dirty {
            self.all.drain(..self.all.len() - 1);
            self.dirty = false;
        }
    }
}

impl Names {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for entries in &mut self.durable {
            self.pending.iter().for_each(|change| change.apply(entries));
        }
        self.pending.clear();
        self.durable.dedup();
    }

    fn lose(&mut self) {
        for entries in self.durable.clone() {
            let mut after = entries;
            for change in &self.pending {
                change.apply(&mut after);
                self.durable.push(after.clone());
            }
        }
        self.pending.clear();
    }
}

impl Change {
    fn apply(&self, entries: &mut Entries) {
        match self {
            Change::Set(name, node) => drop(entries.insert(name.clone(), *node)),
            Change::Unset(name) => drop(entries.remove(name)),
            Change::Move(from, to, node) => {
                entries.remove(from);
                entries.insert(to.clone(), *node);
            }
        }
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
        let found = self.state().world.find(path);
        let makes = matches!(access, Access::New | Access::ReadOrNew) && matches!(found, Ok(None));
        let mut state = self.call(None, if makes { Call::Change } else { Call::Look })?;
        let node = match (found?, access) {
            (Some(_), Access::New) => return Err(ErrorKind::AlreadyExists.into()),
            (Some(node), _) => match state.world.0[node] {
                Node::File(_) => node,
                Node::Folder(_) => return Err(ErrorKind::IsADirectory.into()),
            },
            (None, Access::Read | Access::Write) => return Err(ErrorKind::NotFound.into()),
            (None, Access::New | Access::ReadOrNew) => state.world.add(path, Node::File(Data::durable(Vec::new())))?,
        };
        Ok(Box::new(self.handle(&state, node)))
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
    Identity(Some((0, node as u64)))
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
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.machine.state();
        if state.process == self.process && self.has_lock.load(Ordering::Relaxed) {
            state.locked.remove(&self.node);
        }
    }
}

impl OpenFile for Handle {
    fn bytes(&mut self) -> io::Result<u64> {
        Ok(self.call(Call::Look)?.world.file_at(self.node).cached.len() as u64)
    }

    fn identity(&self) -> io::Result<Identity> {
        self.call(Call::Look).map(|_| identity(self.node))
    }

    fn read_at(&mut self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut state = self.call(Call::Look)?;
        let at = offset as usize;
        let found = state.world.file_at(self.node).cached.get(at..at + bytes);
        found.map(<[u8]>::to_vec).ok_or_else(|| ErrorKind::UnexpectedEof.into())
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
}

impl OpenFolder for Handle {
    fn sync(&self) -> io::Result<()> {
        self.sync()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.lock()
    }
}
