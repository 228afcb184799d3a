//! Threads that are waited for.

use gargoyle::sync::{Arc, Condvar, Mutex, thread};

/// Another thread of a model.
pub(crate) struct Thread<T>(Arc<(Mutex<Option<T>>, Condvar)>);

/// Starts another thread.
pub(crate) fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Thread<T> {
    let result = Arc::new((Mutex::new(None), Condvar::new()));
    let given = result.clone();
    let run = move || {
        let value = body();
        *given.0.lock() = Some(value);
        given.1.notify_all();
    };
    thread::spawn("caller".to_owned(), None, run).expect("the model has threads");
    Thread(result)
}

impl<T> Thread<T> {
    /// Waits for its result.
    pub(crate) fn join(self) -> T {
        let mut value = self.0.0.lock();
        loop {
            match value.take() {
                Some(value) => return value,
                None => value = self.0.1.wait(value),
            }
        }
    }
}
