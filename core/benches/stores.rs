//! What single operations of the stores take, one at a time, by the size of the record where it matters.
//!
//! ```text
//! cargo bench -p gargoyle --bench stores
//! cargo bench -p gargoyle --bench stores -- Lmdb          # one store, or by the name of the operation
//! cargo bench -p gargoyle --bench stores -- --test        # each once: do they work? Most of it makes 10,000 files
//! TMPDIR=/mnt/disk cargo bench -p gargoyle --bench stores # on another disk
//! ```
//!
//! Here and not with each of them, as all of it is said in terms of `Storage`, and they stand side by side. What many threads
//! save at once, beside bare writes: `cargo bench -p gargoyle-storage-fs`, `cargo bench -p gargoyle-storage-lmdb`.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, Divan, black_box};
use gargoyle::{ActorId, MemoryStorage, Storage};
use gargoyle_storage_fs::FsStorage;
use gargoyle_storage_lmdb::LmdbStorage;

/// Bytes of a record: 100 are those of a state of a few fields.
const SIZES: [usize; 3] = [100, 1 << 10, 64 << 10];
const SCANNED: usize = 10_000;

trait Opened: Storage + Sized {
    fn opened(folder: &Path) -> Self;
}

impl Opened for MemoryStorage {
    fn opened(_: &Path) -> Self {
        MemoryStorage::new()
    }
}

impl Opened for FsStorage {
    fn opened(folder: &Path) -> Self {
        FsStorage::open(folder).expect("a new store")
    }
}

impl Opened for LmdbStorage {
    fn opened(folder: &Path) -> Self {
        LmdbStorage::open(folder).expect("a new store")
    }
}

fn main() {
    // A hundred samples of a few microseconds are over before anything is warm.
    Divan::default().min_time(Duration::from_millis(300)).config_with_args().main();
}

/// A store of its own, which is gone afterwards.
fn with_store<S: Opened>(work: impl FnOnce(S)) {
    let folder = tempfile::tempdir().expect("there is space for a folder");
    work(S::opened(&folder.path().join("store")));
}

fn id(number: usize) -> ActorId {
    ActorId::new("account", format!("customer-{number:06}")).expect("it is short")
}

/// One that was read just before.
#[divan::bench(types = [MemoryStorage, FsStorage, LmdbStorage], args = SIZES)]
fn load<S: Opened>(bencher: Bencher, size: usize) {
    with_store(|store: S| {
        let (id, bytes) = (id(0), vec![7; size]);
        store.save(&id, None, &bytes, None).expect("a first save");
        let load = || store.load(black_box(&id)).expect("a load").expect("it is there");
        assert_eq!(load().bytes, bytes);
        bencher.counter(BytesCount::new(size)).bench_local(load);
    });
}

/// In the place of an older one, durably.
#[divan::bench(types = [MemoryStorage, FsStorage, LmdbStorage], args = SIZES)]
fn save<S: Opened>(bencher: Bencher, size: usize) {
    with_store(|store: S| {
        let (id, mut bytes) = (id(0), vec![7; size]);
        let mut revision = store.save(&id, None, &bytes, None).expect("a first save");
        let mut saves = 0_u64;
        bencher.counter(BytesCount::new(size)).bench_local(|| {
            saves += 1;
            bytes[..8].copy_from_slice(&saves.to_le_bytes());
            revision = store.save(&id, Some(revision), &bytes, None).expect("a save");
        });
        assert_eq!(store.load(&id).expect("a load").expect("it is there").bytes, bytes);
    });
}

/// The first one of an actor, durably.
#[divan::bench(types = [MemoryStorage, FsStorage, LmdbStorage])]
fn first_save<S: Opened>(bencher: Bencher) {
    with_store(|store: S| {
        let numbers = AtomicUsize::new(0);
        bencher
            .with_inputs(|| id(numbers.fetch_add(1, Ordering::Relaxed)))
            .bench_local_refs(|id| store.save(id, None, &[7; 100], None).expect("a first save"));
        assert_eq!(count(&store), numbers.into_inner());
    });
}

/// Durably.
#[divan::bench(types = [MemoryStorage, FsStorage, LmdbStorage])]
fn wipe<S: Opened>(bencher: Bencher) {
    with_store(|store: S| {
        let numbers = AtomicUsize::new(0);
        let saved = || {
            let id = id(numbers.fetch_add(1, Ordering::Relaxed));
            let revision = store.save(&id, None, &[7; 100], None).expect("a first save");
            (id, revision)
        };
        bencher
            .with_inputs(saved)
            .bench_local_refs(|(id, revision)| store.wipe(id, Some(*revision)).expect("it is there"));
        assert_eq!(count(&store), 0);
    });
}

/// All ids, of which the store keeps no list in memory.
#[divan::bench(types = [MemoryStorage, FsStorage, LmdbStorage], sample_count = 20)]
fn scan<S: Opened>(bencher: Bencher) {
    with_store(|store: S| {
        // Many at once, as they share commits then.
        std::thread::scope(|scope| {
            for part in 0..64 {
                let store = &store;
                scope.spawn(move || {
                    for number in (part..SCANNED).step_by(64) {
                        store.save(&id(number), None, &[7; 100], None).expect("a first save");
                    }
                });
            }
        });
        bencher.counter(ItemsCount::new(SCANNED)).bench_local(|| assert_eq!(count(&store), SCANNED));
    });
}

fn count(store: &impl Storage) -> usize {
    let mut count = 0;
    let count_it = &mut |id| {
        black_box(id);
        count += 1;
        ControlFlow::Continue(())
    };
    store.scan(None, None, count_it).expect("a scan");
    count
}
