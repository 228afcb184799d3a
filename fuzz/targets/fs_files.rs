//! `cargo +nightly fuzz run fs_files --features libfuzzer`; what it checks is in `src/fs_files.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gargoyle_fuzz::fs_files::check(input));
