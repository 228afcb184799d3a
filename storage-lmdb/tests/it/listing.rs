//! Who is there, and who is due.

use std::ops::ControlFlow;
use std::time::Duration;

use gargoyle::{ActorId, Storage, StorageErrorKind};
use proptest::prelude::*;

use crate::{Scene, alice, assert_fails, at, id, scene};

/// A store with a group of long names that begin alike, larger than the pages in which a scan reads.
fn with_long_names(count: usize) -> (Scene, Vec<ActorId>) {
    let scene = scene();
    let prefix = "p".repeat(700);
    let mut ids: Vec<_> = (0..count).map(|n| id("long", &format!("{prefix}{:06}", n * 7919 % 1_000_003))).collect();
    ids.push(id("long", &prefix[..466]));
    ids.push(id("long", &prefix[..467]));
    ids.push(id("long", &(prefix[..500].to_owned() + "a")));
    ids.push(id("long", &(prefix[..500].to_owned() + "z")));
    ids.push(id("long", "q"));
    ids.push(id("long", ""));
    ids.push(id("lonG", &prefix));
    ids.push(id("longer", &prefix));
    std::thread::scope(|scope| {
        for part in ids.chunks(ids.len().div_ceil(32)) {
            let scene = &scene;
            scope.spawn(move || {
                for id in part {
                    scene.store.save(id, None, b"1", Some(at(5))).unwrap();
                }
            });
        }
    });
    ids.sort();
    (scene, ids)
}

#[test]
fn a_scan_shows_all_ids_in_their_order_long_ones_that_begin_alike_too() {
    let (scene, ids) = with_long_names(1_000);
    assert_eq!(scene.scan(None, None), ids);
    let of_kind: Vec<_> = ids.iter().filter(|id| id.kind() == "long").cloned().collect();
    assert_eq!(scene.scan(Some("long"), None), of_kind);
    for at in [0, 1, 2, 300, 511, 512, 700, of_kind.len() - 2, of_kind.len() - 1] {
        assert_eq!(scene.scan(Some("long"), Some(&of_kind[at])), of_kind[at + 1..], "after {at}");
    }
    // After an id that is not there, before all, behind all, and of another kind.
    assert_eq!(scene.scan(Some("long"), Some(&id("long", "p"))), of_kind[1..]);
    assert_eq!(scene.scan(Some("long"), Some(&id("a", "b"))), of_kind);
    assert!(scene.scan(Some("long"), Some(&id("z", ""))).is_empty());
    assert!(scene.scan(Some("lon"), None).is_empty());
    let mut due = scene.due(at(5));
    due.sort();
    assert_eq!(due, ids);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_scan_is_a_sorted_set(
        ids in proptest::collection::btree_set(("[ab\0\u{1}]{1,3}", prop_oneof![Just(0_usize), 460..475_usize, Just(900)], "[ab\0]{0,3}"), 1..60),
        from in any::<prop::sample::Index>(),
    ) {
        let scene = scene();
        let mut ids: Vec<_> = ids.iter().map(|(kind, bytes, end)| id(kind, &("x".repeat(*bytes) + end))).collect();
        std::thread::scope(|scope| {
            for id in &ids {
                scope.spawn(|| scene.store.save(id, None, b"1", None).unwrap());
            }
        });
        ids.sort();
        prop_assert_eq!(&scene.scan(None, None), &ids);
        let after = from.get(&ids);
        let rest: Vec<_> = ids.iter().filter(|id| *id > after).cloned().collect();
        prop_assert_eq!(scene.scan(None, Some(after)), rest.clone());
        let rest: Vec<_> = rest.into_iter().filter(|id| id.kind() == after.kind()).collect();
        prop_assert_eq!(scene.scan(Some(after.kind()), Some(after)), rest);
    }
}

#[test]
fn a_listing_ends_when_it_is_told_to() {
    let scene = scene();
    for n in 0..600 {
        scene.save_with(&id("k", &format!("{n:03}")), b"1", Some(at(1)));
    }
    let mut seen = 0;
    let mut see = |_| {
        seen += 1;
        if seen == 300 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    scene.store.scan(None, None, &mut see).unwrap();
    assert_eq!(seen, 300);
    let mut seen = 0;
    let mut see = |_| {
        seen += 1;
        if seen == 300 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    scene.store.due(at(1), &mut see).unwrap();
    assert_eq!(seen, 300);
}

#[test]
fn whoever_is_shown_may_be_loaded_saved_and_wiped_while_it_is() {
    let scene = scene();
    let ids: Vec<_> = (0..1_000).map(|n| id("k", &format!("{n:04}"))).collect();
    for id in ids.iter().step_by(2) {
        scene.save(id, b"1");
    }
    let mut seen = Vec::new();
    let mut see = |id: ActorId| {
        let at: usize = id.key().parse().unwrap();
        assert!(scene.bytes(&id).is_some());
        // The one before, which comes and goes, and this one.
        scene.save(&ids[at.saturating_sub(1)], b"2");
        scene.store.wipe(&id, None).unwrap();
        if at.is_multiple_of(2) {
            seen.push(id);
        }
        ControlFlow::Continue(())
    };
    scene.store.scan(None, None, &mut see).unwrap();
    let there_all_along: Vec<_> = ids.iter().step_by(2).cloned().collect();
    assert_eq!(seen, there_all_along);
}

#[test]
fn the_newest_save_says_who_is_due() {
    let scene = scene();
    let [a, b, c] = ["a", "b", "c"].map(|key| id("k", key));
    scene.save_with(&a, b"1", Some(at(20)));
    scene.save_with(&b, b"1", None);
    scene.save_with(&c, b"1", Some(at(10)));
    let scene = scene.reopen();
    assert!(scene.due(at(9)).is_empty());
    assert_eq!(scene.due(at(10)), std::slice::from_ref(&c));
    assert_eq!(scene.due(at(99)), [c.clone(), a.clone()], "the earliest first");
    scene.save_with(&a, b"2", Some(at(5)));
    assert_eq!(scene.due(at(99)), [a.clone(), c.clone()]);
    scene.save_with(&c, b"2", None);
    scene.save_with(&b, b"2", Some(at(7)));
    assert_eq!(scene.due(at(99)), [a.clone(), b.clone()]);
    scene.store.wipe(&a, None).unwrap();
    assert_eq!(scene.due(at(99)), std::slice::from_ref(&b));
    let revision = scene.store.load(&b).unwrap().unwrap().revision;
    scene.store.wipe(&b, Some(revision)).unwrap();
    assert!(scene.due(at(99)).is_empty());
}

#[test]
fn times_before_1970_and_after_all_time_are_kept() {
    let scene = scene();
    let (early, late) = (at(0) - Duration::from_secs(10), at(u64::MAX >> 10));
    scene.save_with(&id("k", "early"), b"1", Some(early));
    scene.save_with(&id("k", "late"), b"1", Some(late));
    assert_eq!(scene.due(at(0) - Duration::from_secs(5)), [id("k", "early")]);
    assert_eq!(scene.due(at(1 << 40)), [id("k", "early")]);
    assert_eq!(scene.due(late), [id("k", "early"), id("k", "late")]);
}

#[test]
fn a_save_that_fails_changes_no_time() {
    let scene = scene();
    let first = scene.save_with(&alice(), b"1", Some(at(5)));
    scene.save_with(&alice(), b"2", Some(at(6)));
    assert_fails(scene.store.save(&alice(), Some(first), b"3", Some(at(1))), StorageErrorKind::Stale, "alice");
    assert!(scene.due(at(5)).is_empty());
    assert_eq!(scene.due(at(6)), [alice()]);
}
