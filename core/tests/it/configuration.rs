//! Settings of all, of a kind, of one; and several systems in one process.

use std::time::Duration;

use gargoyle::testing::TestClock;
use gargoyle::{Actor, BoxError, Config, Context, Failure, Handler, MemoryStorage, Settings, System};
use gargoyle_registry_std::StdRegistry;
use serde::{Deserialize, Serialize};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
struct Other;

impl Actor for Other {
    const KIND: &'static str = "other";
    type Args = ();
    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Other)
    }
}

struct Nothing;

impl Handler<Nothing> for Other {
    type Reply = ();
    fn handle(&mut self, _: Nothing, _: &mut Context<Self>) {}
}

#[test]
fn a_setting_of_a_kind_wins_over_that_of_all_and_that_of_one_over_both() {
    let clock = TestClock::new();
    let lab = Lab::with(|builder| {
        builder.idle(SECOND * 10).actor_with::<Notes>(Settings::new().idle(SECOND * 20)).clock(clock.clone())
    });
    let general = lab.system.start::<Other>("a", ()).unwrap();
    let of_kind = lab.started("of-kind");
    let of_one = lab.notes("of-one");
    of_one.start_with(Settings::new().idle(SECOND * 30)).unwrap();
    clock.advance(SECOND * 10);
    await_that(|| !general.is_live());
    assert!(of_kind.is_live() && of_one.is_live());
    clock.advance(SECOND * 10);
    await_that(|| !of_kind.is_live());
    assert!(of_one.is_live());
    clock.advance(SECOND * 10);
    await_that(|| !of_one.is_live());

    // Its own settings are in its record.
    of_one.query(List).unwrap();
    clock.advance(SECOND * 29);
    of_kind.query(List).unwrap();
    assert!(of_one.is_live());
    clock.advance(SECOND);
    await_that(|| !of_one.is_live());
}

#[test]
fn what_cannot_be_set_for_one_actor_is_refused_by_name_and_brings_none_to_life() {
    let lab = Lab::new();
    let actor = lab.notes("beyond");
    for (settings, name) in [
        (Settings::new().mailbox_capacity(5), "mailbox_capacity"),
        (Settings::new().stack_bytes(100_000), "stack_bytes"),
        (Settings::new().call_timeout(SECOND), "call_timeout"),
        (Settings::new().idle(Duration::ZERO), "idle"),
    ] {
        let error = actor.start_with(settings).unwrap_err();
        assert!(matches!(error.failure(), Failure::Settings(_)) && error.failure().to_string().len() > 10);
        assert!(format!("{error:#}").contains(name), "{error:#}");
    }
    assert!(!actor.is_live());
}

#[test]
fn a_kind_can_have_its_mailbox_its_stack_and_its_patience() {
    let settings = Settings::new().mailbox_capacity(1).stack_bytes(64 << 20).call_timeout(Duration::from_millis(1));
    let lab = Lab::with(|builder| builder.actor_with::<Notes>(settings));
    let actor = lab.notes("of-kind-all");
    /// Needs 4 MiB of stack and more, which is more than a thread has unless it is set.
    fn deep(levels: u32) -> u64 {
        let page = std::hint::black_box([u64::from(levels); 1 << 17]);
        if levels == 0 { page[0] } else { page[1 << 16] + deep(levels - 1) }
    }
    let (sender, receiver) = crossbeam_channel::bounded(1);
    actor.cast(run(move |_, _| sender.send(deep(3)).unwrap())).unwrap();
    assert_eq!(receiver.recv_timeout(LONG).unwrap(), 6);

    let busy = occupy(&actor);
    actor.try_cast(Add(1)).unwrap();
    assert!(matches!(actor.try_cast(Add(2)).unwrap_err().failure(), Failure::Full));
    assert!(matches!(actor.call(Add(2)).unwrap_err().failure(), Failure::Timeout(_)));
    busy.let_go();
}

#[test]
fn what_is_said_to_the_builder_wins_over_a_configuration_whatever_comes_first() {
    let config = || Config::new().max_live(10).actors(Settings::new().turn_messages(5));
    for config_first in [true, false] {
        let builder = System::builder(StdRegistry::new(), MemoryStorage::new());
        let builder = match config_first {
            true => builder.config(config()).max_live(20),
            false => builder.max_live(20).config(config()),
        };
        let explained = builder.build().unwrap().config().explain().to_string();
        assert!(explained.contains("max_live = 20 (builder)"), "{explained}");
        assert!(explained.contains("actors.turn_messages = 5 (given to the builder)"), "{explained}");
    }
}

#[test]
fn several_systems_with_their_own_settings_registries_and_stores_live_in_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let in_memory = System::builder(StdRegistry::new(), MemoryStorage::new()).max_live(1).build().unwrap();
    let store = gargoyle_storage_fs::FsStorage::open(folder.path().join("store")).unwrap();
    let on_disk = System::builder(StdRegistry::new(), store).idle_never().build().unwrap();
    let (one, other) = (in_memory.handle::<Other>("a", ()), on_disk.handle::<Other>("a", ()));
    one.call(Nothing).unwrap();
    assert!(one.is_live() && !other.is_live(), "one id, two actors");
    (0..5).for_each(|n| on_disk.handle::<Other>(n.to_string(), ()).call(Nothing).unwrap());
    (0..5).for_each(|n| in_memory.handle::<Other>(n.to_string(), ()).call(Nothing).unwrap());
    assert_eq!((in_memory.stats().live_peak, on_disk.stats().live), (1, 5));
    in_memory.shutdown(LONG).unwrap();
    other.call(Nothing).unwrap();
    assert!(matches!(one.call(Nothing).unwrap_err().failure(), Failure::Shutdown));
}

#[test]
fn threads_wait_for_the_next_actor_and_none_is_started_while_one_waits() {
    let lab = Lab::with(|builder| builder.max_live(4));
    let thread = |n: u64| lab.notes(&format!("cached-{n}")).call(run(|_, _| std::thread::current().id())).unwrap();
    let mut threads: Vec<_> = (0..100).map(thread).collect();
    threads.sort_by_key(|id| format!("{id:?}"));
    threads.dedup();
    assert!(threads.len() <= 5, "{} threads for 100 actors of which 4 may be alive", threads.len());
}
