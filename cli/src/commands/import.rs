//! `import`: records as `export` writes them into a store.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use gargoyle::BoxError;

use super::Put;
use crate::line::Line;
use crate::store::open_or_make;
use crate::Import;

pub(crate) fn run(import: &Import) -> Result<(), BoxError> {
    let input: Box<dyn BufRead> = match &import.input {
        None => Box::new(io::stdin().lock()),
        Some(path) => {
            let file = File::open(path).map_err(|error| format!("cannot open {}: {error}", path.display()))?;
            Box::new(BufReader::new(file))
        }
    };
    let store = open_or_make(&import.store, import.new)?;
    let mut put = Put::default();
    for (number, line) in (1..).zip(input.lines()) {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let record = serde_json::from_str::<Line>(&line).map_err(BoxError::from).and_then(Line::into_record);
        let (record, wake_at) = record.map_err(|error| {
            format!("line {number} is no record: {error}; {} records before it were read", put.written + put.found)
        })?;
        put.put(&*store, &record.id, &record.to_bytes(), wake_at, import.overwrite)?;
    }
    put.report("imported")
}
