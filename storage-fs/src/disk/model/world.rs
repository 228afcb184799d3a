//! What is on the machine: files and folders, what of them is durable, and what a power cut may leave.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::Arc;

use super::choices::Random;

pub(super) const SECTOR: usize = 512;

#[derive(Clone, Debug)]
pub(super) struct World(pub(super) Vec<Node>);

#[derive(Clone, Debug)]
pub(super) enum Node {
    File(Data),
    Folder(Names),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    pub(super) cached: Vec<u8>,
    pub(super) sectors: Vec<Candidates<Arc<[u8]>>>,
    pub(super) bytes: Candidates<usize>,
}

/// What may be durable, the oldest first. The last is what was written last.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates<T> {
    pub(super) all: Vec<T>,
    pub(super) dirty: bool,
}

pub(super) type Entries = BTreeMap<String, usize>;

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) cached: Entries,
    /// What may be durable: more than one only after a sync that failed.
    pub(super) durable: Vec<Entries>,
    pub(super) pending: Vec<Change>,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Set(String, usize),
    Unset(String),
    Move(String, String, usize),
}

pub(super) const ROOT: usize = 0;

impl World {
    /// All that some name leads to, or may lead to after a power cut.
    pub(super) fn in_use(&self) -> Vec<usize> {
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

    pub(super) fn find(&self, path: &Path) -> io::Result<Option<usize>> {
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

    pub(super) fn must_find(&self, path: &Path) -> io::Result<usize> {
        self.find(path)?.ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(super) fn folder(&mut self, path: &Path) -> io::Result<&mut Names> {
        let node = self.must_find(path)?;
        self.folder_at(node)
    }

    pub(super) fn folder_at(&mut self, node: usize) -> io::Result<&mut Names> {
        match &mut self.0[node] {
            Node::Folder(names) => Ok(names),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn file_at(&mut self, node: usize) -> &mut Data {
        match &mut self.0[node] {
            Node::File(data) => data,
            Node::Folder(_) => panic!("a folder was opened as a file"),
        }
    }

    pub(super) fn add(&mut self, path: &Path, node: Node) -> io::Result<usize> {
        let (folder, name) = split(path);
        self.folder(folder)?;
        self.0.push(node);
        let node = self.0.len() - 1;
        self.folder(folder)?.change(Change::Set(name, node));
        Ok(node)
    }
}

pub(super) fn split(path: &Path) -> (&Path, String) {
    let name = path.file_name().expect("a path with a name").to_str().expect("names are text");
    (path.parent().expect("a path with a name"), name.to_owned())
}

impl Node {
    /// How many outcomes of a power cut there are for it, of those that are looked at. In the first everything is lost
    /// that was not synced, in the last nothing.
    pub(super) fn outcomes(&self) -> usize {
        match self {
            Node::File(data) => data.outcomes().len(),
            Node::Folder(names) => names.durable.len() * (names.pending.len() + 1),
        }
    }

    pub(super) fn after(&self, outcome: usize) -> Node {
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
pub(super) enum Outcome {
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
    pub(super) fn outcomes(&self) -> Vec<Outcome> {
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

    pub(super) fn after(&self, outcome: Outcome) -> Data {
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

    pub(super) fn durable(cached: Vec<u8>) -> Data {
        let sector = |bytes: &[u8]| {
            let mut sector = bytes.to_vec();
            sector.resize(SECTOR, 0);
            Candidates { all: vec![sector.into()], dirty: false }
        };
        let bytes = Candidates { all: vec![cached.len()], dirty: false };
        Data { sectors: cached.chunks(SECTOR).map(sector).collect(), cached, bytes }
    }

    pub(super) fn set_bytes(&mut self, bytes: usize) {
        if bytes != self.cached.len() {
            let cut = bytes.min(self.cached.len());
            self.cached.resize(bytes, 0);
            self.bytes.write(bytes);
            self.write_sectors(cut, bytes.max(cut + 1));
        }
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        if self.cached.len() < at + bytes.len() {
            self.set_bytes(at + bytes.len());
        }
        self.cached[at..at + bytes.len()].copy_from_slice(bytes);
        self.write_sectors(at, at + bytes.len());
    }

    pub(super) fn write_sectors(&mut self, from: usize, to: usize) {
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

    pub(super) fn sync(&mut self) {
        self.sectors.iter_mut().for_each(Candidates::sync);
        self.bytes.sync();
    }

    pub(super) fn lose(&mut self, cache_lies: bool) {
        self.sectors.iter_mut().for_each(|sector| sector.dirty = false);
        self.bytes.dirty = false;
        if !cache_lies {
            self.cached = self.after(Outcome::All(0)).cached;
        }
    }
}

impl<T> Candidates<T> {
    pub(super) fn write(&mut self, newest: T) {
        self.all.push(newest);
        self.dirty = true;
    }

    pub(super) fn sync(&mut self) {
        if self.dirty {
            self.all.drain(..self.all.len() - 1);
            self.dirty = false;
        }
    }
}

impl Names {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for entries in &mut self.durable {
            self.pending.iter().for_each(|change| change.apply(entries));
        }
        self.pending.clear();
        self.durable.dedup();
    }

    pub(super) fn lose(&mut self) {
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
    pub(super) fn apply(&self, entries: &mut Entries) {
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
