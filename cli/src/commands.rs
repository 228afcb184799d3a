//! One file for each command.

pub(crate) mod copy;
pub(crate) mod edit;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod ls;
pub(crate) mod show;
pub(crate) mod stats;
pub(crate) mod top;
pub(crate) mod verify;
pub(crate) mod wipe;
