//! `import`: records as `export` writes them into a store.

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

/// How long a line may be. Stores keep records of 256 MiB, and large states are written in hex digits, which take twice that.
const LINE_BYTES_MAX: u64 = 1 << 30;

pub(crate) fn run(import: &Import) -> Result<(), BoxError> {
    let (input, name): (Box<dyn BufRead>, _) = match &import.input {
        None => (Box::new(io::stdin().lock()), "standard input".to_owned()),
        Some(path) => {
            let file = File::open(path).map_err(|error| format!("cannot open {}: {error}", path.display()))?;
            (Box::new(BufReader::new(file)), path.display().to_string())
        }
    };
    let store = open_or_make(&import.store, import.new)?;
    let problems = Problems::without_end();
    let put = Put::new(&*store, import.how);
    let imported = import_all(input, &name, &put, &problems);
    let reported = put.report("imported", &problems);
    imported.and(reported)
}

/// Reads and hands out the lines up to the first bad one, and returns when all records before it are durable.
fn import_all(input: Box<dyn BufRead>, name: &str, put: &Put<'_>, problems: &Problems) -> Result<(), BoxError> {
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
fn hand_out(mut input: Box<dyn BufRead>, name: &str, senders: &[SyncSender<Entry>]) -> Result<(), BoxError> {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    for number in 1.. {
        let line = next_line(&mut input, LINE_BYTES_MAX);
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
        if senders[thread as usize].send(entry).is_err() {
            // It failed, and says why.
            return Ok(());
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

fn put_all(entries: &Receiver<Entry>, put: &Put<'_>, problems: &Problems) -> Result<(), BoxError> {
    for entry in entries {
        put.put(&entry, problems)?;
        problems.step();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
