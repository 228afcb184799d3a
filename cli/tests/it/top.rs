//! `top`: another process looks at a system of this one while it runs.

use std::time::Duration;

use gargoyle::{MemoryStorage, Storage, System};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_fs::FsStorage;
use gargoyle_storage_lmdb::LmdbStorage;
use serde_json::Value;

use crate::{Account, Deposit, KINDS, Scene, text};

const LONG: Duration = Duration::from_secs(60);

impl Scene {
    /// A system that runs on a store here, observed, with two accounts.
    fn running(&self, name: &str, kind: &str) -> System {
        fn run(scene: &Scene, name: &str, store: impl Storage) -> System {
            let builder = System::builder(StdRegistry::new(), store).idle_never().call_timeout(LONG);
            let system = builder.observe(scene.path(name)).build().unwrap();
            for (key, times) in [("alice", 3), ("b\n\u{1b}", 2)] {
                let handle = system.handle::<Account>(key, key.to_owned());
                (0..times).for_each(|_| _ = handle.call(Deposit(5)).unwrap());
            }
            system
        }
        match kind {
            "fs" => run(self, name, FsStorage::open(self.path(name)).unwrap()),
            _ => run(self, name, LmdbStorage::open(self.path(name)).unwrap()),
        }
    }
}

#[test]
fn one_sample_of_a_running_system_is_a_line_of_json() {
    for kind in KINDS {
        let scene = Scene::new();
        let system = scene.running("bank", kind);
        let line = scene.good(&["top", "bank", "--json"]);
        assert_eq!(line.lines().count(), 1);
        let sample: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(sample["version"], 1);
        assert_eq!(sample["process"], std::process::id());
        assert_eq!(sample["stats"]["live"], 2);
        assert_eq!(sample["stats"]["saved"], 5);
        assert_eq!(sample["messages"], 5);
        assert_eq!(sample["actors"][0]["id"], serde_json::json!(["account", "alice"]));
        assert_eq!(sample["actors"][0]["saves"], 3);
        assert_eq!(sample["actors"][1]["id"], serde_json::json!(["account", "b\n\u{1b}"]));
        assert!(sample["save_ns"]["p50"].as_u64().unwrap() <= sample["save_ns"]["max"].as_u64().unwrap());
        // To look changed nothing: the store still is the system's.
        scene.bad(&["ls", "bank"], &["is open already", &std::process::id().to_string()]);
        system.shutdown(LONG).unwrap();
        assert!(!scene.path("bank").join(gargoyle::observe::SOCKET).exists());
    }
}

#[test]
fn a_system_is_found_by_the_path_of_its_socket_too() {
    let scene = Scene::new();
    let builder = System::builder(StdRegistry::new(), MemoryStorage::new());
    let _system = builder.observe_at(scene.path("here")).build().unwrap();
    let sample: Value = serde_json::from_str(&scene.good(&["top", "here", "--json"])).unwrap();
    assert_eq!(sample["stats"]["live"], 0);
    assert_eq!(sample["save_ns"]["p50"], Value::Null);
}

/// The socket of a process that was killed, as it is left in the store's folder, is nothing to the other commands.
#[test]
fn a_socket_that_was_left_disturbs_no_command() {
    for kind in KINDS {
        let scene = Scene::new();
        scene.bank("bank", kind);
        let before = scene.good(&["export", "bank"]);
        let socket = scene.path("bank").join(gargoyle::observe::SOCKET);
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert_eq!(scene.good(&["ls", "bank"]).lines().count(), 3);
        scene.good(&["verify", "bank"]);
        scene.good(&["copy", "bank", "copy", "--to", "fs"]);
        scene.good(&["wipe", "bank", "account", "alice", "--yes"]);
        assert_eq!(scene.good(&["export", "copy"]), before);
        assert!(!scene.path("copy").join(gargoyle::observe::SOCKET).exists());
        // And a store can be put where one was left.
        let system = scene.running("bank", kind);
        scene.good(&["top", "bank", "--json"]);
        drop(system);
        assert!(!socket.exists());
    }
}

#[test]
fn where_nobody_is_observed_it_says_so() {
    let scene = Scene::new();
    scene.bank("bank", "fs");
    let said = ["no running system can be observed", "OBSERVE", ".observe("];
    scene.bad(&["top", "bank", "--json"], &said);
    scene.bad(&["top", "bank"], &said);
    scene.bad(&["top", "nowhere"], &["no running system can be observed at nowhere"]);
    drop(std::os::unix::net::UnixListener::bind(scene.path("bank").join("OBSERVE")).unwrap());
    scene.bad(&["top", "bank"], &said);
    let long = "x".repeat(150);
    scene.bad(&["top", &long], &["has 150 bytes"]);
    // A store that is open, and not observed.
    let _system = System::builder(StdRegistry::new(), FsStorage::open(scene.path("open")).unwrap()).build().unwrap();
    scene.bad(&["top", "open"], &said);
}

#[test]
fn a_screen_needs_a_terminal() {
    let scene = Scene::new();
    let _system = scene.running("bank", "fs");
    scene.bad(&["top", text(&scene.path("bank"))], &["not a terminal", "--json"]);
    assert_eq!(scene.run(&["top", "bank", "--every", "0"]).status, Some(2));
    assert_eq!(scene.run(&["top", "bank", "--every", "x"]).status, Some(2));
}
