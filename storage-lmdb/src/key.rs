//! Where a record is found: LMDB keys that lie in the order of the ids, within the 511 bytes that LMDB allows.
//!
//! The *name* of an id is its kind, escaped, a zero byte, and its key. The escape is for zero bytes: `00` becomes
//! `01 01` and `01` becomes `01 02`, so that the byte after the kind is smaller than any that may follow instead, and
//! names are in the order of ids. A name of up to [`NAME_BYTES_MAX`] bytes is the LMDB key.
//!
//! A *long* name is cut there and the hash of the whole follows. So an LMDB key of more than `NAME_BYTES_MAX` bytes is a
//! long one, and all long names with the same beginning lie together, after the one short name that is this beginning
//! and before everything that sorts after them. Only among themselves they are in no order: [`list`](crate::list) puts
//! them into theirs by the ids in the records.

use std::borrow::Cow;

use gargoyle::ActorId;

/// LMDB's limit for a key in its default build.
const LMDB_KEY_BYTES_MAX: usize = 511;

/// The time before the name in the index of those who are due.
pub(crate) const TIME_BYTES: usize = 8;

const HASH_BYTES: usize = blake3::OUT_LEN;

/// Longer names are cut here.
pub(crate) const NAME_BYTES_MAX: usize = LMDB_KEY_BYTES_MAX - TIME_BYTES - HASH_BYTES;

/// The LMDB key of the record of `id`.
pub(crate) fn of(id: &ActorId) -> Vec<u8> {
    let mut name = beginning_of_kind(id.kind());
    name.extend_from_slice(id.key().as_bytes());
    if name.len() > NAME_BYTES_MAX {
        let hash = blake3::hash(&name);
        name.truncate(NAME_BYTES_MAX);
        name.extend_from_slice(hash.as_bytes());
    }
    name
}

/// What the names of a kind begin with, and no others do.
pub(crate) fn beginning_of_kind(kind: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(kind.len() + 1);
    for byte in kind.bytes() {
        match byte {
            0 => name.extend([1, 1]),
            1 => name.extend([1, 2]),
            byte => name.push(byte),
        }
    }
    name.push(0);
    name
}

/// The end of what begins as the names of a kind: the first LMDB key after all of them.
pub(crate) fn end_of_kind(kind: &str) -> Vec<u8> {
    let mut end = beginning_of_kind(kind);
    // No escaped kind goes on with a zero byte, so the next one is greater than all that begin with it.
    *end.last_mut().expect("ends with the zero byte") = 1;
    end
}

/// The beginning that this key shares with the other long names of its group, or `None` if it is a short one.
pub(crate) fn group(key: &[u8]) -> Option<&[u8]> {
    (key.len() > NAME_BYTES_MAX).then(|| &key[..NAME_BYTES_MAX])
}

/// Whose record lies at a short key, or `None` if no id has such a key.
pub(crate) fn id_of_short(key: &[u8]) -> Option<ActorId> {
    let end = key.iter().position(|&byte| byte == 0)?;
    let kind = unescaped(&key[..end])?;
    let [kind, key] = [kind.as_ref(), &key[end + 1..]].map(|bytes| std::str::from_utf8(bytes).ok().map(str::to_owned));
    ActorId::new(kind?, key?).ok()
}

fn unescaped(kind: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !kind.contains(&1) {
        return Some(Cow::Borrowed(kind));
    }
    let mut plain = Vec::with_capacity(kind.len());
    let mut bytes = kind.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            1 => bytes.next()?.checked_sub(1).filter(|&byte| byte <= 1)?,
            byte => byte,
        });
    }
    Some(Cow::Owned(plain))
}

/// The key in the index of those who are due: the time, so that the earliest comes first, and the record's key.
pub(crate) fn due(millis: u64, key: &[u8]) -> Vec<u8> {
    [&millis.to_be_bytes(), key].concat()
}

/// The record's key in a key of the index.
pub(crate) fn of_due(due: &[u8]) -> Option<&[u8]> {
    due.get(TIME_BYTES..).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind() -> impl Strategy<Value = String> {
        // Few different characters, the awkward ones among them: so that kinds share beginnings.
        proptest::collection::vec(prop_oneof![Just('\0'), Just('\u{1}'), Just('\u{2}'), Just('a'), Just('é')], 1..6)
            .prop_map(|chars| chars.into_iter().collect())
    }

    fn actor_key() -> impl Strategy<Value = String> {
        let end =
            proptest::collection::vec(prop_oneof![Just('\0'), Just('\u{1}'), Just('a'), Just('\u{10ffff}')], 0..4);
        (prop_oneof![Just(0), 455..485_usize, Just(1000)], end)
            .prop_map(|(bytes, end)| "x".repeat(bytes) + &end.into_iter().collect::<String>())
    }

    fn id() -> impl Strategy<Value = ActorId> {
        (kind(), actor_key()).prop_map(|(kind, key)| ActorId::new(kind, key).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn keys_are_in_the_order_of_ids_except_within_a_group(a in id(), b in id()) {
            let (key_a, key_b) = (of(&a), of(&b));
            prop_assert!(key_a.len() + TIME_BYTES <= LMDB_KEY_BYTES_MAX && !key_a.is_empty());
            prop_assert_eq!(a == b, key_a == key_b);
            if group(&key_a).is_none() || group(&key_a) != group(&key_b) {
                prop_assert_eq!(a.cmp(&b), key_a.cmp(&key_b));
            }
        }

        #[test]
        fn short_keys_say_whose_they_are_and_kinds_have_their_range(a in id(), kind in kind()) {
            let key = of(&a);
            if group(&key).is_none() {
                prop_assert_eq!(id_of_short(&key), Some(a.clone()));
            }
            let is_between = beginning_of_kind(&kind) <= key && key < end_of_kind(&kind);
            prop_assert_eq!(is_between, a.kind() == kind);
        }

        #[test]
        fn bytes_that_are_no_key_have_no_id(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(id) = id_of_short(&bytes) {
                prop_assert_eq!(of(&id), bytes);
            }
        }
    }

    #[test]
    fn the_longest_id_of_all_has_a_key_that_lmdb_takes() {
        let id = ActorId::new("\0".repeat(128), "x".repeat(1024)).unwrap();
        assert_eq!(due(0, &of(&id)).len(), LMDB_KEY_BYTES_MAX);
    }
}
