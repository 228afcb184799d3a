//! What a subscriber of the crate `tracing` gets to know.

use std::fmt::Write;
use std::sync::{Arc, LazyLock, Mutex};

use gargoyle::Settings;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::support::{Add, AddAndPanic, Lab, await_that};

/// A line for each span that was opened and each event, with the spans that it is in: of all tests of this process, as
/// actors have threads of their own.
static LINES: LazyLock<Arc<Mutex<Vec<String>>>> = LazyLock::new(|| {
    let lines = Arc::default();
    let subscriber = tracing_subscriber::registry().with(Lines(Arc::clone(&lines)));
    tracing::subscriber::set_global_default(subscriber).expect("no other test of this process has one");
    lines
});

struct Lines(Arc<Mutex<Vec<String>>>);

/// Fields, as `name=value`.
#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => write!(self.0, " {value:?}").unwrap(),
            name => write!(self.0, " {name}={value:?}").unwrap(),
        }
    }
}

impl Lines {
    fn add<S: Subscriber + for<'a> LookupSpan<'a>>(&self, line: String, cx: &Context<'_, S>) {
        let within = cx.lookup_current().map_or(String::new(), |span| format!("{} > ", span.name()));
        self.0.lock().unwrap().push(within + &line);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, cx: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        self.add(format!("{}{}", attributes.metadata().name(), fields.0), &cx);
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.add(format!("{}{}", event.metadata().level(), fields.0), &cx);
    }
}

/// What was traced of this actor so far. Its key is no other test's.
fn traced(key: &str) -> Vec<String> {
    let actor = format!(" actor=notes/{key}");
    let lines = LINES.lock().unwrap();
    let of_actor = lines.iter().filter(|line| line.split_once(&actor).is_some_and(|(_, rest)| !rest.starts_with('-')));
    of_actor.map(|line| line.replacen(&actor, "", 1)).collect()
}

#[test]
fn a_life_is_traced_from_birth_to_stone_and_back() {
    LazyLock::force(&LINES);
    let lab = Lab::new();
    let one = lab.notes("traced-life");
    one.call(Add(1)).unwrap();
    one.petrify().unwrap();
    one.call(Add(2)).unwrap();
    one.petrify().unwrap();
    let bytes = |line: &String| line.split(" bytes=").next().unwrap().to_owned();
    let lines: Vec<_> = traced("traced-life").iter().map(bytes).collect();
    let expected = [
        "revive",
        "revive > DEBUG born",
        "turn",
        "turn > save",
        "turn > TRACE saved revision=1",
        // To petrify.
        "turn",
        "DEBUG petrified",
        "revive",
        "revive > DEBUG revived",
        "turn",
        "turn > save",
        "turn > TRACE saved revision=2",
        "turn",
        "DEBUG petrified",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_failure_is_a_warning_with_its_causes() {
    LazyLock::force(&LINES);
    let lab = Lab::with(|builder| builder.settings(Settings::new().max_restarts(0)));
    let bad = lab.notes("traced-crash");
    bad.call(AddAndPanic(1)).unwrap_err();
    await_that(|| lab.system.stats().quarantined == 1);
    await_that(|| traced("traced-crash").iter().any(|line| line.contains("quarantined")));
    let lines = traced("traced-crash");
    let find =
        |what: &str| lines.iter().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {lines:#?}"));
    assert!(find("crashed").starts_with("WARN crashed error="), "{lines:#?}");
    assert!(find("quarantined").starts_with("WARN quarantined time="), "{lines:#?}");
}
