//! `copy`, `export` and `import`: nothing is lost or changed on the way, also if it is cut short.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use gargoyle::{ActorId, Record};

use crate::{KINDS, Scene, awkward, cbor, fill_with_awkward};

/// Kills a copy when it has written so many records. Returns how many there are.
fn killed_copy(scene: &Scene, from: &str, to: &str, kind: &str, after: usize) -> usize {
    let mut child =
        scene.command(&["copy", from, to, "--to", kind, "--verbose"]).stdout(Stdio::piped()).spawn().unwrap();
    // It names more than fit into the pipe, so it cannot come to its end before.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().take(after).all(|line| line.unwrap().starts_with("guest/")));
    child.kill().unwrap();
    child.wait().unwrap();
    scene.contents(to, kind).len()
}

#[test]
fn a_copy_that_is_killed_goes_on_from_fs_to_lmdb_and_back() {
    const RECORDS: usize = 4000;
    let scene = Scene::new();
    scene.crowd("fs", "fs", RECORDS);
    let all = scene.contents("fs", "fs");
    for (from, to, kind) in [("fs", "lmdb", "lmdb"), ("lmdb", "back", "fs")] {
        let there = killed_copy(&scene, from, to, kind, 100);
        assert!((100..RECORDS).contains(&there), "{there}");
        let out = scene.good(&["copy", from, to]);
        assert_eq!(out, format!("{} records copied, {there} were there already\n", RECORDS - there));
        assert!(scene.contents(to, kind) == all);
        assert!(scene.good(&["verify", to]).starts_with("4000 of 4000"));
    }
    assert_eq!(scene.good(&["copy", "fs", "back"]), "0 records copied, 4000 were there already\n");
}

#[test]
fn awkward_records_are_copied_from_any_store_to_any() {
    for (from, to) in [("fs", "lmdb"), ("lmdb", "fs"), ("fs", "fs"), ("lmdb", "lmdb")] {
        let scene = Scene::new();
        fill_with_awkward(&*scene.open("from", from));
        scene.good(&["copy", "from", "to", "--to", to]);
        assert!(scene.contents("to", to) == scene.contents("from", from), "{from} to {to}");
    }
}

#[test]
fn what_differs_is_named_and_left_alone_unless_told() {
    for kind in KINDS {
        let scene = Scene::new();
        scene.bank("a", kind);
        scene.bank("b", kind);
        scene.crowd("b", kind, 2);
        let before = scene.contents("b", kind);
        let err = scene.bad(&["copy", "a", "b"], &["account/alice is there and differs", "--overwrite"]);
        assert_eq!(err.lines().count(), 4, "{err}");
        assert!(scene.contents("b", kind) == before);
        let run = scene.run(&["copy", "a", "b", "--overwrite"]);
        assert_eq!((run.status, &*run.out), (Some(0), "3 records copied, 0 were there already\n"), "{run:?}");
        assert!(run.err.contains("2 records of b are not in a"), "{run:?}");
        assert!(scene.contents("b", kind)[..3] == scene.contents("a", kind));
    }
}

#[test]
fn export_and_import_give_the_very_same_records() {
    for kind in KINDS {
        let scene = Scene::new();
        fill_with_awkward(&*scene.open("from", kind));
        let all = scene.contents("from", kind);
        let lines = scene.good(&["export", "from"]);
        assert_eq!(lines.lines().count(), awkward().len());
        scene.good(&["export", "from", "--output", "lines.json"]);
        assert_eq!(fs::read_to_string(scene.path("lines.json")).unwrap(), lines);
        scene.bad(&["export", "from", "-o", "lines.json"], &["cannot make lines.json"]);
        for to in KINDS {
            let run = scene.run_with_input(&["import", to, "--to", to], lines.as_bytes());
            assert_eq!((run.status, &*run.err), (Some(0), ""), "{run:?}");
            assert!(scene.contents(to, to) == all, "{kind} to {to}");
            let again = scene.good(&["import", to, "-i", "lines.json"]);
            assert_eq!(again, format!("0 records imported, {} were there already\n", awkward().len()));
        }
    }
}

/// Everybody could read the file under the usual umask, though nobody else can read the store. It is made for its owner.
#[cfg(unix)]
#[test]
fn an_exported_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let scene = Scene::new();
    scene.bank("bank", "fs");
    scene.good(&["export", "bank", "--output", "lines.json"]);
    let mode = fs::metadata(scene.path("lines.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn an_import_ends_at_a_bad_line_and_says_which() {
    let scene = Scene::new();
    scene.bank("bank", "fs");
    let lines = scene.good(&["export", "bank"]);
    for (bad, said) in [
        ("{\"kind\":", "line 3 of bad.json is no record: EOF"),
        ("[1]", "line 3 of bad.json is no record: "),
        ("{\"kind\":\"\u{1b}\"}", "is no record: control character"),
    ] {
        let mut some: Vec<_> = lines.lines().collect();
        some.insert(2, bad);
        fs::write(scene.path("bad.json"), some.join("\n")).unwrap();
        let target = format!("store {}", bad.len());
        let err = scene.bad(&["import", &target, "--to", "fs", "-i", "bad.json"], &[said]);
        assert_eq!(err.lines().count(), 1, "{err}");
        assert_eq!(scene.contents(&target, "fs").len(), 2);
    }
    fs::write(scene.path("bad.json"), [b"\n", &[0xff, 0xfe][..]].concat()).unwrap();
    scene.bad(&["import", "other", "--to", "lmdb", "-i", "bad.json"], &["line 2 of bad.json"]);
    scene.bad(&["import", "other", "-i", "missing.json"], &["cannot open missing.json"]);
}

/// An import wrote the last time there is, which no store can tell from never, and said that it had failed. It is refused
/// before anything is written; the one before it is kept.
#[test]
fn a_time_that_stores_cannot_keep_is_refused() {
    for kind in KINDS {
        let scene = Scene::new();
        let import = |wake_at: u64| {
            let line = format!(
                r#"{{"kind":"k","key":"a","version":1,"saved_at":0,"wake_at":{wake_at},"args":{{"json":1}},"state":{{"json":1}}}}"#
            );
            scene.run_with_input(&["import", "store", "--to", kind], line.as_bytes())
        };
        let run = import(u64::MAX);
        assert!(
            run.status == Some(1) && run.err.contains("line 1 of standard input is no record: `wake_at`"),
            "{run:?}"
        );
        assert_eq!(scene.contents("store", kind).len(), 0);
        assert_eq!(import(u64::MAX - 1).status, Some(0));
        assert_eq!(import(u64::MAX - 1).out, "0 records imported, 1 were there already\n");
    }
}

#[test]
fn the_last_line_of_an_id_counts() {
    let scene = Scene::new();
    let store = scene.open("store", "fs");
    let mut lines = String::new();
    let id = ActorId::new("k", "a").unwrap();
    let mut revision = None;
    for number in 0..100 {
        let record = Record::new(id.clone(), vec![0xf6], cbor(&number));
        revision = Some(store.save(&id, revision, &record.to_bytes(), None).unwrap());
        lines += &format!("{{\"kind\":\"k\",\"key\":\"a\",\"record\":\"{}\"}}\n", hex::encode(record.to_bytes()));
    }
    drop(store);
    let run = scene.run_with_input(&["import", "other", "--to", "lmdb", "--overwrite"], lines.as_bytes());
    assert_eq!(run.status, Some(0), "{run:?}");
    assert!(scene.contents("other", "lmdb") == scene.contents("store", "fs"));
}
