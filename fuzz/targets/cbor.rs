//! `cargo +nightly fuzz run cbor --features libfuzzer`; what it checks is in `src/cbor.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gargoyle_fuzz::cbor::check(input));
