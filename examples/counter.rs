//! A counter that goes on where it left off, whatever happened to the program.
//!
//! Run it twice: `cargo run --example counter`. Between the runs, look into `counter-data`.

use gargoyle::{Actor, BoxError, Context, Handler, System};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_fs::FsStorage;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Counter(u64);

impl Actor for Counter {
    const KIND: &'static str = "counter";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Counter(0))
    }
}

struct Add(u64);

impl Handler<Add> for Counter {
    type Reply = u64;

    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}

fn main() -> Result<(), BoxError> {
    let system = System::builder(StdRegistry::new(), FsStorage::open("counter-data")?).build()?;
    let visits = system.handle::<Counter>("visits", ());
    println!("visit number {}", visits.call(Add(1))?); // on disk before it is printed
    Ok(())
}
