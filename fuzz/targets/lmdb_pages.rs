//! `cargo +nightly fuzz run lmdb_pages --features libfuzzer`; what it checks is in `src/lmdb_pages.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gargoyle_fuzz::lmdb_pages::check(input));
