//! Samples over the socket: who gets in, who does not, and what it leaves.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gargoyle::observe::{ObserveError, Observer, SOCKET, Sample};
use gargoyle::{ActorId, BuildError, Builder, MemoryStorage, Revision, Storage, StorageError, Stored, System, Visit};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_fs::FsStorage;
use tempfile::TempDir;

use crate::support::{Add, Birth, LONG, Notes, await_that};

fn builder(store: impl Storage) -> Builder {
    System::builder(StdRegistry::new(), store).idle_never().call_timeout(LONG)
}

/// A system that is observed, and the folder of its socket.
fn observed() -> (TempDir, System) {
    let folder = tempfile::tempdir().unwrap();
    let system = builder(MemoryStorage::new()).observe(folder.path()).build().unwrap();
    (folder, system)
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(name).collect();
    names.sort_unstable();
    names
}

/// A connection that nothing has been said on.
fn silent(folder: &TempDir) -> UnixStream {
    let stream = UnixStream::connect(folder.path().join(SOCKET)).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// Waits until the other end has hung up.
#[track_caller]
fn await_end(mut stream: UnixStream) {
    match stream.read(&mut [0; 64]) {
        Ok(read) => assert_eq!(read, 0, "somebody was answered who should not be"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

fn failed(build: Result<System, BuildError>) -> ObserveError {
    match build {
        Err(BuildError::NotObserved(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sample_comes_over_the_socket_as_it_is_in_the_program() {
    let (folder, system) = observed();
    let one = system.handle::<Notes>("over the socket", Birth::Fine);
    (0..7).for_each(|n| _ = one.call(Add(n)).unwrap());
    let mut observer = Observer::connect(folder.path()).unwrap();
    await_that(|| system.sample().turns == 7);
    let (over, mut here) = (observer.sample().unwrap(), system.sample());
    (here.at_ms, here.up_us) = (over.at_ms, over.up_us);
    assert_eq!(over, here);
    // As often as one likes, and over the path of the socket too.
    one.call(Add(7)).unwrap();
    assert_eq!(observer.sample().unwrap().messages, 8);
    assert_eq!(Observer::connect(folder.path().join(SOCKET)).unwrap().sample().unwrap().messages, 8);
}

#[test]
fn only_its_owner_may_connect_and_nothing_else_is_left_in_the_folder() {
    let (folder, system) = observed();
    assert_eq!(names(folder.path()), [SOCKET]);
    let there = std::fs::symlink_metadata(folder.path().join(SOCKET)).unwrap();
    assert!(there.file_type().is_socket());
    assert_eq!(there.permissions().mode() & 0o7777, 0o600);
    system.shutdown(LONG).unwrap();
    assert!(names(folder.path()).is_empty());
}

/// Bug: who waited for a store to be free, opened it and was to be observed in its folder could be refused. Cause: a system
/// that shut down gave its store back first, and took its socket away then. Fix: the other way round.
#[test]
fn the_socket_has_gone_when_the_store_is_given_back() {
    /// Says what is in its folder when it is dropped.
    struct Watched(MemoryStorage, PathBuf, std::sync::mpsc::Sender<Vec<String>>);

    impl Drop for Watched {
        fn drop(&mut self) {
            self.2.send(names(&self.1)).unwrap();
        }
    }

    impl Storage for Watched {
        fn load(&self, id: &ActorId) -> Result<Option<Stored>, StorageError> {
            self.0.load(id)
        }

        fn save(
            &self,
            id: &ActorId,
            expected: Option<Revision>,
            bytes: &[u8],
            wake_at: Option<SystemTime>,
        ) -> Result<Revision, StorageError> {
            self.0.save(id, expected, bytes, wake_at)
        }

        fn wipe(&self, id: &ActorId, expected: Option<Revision>) -> Result<(), StorageError> {
            self.0.wipe(id, expected)
        }

        fn scan(&self, kind: Option<&str>, after: Option<&ActorId>, visit: Visit<'_>) -> Result<(), StorageError> {
            self.0.scan(kind, after, visit)
        }

        fn due(&self, until: SystemTime, visit: Visit<'_>) -> Result<(), StorageError> {
            self.0.due(until, visit)
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let (dropped, in_folder) = std::sync::mpsc::channel();
    let store = Watched(MemoryStorage::new(), folder.path().to_owned(), dropped);
    let system = builder(store).observe(folder.path()).build().unwrap();
    assert_eq!(names(folder.path()), [SOCKET]);
    system.shutdown(LONG).unwrap();
    assert_eq!(in_folder.recv().unwrap(), Vec::<String>::new());
}

#[test]
fn it_ends_with_the_system_for_those_who_are_connected_too() {
    let (folder, system) = observed();
    let mut observer = Observer::connect(folder.path()).unwrap();
    observer.sample().unwrap();
    let watching = silent(&folder);
    drop(system);
    await_end(watching);
    assert!(matches!(observer.sample(), Err(ObserveError::Io { .. })));
    let nobody = Observer::connect(folder.path().join(SOCKET)).unwrap_err();
    assert!(matches!(nobody, ObserveError::Nobody { .. }), "{nobody}");
}

#[test]
fn clients_that_say_nothing_or_nonsense_or_do_not_listen_disturb_nobody() {
    let (folder, system) = observed();
    for number in 0..50 {
        system.start::<Notes>(format!("{number:0>900}"), Birth::Fine).unwrap();
    }
    // More than are let in at once: the oldest are cut off.
    let mut quiet: Vec<_> = (0..40).map(|_| silent(&folder)).collect();
    await_end(quiet.remove(0));
    // One that begins a word, and leaves in its middle.
    silent(&folder).write_all(b"sam").unwrap();
    // One that says something else.
    let mut nonsense = silent(&folder);
    nonsense.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    await_end(nonsense);
    // Those that ask for more than a socket holds, and read none of it.
    let deaf: Vec<_> = (0..4)
        .map(|_| {
            let mut deaf = silent(&folder);
            (0..100).for_each(|_| deaf.write_all(b"sample\n").unwrap());
            deaf
        })
        .collect();
    let mut observer = Observer::connect(folder.path()).unwrap();
    for round in 1..=20 {
        system.handle::<Notes>("over_a_socket-3-new", Birth::Fine).call(Add(round)).unwrap();
        assert_eq!(observer.sample().unwrap().actors.len(), 51);
    }
    drop(deaf);
    assert_eq!(observer.sample().unwrap().actors.len(), 51);
    system.shutdown(LONG).unwrap();
}

#[test]
fn all_requests_that_come_at_once_are_answered() {
    let (folder, _system) = observed();
    let mut stream = silent(&folder);
    stream.write_all(&b"sample\n".repeat(9)).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.lines().count(), 9);
}

#[test]
fn what_a_dead_process_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SOCKET);
    // A socket that nobody listens at any more, and one that was not yet at its place.
    drop(UnixListener::bind(&path).unwrap());
    let nursery = folder.path().join(format!("{SOCKET}.new"));
    std::fs::create_dir(&nursery).unwrap();
    drop(UnixListener::bind(nursery.join("s")).unwrap());
    let nobody = Observer::connect(folder.path()).unwrap_err();
    assert!(matches!(nobody, ObserveError::Nobody { .. }), "{nobody}");

    let system = builder(MemoryStorage::new()).observe(folder.path()).build().unwrap();
    Observer::connect(folder.path()).unwrap().sample().unwrap();
    assert_eq!(names(folder.path()), [SOCKET]);
    drop(system);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_place_that_is_taken_is_left_alone() {
    let (folder, system) = observed();
    let in_use = failed(builder(MemoryStorage::new()).observe(folder.path()).build());
    assert!(matches!(in_use, ObserveError::InUse { .. }), "{in_use}");
    Observer::connect(folder.path()).unwrap().sample().unwrap();
    drop(system);

    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let taken = failed(builder(MemoryStorage::new()).observe_at(&file).build());
    assert!(matches!(taken, ObserveError::NotASocket { .. }), "{taken}");
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");

    let nowhere = failed(builder(MemoryStorage::new()).observe(folder.path().join("nowhere")).build());
    assert!(matches!(nowhere, ObserveError::Io { .. }), "{nowhere}");
}

/// Bug: who was to be observed where one is that is stopped hung. Cause: to connect waits until one is let in. Fix: not for ever.
#[test]
fn a_place_where_nobody_is_let_in_is_taken() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SOCKET);
    let full = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&full, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&full, 0).unwrap();
    let _first = UnixStream::connect(&path).unwrap();
    let in_use = failed(builder(MemoryStorage::new()).observe(folder.path()).build());
    assert!(matches!(in_use, ObserveError::InUse { .. }), "{in_use}");
}

/// Bug: a link where the socket is made had a file elsewhere deleted. Cause: what is there was taken for what a process that
/// died had left. Fix: only a folder with a socket is.
#[test]
fn a_link_where_the_socket_is_made_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("s"), "mine").unwrap();
    let nursery = folder.path().join(format!("{SOCKET}.new"));
    std::os::unix::fs::symlink(elsewhere.path(), &nursery).unwrap();
    let error = failed(builder(MemoryStorage::new()).observe(folder.path()).build());
    assert!(format!("{:#}", BuildError::NotObserved(error)).contains("OBSERVE.new"));
    assert_eq!(std::fs::read(elsewhere.path().join("s")).unwrap(), b"mine");
    std::fs::remove_file(&nursery).unwrap();
    // Nor is a file of somebody's in such a folder deleted.
    std::fs::create_dir(&nursery).unwrap();
    std::fs::write(nursery.join("s"), "mine").unwrap();
    failed(builder(MemoryStorage::new()).observe(folder.path()).build());
    assert_eq!(std::fs::read(nursery.join("s")).unwrap(), b"mine");
}

/// Bug: sums over a forged sample panicked in a debug build. Fix: they stay at what a number can hold.
#[test]
fn a_sample_of_absurd_numbers_is_summed_up_without_a_panic() {
    let (folder, system) = observed();
    let mut sample = serde_json::to_value(Observer::connect(folder.path()).unwrap().sample().unwrap()).unwrap();
    sample["saves"] = serde_json::json!([[1, u64::MAX], [2, u64::MAX]]);
    let sample: Sample = serde_json::from_value(sample).unwrap();
    assert_eq!(sample.saves.count(), u64::MAX);
    assert_eq!(sample.saves.percentile(100.0), Some(std::time::Duration::from_nanos(1)));
    system.shutdown(LONG).unwrap();
}

#[test]
fn one_that_took_its_place_is_not_taken_away() {
    let (folder, system) = observed();
    let path = folder.path().join(SOCKET);
    std::fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    system.shutdown(LONG).unwrap();
    assert_eq!(names(folder.path()), [SOCKET]);
    drop(other);
}

#[test]
fn a_path_that_no_socket_can_have_is_refused_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("x".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let error = failed(builder(MemoryStorage::new()).observe(&deep).build());
    assert!(matches!(error, ObserveError::TooLong { .. }), "{error}");
    assert!(error.to_string().contains("observe_at"), "{error}");
    let error = Observer::connect(&deep).unwrap_err();
    assert!(matches!(error, ObserveError::TooLong { .. }), "{error}");
    // A store with such a path is observed elsewhere.
    let elsewhere: PathBuf = folder.path().join("s");
    let system = builder(FsStorage::open(&deep).unwrap()).observe_at(&elsewhere).build().unwrap();
    Observer::connect(&elsewhere).unwrap().sample().unwrap();
    drop(system);
}

/// Answers whoever connects with this line.
fn impostor(folder: &TempDir, line: &'static str) {
    let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; b"sample\n".len()]).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
    });
}

#[test]
fn another_language_is_no_sample() {
    let said = [
        ("{\"version\":2,\"anything\":1}\n", "version 2"),
        ("{\"version\":1}\n", "missing field"),
        ("HTTP/1.1 400\n", "expected value"),
    ];
    for (line, expected) in said {
        let folder = tempfile::tempdir().unwrap();
        impostor(&folder, line);
        let error = Observer::connect(folder.path()).unwrap().sample().unwrap_err();
        assert!(matches!(error, ObserveError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    impostor(&folder, "{\"version\":1");
    let cut = Observer::connect(folder.path()).unwrap().sample().unwrap_err();
    assert!(matches!(cut, ObserveError::Io { .. }), "{cut}");
}

/// Bug: the socket was still there when `shutdown` had returned. Cause: the last actor to leave was just taking it away, and
/// who shut down found that somebody did. Fix: who comes second waits until it is done.
#[test]
fn the_socket_is_gone_when_a_shutdown_returns_that_meets_the_last_actor() {
    for round in 0..50 {
        let (folder, system) = observed();
        for number in 0..4 {
            system.start::<Notes>(format!("over_a_socket-gone-{round}-{number}"), Birth::Fine).unwrap();
        }
        system.shutdown(LONG).unwrap();
        assert!(names(folder.path()).is_empty());
    }
}

#[test]
fn the_file_store_goes_on_beside_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let system = builder(FsStorage::open(folder.path()).unwrap()).observe(folder.path()).build().unwrap();
    let one = system.handle::<Notes>("over_a_socket-10-one", Birth::Fine);
    one.call(Add(1)).unwrap();
    assert_eq!(Observer::connect(folder.path()).unwrap().sample().unwrap().stats.live, 1);
    system.shutdown(LONG).unwrap();
    // As after a kill: the socket is still there.
    drop(UnixListener::bind(folder.path().join(SOCKET)).unwrap());
    let look = FsStorage::open_read_only(folder.path()).unwrap();
    let mut found = Vec::new();
    look.scan(None, None, &mut |id| {
        found.push(id);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(found, [one.id().clone()]);
    look.check().unwrap();
    drop(look);
    let system = builder(FsStorage::open(folder.path()).unwrap()).observe(folder.path()).build().unwrap();
    assert_eq!(system.handle::<Notes>("over_a_socket-10-one", Birth::Fine).call(Add(2)).unwrap(), 2);
}
