//! `edit` and `wipe`.

use std::fs;
use std::path::Path;

use gargoyle::{ActorId, Record};

use crate::{KINDS, Run, Scene, cbor, damage, fill_with_awkward, snapshot};

/// Edits alice with this shell script for an editor.
fn edit(scene: &Scene, editor: &str, arguments: &[&str]) -> Run {
    let command = &mut scene.command(&[&["edit"], arguments].concat());
    Run::of(&command.env("EDITOR", editor).env("GARGOYLE", env!("CARGO_BIN_EXE_gargoyle")).output().unwrap())
}

const ALICE: [&str; 3] = ["bank", "account", "alice"];

fn state_of_alice(scene: &Scene) -> String {
    let out = scene.good(&[&["show"], &ALICE[..]].concat());
    out.split_once("state     ").unwrap().1.split_whitespace().collect()
}

#[cfg(unix)]
#[test]
fn a_state_is_edited_as_json() {
    for kind in KINDS {
        let scene = Scene::new();
        scene.bank("bank", kind);
        let before: Vec<_> = scene.contents("bank", kind);
        let run = edit(&scene, "sed -i s/100/250/", &ALICE);
        assert_eq!(run.status, Some(0), "{run:?}");
        assert!(run.out.starts_with("account/alice is saved as revision "), "{run:?}");
        assert_eq!(state_of_alice(&scene), r#"{"owner":"alice","cents":250}"#);
        let after = scene.contents("bank", kind);
        assert!(after[1..] == before[1..], "nothing else was changed");
        let [old, new] = [&before, &after].map(|all| Record::from_bytes(&all[0].1).unwrap());
        assert!((new.args, new.version, new.live) == (old.args, old.version, old.live));
        assert!(new.saved_at >= old.saved_at);
    }
}

#[cfg(unix)]
#[test]
fn what_is_not_changed_is_not_saved() {
    let scene = Scene::new();
    scene.bank("bank", "fs");
    let before = snapshot(&scene.path("bank"));
    // In another layout, it is the same state.
    let layout = r#"printf '{"owner":"alice", "cents":100}' > "$1" #"#;
    for (editor, status, said) in [
        ("true", 0, "nothing was changed"),
        (layout, 0, "nothing was changed"),
        ("false", 1, "nothing was saved"),
        ("no-such-editor", 1, "no-such-editor"),
        ("rm", 1, "cannot read what the editor wrote"),
    ] {
        let run = edit(&scene, editor, &ALICE);
        assert_eq!(run.status, Some(status), "{editor}: {run:?}");
        assert!(format!("{}{}", run.out, run.err).contains(said), "{editor}: {run:?}");
        assert!(snapshot(&scene.path("bank")) == before, "{editor}");
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_saved_is_kept_for_its_writer() {
    let scene = Scene::new();
    scene.bank("bank", "lmdb");
    let kept = |run: &Run| {
        let path = run.err.trim_end().rsplit_once("what you wrote is in ").unwrap().1.to_owned();
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(Path::new(&path)).unwrap();
        text
    };
    let run = edit(&scene, "echo '{\"owner\"' > ", &ALICE);
    assert!(run.status == Some(1) && run.err.contains("this is no JSON"), "{run:?}");
    assert_eq!(kept(&run), "{\"owner\"\n");
    // Somebody else saves while the editor is open: another run of the same program does.
    let other =
        r#"sh -c 'EDITOR="sed -i s/100/300/" "$GARGOYLE" edit bank account alice && sed -i s/100/200/ "$1"' sh"#;
    let run = edit(&scene, other, &ALICE);
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.err.contains("account/alice was saved or deleted by somebody else meanwhile"), "{run:?}");
    assert!(kept(&run).contains("200"));
    assert_eq!(state_of_alice(&scene), r#"{"owner":"alice","cents":300}"#);
    let wipes = r#"sh -c '"$GARGOYLE" wipe bank account alice -y && sed -i s/300/200/ "$1"' sh"#;
    let run = edit(&scene, wipes, &ALICE);
    assert!(run.status == Some(1) && run.err.contains("found no record"), "{run:?}");
    assert!(kept(&run).contains("200"));
    assert_eq!(scene.contents("bank", "lmdb").len(), 2);
}

#[cfg(unix)]
#[test]
fn a_state_that_json_cannot_say_is_edited_in_diagnostic_notation() {
    let scene = Scene::new();
    fill_with_awkward(&*scene.open("store", "fs"));
    let run = edit(&scene, "true", &["store", "awkward", "state 5"]);
    assert!(run.status == Some(1) && run.err.contains("--cbor"), "{run:?}");
    let run = edit(&scene, "sed -i s/two/three/", &["store", "awkward", "state 5", "--cbor"]);
    assert_eq!(run.status, Some(0), "{run:?}");
    let id = ActorId::new("awkward", "state 5").unwrap();
    let state = Record::from_bytes(&scene.open("store", "fs").load(&id).unwrap().unwrap().bytes).unwrap().state;
    assert_eq!(state, cbor(&std::collections::BTreeMap::from([(1, "one"), (2, "three")])));
    let run = edit(&scene, "true", &["store", "awkward", "state 1", "--cbor"]);
    assert!(run.status == Some(1) && run.err.contains("no text stands for"), "{run:?}");
}

/// Deep text overflowed the stack and was lost, and a typo was answered with the whole text. Text is looked through before
/// it is parsed, and the error says where it is wrong.
#[cfg(unix)]
#[test]
fn notation_that_is_wrong_is_kept_and_not_shown() {
    let scene = Scene::new();
    scene.bank("bank", "fs");
    let before = snapshot(&scene.path("bank"));
    for (editor, said) in [
        (r#"printf '[1, hff, "SECRET"]' > "$1" #"#, "line 1, column 5"),
        (r#"printf '%0100000d' 0 | tr 0 '[' > "$1" #"#, "128 levels"),
    ] {
        let run = edit(&scene, editor, &[&ALICE[..], &["--cbor"]].concat());
        assert!(run.status == Some(1) && run.err.contains(said), "{run:?}");
        assert!(run.err.len() < 300 && !run.err.contains("SECRET"), "{run:?}");
        let path = run.err.trim_end().rsplit_once("what you wrote is in ").unwrap().1;
        assert!(fs::read_to_string(path).unwrap().starts_with('['));
        fs::remove_file(path).unwrap();
    }
    assert!(snapshot(&scene.path("bank")) == before);
}

#[test]
fn wipe_asks_and_deletes() {
    for kind in KINDS {
        let scene = Scene::new();
        scene.bank("bank", kind);
        let wipe = [&["wipe"], &ALICE[..]].concat();
        for answer in ["", "n\n", "\n", "yesterday\n"] {
            let run = scene.run_with_input(&wipe, answer.as_bytes());
            assert_eq!(run.status, Some(1), "{run:?}");
            assert!(run.out.contains("account/alice for good?") && run.err.contains("nothing was deleted"), "{run:?}");
        }
        assert_eq!(scene.contents("bank", kind).len(), 3);
        assert_eq!(scene.run_with_input(&wipe, b"y\n").status, Some(0));
        assert_eq!(scene.contents("bank", kind).len(), 2);
        scene.bad(&wipe, &["there is no record of account/alice"]);
        assert_eq!(scene.good(&["wipe", "bank", "account", "bob's", "--yes"]), "account/bob's is deleted\n");
        scene.good(&["wipe", "-ey", "bank", "account", r"carol\n\u{1b}[31m"]);
        assert_eq!(scene.good(&["ls", "bank"]), "");
    }
}

#[test]
fn damage_can_be_wiped() {
    for kind in KINDS {
        let scene = Scene::new();
        scene.bank("bank", kind);
        damage(&scene, "bank", kind, &ActorId::new("account", "alice").unwrap(), b"alice\x65cents");
        scene.bad(&["verify", "bank"], &["account/alice", "damaged"]);
        scene.good(&["wipe", "bank", "account", "alice", "--yes"]);
        assert!(scene.good(&["verify", "bank"]).starts_with("2 of 2"));
    }
}
