//! `cargo +nightly fuzz run import --features libfuzzer`; what it checks is in `src/import.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gargoyle_fuzz::import::check(input));
