//! Says so when a model does not come to the end of an execution.
//!
//! All threads of a model are one real thread. A lock that loom does not know, held while another thread of the model
//! runs, stops that one for ever, silently.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use gargoyle::sync::Arc;

/// An execution takes less than a millisecond. In the environment: seconds.
const LIMIT: &str = "GARGOYLE_LOOM_STALL";

/// Ends the process if nobody pats it for long. Is at peace when it is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    pats: Arc<AtomicUsize>,
    _peace: Sender<()>,
}

impl Watchdog {
    pub(crate) fn start(model: &'static str) -> Self {
        let seconds = std::env::var(LIMIT).ok().and_then(|limit| limit.parse().ok()).unwrap_or(60);
        let pats = Arc::new(AtomicUsize::new(0));
        let (peace, end) = mpsc::channel::<()>();
        let watched = pats.clone();
        std::thread::spawn(move || {
            let mut before = 0;
            while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(Duration::from_secs(seconds)) {
                let now = watched.load(Ordering::Relaxed);
                if now == before {
                    bark(model, now);
                }
                before = now;
            }
        });
        Watchdog { pats, _peace: peace }
    }

    /// To pat it with.
    pub(crate) fn pats(&self) -> Pats {
        Pats(self.pats.clone())
    }
}

/// Keeps a watchdog quiet.
pub(crate) struct Pats(Arc<AtomicUsize>);

impl Pats {
    /// There is a new execution.
    pub(crate) fn pat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Past the test's grip on its output, as nobody will show it.
fn bark(model: &str, execution: usize) -> ! {
    let _ = writeln!(
        std::io::stderr(),
        "\n{model} stands still in execution {execution}: does the registry hold a lock that is not from `gargoyle::sync` \
         while it calls out?"
    );
    std::process::abort()
}
