//! The runtime of those that need one: two workers, as the machine has processors.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

pub(super) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("there are threads for two workers")
});
