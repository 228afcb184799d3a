//! A look at LMDB's file before LMDB gets it.
//!
//! LMDB trusts its file: it has no checksums, and a page number that leads behind the end of the file kills the process
//! when that is touched. So the two meta pages are looked at whenever a store is opened ([`check_metas`]), which takes
//! the same time however large it is. All other pages are looked at ([`check_all`]) when the file is shorter than its
//! metas say, which happens in sound stores too, and when the user asks for it.
//!
//! Everything is read with plain reads. The layout is that of `mdb.c`, in numbers of the machine's own width and order.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use crate::disk;

/// The width of a page number.
const WORD: usize = size_of::<usize>();

/// Page header: number, pad, flags, and either the bounds of the free space or the number of overflow pages.
const PAGE_FLAGS_AT: usize = WORD + 2;
const PAGE_LOWER_AT: usize = WORD + 4;
const PAGE_UPPER_AT: usize = WORD + 6;
const HEADER_BYTES: usize = WORD + 8;

const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const OVERFLOW: u16 = 0x04;
const META: u16 = 0x08;

/// Meta page, after the header: magic, version, address, map size, two trees, last page, transaction.
const MAGIC: u32 = 0xbeef_c0de;
const DATA_VERSION: u32 = 1;
const FREE_TREE_AT: usize = 8 + 2 * WORD;
const TREE_BYTES: usize = 8 + 5 * WORD;
const MAIN_TREE_AT: usize = FREE_TREE_AT + TREE_BYTES;
const LAST_PAGE_AT: usize = MAIN_TREE_AT + TREE_BYTES;
const META_BYTES: usize = LAST_PAGE_AT + 2 * WORD;

/// Tree: pad (the page size, in the tree of free pages), flags, depth, four counts, root.
const TREE_FLAGS_AT: usize = 4;
const TREE_DEPTH_AT: usize = 6;
const TREE_BRANCHES_AT: usize = 8;
const TREE_LEAVES_AT: usize = 8 + WORD;
const TREE_OVERFLOWS_AT: usize = 8 + 2 * WORD;
const TREE_ENTRIES_AT: usize = 8 + 3 * WORD;
const TREE_ROOT_AT: usize = 8 + 4 * WORD;
const NO_ROOT: usize = usize::MAX;

/// The flags of a tree: its keys are numbers. With any others its pages would mean something else.
const INTEGER_KEYS: u16 = 0x08;

/// LMDB's limit, `CURSOR_STACK`.
const DEPTH_MAX: u16 = 32;

/// Node: two halves of a number, flags, length of the key, key, data.
const NODE_BYTES: usize = 8;
const NODE_BIG_DATA: u16 = 0x01;
const NODE_TREE: u16 = 0x02;

/// LMDB's limit for a key in its default build.
const KEY_BYTES_MAX: usize = 511;

/// What the first commit of a new store leaves: both meta pages, and that of the unnamed database. A record takes more.
const FIRST_COMMIT_PAGES: usize = 3;

/// A page is one of the machine's, which are no smaller than this on any system, or LMDB's limit of 32 KiB.
const PAGE_BYTES_MIN: usize = 4096;
const PAGE_BYTES_MAX: usize = 32_768;

/// Why a file is not given to LMDB.
#[derive(Debug)]
pub(crate) enum Problem {
    Io(io::Error),
    Damaged(String),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Problem::Io(error)
    }
}

/// What the newer meta page says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metas {
    page_bytes: usize,
    last_page: usize,
    free: Tree,
    main: Tree,
    transaction: usize,
}

#[derive(Clone, Copy, Debug)]
struct Tree {
    flags: u16,
    depth: u16,
    counts: Counts,
    root: usize,
}

/// How much there is of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    branches: usize,
    leaves: usize,
    overflows: usize,
    entries: usize,
}

impl Metas {
    /// How long the file would be with all its pages in it.
    pub(crate) fn bytes(&self) -> u64 {
        (self.last_page as u64).saturating_add(1).saturating_mul(self.page_bytes as u64)
    }
}

/// Looks at both meta pages, and that the roots of the trees are in the file.
pub(crate) fn check_metas(file: &mut disk::File) -> Result<Metas, Problem> {
    let file_bytes = file.bytes()?;
    if file_bytes < (HEADER_BYTES + META_BYTES) as u64 {
        return Err(damaged("it is too short"));
    }
    let first = read_meta(file, 0)?;
    if file_bytes < 2 * first.page_bytes as u64 {
        return Err(damaged("it is too short"));
    }
    let second = read_meta(file, first.page_bytes as u64)?;
    let is_sequence = match (first.transaction, second.transaction) {
        (0, 0) => true,
        // They take turns, the even numbers in the first.
        (first, second) => first % 2 == 0 && second % 2 == 1 && first.abs_diff(second) == 1,
    };
    if !is_sequence || first.page_bytes != second.page_bytes {
        return Err(damaged("its two meta pages do not fit together"));
    }
    let newest = if second.transaction > first.transaction { second } else { first };
    if (newest.free.flags, newest.main.flags) != (INTEGER_KEYS, 0) {
        return Err(damaged("a tree is of the wrong kind"));
    }
    for tree in [newest.free, newest.main] {
        let is_in_file = (tree.root as u64).saturating_add(1).saturating_mul(newest.page_bytes as u64) <= file_bytes;
        if tree.root != NO_ROOT && (!is_in_file || tree.root < 2 || tree.depth > DEPTH_MAX) {
            return Err(damaged("the root of a tree is not in the file"));
        }
    }
    Ok(newest)
}

/// Whether nothing was ever committed to a file whose meta pages are not in order: its maker died before that. Then each of
/// them is as LMDB makes it or was not written, and there is no more behind them than a first commit would have left.
pub(crate) fn is_unborn(file: &mut disk::File) -> io::Result<bool> {
    let bytes = usize::try_from(file.bytes()?).unwrap_or(usize::MAX);
    let page_bytes = read_meta(file, 0).map_or(PAGE_BYTES_MIN, |meta| meta.page_bytes);
    if bytes > FIRST_COMMIT_PAGES * page_bytes {
        return Ok(false);
    }
    for at in [0, page_bytes] {
        let page = file.read_at(at as u64, page_bytes.min(bytes.saturating_sub(at)))?;
        let is_unwritten = page.iter().all(|&byte| byte == 0);
        if !is_unwritten && !read_meta(file, at as u64).is_ok_and(|meta| meta.transaction == 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read_meta(file: &mut disk::File, offset: u64) -> Result<Metas, Problem> {
    let page = file.read_at(offset, HEADER_BYTES + META_BYTES)?;
    let meta = &page[HEADER_BYTES..];
    if u16_at(&page, PAGE_FLAGS_AT) & META == 0 || u32_at(meta, 0) != MAGIC {
        return Err(damaged("a meta page is none"));
    }
    if u32_at(meta, 4) != DATA_VERSION {
        return Err(damaged("it has another version of LMDB's format"));
    }
    let page_bytes = u32_at(meta, FREE_TREE_AT) as usize;
    if !page_bytes.is_power_of_two() || !(PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&page_bytes) {
        return Err(damaged("the size of its pages is impossible"));
    }
    Ok(Metas {
        page_bytes,
        last_page: word_at(meta, LAST_PAGE_AT),
        free: tree_at(meta, FREE_TREE_AT),
        main: tree_at(meta, MAIN_TREE_AT),
        transaction: word_at(meta, LAST_PAGE_AT + WORD),
    })
}

fn tree_at(bytes: &[u8], at: usize) -> Tree {
    let tree = &bytes[at..at + TREE_BYTES];
    Tree {
        flags: u16_at(tree, TREE_FLAGS_AT),
        depth: u16_at(tree, TREE_DEPTH_AT),
        counts: Counts {
            branches: word_at(tree, TREE_BRANCHES_AT),
            leaves: word_at(tree, TREE_LEAVES_AT),
            overflows: word_at(tree, TREE_OVERFLOWS_AT),
            entries: word_at(tree, TREE_ENTRIES_AT),
        },
        root: word_at(tree, TREE_ROOT_AT),
    }
}

/// Looks at every page: that each is what the one above it says, in one place only, with its keys in order, and that
/// none which is in use is also free. What is missing at the end of the file has to be free.
///
/// LMDB writes into its pages what it finds in them, so this takes nothing for granted that LMDB does: neither how much
/// there is of a tree, nor that no two entries of a page overlap, nor that no page is free twice. With that, a file that
/// was forged is one that LMDB can work on, whatever it says.
pub(crate) fn check_all(file: &mut disk::File, metas: &Metas) -> Result<(), Problem> {
    let in_file = usize::try_from(file.bytes()? / metas.page_bytes as u64).unwrap_or(usize::MAX);
    // What is behind the last page is nobody's, and is given out anew.
    let pages = in_file.min(metas.last_page.saturating_add(1));
    let mut walk = Walk { file, metas, pages, met: Met::default(), counts: Counts::default(), free: Vec::new() };
    (0..2).for_each(|meta| _ = walk.met.is_new(meta));
    walk.tree(metas.free, Purpose::FreePages)?;
    walk.tree(metas.main, Purpose::Main)?;

    let mut free_behind = 0;
    for page in std::mem::take(&mut walk.free) {
        if page > metas.last_page || !walk.met.is_new(page) {
            return Err(damaged(&format!("page {page} is listed as free and is not, or twice")));
        }
        free_behind += usize::from(page >= pages);
    }
    let missing = (metas.last_page.saturating_add(1)).saturating_sub(pages);
    if free_behind == missing { Ok(()) } else { Err(damaged("its end is missing")) }
}

/// The pages that were met: bits, in pieces, as a file of holes that takes no space may say that it has any number of pages.
#[derive(Default)]
struct Met(HashMap<usize, [u64; 8]>);

impl Met {
    fn is_new(&mut self, page: usize) -> bool {
        let word = &mut self.0.entry(page / 512).or_default()[page / 64 % 8];
        let before = *word;
        *word |= 1 << (page % 64);
        *word != before
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    FreePages,
    /// The unnamed database, in which others are entries.
    Main,
    Records,
}

struct Walk<'f> {
    file: &'f mut disk::File,
    metas: &'f Metas,
    /// How many are in the file.
    pages: usize,
    met: Met,
    /// What was found of the tree that is looked at.
    counts: Counts,
    /// What the tree of free pages lists.
    free: Vec<usize>,
}

/// The keys of a page lie between these: from the first on, and before the second.
type Bounds<'k> = (Option<&'k [u8]>, Option<&'k [u8]>);

impl Walk<'_> {
    fn tree(&mut self, tree: Tree, purpose: Purpose) -> Result<(), Problem> {
        if tree.root == NO_ROOT {
            let is_empty = tree.counts == Counts::default() && tree.depth == 0;
            return if is_empty { Ok(()) } else { Err(damaged("a tree has no root")) };
        }
        if purpose != Purpose::FreePages && tree.flags != 0 {
            return Err(damaged("a tree is of the wrong kind"));
        }
        if tree.depth == 0 || tree.depth > DEPTH_MAX {
            return Err(damaged("the depth of a tree is impossible"));
        }
        let above = std::mem::take(&mut self.counts);
        self.page(tree.root, tree.depth, (None, None), purpose)?;
        let found = std::mem::replace(&mut self.counts, above);
        if found == tree.counts { Ok(()) } else { Err(damaged("a tree has not as many pages or entries as it says")) }
    }

    /// Looks at a page and all below it, and counts them.
    fn page(&mut self, number: usize, depth: u16, bounds: Bounds<'_>, purpose: Purpose) -> Result<(), Problem> {
        let page = self.take(number, 1)?;
        let wanted = if depth == 1 { LEAF } else { BRANCH };
        if u16_at(&page, PAGE_FLAGS_AT) != wanted {
            return Err(damaged(&format!("page {number} is of the wrong kind")));
        }
        let nodes = nodes(&page).ok_or_else(|| damaged(&format!("page {number} is in disorder")))?;
        let keys = ordered_keys(&page, &nodes, wanted, bounds, purpose)
            .ok_or_else(|| damaged(&format!("the keys of page {number} are not in their order")))?;
        if !do_not_overlap(&nodes, wanted) {
            return Err(damaged(&format!("the entries of page {number} overlap")));
        }
        if wanted == LEAF {
            self.counts.leaves += 1;
            self.counts.entries += nodes.len();
            for node in &nodes {
                self.leaf_node(&page, node, purpose)?;
            }
            return Ok(());
        }
        // LMDB asserts that, but for its free pages.
        if nodes.len() < 2 && purpose != Purpose::FreePages {
            return Err(damaged(&format!("page {number} leads to one page alone")));
        }
        self.counts.branches += 1;
        for (at, node) in nodes.iter().enumerate() {
            let low = if at == 0 { bounds.0 } else { Some(keys[at].as_slice()) };
            let high = keys.get(at + 1).map(Vec::as_slice).or(bounds.1);
            self.page(node.child(&page), depth - 1, (low, high), purpose)?;
        }
        Ok(())
    }

    fn leaf_node(&mut self, page: &[u8], node: &Node, purpose: Purpose) -> Result<(), Problem> {
        let in_page = &page[node.data_at..];
        let beyond = || damaged("an entry reaches beyond its page");
        if node.flags & !NODE_BIG_DATA != 0 && (purpose != Purpose::Main || node.flags != NODE_TREE) {
            return Err(damaged("an entry is of the wrong kind"));
        }
        if node.flags & NODE_BIG_DATA == 0 && NODE_BYTES + node.key.len() + node.data_bytes > self.node_bytes_max() {
            return Err(damaged("an entry has no room beside another"));
        }
        let page_at = self.offset(word_at(page, 0));
        let data_at = if node.flags & NODE_BIG_DATA != 0 {
            let number = in_page.get(..WORD).map(|bytes| word_at(bytes, 0)).ok_or_else(beyond)?;
            self.overflow(number, node.data_bytes)?
        } else {
            in_page.get(..node.data_bytes).ok_or_else(beyond)?;
            page_at + node.data_at as u64
        };
        match purpose {
            Purpose::Main | Purpose::Records if node.flags != NODE_TREE => Ok(()),
            Purpose::Main | Purpose::Records if node.data_bytes == TREE_BYTES => {
                self.tree(tree_at(in_page, 0), Purpose::Records)
            }
            Purpose::Main | Purpose::Records => Err(damaged("a tree is in disorder")),
            Purpose::FreePages => self.free_list(word_at(&page[node.key.clone()], 0), data_at, node.data_bytes),
        }
    }

    /// Pages that were free after a transaction: how many, and which. LMDB merges these lists, which have the highest first,
    /// and looks at no page of theirs. What one says of its length is not believed, and it is read piece by piece.
    fn free_list(&mut self, transaction: usize, at: u64, bytes: usize) -> Result<(), Problem> {
        const AT_ONCE: usize = 8192;
        let in_disorder = || damaged("a list of free pages is in disorder");
        let room = (bytes / WORD).checked_sub(1).ok_or_else(in_disorder)?;
        let count = word_at(&self.file.read_at(at, WORD)?, 0);
        if count > room || transaction > self.metas.transaction {
            return Err(in_disorder());
        }
        let mut above = usize::MAX;
        for first in (0..count).step_by(AT_ONCE) {
            let piece_at = at + ((1 + first) * WORD) as u64;
            let piece = self.file.read_at(piece_at, AT_ONCE.min(count - first) * WORD)?;
            for page in piece.chunks_exact(WORD).map(|bytes| word_at(bytes, 0)) {
                if page >= above {
                    return Err(in_disorder());
                }
                above = page;
                self.free.push(page);
            }
        }
        Ok(())
    }

    /// Looks at the pages of a large entry, but not at its bytes: records have checksums. Returns where those begin.
    fn overflow(&mut self, first: usize, bytes: usize) -> Result<u64, Problem> {
        let count = (HEADER_BYTES - 1 + bytes) / self.metas.page_bytes + 1;
        let page = self.take(first, count)?;
        let is_sound = u16_at(&page, PAGE_FLAGS_AT) == OVERFLOW && u32_at(&page, PAGE_LOWER_AT) as usize == count;
        if !is_sound {
            return Err(damaged(&format!("page {first} is not of the entry that it belongs to")));
        }
        self.counts.overflows += count;
        Ok(self.offset(first) + HEADER_BYTES as u64)
    }

    fn offset(&self, page: usize) -> u64 {
        page as u64 * self.metas.page_bytes as u64
    }

    /// LMDB puts the data of a larger entry into pages of its own, so that at least two entries fit into a page.
    fn node_bytes_max(&self) -> usize {
        (self.metas.page_bytes - HEADER_BYTES) / 2 / 2 * 2 - size_of::<u16>()
    }

    /// Reads a page, and marks it and those that belong to it as met.
    fn take(&mut self, number: usize, count: usize) -> Result<Vec<u8>, Problem> {
        let end = number.checked_add(count).filter(|end| *end <= self.pages);
        let end = end.ok_or_else(|| damaged(&format!("page {number} is not in the file")))?;
        if !(number..end).all(|page| self.met.is_new(page)) {
            return Err(damaged(&format!("page {number} is in two places")));
        }
        let page = self.file.read_at(self.offset(number), self.metas.page_bytes)?;
        if word_at(&page, 0) == number { Ok(page) } else { Err(damaged(&format!("page {number} is another one"))) }
    }
}

/// An entry of a page.
struct Node {
    at: usize,
    flags: u16,
    key: Range<usize>,
    data_at: usize,
    data_bytes: usize,
}

impl Node {
    /// The page that an entry of a branch leads to: LMDB keeps the upper part of its number in the flags.
    fn child(&self, page: &[u8]) -> usize {
        let [low, high] = halves(page, self.at);
        let upper = (usize::from(self.flags)).checked_shl(32).unwrap_or(0);
        low | (high << 16) | upper
    }
}

/// The two halves of a node's number, the lower one first.
fn halves(page: &[u8], at: usize) -> [usize; 2] {
    let halves = [at, at + 2].map(|at| usize::from(u16_at(page, at)));
    if cfg!(target_endian = "big") { [halves[1], halves[0]] } else { halves }
}

/// The entries of a page, if none reaches beyond it as far as its key goes.
fn nodes(page: &[u8]) -> Option<Vec<Node>> {
    let (lower, upper) = (usize::from(u16_at(page, PAGE_LOWER_AT)), usize::from(u16_at(page, PAGE_UPPER_AT)));
    if lower < HEADER_BYTES || upper < lower || upper > page.len() || !(lower - HEADER_BYTES).is_multiple_of(2) {
        return None;
    }
    let offsets = page[HEADER_BYTES..lower].chunks_exact(2).map(|bytes| usize::from(u16_at(bytes, 0)));
    offsets
        .map(|at| {
            let node = page.get(at..).filter(|node| at >= upper && at % 2 == 0 && node.len() >= NODE_BYTES)?;
            let [low, high] = halves(page, at);
            let key = at + NODE_BYTES..at + NODE_BYTES + usize::from(u16_at(node, 6));
            let data_at = key.end;
            (data_at <= page.len()).then_some(Node {
                at,
                flags: u16_at(node, 4),
                key,
                data_at,
                data_bytes: low | (high << 16),
            })
        })
        .collect()
}

/// Whether each entry of a page has its bytes for itself. LMDB moves them when one goes.
fn do_not_overlap(nodes: &[Node], kind: u16) -> bool {
    let mut ranges: Vec<Range<usize>> = nodes
        .iter()
        .map(|node| {
            let data_bytes = match kind {
                LEAF if node.flags & NODE_BIG_DATA != 0 => WORD,
                LEAF => node.data_bytes,
                _ => 0,
            };
            node.at..node.data_at.saturating_add(data_bytes)
        })
        .collect();
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.is_sorted_by(|one, next| one.end <= next.start)
}

/// The keys, as bytes that compare as LMDB compares them, if they are in order and within the bounds.
///
/// The first key of a branch has no meaning: everything below the second lies there.
fn ordered_keys(
    page: &[u8],
    nodes: &[Node],
    kind: u16,
    (low, high): Bounds<'_>,
    purpose: Purpose,
) -> Option<Vec<Vec<u8>>> {
    let keys: Vec<Vec<u8>> = nodes
        .iter()
        .map(|node| match purpose {
            Purpose::Main | Purpose::Records => page[node.key.clone()].to_vec(),
            Purpose::FreePages if node.key.len() == WORD => word_at(&page[node.key.clone()], 0).to_be_bytes().to_vec(),
            Purpose::FreePages => Vec::new(),
        })
        .collect();
    let meaningful = if kind == BRANCH { keys.get(1..).unwrap_or_default() } else { &keys[..] };
    let is_key = |key: &Vec<u8>| match purpose {
        Purpose::FreePages => key.len() == WORD,
        Purpose::Main | Purpose::Records => (1..=KEY_BYTES_MAX).contains(&key.len()),
    };
    let is_ordered = meaningful.is_sorted_by(|a, b| a < b)
        && meaningful.iter().all(is_key)
        && keys.first().is_none_or(|first| first.len() <= KEY_BYTES_MAX);
    let is_within = meaningful.first().is_none_or(|first| low.is_none_or(|low| low <= first.as_slice()))
        && meaningful.last().is_none_or(|last| high.is_none_or(|high| last.as_slice() < high));
    // A page that leads nowhere is none that LMDB leaves behind.
    (is_ordered && is_within && !nodes.is_empty()).then_some(keys)
}

fn damaged(what: &str) -> Problem {
    Problem::Damaged(what.to_owned())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(bytes[at..at + 2].try_into().expect("2 bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn word_at(bytes: &[u8], at: usize) -> usize {
    usize::from_ne_bytes(bytes[at..at + WORD].try_into().expect("a word"))
}
