//! `import`: records as `export` writes them into a store.

use std::convert::Infallible;
use std::fs::File;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use gargoyle::BoxError;

use crate::Import;
use crate::line;
use crate::problems::Problems;
use crate::put::{Entry, Put, THREADS};
use crate::store::open_or_make;

/// How many records may wait for each thread.
const WAITING_MAX: usize = 16;

/// A record of more bytes is read and put before the next one is looked at: many may wait, of which each could be as large as
/// a record can.
const LARGE_BYTES: usize = if cfg!(test) { 1 << 10 } else { 1 << 20 };

/// How long a line may be. Stores keep records of 256 MiB, and large states are written in hex digits, which take twice that.
const LINE_BYTES_MAX: u64 = 1 << 30;

pub(crate) fn run(import: &Import) -> Result<(), BoxError> {
    let (mut input, name): (Box<dyn BufRead>, _) = match &import.input {
        None => (Box::new(io::stdin().lock()), "standard input".to_owned()),
        Some(path) => {
            let file = File::open(path).map_err(|error| format!("cannot open {}: {error}", path.display()))?;
            (Box::new(BufReader::new(file)), path.display().to_string())
        }
    };
    let store = open_or_make(&import.store, import.new)?;
    let problems = Problems::without_end();
    let put = Put::new(&*store, import.how);
    let imported = import_all(&mut *input, &name, &put, &problems);
    let reported = put.report("imported", &problems);
    imported.and(reported)
}

/// A record, and what is dropped when it is put.
type HandedOut = (Entry, SyncSender<Infallible>);

/// Reads and hands out the lines up to the first bad one, and returns when all records before it are durable.
fn import_all(input: &mut dyn BufRead, name: &str, put: &Put<'_>, problems: &Problems) -> Result<(), BoxError> {
    thread::scope(|scope| {
        let (senders, threads): (Vec<_>, Vec<_>) = (0..THREADS)
            .map(|_| {
                let (sender, receiver) = sync_channel(WAITING_MAX);
                (sender, scope.spawn(move || put_all(&receiver, put, problems)))
            })
            .unzip();
        let read = hand_out(input, name, &senders);
        drop(senders);
        let put = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())));
        // A store that fails is why the reading ended early.
        put.fold(Ok(()), Result::and).and(read)
    })
}

/// All records of an id go to the same thread, so that the last line counts.
fn hand_out(input: &mut dyn BufRead, name: &str, senders: &[SyncSender<HandedOut>]) -> Result<(), BoxError> {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    for number in 1.. {
        let line = next_line(input, LINE_BYTES_MAX);
        let line = line.map_err(|error| format!("cannot read line {number} of {name}: {error}"))?;
        let Some(line) = line else { break };
        if line.trim().is_empty() {
            continue;
        }
        let entry = line::read(&line).map_err(|error| {
            // Where in the line, not in which: that is said already, and more truly.
            let error = error.to_string().replace(" at line 1 column ", " at column ");
            format!("line {number} of {name} is no record: {error}; those before it were read")
        })?;
        let thread = hasher.hash_one(&entry.id) % senders.len() as u64;
        let is_large = entry.bytes.len() > LARGE_BYTES;
        let (in_hand, put) = sync_channel(0);
        if senders[thread as usize].send((entry, in_hand)).is_err() {
            // It failed, and says why.
            return Ok(());
        }
        if is_large {
            // Nothing comes: its other end is dropped.
            let _ = put.recv();
        }
    }
    Ok(())
}

/// The next line with its end, if there is one more. What has no lines does not take all memory.
fn next_line(input: &mut dyn BufRead, bytes_max: u64) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let bytes = input.take(bytes_max + 1).read_until(b'\n', &mut line)?;
    if bytes as u64 > bytes_max {
        let error = format!("it is too long, {bytes_max} bytes are the limit; is this a file that `export` wrote?");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, error));
    }
    let line = String::from_utf8(line).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8"))?;
    Ok(Some(line).filter(|line| !line.is_empty()))
}

fn put_all(entries: &Receiver<HandedOut>, put: &Put<'_>, problems: &Problems) -> Result<(), BoxError> {
    for (entry, _in_hand) in entries {
        put.put(&entry, problems)?;
        problems.step();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Gives the same line so many times, each when it is asked for more than the last one.
    struct Lines<'a> {
        line: &'a [u8],
        given: usize,
        left: &'a [u8],
        put: &'a AtomicUsize,
    }

    impl Read for Lines<'_> {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            unreachable!("whole lines are read")
        }
    }

    impl BufRead for Lines<'_> {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            if self.left.is_empty() && self.given < 100 {
                assert_eq!(self.put.load(Ordering::SeqCst), self.given, "read on while a large one was in hand");
                self.given += 1;
                self.left = self.line;
            }
            Ok(self.left)
        }

        fn consume(&mut self, bytes: usize) {
            self.left = &self.left[bytes..];
        }
    }

    /// Hundreds of records waited to be put, however large they were. Of large ones there is one in hand now.
    #[test]
    fn large_records_are_imported_one_by_one() {
        let put = AtomicUsize::new(0);
        let line = format!(
            r#"{{"kind":"k","key":"1","version":1,"saved_at":0,"args":{{"cbor":"f6"}},"state":{{"json":"{}"}}}}"#,
            "a".repeat(2 * LARGE_BYTES)
        ) + "\n";
        let mut input = Lines { line: line.as_bytes(), given: 0, left: &[], put: &put };
        let (sender, receiver) = sync_channel(WAITING_MAX);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _entry in receiver {
                    put.fetch_add(1, Ordering::SeqCst);
                }
            });
            hand_out(&mut input, "lines", &[sender]).unwrap();
        });
        assert_eq!(put.into_inner(), 100);
    }

    /// A file without line feeds, `/dev/zero` for one, took all memory. A line has a limit.
    #[test]
    fn a_line_that_does_not_end_is_refused() {
        let next = |input: &mut dyn BufRead| next_line(input, 8).map_err(|error| error.to_string());
        let mut input = &b"\n1234567\n12345678"[..];
        let lines: Vec<_> = std::iter::from_fn(|| next(&mut input).transpose()).collect();
        assert_eq!(lines, ["\n", "1234567\n", "12345678"].map(|line| Ok(line.to_owned())));
        assert!(next(&mut &b"12345678\n"[..]).unwrap_err().contains("too long, 8 bytes are the limit"));
        assert!(next(&mut BufReader::new(io::repeat(0))).unwrap_err().contains("too long"));
        assert!(next(&mut &b"\xff\n"[..]).unwrap_err().contains("UTF-8"));
    }
}
