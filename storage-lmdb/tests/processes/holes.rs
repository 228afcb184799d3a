//! Files of holes, forged as LMDB lays them out on a machine with 64 bits and pages of 4096 bytes: they take no more memory to
//! look at than what is in them, however much they say that it is. In child processes, which have their own limits.

use std::fs::{self, File};

use gargoyle::Storage;
use gargoyle_storage_lmdb::LmdbStorage;

use crate::limits::run_limited_in;
use crate::{alone, id, store_of_child};

/// Where the second meta page, which has the first commit, names the tree of free pages and the last page.
const PAGE: usize = 4096;
const FREE_TREE_AT: usize = PAGE + 16 + 24;
const LAST_PAGE_AT: usize = FREE_TREE_AT + 2 * 48;

/// Bugs: a file of holes had `check_pages` take a byte for each page, and a list of free pages all that it claimed to be long.
/// Cause: both was allocated before anybody had looked. Fix: bits of those pages that are met, lists piece by piece.
#[test]
fn a_file_of_holes_takes_no_memory_to_look_at() {
    let _alone = alone();
    let forgeries: [fn(&mut Vec<u8>) -> u64; 2] = [|bytes| many_pages(bytes), a_long_list_of_free_pages];
    for forge in forgeries {
        let folder = tempfile::tempdir().unwrap();
        drop(LmdbStorage::open(folder.path()).unwrap());
        let path = folder.path().join("data.mdb");
        let mut bytes = fs::read(&path).unwrap();
        let file_bytes = forge(&mut bytes);
        fs::write(&path, bytes).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(file_bytes).unwrap();
        run_limited_in(folder.path(), "ulimit -d 300000", "holes::work_with_a_file_of_holes");
    }
}

#[test]
fn work_with_a_file_of_holes() {
    let Some(path) = store_of_child() else { return };
    let store = LmdbStorage::options().check_pages(true).open(&path).unwrap();
    assert_eq!(store.load(&id("alice")).unwrap(), None);
}

fn put(bytes: &mut [u8], at: usize, values: &[&[u8]]) {
    let values = values.concat();
    bytes[at..at + values.len()].copy_from_slice(&values);
}

fn many_pages(bytes: &mut [u8]) -> u64 {
    let last = 400_000_000_u64;
    put(bytes, LAST_PAGE_AT, &[&last.to_le_bytes()]);
    // None of them is in a tree, nor free, which LMDB does not mind.
    (last + 1) * PAGE as u64
}

/// A tree of one leaf with one entry, which is said to take 4 GiB of pages and has a list of none.
fn a_long_list_of_free_pages(bytes: &mut Vec<u8>) -> u64 {
    let list_bytes = u32::MAX - 1_000;
    let list_pages = (15 + list_bytes) / PAGE as u32 + 1;
    let leaf = bytes.len() / PAGE;
    let last = leaf as u64 + u64::from(list_pages);
    put(bytes, LAST_PAGE_AT, &[&last.to_le_bytes()]);
    let counts = [0, 1, u64::from(list_pages), 1, leaf as u64].map(u64::to_le_bytes).concat();
    put(bytes, FREE_TREE_AT, &[&(PAGE as u32).to_le_bytes(), &[8, 0, 1, 0], &counts]);
    bytes.resize((leaf + 2) * PAGE, 0);
    let entry = (PAGE - 24) as u16;
    let page = &mut bytes[leaf * PAGE..];
    put(page, 0, &[&(leaf as u64).to_le_bytes(), &[0, 0, 2, 0, 18, 0], &entry.to_le_bytes(), &entry.to_le_bytes()]);
    put(page, entry.into(), &[&list_bytes.to_le_bytes(), &[1, 0, 8, 0], &1_u64.to_le_bytes()]);
    put(page, usize::from(entry) + 16, &[&(leaf as u64 + 1).to_le_bytes()]);
    put(page, PAGE, &[&(leaf as u64 + 1).to_le_bytes(), &[0, 0, 4, 0], &list_pages.to_le_bytes()]);
    (last + 1) * PAGE as u64
}
