//! What happened in all programs together. What never happened was not tested.

use std::collections::BTreeMap;
use std::sync::Mutex;

#[derive(Default)]
pub(crate) struct Coverage(Mutex<BTreeMap<String, u64>>);

impl Coverage {
    pub(crate) fn saw(&self, what: impl Into<String>) {
        *self.0.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    pub(crate) fn show(&self) -> String {
        self.0.lock().unwrap().iter().map(|(what, times)| format!("{times:>9}  {what}\n")).collect()
    }

    /// Those of `wanted` that never happened.
    pub(crate) fn missing<'a>(&self, wanted: &[&'a str]) -> Vec<&'a str> {
        let seen = self.0.lock().unwrap();
        wanted.iter().copied().filter(|what| !seen.contains_key(*what)).collect()
    }
}
