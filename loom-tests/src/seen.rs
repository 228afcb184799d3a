//! What happened: a model names what has to happen sometimes, as one that refuses everything breaks no promise.

use std::collections::BTreeSet;

use gargoyle::sync::Arc;

/// What was seen in any execution.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<std::sync::Mutex<BTreeSet<&'static str>>>);

impl Seen {
    pub(crate) fn saw(&self, what: &'static str) {
        self.0.lock().expect("nobody panics with it").insert(what);
    }

    pub(crate) fn has(&self, what: &str) -> bool {
        self.0.lock().expect("nobody panics with it").contains(what)
    }
}
