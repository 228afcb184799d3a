//! What single things take that programs do all the time: names, handles, calls, queries, casts, peeks, and an actor that comes
//! to life for one message, by the size of the state where it matters. All records are in memory, so that nothing of it is a
//! disk's.
//!
//! ```text
//! cargo bench -p gargoyle --bench messages
//! cargo bench -p gargoyle --bench messages -- call        # those with "call" in their names
//! cargo bench -p gargoyle --bench messages -- --test      # each once: do they work?
//! ```
//!
//! Numbers of a shared machine are for a comparison of two runs in the same hour, of the medians. Beside other libraries and
//! bare hardware: `core/benchmarks`. The same whatever else the machine does: `core/benches/instructions/count`. Whatever waits for
//! an actor takes longer where no second processor is free, as who waits looks for a moment and then sleeps.

use std::time::Duration;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, Divan, black_box};
use gargoyle::{Actor, ActorId, BoxError, Context, Handle, Handler, MemoryStorage, Query, Record, System};
use gargoyle_registry_std::StdRegistry;
use serde::{Deserialize, Serialize};

/// Bytes of the longest of the state's five fields.
const SIZES: [usize; 3] = [27, 1 << 10, 64 << 10];
/// Less than a mailbox takes, so that no cast waits for space.
const CASTS: u64 = 1_000;

#[derive(Serialize, Deserialize)]
struct Account {
    count: u64,
    owner: String,
    balance: i64,
    frozen: bool,
    limits: [u32; 4],
}

impl Account {
    fn new(owner: usize) -> Self {
        Account {
            count: 0,
            owner: "x".repeat(owner),
            balance: -1_000,
            frozen: false,
            limits: [1, 500, 70_000, 4_000_000_000],
        }
    }
}

impl Actor for Account {
    const KIND: &'static str = "account";
    type Args = usize;

    fn init(&owner: &usize, _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Account::new(owner))
    }
}

struct Add(u64);

impl Handler<Add> for Account {
    type Reply = u64;

    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
        self.count += n;
        self.count
    }
}

struct Total;

impl Query<Total> for Account {
    type Reply = u64;

    fn query(&self, _: Total) -> u64 {
        self.count
    }
}

fn main() {
    // A hundred samples of a few microseconds are over before anything is warm.
    Divan::default().min_time(Duration::from_millis(300)).config_with_args().main();
}

fn system() -> System {
    System::builder(StdRegistry::new(), MemoryStorage::new()).build().expect("the settings are the usual ones")
}

/// An actor that is alive, and was told once to add one. It dies with its system.
fn account(size: usize) -> (System, Handle<Account>) {
    let system = system();
    let handle = system.handle("one", size);
    assert_eq!(add(&handle, 1), 1);
    (system, handle)
}

fn add(handle: &Handle<Account>, n: u64) -> u64 {
    handle.call(Add(n)).expect("it counts")
}

#[divan::bench]
fn id() -> ActorId {
    ActorId::new(black_box("account"), black_box("customer-000017")).expect("it is short")
}

#[divan::bench]
fn handle(bencher: Bencher) {
    let system = system();
    bencher.bench(|| system.handle::<Account>(black_box("customer-000017"), 27));
    assert!(system.list().is_empty(), "a handle starts nothing");
}

/// With its reply, from a thread that is no actor's. Nothing has changed, so that nothing is saved.
#[divan::bench(args = SIZES)]
fn call_without_save(bencher: Bencher, size: usize) {
    let (_system, handle) = account(size);
    bencher.bench_local(|| assert_eq!(add(&handle, 0), 1));
}

/// The reply is given after the save.
#[divan::bench(args = SIZES)]
fn call_with_save(bencher: Bencher, size: usize) {
    let (_system, handle) = account(size);
    let mut total = 1;
    bencher.bench_local(|| {
        total += 1;
        assert_eq!(add(&handle, 1), total);
    });
}

#[divan::bench]
fn query(bencher: Bencher) {
    let (_system, handle) = account(27);
    bencher.bench_local(|| assert_eq!(handle.query(Total).expect("it tells"), 1));
}

/// Many at once, until the last one is handled: turns that share saves. Each message changes the state, which is encoded and
/// compared after each.
#[divan::bench(args = SIZES)]
fn casts_with_saves(bencher: Bencher, size: usize) {
    let (_system, handle) = account(size);
    let mut total = 1;
    bencher.counter(ItemsCount::new(CASTS)).bench_local(|| {
        (0..CASTS).for_each(|_| handle.cast(Add(1)).expect("there is space"));
        total += CASTS;
        assert_eq!(handle.query(Total).expect("it tells"), total);
    });
}

#[divan::bench]
fn peek_at_live(bencher: Bencher) {
    let (_system, handle) = account(27);
    bencher.bench_local(|| assert_eq!(handle.peek(Total).expect("it tells"), Some(1)));
    assert!(handle.is_live());
}

/// The record is loaded and decoded, and nobody is woken.
#[divan::bench(args = SIZES)]
fn peek_at_stone(bencher: Bencher, size: usize) {
    let (_system, handle) = account(size);
    handle.petrify().expect("it has nothing else to do");
    bencher.bench_local(|| assert_eq!(handle.peek(Total).expect("it tells"), Some(1)));
    assert!(!handle.is_live());
}

/// Comes to life for one message that changes its state, and turns to stone.
#[divan::bench(args = SIZES)]
fn revive_call_petrify(bencher: Bencher, size: usize) {
    let (_system, handle) = account(size);
    handle.petrify().expect("it has nothing else to do");
    let mut total = 1;
    bencher.bench_local(|| {
        total += 1;
        assert_eq!(add(&handle, 1), total);
        handle.petrify().expect("it has nothing else to do");
    });
    assert!(!handle.is_live());
}

/// A record with a state of so many bytes, and its bytes.
fn record(size: usize) -> (Record, Vec<u8>) {
    let id = ActorId::new("account", "customer-000017").expect("it is short");
    // A byte string, as CBOR has it.
    let mut state = vec![0x5a];
    state.extend(u32::try_from(size).expect("it is short").to_be_bytes());
    state.resize(state.len() + size, 7);
    let record = Record::new(id, vec![0xf6], state);
    let bytes = record.to_bytes();
    (record, bytes)
}

#[divan::bench(args = SIZES)]
fn record_written(bencher: Bencher, size: usize) {
    let (record, bytes) = record(size);
    bencher.counter(BytesCount::new(bytes.len())).bench(|| black_box(&record).to_bytes());
}

#[divan::bench(args = SIZES)]
fn record_read(bencher: Bencher, size: usize) {
    let (record, bytes) = record(size);
    let read = || Record::from_bytes(black_box(&bytes)).expect("it was written just now");
    assert_eq!(read().state, record.state);
    bencher.counter(BytesCount::new(bytes.len())).bench(read);
}
