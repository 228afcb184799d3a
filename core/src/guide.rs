// Every text names the other chapters by `[…][chapter]` and says at its end where that is as a file, for who reads it as text.
// `chapters.txt` comes first and says where it is as a module: the first definition of a name counts.

#![doc = include_str!("../guide/chapters.txt")]
#![doc = include_str!("../guide/README.md")]

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/concepts.md")]
pub mod concepts {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/first_actor.md")]
pub mod first_actor {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/handles.md")]
pub mod handles {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/endings.md")]
pub mod endings {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/registries.md")]
pub mod registries {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/stores.md")]
pub mod stores {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/errors.md")]
pub mod errors {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/releases.md")]
pub mod releases {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/tests.md")]
pub mod tests {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/own_registry.md")]
pub mod own_registry {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/own_store.md")]
pub mod own_store {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/limits.md")]
pub mod limits {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/observing.md")]
pub mod observing {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/coming_from.md")]
pub mod coming_from {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/cookbook.md")]
pub mod cookbook {}

#[doc = include_str!("../guide/chapters.txt")]
#[doc = include_str!("../guide/faq.md")]
pub mod faq {}
