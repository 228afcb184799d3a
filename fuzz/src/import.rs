//! A line that `gargoyle import` reads: a record that can be saved, loaded and exported again, or a reason why not.

use gargoyle::{Record, Revision, Stored};

use crate::line;

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(entry) = line::read(text) else { return };
    let record = Record::from_bytes(&entry.bytes).expect("import writes nothing but records");
    assert_eq!(record.id, entry.id, "nobody gets the record of somebody else");

    let stored = Stored { revision: Revision::new(1), bytes: entry.bytes, wake_at: entry.wake_at };
    let exported = line::write(&record, &stored).expect("what was read can be written");
    assert!(!exported.contains('\n'), "a line is one line: {exported:?}");
    let again = line::read(&exported).expect("and be read again");
    assert_eq!((&again.id, &again.bytes, again.wake_at), (&record.id, &stored.bytes, stored.wake_at), "{exported}");
}
