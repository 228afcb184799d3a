//! Every seed and every input that once was a bug, without a fuzzer and on any toolchain; and each of them with some
//! random changes, so that an ordinary run of the tests is a short run of a blind fuzzer.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use gargoyle_fuzz::TARGETS;

/// How many changed inputs are tried for each target.
const CHANGES: &str = "GARGOYLE_FUZZ_CHANGES";

fn inputs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// Runs a check, and keeps what failed where it can be replayed.
fn run(name: &str, check: fn(&[u8]), input: &[u8], from: &Path) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(input))) {
        let path = std::env::temp_dir().join(format!("gargoyle-fuzz-{name}-{:08x}", crc32fast::hash(input)));
        fs::write(&path, input).unwrap();
        eprintln!("{name} failed with {}, made from {}", path.display(), from.display());
        resume_unwind(panic);
    }
}

#[test]
fn every_seed_passes_as_it_is_and_with_random_changes() {
    let changes: usize = std::env::var(CHANGES).map_or(400, |changes| changes.parse().expect("a number"));
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (name, check) in TARGETS {
        let inputs = inputs(&seeds.join(name));
        assert!(inputs.len() >= 4, "{name} has only {} seeds", inputs.len());
        for (path, input) in &inputs {
            run(name, check, input, path);
        }
        let mut random = fastrand::Rng::with_seed(changes as u64);
        for turn in 0..changes {
            let (path, input) = &inputs[turn % inputs.len()];
            run(name, check, &changed(input, &mut random), path);
        }
        println!("{name}: {} seeds, {changes} changed ones", inputs.len());
    }
}

/// Some bytes flipped, set, put in, taken out or doubled.
fn changed(input: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=bytes.len());
        match random.u8(..5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            1 if at < bytes.len() => bytes[at] = random.choice([0, 1, 0x7f, 0x80, 0xff, b'"', b'%', b'/']).unwrap(),
            2 => bytes.insert(at, random.u8(..)),
            3 => drop(bytes.drain(at..(at + random.usize(..4)).min(bytes.len()))),
            _ => {
                let part = bytes[at..(at + random.usize(..16)).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}
