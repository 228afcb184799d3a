//! The machine keeps and loses what it should: or the tests on it would say nothing.

use std::collections::BTreeSet;

use super::world::SECTOR;
use super::*;

const FILE: &str = "/file";

fn write(machine: &Model, bytes: &[u8]) -> File {
    let mut file = machine.open(Path::new(FILE), Access::ReadOrNew).unwrap();
    file.write_at(0, bytes).unwrap();
    file
}

fn sync_names(machine: &Model) {
    machine.open_folder(Path::new("/")).unwrap().sync().unwrap();
}

/// What may be found in the file after a power cut, by the first byte of each sector. `None`: no file.
fn found(machine: &Model) -> BTreeSet<Option<Vec<u8>>> {
    let found = |machine: &Model| {
        let mut file = machine.open(Path::new(FILE), Access::Read).ok()?;
        let bytes = file.bytes().unwrap() as usize;
        Some(file.read_at(0, bytes).unwrap().chunks(SECTOR).map(|sector| sector[0]).collect())
    };
    machine.after_power_cut(usize::MAX, &mut Random(0)).iter().map(found).collect()
}

#[test]
fn a_file_needs_both_syncs_to_be_there_with_its_bytes() {
    let machine = Model::new();
    let file = write(&machine, &[1; SECTOR]);
    let all = [None, Some(vec![]), Some(vec![0]), Some(vec![1])];
    assert_eq!(found(&machine), all.clone().into());
    sync_names(&machine);
    assert_eq!(found(&machine), all[1..].iter().cloned().collect());
    file.sync_data().unwrap();
    assert_eq!(found(&machine), [Some(vec![1])].into());

    let machine = Model::new();
    write(&machine, &[1; SECTOR]).sync_all().unwrap();
    assert_eq!(found(&machine), [None, Some(vec![1])].into(), "the name is the folder's");
}

#[test]
fn sectors_are_written_in_any_order_and_at_any_of_their_times() {
    let machine = Model::new();
    write(&machine, &[1; 2 * SECTOR]).sync_data().unwrap();
    sync_names(&machine);
    write(&machine, &[2; 2 * SECTOR]);
    write(&machine, &[3; SECTOR]);
    let found = found(&machine);
    for sectors in [[1, 1], [1, 2], [2, 1], [2, 2], [3, 1], [3, 2]] {
        assert!(found.contains(&Some(sectors.to_vec())), "{sectors:?} of {found:?}");
    }
}

#[test]
fn what_a_failed_sync_lost_is_not_brought_back_by_the_next_one() {
    for cache_lies in [true, false] {
        let machine = Model::new();
        write(&machine, &[1; SECTOR]).sync_data().unwrap();
        sync_names(&machine);
        let mut file = write(&machine, &[2; SECTOR]);
        let fault = Fault { at: 0, error: ErrorKind::Other, for_ever: false, cache_lies, dies_after: None };
        machine.fail(Some(fault));
        assert!(file.sync_data().is_err() && machine.has_failed());
        file.sync_data().unwrap();
        assert_eq!(file.read_at(0, 1).unwrap(), [if cache_lies { 2 } else { 1 }]);
        assert!(found(&machine).is_superset(&[Some(vec![1]), Some(vec![2])].into()));
        file.write_at(0, &[3; SECTOR]).unwrap();
        file.sync_data().unwrap();
        assert_eq!(found(&machine), [Some(vec![3])].into());
    }
}

#[test]
fn changes_of_names_are_kept_up_to_any_of_them() {
    let machine = Model::new();
    let path = Path::new(FILE);
    write(&machine, &[1; SECTOR]).sync_data().unwrap();
    let mut other = machine.open(Path::new("/other"), Access::New).unwrap();
    other.write_at(0, &[2; SECTOR]).unwrap();
    other.sync_data().unwrap();
    machine.rename(Path::new("/other"), path).unwrap();
    machine.remove(path).unwrap();
    assert_eq!(found(&machine), [None, Some(vec![1]), Some(vec![2])].into());
    sync_names(&machine);
    assert_eq!(found(&machine), [None].into());
}

#[test]
fn a_dead_process_changes_nothing_and_its_lock_is_free() {
    let machine = Model::new();
    let mut file = write(&machine, &[1; SECTOR]);
    assert!(file.try_lock().unwrap());
    machine.die_after(1);
    assert!(file.write_at(0, &[2; SECTOR]).is_err() && machine.is_dead());
    machine.kill();
    assert!(file.write_at(0, &[2; SECTOR]).is_err(), "it is of the dead");
    let mut next = machine.open(Path::new(FILE), Access::Read).unwrap();
    assert!(next.try_lock().unwrap());
    assert_eq!(next.read_at(0, 1).unwrap(), [1], "the machine goes on");
}
