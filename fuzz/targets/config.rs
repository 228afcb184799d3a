//! `cargo +nightly fuzz run config --features libfuzzer`; what it checks is in `src/config.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gargoyle_fuzz::config::check(input));
