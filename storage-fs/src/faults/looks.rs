//! Whoever only looks changes nothing, whatever a crash left, and sees what the next owner will find.

use std::ops::ControlFlow;
use std::path::Path;

use gargoyle::sync::Arc;
use gargoyle::{ActorId, Storage, Stored};

use super::power_cuts::die_at_every_change;
use super::{HISTORY, Id, KEPT_MAX, LATE, ROOT, Run, at};
use crate::FsStorage;
use crate::disk::model::{Model, Random};

/// What can be seen of a store.
#[derive(Debug, PartialEq)]
struct Seen {
    records: Vec<Option<Stored>>,
    listed: Vec<ActorId>,
    due: Vec<ActorId>,
}

fn see(store: &FsStorage) -> Seen {
    let (mut listed, mut due) = (Vec::new(), Vec::new());
    let push = |ids: &mut Vec<ActorId>, id| {
        ids.push(id);
        ControlFlow::Continue(())
    };
    store.scan(None, None, &mut |id| push(&mut listed, id)).unwrap();
    store.due(at(LATE), &mut |id| push(&mut due, id)).unwrap();
    Seen { records: Id::ALL.map(|id| store.load(&id.id()).unwrap()).into(), listed, due }
}

/// Looks at what a dead process or a power cut left, and compares that with what the next owner sees.
fn look(machine: &Model) {
    machine.kill();
    // The first change would be its death.
    machine.die_after(1);
    let seen = FsStorage::open_read_only_on(Arc::new(machine.clone()), Path::new(ROOT)).map(|store| see(&store));
    assert!(!machine.is_dead(), "a look changed something");
    machine.kill();
    let owned = FsStorage::open_on(Arc::new(machine.clone()), Path::new(ROOT), KEPT_MAX).unwrap();
    match seen {
        Ok(seen) => assert_eq!(seen, see(&owned)),
        Err(error) => assert!(see(&owned).listed.is_empty(), "{error}"),
    }
}

#[test]
fn a_look_changes_nothing_and_shows_what_the_next_owner_finds() {
    let (mut looks, mut random) = (0, Random(4));
    die_at_every_change(Run::new, HISTORY, |run| {
        for machine in run.machine.after_power_cut(20, &mut random) {
            look(&machine);
            looks += 1;
        }
        look(&run.machine);
        looks += 1;
    });
    println!("{looks} looks");
    assert!(looks > 1_000, "{looks} looks");
}
