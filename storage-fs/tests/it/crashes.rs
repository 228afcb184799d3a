//! What a crash can leave of one save: the record before or the record after, exactly.
//!
//! A crash keeps or loses each sector of a write that was not synced. The states are put together from the file before
//! and after a save.

use std::ops::Range;

use gargoyle::{Storage, StorageErrorKind, Stored};

use crate::{Scene, alice, assert_fails, scene};

const SECTOR: usize = 512;
const SEAL: Range<usize> = 64..96;

struct Save {
    scene: Scene,
    before: (Stored, Vec<u8>),
    after: (Stored, Vec<u8>),
    /// The slot that the save wrote.
    slot: Range<usize>,
}

/// Saves bodies of these sizes one after the other, and keeps the file before and after the last save.
fn save(body_bytes: &[usize]) -> Save {
    let scene = scene();
    let look = || (scene.store.load(&alice()).unwrap().unwrap(), scene.file(&alice()));
    let (last, earlier) = body_bytes.split_last().unwrap();
    for (turn, &bytes) in earlier.iter().enumerate() {
        scene.save(&alice(), &vec![turn as u8; bytes]);
    }
    let before = look();
    scene.save(&alice(), &vec![0xff; *last]);
    let after = look();
    let half = before.1.len() / 2;
    assert_eq!(after.1.len(), before.1.len(), "the save was in place");
    let first = before.1[SEAL.end..half] != after.1[SEAL.end..half];
    Save { scene, before, after, slot: if first { 0..half } else { half..2 * half } }
}

impl Save {
    /// The file with some sectors of the new slot written over the old one.
    fn torn(&self, is_written: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut file = self.before.1.clone();
        for (number, at) in self.slot.clone().step_by(SECTOR).enumerate() {
            if is_written(number) {
                file[at..at + SECTOR].copy_from_slice(&self.after.1[at..at + SECTOR]);
            }
        }
        file
    }

    /// The same file if the unsynced seal of the save before was lost: it was in the slot being written.
    fn without_seal(&self, mut file: Vec<u8>) -> Vec<u8> {
        let seal = self.slot.start + SEAL.start..self.slot.start + SEAL.end;
        if file[seal.clone()] == self.before.1[seal.clone()] {
            file[seal].fill(0);
        }
        file
    }

    /// Loads a crash state, and checks that it is what it was found to be from then on.
    fn assert_recovers(&self, file: &[u8], how: &str) -> Stored {
        self.scene.put_file(&alice(), file);
        let found = self.scene.store.load(&alice()).unwrap().unwrap();
        assert!(found == self.before.0 || found == self.after.0, "{how}: {found:?}");
        assert_eq!(self.scene.store.load(&alice()).unwrap().unwrap(), found, "{how}, loaded twice");
        found
    }

    fn assert_next_save_succeeds(&self, found: &Stored) {
        let next = self.scene.store.save(&alice(), Some(found.revision), b"next", None).unwrap();
        assert_eq!(
            self.scene.store.load(&alice()).unwrap(),
            Some(Stored { revision: next, bytes: b"next".to_vec(), wake_at: None })
        );
    }
}

#[test]
fn any_subset_of_the_sectors_of_a_save_leaves_the_record_before_or_after() {
    for body_bytes in [[100, 100].as_slice(), &[3000, 3000], &[100, 3000, 100], &[3000, 3000, 3000, 3000]] {
        let save = save(body_bytes);
        for subset in 0..1 << (save.slot.len() / SECTOR) {
            let torn = save.torn(|sector| subset & (1 << sector) != 0);
            for file in [save.without_seal(torn.clone()), torn] {
                let found = save.assert_recovers(&file, &format!("{body_bytes:?}, sectors {subset:b}"));
                if subset == 0 {
                    assert_eq!(found, save.before.0);
                }
                save.assert_next_save_succeeds(&found);
            }
        }
        let all = save.torn(|_| true);
        assert_eq!(save.assert_recovers(&all, "synced, not sealed"), save.after.0);
        assert_eq!(save.assert_recovers(&save.after.1, "sealed"), save.after.0);
    }
}

#[test]
fn any_prefix_suffix_or_single_sector_of_a_large_save_leaves_the_record_before_or_after() {
    let save = save(&[20_000, 20_000, 20_000]);
    let sectors = save.slot.len() / SECTOR;
    for cut in 0..=sectors {
        for torn in [
            save.torn(|sector| sector < cut),
            save.torn(|sector| sector >= cut),
            save.torn(|sector| sector == cut),
            save.torn(|sector| sector != cut),
        ] {
            for file in [save.without_seal(torn.clone()), torn] {
                save.assert_recovers(&file, &format!("cut at {cut}"));
            }
        }
    }
}

#[test]
fn sectors_filled_with_noise_by_a_power_cut_leave_the_record_before() {
    let save = save(&[3000, 3000, 3000]);
    for sector in 0..save.slot.len() / SECTOR {
        let mut file = save.torn(|written| written <= sector);
        let at = save.slot.start + sector * SECTOR;
        let noise: Vec<u8> = (0..SECTOR).map(|n| (n * 7919 % 251) as u8).collect();
        file[at..at + SECTOR].copy_from_slice(&noise);
        // Noise in the padding hurts nothing: then the save is whole.
        save.assert_recovers(&file, &format!("noise in sector {sector}"));
    }
}

#[test]
fn a_record_that_was_not_known_to_be_durable_is_loaded_from_a_new_file() {
    let save = save(&[100, 100]);
    let not_sealed = save.torn(|_| true);
    save.scene.put_file(&alice(), &not_sealed);
    let link = save.scene.folder.path().join("the old file");
    std::fs::hard_link(save.scene.store.path_of(&alice()), &link).unwrap();
    assert_eq!(save.scene.store.load(&alice()).unwrap().unwrap(), save.after.0);
    assert_eq!(std::fs::read(&link).unwrap(), not_sealed, "the old file is not written to");
    let settled = save.scene.file(&alice());
    assert_ne!(settled, not_sealed);
    save.scene.store.load(&alice()).unwrap();
    assert_eq!(save.scene.file(&alice()), settled, "settled once");
}

#[test]
fn damage_to_the_newest_record_does_not_hide_behind_a_save_that_was_cut_short() {
    let save = save(&[100, 100, 100]);
    let newest = if save.slot.start == 0 { save.before.1.len() / 2 } else { 0 };
    for torn in [save.before.1.clone(), save.torn(|sector| sector > 0), save.torn(|sector| sector == 0)] {
        let mut rotten = torn;
        rotten[newest + 100] ^= 1;
        // A save that was written to its end is newer than the one that rotted. Here it was not.
        rotten[save.slot.start + 150] ^= 1;
        save.scene.put_file(&alice(), &rotten);
        assert_fails(save.scene.store.load(&alice()), StorageErrorKind::Damaged, "alice");
    }
}
