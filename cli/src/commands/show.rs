//! `show`: one record, whole.

use std::io::{self, BufWriter, Write};

use gargoyle::{BoxError, Settings, Watch};

use crate::Show;
use crate::state::{to_notation, to_text};
use crate::store::{look_into, read};
use crate::text::{escape, shown, shown_time};
use crate::{line, terminal};

pub(crate) fn run(show: &Show) -> Result<(), BoxError> {
    let store = look_into(&show.which.store)?;
    let (record, stored) = read(&*store, &show.which.id()?)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if show.json {
        writeln!(out, "{}", line::write(&record, &stored)?)?;
        return Ok(out.flush()?);
    }
    let item = |cbor: &[u8]| if show.cbor { to_notation(cbor) } else { to_text(cbor) };
    writeln!(out, "kind      {}", escape(record.id.kind()))?;
    writeln!(out, "key       {}", escape(record.id.key()))?;
    writeln!(out, "revision  {}", stored.revision)?;
    writeln!(out, "bytes     {}", stored.bytes.len())?;
    writeln!(out, "version   {}", record.version)?;
    writeln!(out, "saved at  {}", shown_time(record.saved_at))?;
    writeln!(out, "live      {}", if record.live { "yes" } else { "no" })?;
    if let Some(wake_at) = stored.wake_at {
        writeln!(out, "wake at   {}", shown_time(wake_at))?;
    }
    if record.settings != Settings::new() {
        writeln!(out, "settings  {}", serde_json::to_string(&record.settings)?)?;
    }
    for (title, watches) in [("watchers", &record.watchers), ("watching", &record.watching)] {
        if !watches.is_empty() {
            writeln!(out, "{title}  {}", names(watches))?;
        }
    }
    writeln!(out, "args      {}", terminal::layout(&item(&record.args)))?;
    writeln!(out, "state     {}", terminal::layout(&item(&record.state)))?;
    Ok(out.flush()?)
}

fn names(watches: &[Watch]) -> String {
    watches.iter().map(|watch| shown(&watch.other)).collect::<Vec<_>>().join(", ")
}
