//! Configuration files: settings that can be explained and worked with, or an error that names the file.

use std::fs;
use std::path::PathBuf;

use gargoyle::{BoxError, ConfigLayers, MemoryStorage, System};
use gargoyle_registry_std::StdRegistry;

use crate::scratch::Scratch;

thread_local! {
    static SCRATCH: Scratch = Scratch::new();
}

/// Two files, the second over the first, with a zero byte between them.
pub fn check(input: &[u8]) {
    SCRATCH.with(|scratch| {
        let folder = scratch.root();
        fs::create_dir_all(&folder).expect("room for a folder");
        let write = |name: &str, bytes: &[u8]| -> PathBuf {
            let path = folder.join(name);
            fs::write(&path, bytes).expect("room for a file");
            path
        };
        let (first, second) = input.split_at(input.iter().position(|&byte| byte == 0).unwrap_or(input.len()));
        let first = write("first.toml", first);
        let second = write("second.toml", second.get(1..).unwrap_or_default());
        let layers = ConfigLayers::new().file(&first).file(&second);
        match layers.load() {
            Ok(config) => {
                let explained = config.explain().to_string();
                assert!(explained.contains("max_live = "), "{explained}");
                assert_eq!(config, layers.load().expect("nobody changed the files"));
                // What can be read can be refused, by the setting that is wrong, but no more than that.
                let built = System::builder(StdRegistry::new(), MemoryStorage::new()).config(config).build();
                if let Err(error) = built {
                    assert!(!BoxError::from(error).to_string().is_empty());
                }
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("first.toml") || text.contains("second.toml"), "{text}");
            }
        }
        scratch.check_nothing_else_changed();
    });
}
