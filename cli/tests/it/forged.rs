//! Databases whose pages rotted, or that somebody forged. LMDB trusts its pages, and would follow them out of its file.

use std::fs;

use crate::Scene;

const PAGE: usize = 4096;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;

fn u16_at(file: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([file[at], file[at + 1]])
}

/// Where the entries are of all pages of a kind, in use or not: the header of a page has its number, its kind, and where
/// the list of its entries ends.
fn entries(file: &[u8], kind: u16) -> Vec<usize> {
    let pages = (2..file.len() / PAGE).map(|page| page * PAGE).filter(|page| u16_at(file, page + 10) == kind);
    let of_page = |page| {
        let places = (page + 16..page + usize::from(u16_at(file, page + 12))).step_by(2);
        places.map(move |at| page + usize::from(u16_at(file, at)))
    };
    pages.flat_map(of_page).collect()
}

/// What is done to a sound file.
type Forgery = (&'static str, fn(&mut [u8]));

const FORGERIES: &[Forgery] = &[
    ("data of two gigabytes", |file| {
        for entry in entries(file, LEAF) {
            file[entry + 2..entry + 4].copy_from_slice(&0x7fff_u16.to_ne_bytes());
        }
    }),
    ("keys of 64 KiB", |file| {
        for entry in entries(file, LEAF).into_iter().chain(entries(file, BRANCH)) {
            file[entry + 6..entry + 8].fill(0xff);
        }
    }),
    ("data on pages behind the end", |file| {
        for entry in entries(file, LEAF) {
            file[entry + 4..entry + 6].copy_from_slice(&1_u16.to_ne_bytes());
        }
    }),
    ("branches that lead behind the end", |file| {
        for entry in entries(file, BRANCH) {
            file[entry..entry + 4].copy_from_slice(&0x00ff_ffff_u32.to_ne_bytes());
        }
    }),
    ("more entries than a page has", |file| {
        for page in (2 * PAGE..file.len()).step_by(PAGE) {
            if [BRANCH, LEAF].contains(&u16_at(file, page + 10)) {
                file[page + 12..page + 14].fill(0xff);
            }
        }
    }),
];

/// Bug: commands were killed by the system. Cause: only `verify` looked at all pages before it gave them to LMDB. Fix: all
/// commands do.
#[test]
fn forged_pages_are_named_and_kill_no_command() {
    let scene = Scene::new();
    scene.crowd("store", "lmdb", 300);
    let guest = format!("{:0>30}", 7);
    let line = scene.good(&["export", "store"]).lines().next().unwrap().to_owned();
    fs::write(scene.path("line"), line).unwrap();
    let file = scene.path("store/data.mdb");
    let sound = fs::read(&file).unwrap();
    for (what, forge) in FORGERIES {
        let mut forged = sound.clone();
        forge(&mut forged);
        assert!(forged != sound, "{what}");
        fs::write(&file, &forged).unwrap();
        for arguments in [
            &["ls", "store"][..],
            &["show", "store", "guest", &guest],
            &["stats", "store"],
            &["verify", "store"],
            &["export", "store"],
            &["copy", "store", "copied", "--to", "fs"],
            &["wipe", "store", "guest", &guest, "--yes"],
            &["edit", "store", "guest", &guest],
            &["import", "store", "--input", "line", "--overwrite"],
        ] {
            scene.bad(arguments, &["data.mdb is damaged", "restore it from a backup"]);
        }
        assert!(fs::read(&file).unwrap() == forged && !scene.path("copied").exists(), "{what}: nothing was changed");
    }
    fs::write(&file, sound).unwrap();
    assert_eq!(scene.good(&["ls", "store"]).lines().count(), 300);
}
