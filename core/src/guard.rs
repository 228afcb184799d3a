//! The one boundary where a panic of a user's code becomes a value.

use std::any::Any;

use crate::BoxError;
use crate::sync::catch;

/// Runs a user's code. `Err` has the text of its panic.
///
/// Nothing that the code may have left half done is looked at afterwards: an actor that panicked is dropped, and its
/// state is taken from the bytes after its last whole message.
pub(crate) fn guard<R>(code: impl FnOnce() -> R) -> Result<R, String> {
    catch(code).map_err(text)
}

/// Runs a user's code that may fail. A panic of it is a failure too, which names `what` panicked.
pub(crate) fn guard_fallible<R>(what: &str, code: impl FnOnce() -> Result<R, BoxError>) -> Result<R, BoxError> {
    guard(code).unwrap_or_else(|panic| Err(format!("{what} panicked: {panic}").into()))
}

/// Drops a user's value, whose `drop` may panic.
pub(crate) fn discard<T>(value: T) {
    let _ = guard(|| drop(value));
}

#[cold]
fn text(payload: Box<dyn Any + Send>) -> String {
    let text = match payload.downcast_ref::<&str>() {
        Some(text) => Some((*text).to_owned()),
        None => payload.downcast_ref::<String>().cloned(),
    };
    // The payload is a user's value too, and may panic when it is dropped. What that panics with is not dropped at all.
    if let Err(payload) = catch(|| drop(payload)) {
        std::mem::forget(payload);
    }
    text.unwrap_or_else(|| "a panic without a text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }

    #[test]
    fn every_panic_becomes_a_text() {
        assert_eq!(guard(|| 7), Ok(7));
        assert_eq!(guard(|| panic!("plain")).unwrap_err(), "plain");
        assert_eq!(guard(|| panic!("with {}", 1)).unwrap_err(), "with 1");
        assert_eq!(guard(|| std::panic::panic_any(Bomb)).unwrap_err(), "a panic without a text");
    }
}
