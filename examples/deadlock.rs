//! Three actors in a ring of calls: the call that would close the ring is refused, at once and by name.
//!
//! Run it: `cargo run --example deadlock`.
//!
//! Each philosopher asks the next one for salt and waits. Without a detector all three would wait until their deadlines,
//! and nobody would know why. Whoever is refused goes without, and the others have their answers.

use std::time::Instant;

use gargoyle::{Actor, BoxError, Context, Failure, Handle, Handler, MemoryStorage, System};
use gargoyle_registry_std::StdRegistry;
use serde::{Deserialize, Serialize};

/// Knows whom to ask. A handle is data, and can be part of a state.
#[derive(Serialize, Deserialize)]
struct Philosopher {
    next: Option<Handle<Philosopher>>,
}

impl Actor for Philosopher {
    const KIND: &'static str = "philosopher";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Philosopher { next: None })
    }
}

struct SitBefore(Handle<Philosopher>);

impl Handler<SitBefore> for Philosopher {
    type Reply = ();

    fn handle(&mut self, SitBefore(next): SitBefore, _: &mut Context<Self>) {
        self.next = Some(next);
    }
}

/// Asks for salt. Whoever has none asks the next.
struct AskForSalt;

impl Handler<AskForSalt> for Philosopher {
    type Reply = String;

    fn handle(&mut self, _: AskForSalt, cx: &mut Context<Self>) -> String {
        let me = cx.id().key();
        match self.next.as_ref().map(|next| next.call(AskForSalt)) {
            None => format!("{me} has salt"),
            Some(Ok(answer)) => format!("{me} asked, and {answer}"),
            Some(Err(error)) => match error.failure() {
                Failure::Deadlock(ring) => {
                    let ring: Vec<&str> = ring.iter().map(|id| id.key()).collect();
                    format!("{me} was refused: {}", ring.join(" would wait for "))
                }
                _ => format!("{me} heard that {error}"),
            },
        }
    }
}

fn main() -> Result<(), BoxError> {
    let system = System::builder(StdRegistry::new(), MemoryStorage::new()).build()?;
    let table = ["Aristotle", "Plato", "Socrates"].map(|name| system.handle::<Philosopher>(name, ()));
    for (seat, philosopher) in table.iter().enumerate() {
        philosopher.call(SitBefore(table[(seat + 1) % table.len()].clone()))?;
    }
    let asked = Instant::now();
    println!("{}", table[0].call(AskForSalt)?);
    eprintln!("after {:?}", asked.elapsed());
    Ok(())
}
