//! `ls`, `show`, `verify`, `stats`, and that looking changes nothing.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use gargoyle::{ActorId, Record};
use serde_json::Value;

use crate::{KINDS, Scene, at, awkward, cbor, damage, fill_with_awkward, snapshot, text};

fn json_lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn ls_lists_in_order_and_filters() {
    for kind in KINDS {
        let scene = Scene::new();
        scene.bank("bank", kind);
        let out = scene.good(&["ls", "bank"]);
        let ids: Vec<_> = out.lines().map(|line| line.rsplit("  ").next().unwrap()).collect();
        assert_eq!(ids, ["account/alice", "account/bob's", r"account/carol\n\u{1b}[31m"]);
        assert_eq!(scene.good(&["ls", "bank", "--kind", "account", "--prefix", "b"]).lines().count(), 1);
        assert_eq!(scene.good(&["ls", "bank", "--kind", "nobody"]), "");
        assert_eq!(scene.good(&["ls", "bank", "--live"]), "", "it was shut down");
        let lines = json_lines(&scene.good(&["ls", "bank", "--json"]));
        assert_eq!(lines[2]["key"], "carol\n\u{1b}[31m");
        assert_eq!((&lines[0]["version"], &lines[0]["live"]), (&Value::from(1), &Value::from(false)));
        assert!(lines[0]["bytes"].as_u64().unwrap() > 28 && lines[0]["revision"].as_u64().unwrap() > 0);
    }
}

#[test]
fn show_has_the_head_the_arguments_and_the_state() {
    for kind in KINDS {
        let scene = Scene::new();
        scene.bank("bank", kind);
        let out = scene.good(&["show", "bank", "account", "alice"]);
        for part in ["key       alice\n", "live      no\n", "args      \"alice\"\n", "\"cents\": 100\n", "saved at  20"]
        {
            assert!(out.contains(part), "{part:?}: {out}");
        }
        assert!(out.find("owner").unwrap() < out.find("cents").unwrap(), "in the order of the fields");
        let out = scene.good(&["show", "bank", "account", "alice", "--cbor"]);
        assert!(out.contains(r#""cents""#), "{out}");
        let line = &json_lines(&scene.good(&["show", "bank", "account", "alice", "--json"]))[0];
        assert_eq!(line["state"]["json"]["cents"], 100);
        // As `ls` wrote it.
        let out = scene.good(&["show", "-e", "bank", "account", r"carol\n\u{1b}[31m"]);
        assert!(out.contains("\"cents\": 7"), "{out}");
    }
}

#[test]
fn show_says_in_diagnostic_notation_what_json_cannot() {
    let scene = Scene::new();
    fill_with_awkward(&*scene.open("store", "fs"));
    let show = |number: usize| scene.good(&["show", "store", "awkward", &format!("state {number}")]);
    assert!(show(1).contains("(no CBOR) ff"));
    assert!(show(4).contains("h'0001FF'") || show(4).contains("h'0001ff'"), "{}", show(4));
    assert!(show(5).contains("1: \"one\""), "{}", show(5));
    assert!(show(6).contains("NaN"), "{}", show(6));
    let out = scene.good(&["show", "-e", "store", r"../k\n", r"\0"]);
    assert!(out.contains("restart") && out.contains(r"watchers  ../k\n/\0"), "{out}");
}

/// What a state or a line of an import did to a terminal came out as it was: escape sequences, and what turns the order of
/// letters. It is escaped, and JSON says the same.
#[test]
fn nothing_that_is_stored_moves_a_terminal() {
    const ACTED_ON: [char; 5] = ['\u{1b}', '\u{9b}', '\u{202e}', '\u{7f}', '\r'];
    let text: String = ACTED_ON.into_iter().collect();
    let scene = Scene::new();
    let store = scene.open("store", "fs");
    for (key, state) in [("json", cbor(&text)), ("cbor", cbor(&BTreeMap::from([(1, &text)])))] {
        let id = ActorId::new(format!("kind{text}"), key).unwrap();
        store.save(&id, None, &Record::new(id.clone(), cbor(&text), state).to_bytes(), None).unwrap();
    }
    drop(store);
    let kind = format!("kind{text}");
    for arguments in [
        &["show", "store", &kind, "json"][..],
        &["show", "store", &kind, "json", "--cbor"],
        &["show", "store", &kind, "cbor"],
        &["show", "store", &kind, "json", "--json"],
        &["ls", "store", "--json"],
        &["stats", "store", "--json"],
        &["export", "store"],
    ] {
        let out = scene.good(arguments);
        assert!(!out.contains(ACTED_ON) && out.contains("\\u009b"), "{arguments:?}: {out}");
    }
    let line = &json_lines(&scene.good(&["export", "store"]))[1];
    assert_eq!((line["kind"].as_str(), line["state"]["json"].as_str()), (Some(&*kind), Some(&*text)));
    let lines = format!("{{\"kind\":\"k\",\"{text}\":1}}").replace('\r', "");
    let run = scene.run_with_input(&["import", "other", "--to", "fs"], lines.as_bytes());
    assert!(run.status == Some(1) && run.err.contains("line 1") && !run.err.contains(ACTED_ON), "{run:?}");
    let missing = format!("missing{text}");
    assert!(!scene.bad(&["ls", &missing], &[r"missing\u{1b}\u{9b}"]).contains(ACTED_ON));
}

#[test]
fn verify_counts_what_can_be_read() {
    for kind in KINDS {
        let scene = Scene::new();
        fill_with_awkward(&*scene.open("store", kind));
        let out = scene.good(&["verify", "store"]);
        let records = awkward().len();
        assert!(out.starts_with(&format!("{records} of {records} records can be read, ")), "{out}");
    }
}

#[test]
fn damage_is_named_and_the_rest_is_shown() {
    for kind in KINDS {
        let scene = Scene::new();
        let store = scene.open("store", kind);
        let ids = ["a", "b", "c"].map(|key| ActorId::new("k", key).unwrap());
        for id in &ids {
            let record = Record::new(id.clone(), vec![0xf6], cbor(&format!("the state of {}", id.key())));
            store.save(id, None, &record.to_bytes(), None).unwrap();
        }
        // One that the store finds sound, and whose record is not.
        let strange = ActorId::new("k", "strange").unwrap();
        store.save(&strange, None, b"no record at all, but as it was saved", None).unwrap();
        drop(store);
        damage(&scene, "store", kind, &ids[1], b"the state of b");
        let err = scene.bad(&["verify", "store"], &["k/b: ", "damaged", "k/strange: ", "GARGOYLE", "2 problems"]);
        assert_eq!(err.lines().count(), 3, "{err}");
        let run = scene.run(&["ls", "store"]);
        assert_eq!((run.status, run.out.lines().count()), (Some(1), 4), "{run:?}");
        assert_eq!(scene.run(&["ls", "store", "--live"]).out.lines().count(), 2);
        let run = scene.run(&["stats", "store"]);
        let numbers: Vec<_> = run.out.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!((run.status, &numbers[..2]), (Some(1), &["2", "2"][..]), "{run:?}");
        scene.bad(&["show", "store", "k", "b"], &["damaged"]);
        let run = scene.run(&["export", "store"]);
        assert_eq!((run.status, run.out.lines().count()), (Some(1), 2), "{run:?}");
        let run = scene.run(&["copy", "store", "copy", "--to", "fs"]);
        assert_eq!(run.status, Some(1), "{run:?}");
        assert!(run.out.starts_with("2 records copied") && run.err.contains("k/b: "), "{run:?}");
        assert_eq!(scene.contents("copy", "fs").len(), 2);
    }
}

#[test]
fn verify_looks_at_what_the_store_needs_beside_the_records() {
    let scene = Scene::new();
    scene.crowd("store", "fs", 20);
    std::fs::remove_file(scene.path("store/REVISIONS")).unwrap();
    scene.bad(&["verify", "store"], &["REVISIONS", "is missing"]);
    // So that it can be saved.
    assert!(scene.good(&["copy", "store", "copy", "--to", "lmdb"]).starts_with("20 records copied"));

    let note = std::fs::read_dir(scene.path("store/WAKE")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(note).unwrap();
    scene.bad(&["verify", "store"], &["guest/", "the store forgot about it"]);
}

#[test]
fn stats_counts_by_kind() {
    for kind in KINDS {
        let scene = Scene::new();
        scene.bank("store", kind);
        scene.crowd("store", kind, 20);
        let out = scene.good(&["stats", "store"]);
        let lines: Vec<Vec<_>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!((lines[1][0], *lines[1].last().unwrap()), ("3", "account"));
        assert_eq!((lines[2][0], lines[2][3], *lines[2].last().unwrap()), ("20", "2", "guest"));
        let kinds = json_lines(&scene.good(&["stats", "store", "--json"]));
        assert_eq!((&kinds[1]["kind"], &kinds[1]["records"]), (&Value::from("guest"), &Value::from(20)));
    }
}

/// Each command that only looks, also on a store whose process was killed in the middle of its saves.
#[test]
fn looking_changes_no_byte() {
    for kind in KINDS {
        let scene = Scene::new();
        scene.crowd("crowd", "lmdb", 3000);
        fill_with_awkward(&*scene.open("crowd", "lmdb"));
        let mut child = scene
            .command(&["copy", "crowd", "killed", "--to", kind, "--verbose"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        assert!(BufReader::new(child.stdout.take().unwrap()).lines().take(200).all(|line| line.is_ok()));
        child.kill().unwrap();
        child.wait().unwrap();

        let root = scene.path("killed");
        let before = snapshot(&root);
        let out = scene.good(&["ls", "killed"]);
        assert!(out.lines().count() >= 200, "{}", out.lines().count());
        for arguments in [
            &["ls", "killed", "--json"][..],
            &["verify", "killed"],
            &["export", "killed"],
            &["stats", "killed"],
            &["copy", "killed", "copy", "--to", "fs"],
            &["copy", "killed", "copy2", "--to", "lmdb"],
            &["show", "killed", "guest", out.lines().find_map(|line| line.split_once("guest/")).unwrap().1],
        ] {
            scene.good(arguments);
            assert!(snapshot(&root) == before, "{arguments:?} changed {kind}");
        }
        scene.bad(&["show", "killed", "guest", "nobody"], &["there is no record of guest/nobody"]);
        assert!(snapshot(&root) == before);
    }
}

#[test]
fn a_store_that_is_open_elsewhere_is_refused() {
    for kind in KINDS {
        let scene = Scene::new();
        scene.bank("bank", kind);
        let _owner = scene.open("bank", kind);
        let pid = format!("open already, in process {}", std::process::id());
        for arguments in [
            &["ls", "bank"][..],
            &["show", "bank", "account", "alice"],
            &["verify", "bank"],
            &["stats", "bank"],
            &["export", "bank"],
            &["copy", "bank", "copy", "--to", "fs"],
            &["wipe", "bank", "account", "alice", "--yes"],
        ] {
            scene.bad(arguments, &["bank", &pid]);
        }
        assert!(!scene.path("copy").exists());
    }
}

#[test]
fn the_clock_of_an_actor_is_shown() {
    let scene = Scene::new();
    let store = scene.open("store", "lmdb");
    let id = ActorId::new("k", "a").unwrap();
    store.save(&id, None, &Record::new(id.clone(), vec![0xf6], vec![0xf6]).to_bytes(), Some(at(60))).unwrap();
    drop(store);
    let out = scene.good(&["show", text(&scene.path("store")), "k", "a"]);
    assert!(out.contains("wake at   1970-01-01T00:01:00Z\n"), "{out}");
}
