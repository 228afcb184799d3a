//! States: what can be saved, what is refused, handles in them, and keys of every awkward kind.

use std::cell::Cell;

use gargoyle::{Actor, Address, BoxError, Context, Failure, Handle, Handled, Handler, Persist, Query, Storage, System};
use serde::{Deserialize, Serialize};

use crate::support::*;

/// A state that can be made unsaveable, too deep, or unloadable.
struct Fragile {
    value: u64,
    dumping: Dumping,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Dumping {
    Fine,
    Fails,
    Panics,
    TooDeep,
    /// Loads only if nobody forbids it on this thread's process.
    Unloadable,
}

struct Dumped<'a>(&'a Fragile);

impl Serialize for Dumped<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Nested(Option<Box<[Nested; 1]>>);
        match self.0.dumping {
            Dumping::Fails => Err(serde::ser::Error::custom("a state that cannot be encoded")),
            Dumping::Panics => panic!("a dump that panics"),
            Dumping::TooDeep => {
                (0..1000).fold(Nested(None), |inner, _| Nested(Some(Box::new([inner])))).serialize(serializer)
            }
            Dumping::Fine | Dumping::Unloadable => (self.0.value, self.0.dumping).serialize(serializer),
        }
    }
}

impl Persist for Fragile {
    type Stored = (u64, Dumping);

    fn dump(&self) -> impl Serialize + '_ {
        Dumped(self)
    }

    fn load((value, dumping): Self::Stored) -> Result<Self, BoxError> {
        match dumping {
            Dumping::Unloadable => Err("a state that its type refuses".into()),
            dumping => Ok(Fragile { value, dumping }),
        }
    }
}

impl Actor for Fragile {
    const KIND: &'static str = "fragile";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Fragile { value: 0, dumping: Dumping::Fine })
    }
}

impl Handler<(u64, Dumping)> for Fragile {
    type Reply = u64;

    fn handle(&mut self, (value, dumping): (u64, Dumping), _: &mut Context<Self>) -> u64 {
        (self.value, self.dumping) = (value, dumping);
        value
    }
}

impl Query<()> for Fragile {
    type Reply = u64;

    fn query(&self, (): ()) -> u64 {
        self.value
    }
}

#[test]
fn a_state_that_cannot_be_saved_is_rolled_back_and_its_caller_told_and_the_actor_lives_on() {
    let lab = Lab::new();
    let actor = lab.system.handle::<Fragile>("fragile", ());
    actor.call((1, Dumping::Fine)).unwrap();
    for dumping in [Dumping::Fails, Dumping::Panics, Dumping::TooDeep] {
        let error = actor.call((2, dumping)).unwrap_err();
        assert!(matches!(error.failure(), Failure::Rejected(_)), "{error}");
        assert_eq!(error.handled(), Handled::RolledBack);
        assert_eq!(actor.query(()).unwrap(), 1);
    }
    let stats = lab.system.stats();
    assert_eq!((stats.crashed, stats.revived), (0, 0), "the incarnation goes on");
    assert_eq!(actor.call((3, Dumping::Fine)).unwrap(), 3);
}

#[test]
fn an_actor_whose_first_state_cannot_be_saved_is_not_born() {
    let lab = Lab::new();
    let unborn = lab.system.handle::<Stillborn>("stillborn", ());
    let error = unborn.start().unwrap_err();
    assert!(matches!(error.failure(), Failure::NotBorn(_)), "{error}");
    await_that(|| !unborn.is_live());
    assert_eq!((lab.system.stats().born, lab.stored_bytes(unborn.id())), (0, None));

    struct Stillborn;
    impl Persist for Stillborn {
        type Stored = u8;
        fn dump(&self) -> impl Serialize + '_ {
            Dumped(&Fragile { value: 0, dumping: Dumping::Fails })
        }
        fn load(_: u8) -> Result<Self, BoxError> {
            Ok(Stillborn)
        }
    }
    impl Actor for Stillborn {
        const KIND: &'static str = "stillborn";
        type Args = ();
        fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
            Ok(Stillborn)
        }
    }
}

#[test]
fn a_state_that_its_type_refuses_is_an_error_and_stays_as_it_is() {
    let lab = Lab::new();
    let actor = lab.system.handle::<Fragile>("refused", ());
    actor.call((1, Dumping::Unloadable)).unwrap();
    actor.petrify().unwrap();
    let before = lab.store.inner.load(actor.id()).unwrap();
    for error in [actor.call((2, Dumping::Fine)).unwrap_err(), actor.peek(()).unwrap_err()] {
        assert!(matches!(error.failure(), Failure::Refused(why) if why.to_string() == "a state that its type refuses"));
        assert_eq!(error.handled(), Handled::No);
    }
    assert_eq!(lab.store.inner.load(actor.id()).unwrap(), before);
}

/// Two kinds that hold handles of each other.
#[derive(Serialize, Deserialize)]
struct Player {
    games: Vec<Handle<Match>>,
    wins: u32,
}

#[derive(Serialize, Deserialize)]
struct Match {
    players: Vec<Handle<Player>>,
}

impl Actor for Player {
    const KIND: &'static str = "player";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Player { games: Vec::new(), wins: 0 })
    }
}

/// Arguments that hold handles, too.
impl Actor for Match {
    const KIND: &'static str = "match";
    type Args = Vec<Handle<Player>>;

    fn init(players: &Vec<Handle<Player>>, cx: &mut Context<Self>) -> Result<Self, BoxError> {
        for player in players {
            player.cast(Joined(cx.handle().clone()))?;
        }
        Ok(Match { players: players.clone() })
    }
}

struct Joined(Handle<Match>);
impl Handler<Joined> for Player {
    type Reply = ();
    fn handle(&mut self, Joined(game): Joined, _: &mut Context<Self>) {
        self.games.push(game);
    }
}

struct Won;
impl Handler<Won> for Player {
    type Reply = u32;
    fn handle(&mut self, _: Won, _: &mut Context<Self>) -> u32 {
        self.wins += 1;
        self.wins
    }
}

struct Finish {
    winner: usize,
}
impl Handler<Finish> for Match {
    type Reply = u32;
    fn handle(&mut self, Finish { winner }: Finish, _: &mut Context<Self>) -> u32 {
        self.players[winner].call(Won).unwrap()
    }
}

struct Games;
impl Query<Games> for Player {
    type Reply = Vec<Handle<Match>>;
    fn query(&self, _: Games) -> Self::Reply {
        self.games.clone()
    }
}

#[test]
fn two_kinds_hold_handles_of_each_other_over_petrifying_and_a_new_system() {
    let lab = Lab::new();
    let players = ["alice", "bob"].map(|key| lab.system.handle::<Player>(key, ()));
    let game = lab.system.start::<Match>("final", players.to_vec()).unwrap();
    await_that(|| players.iter().all(|player| player.query(Games).unwrap() == [game.clone()]));
    lab.system.shutdown(LONG).unwrap();

    let again = Lab::on(lab.store.clone(), |builder| builder);
    let alice = again.system.handle::<Player>("alice", ());
    // From a record to a handle to a record to a handle.
    let games = alice.query(Games).unwrap();
    assert_eq!(games[0].call(Finish { winner: 0 }).unwrap(), 1);
    assert_eq!(alice.peek(Games).unwrap().unwrap(), games);
}

#[test]
fn a_handle_is_decoded_where_a_system_is_and_an_address_anywhere() {
    let lab = Lab::new();
    let handle = lab.notes("coded");
    let mut bytes = Vec::new();
    ciborium::into_writer(&handle, &mut bytes).unwrap();
    let error = ciborium::from_reader::<Handle<Notes>, _>(&bytes[..]).unwrap_err();
    assert!(error.to_string().contains("System::enter"), "{error}");
    let decoded: Handle<Notes> = lab.system.enter(|| ciborium::from_reader(&bytes[..]).unwrap());
    assert_eq!(decoded.call(Add(1)).unwrap(), 1);
    let address: Address<Notes> = ciborium::from_reader(&bytes[..]).unwrap();
    assert_eq!(address, handle.address());
    assert_eq!(address.handle(&lab.system).query(List).unwrap(), [1]);
}

#[test]
fn keys_of_every_awkward_kind_name_actors_of_their_own_in_memory_and_in_files() {
    let long = "x".repeat(1024);
    let keys = [
        "",
        ".",
        "..",
        "/",
        "a/b",
        "../../etc/passwd",
        "\\",
        "nul\0inside",
        "a",
        "A",
        "é",
        "e\u{301}",
        "con",
        "nul.txt",
        "dot.",
        "space ",
        " ",
        "%41",
        "%",
        "~",
        "new\nline",
        "\u{1f5ff}",
        "a.tmp",
        "LOCK",
        "FORMAT",
        long.as_str(),
    ];
    let folder = tempfile::tempdir().unwrap();
    let files = System::builder(
        gargoyle_registry_std::StdRegistry::new(),
        gargoyle_storage_fs::FsStorage::open(folder.path().join("store")).unwrap(),
    );
    let memory = System::builder(gargoyle_registry_std::StdRegistry::new(), gargoyle::MemoryStorage::new());
    for system in [files.build().unwrap(), memory.build().unwrap()] {
        for round in 0..2 {
            for (n, key) in keys.iter().enumerate() {
                let actor = system.handle::<Fragile>(*key, ());
                assert_eq!(actor.key(), *key);
                if round == 0 {
                    actor.call((n as u64 + 1, Dumping::Fine)).unwrap();
                    actor.petrify().unwrap();
                } else {
                    assert_eq!(actor.query(()).unwrap(), n as u64 + 1, "{key:?}");
                }
            }
        }
    }
    let outside: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(outside, ["store"]);
}

#[test]
fn a_key_that_is_too_long_is_an_error_of_the_first_message() {
    let lab = Lab::new();
    let actor = lab.notes(&"x".repeat(1025));
    for error in [actor.call(Add(1)).unwrap_err(), actor.peek(List).unwrap_err(), actor.start().unwrap_err()] {
        assert!(matches!(error.failure(), Failure::InvalidId(_)), "{error}");
    }
    assert!(!actor.is_live());
}

/// Handles are for threads, whatever their actor is.
#[test]
fn handles_and_systems_are_send_and_sync_for_actors_that_are_not() {
    struct Local(Cell<u8>);
    impl Persist for Local {
        type Stored = u8;
        fn dump(&self) -> impl Serialize + '_ {
            self.0.get()
        }
        fn load(value: u8) -> Result<Self, BoxError> {
            Ok(Local(Cell::new(value)))
        }
    }
    impl Actor for Local {
        const KIND: &'static str = "local";
        type Args = ();
        fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
            Ok(Local(Cell::new(0)))
        }
    }
    fn everywhere<T: Send + Sync + Clone + 'static>() {}
    everywhere::<Handle<Local>>();
    everywhere::<Address<Local>>();
    everywhere::<System>();
}
