//! What cannot be meant is refused with a reason, and nothing is made or changed by it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::{KINDS, Scene, snapshot};

#[test]
fn a_folder_that_is_no_store_is_named_and_left_alone() {
    let scene = Scene::new();
    fs::create_dir(scene.path("empty")).unwrap();
    fs::create_dir(scene.path("letters")).unwrap();
    fs::write(scene.path("letters/FORMAT"), "Dear Sir or Madam\n").unwrap();
    fs::write(scene.path("file"), "a file").unwrap();
    scene.bank("bank", "fs");
    for (folder, said) in [
        ("missing", "there is no folder missing"),
        ("empty", "empty is not the folder of a store"),
        ("letters", "letters is not the folder of a store"),
        ("file", "file is not a folder"),
    ] {
        for arguments in [
            &["ls", folder][..],
            &["show", folder, "k", "a"],
            &["verify", folder],
            &["stats", folder],
            &["export", folder],
            &["edit", folder, "k", "a"],
            &["wipe", folder, "k", "a", "-y"],
            &["copy", folder, "to", "--to", "fs"],
        ] {
            let err = scene.bad(arguments, &[said]);
            assert_eq!(err.lines().count(), 1, "{err}");
        }
        scene.bad(&["copy", "bank", folder], &[folder, "--to fs"]);
    }
    for folder in ["letters", "file"] {
        scene.bad(&["copy", "bank", folder, "--to", "lmdb"], &[folder]);
    }
    assert!(!scene.path("missing").exists() && !scene.path("to").exists());
    assert_eq!(fs::read_dir(scene.path("empty")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(scene.path("letters")).unwrap().count(), 1);
}

#[test]
fn a_store_of_a_later_release_is_told_from_none() {
    for kind in KINDS {
        let scene = Scene::new();
        scene.bank("bank", kind);
        fs::write(scene.path("bank/FORMAT"), format!("gargoyle-storage-{kind} 7\n")).unwrap();
        scene.bad(&["ls", "bank"], &["format \"7\"", "later one"]);
    }
}

#[test]
fn a_copy_has_to_go_somewhere_else() {
    let scene = Scene::new();
    scene.bank("bank", "fs");
    scene.bad(&["copy", "bank", "./bank"], &["onto itself"]);
    // Beside it is not inside.
    scene.good(&["copy", "bank", "bank2", "--to", "fs"]);
    scene.good(&["copy", "bank", "other", "--to", "lmdb"]);
    scene.bad(&["copy", "bank", "other", "--to", "fs"], &["other is a store of the kind lmdb already"]);
}

/// A copy into a folder of its source was made, and changed what it was only to read. The real paths are looked at now, of
/// folders that are not there yet, too.
#[test]
fn a_copy_does_not_go_into_its_source_nor_around_it() {
    let scene = Scene::new();
    scene.bank("bank", "fs");
    let before = snapshot(&scene.path("bank"));
    #[cfg(unix)]
    std::os::unix::fs::symlink("bank", scene.path("link")).unwrap();
    let through_a_link = if cfg!(unix) { "link/sub" } else { "bank/sub" };
    for to in ["bank/sub", "./bank/sub/sub", through_a_link] {
        for kind in KINDS {
            scene.bad(&["copy", "bank", to, "--to", kind], &["inside the other"]);
        }
    }
    for to in ["bank/sub/../sub", "missing/../bank/sub"] {
        scene.bad(&["copy", "bank", to, "--to", "fs"], &[to, ".. behind a folder that does not exist"]);
    }
    assert!(!scene.path("missing").exists());
    scene.bad(&["copy", "bank", ".", "--to", "fs"], &["inside the other"]);
    assert!(snapshot(&scene.path("bank")) == before);
    assert!(!scene.path("FORMAT").exists());
}

#[test]
fn bad_arguments_have_a_status_of_their_own() {
    let scene = Scene::new();
    for arguments in [
        &[][..],
        &["look"],
        &["ls"],
        &["ls", "a", "--colour"],
        &["copy", "a"],
        &["copy", "a", "b", "--to", "sqlite"],
        &["show", "a", "k"],
    ] {
        let run = scene.run(arguments);
        assert_eq!(run.status, Some(2), "{arguments:?}: {run:?}");
        assert!(!run.err.is_empty());
    }
    let help = scene.good(&["--help"]);
    for command in ["ls", "show", "verify", "copy", "export", "import", "edit", "wipe", "stats"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        scene.good(&[command, "--help"]);
    }
    assert!(scene.good(&["--version"]).starts_with("gargoyle "));
}

#[test]
fn ids_that_there_cannot_be_are_refused() {
    let scene = Scene::new();
    scene.bank("bank", "fs");
    scene.bad(&["show", "bank", "", "a"], &["kind"]);
    scene.bad(&["show", "bank", "account", &"x".repeat(1025)], &["1025"]);
    scene.bad(&["show", "bank", "account", r"a\x", "-e"], &["backslash"]);
    scene.bad(&["wipe", "bank", "account", "a\nb", "-y"], &[r"there is no record of account/a\nb"]);
}

/// As with `| head`: the reader goes away, and that is no error.
#[test]
fn whoever_reads_may_stop_at_any_time() {
    let scene = Scene::new();
    scene.crowd("store", "lmdb", 3000);
    for arguments in [&["ls", "store"][..], &["export", "store"], &["ls", "store", "--json"]] {
        let command = &mut scene.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.next().unwrap().unwrap();
        drop(lines);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{arguments:?}");
    }
}
