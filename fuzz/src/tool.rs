//! The parts of the tool `gargoyle` that read what others wrote. It is a program and no library, so its files are taken in
//! by `lib.rs`; this is what they expect beside them.

/// What `line` makes of a line.
pub(crate) struct Entry {
    pub(crate) id: gargoyle::ActorId,
    pub(crate) bytes: Vec<u8>,
    pub(crate) wake_at: Option<std::time::SystemTime>,
}
