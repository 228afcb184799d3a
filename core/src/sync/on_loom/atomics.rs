//! Loom's atomics, which are left alone while a failure unwinds.

use std::sync::atomic::Ordering;

use super::is_over;

/// As [`std::sync::atomic::fence`].
#[track_caller]
pub fn fence(order: Ordering) {
    if !is_over() {
        loom::sync::atomic::fence(order);
    }
}

/// Loom's types share no trait: a macro says once what they have in common.
macro_rules! atomic {
    ($name:ident, $value:ty, $($operation:ident),*) => {
        /// As the one of the standard library.
        #[derive(Debug, Default)]
        pub struct $name(loom::sync::atomic::$name);

        impl $name {
            /// With this value.
            pub fn new(value: $value) -> Self {
                $name(loom::sync::atomic::$name::new(value))
            }

            /// The value.
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                if is_over() { Default::default() } else { self.0.load(order) }
            }

            /// Sets the value.
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                if !is_over() {
                    self.0.store(value, order);
                }
            }

            /// Sets the value to `new` if it is `current`.
            ///
            /// # Errors
            ///
            /// The value, if it is another one.
            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                if is_over() { Ok(current) } else { self.0.compare_exchange(current, new, success, failure) }
            }

            $(
                /// Changes the value, and returns the one before.
                #[track_caller]
                pub fn $operation(&self, value: $value, order: Ordering) -> $value {
                    if is_over() { Default::default() } else { self.0.$operation(value, order) }
                }
            )*
        }
    };
}

atomic!(AtomicBool, bool, swap, fetch_or, fetch_and);
atomic!(AtomicU8, u8, swap, fetch_or, fetch_and, fetch_add, fetch_sub);
atomic!(AtomicU64, u64, swap, fetch_or, fetch_and, fetch_add, fetch_sub, fetch_max, fetch_min);
atomic!(AtomicUsize, usize, swap, fetch_or, fetch_and, fetch_add, fetch_sub, fetch_max, fetch_min);
