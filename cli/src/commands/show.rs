//! `show`: one record, whole.

use std::io::{self, Write};

use gargoyle::{ActorId, BoxError, Settings};

use crate::state::{to_notation, to_text};
use crate::store::{look_into, read_one, shown, shown_time};
use crate::Show;

pub(crate) fn run(show: &Show) -> Result<(), BoxError> {
    let store = look_into(&show.which.store)?;
    let (record, stored) = read_one(&*store, &show.which.id()?)?;
    let item = if show.cbor { to_notation } else { to_text };
    let mut out = io::stdout().lock();
    writeln!(out, "kind      {}", record.id.kind().escape_debug())?;
    writeln!(out, "key       {}", record.id.key().escape_debug())?;
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
    let names = |ids: &[ActorId]| ids.iter().map(shown).collect::<Vec<_>>().join(" ");
    if !record.watchers.is_empty() {
        writeln!(out, "watchers  {}", names(&record.watchers))?;
    }
    if !record.watching.is_empty() {
        writeln!(out, "watching  {}", names(&record.watching))?;
    }
    writeln!(out, "args      {}", item(&record.args))?;
    writeln!(out, "state     {}", item(&record.state))?;
    Ok(())
}
