//! `cargo +nightly fuzz run record --features libfuzzer`; what it checks is in `src/record.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gargoyle_fuzz::record::check(input));
