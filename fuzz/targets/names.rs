//! `cargo +nightly fuzz run names --features libfuzzer`; what it checks is in `src/names.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gargoyle_fuzz::names::check(input));
