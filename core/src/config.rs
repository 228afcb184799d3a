//! The configuration of a system: settings of its own, of all its actors, and of kinds; and where each came from.

#[cfg(feature = "config")]
mod layers;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(feature = "config")]
pub use self::layers::{ConfigError, ConfigLayers};
use crate::Value;
use crate::gate;
use crate::settings::{SettingError, Settings, Time};

/// The settings of a system as data: what a configuration file says.
///
/// ```toml
/// max_live = 2000          # see Builder::max_live
/// drop_timeout = "30s"     # see Builder::drop_timeout
///
/// [actors]                 # all of them: the names of Settings
/// idle = "10s"
///
/// [kinds.account]          # those of one kind
/// restart = "permanent"
/// ```
///
/// What is closer to the actor wins: defaults, then the layers of a `Config` in their order (files, then the environment),
/// then what is said to the [`Builder`](crate::Builder), each of them for all actors and then for a kind, then
/// [`Handle::start_with`](crate::Handle::start_with) for one actor. [`explain`](Self::explain) shows what counts and where
/// it came from.
///
/// It is `Deserialize`, so that it can be part of a program's own configuration; with the feature `config` there is
/// `ConfigLayers`, which reads files and the environment.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gargoyle::{Config, MemoryStorage, RestartPolicy, Settings, System};
///
/// let config = Config::new()
///     .max_live(100)
///     .actors(Settings::new().idle(Duration::from_secs(10)))
///     .kind("account", Settings::new().restart(RestartPolicy::Permanent));
/// let system = System::builder(gargoyle_registry_std::StdRegistry::new(), MemoryStorage::new())
///     .config(config)
///     .max_live(200)
///     .build()?;
/// let explained = system.config().explain().to_string();
/// assert!(explained.contains("max_live = 200 (builder)"));
/// assert!(explained.contains("actors.idle = \"10s\" (given to the builder)"));
/// assert!(explained.contains("actors.turn_messages = 256 (default)"));
/// # Ok::<(), gargoyle::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_live: Option<usize>,
    #[serde(with = "crate::settings::option", skip_serializing_if = "Option::is_none")]
    drop_timeout: Option<Time>,
    actors: Settings,
    kinds: BTreeMap<String, Settings>,
    /// Where each value came from, by its path.
    #[serde(skip)]
    origins: BTreeMap<String, String>,
}

/// Who said what the builder was told.
const BUILDER: &str = "builder";
const GIVEN: &str = "given to the builder";
const DEFAULT: &str = "default";

impl Config {
    /// Nothing is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Builder::max_live`](crate::Builder::max_live).
    #[must_use]
    pub fn max_live(mut self, actors: usize) -> Self {
        self.max_live = Some(actors);
        self
    }

    /// As [`Builder::drop_timeout`](crate::Builder::drop_timeout).
    #[must_use]
    pub fn drop_timeout(mut self, limit: Duration) -> Self {
        self.drop_timeout = Some(Time::new(limit));
        self
    }

    /// Settings of all actors, over those that are there.
    #[must_use]
    pub fn actors(mut self, settings: Settings) -> Self {
        self.actors = settings.over(&self.actors);
        self
    }

    /// Settings of the actors of `kind`, over those that are there.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>, settings: Settings) -> Self {
        let of_kind = self.kinds.entry(kind.into()).or_default();
        *of_kind = settings.over(of_kind);
        self
    }

    /// What counts, in one line for each value: its path, the value, and where it came from. Kinds are shown with what is
    /// set for them alone.
    pub fn explain(&self) -> impl fmt::Display + '_ {
        Explained(self)
    }

    /// What the builder was told, over what it was given.
    pub(crate) fn over(self, given: Config) -> Config {
        let mut origins: BTreeMap<String, String> =
            given.flat().into_keys().map(|path| (path, GIVEN.to_owned())).chain(given.origins.clone()).collect();
        origins.extend(self.flat().into_keys().map(|path| (path, BUILDER.to_owned())));
        let kinds = self.kinds.into_iter().fold(given.kinds, |mut kinds, (kind, settings)| {
            let of_kind = kinds.entry(kind).or_default();
            *of_kind = settings.over(of_kind);
            kinds
        });
        Config {
            max_live: self.max_live.or(given.max_live),
            drop_timeout: self.drop_timeout.or(given.drop_timeout),
            actors: self.actors.over(&given.actors),
            kinds,
            origins,
        }
    }

    pub(crate) fn check(&self) -> Result<(), SettingError> {
        self.check_all().map_err(|error| match self.origins.get(error.setting()) {
            Some(origin) if origin != BUILDER && origin != GIVEN => error.said_by(origin),
            _ => error,
        })
    }

    fn check_all(&self) -> Result<(), SettingError> {
        if self.max_live == Some(0) {
            return Err(SettingError::zero(
                "max_live",
                "must not be 0: at least one actor has to be alive to do anything",
            ));
        }
        self.actors.check().map_err(|error| error.of("actors"))?;
        self.kinds
            .iter()
            .try_for_each(|(kind, settings)| settings.check().map_err(|error| error.of(&format!("kinds.{kind}"))))
    }

    /// How many actors may be alive.
    pub(crate) fn most_live(&self) -> usize {
        self.max_live.unwrap_or_else(gate::default_max_live)
    }

    /// How long dropping the system waits.
    pub(crate) fn drop_limit(&self) -> Duration {
        self.drop_timeout.map_or(Duration::from_secs(30), Time::get)
    }

    /// The settings of all actors, and those of each kind that has its own, over them.
    pub(crate) fn layered(&self) -> (Settings, Vec<(&str, Settings)>) {
        let kinds = self.kinds.iter().map(|(kind, settings)| (&**kind, settings.over(&self.actors))).collect();
        (self.actors.clone(), kinds)
    }

    /// Every value that is set, by its path.
    fn flat(&self) -> BTreeMap<String, String> {
        let mut flat = BTreeMap::new();
        if let Ok(value) = Value::serialized(self) {
            flatten("", &value, &mut flat);
        }
        flat
    }
}

fn flatten(path: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    match value {
        Value::Map(entries) => {
            for (name, value) in entries {
                let name = name.as_text().unwrap_or_default();
                flatten(&if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }, value, flat);
            }
        }
        Value::Text(text) => drop(flat.insert(path.to_owned(), format!("{text:?}"))),
        Value::Integer(number) => drop(flat.insert(path.to_owned(), i128::from(*number).to_string())),
        // Settings are texts and numbers.
        _ => {}
    }
}

struct Explained<'a>(&'a Config);

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.0;
        let all = Config {
            max_live: Some(set.most_live()),
            drop_timeout: Some(Time::new(set.drop_limit())),
            actors: set.actors.over(&Settings::defaults()),
            ..set.clone()
        };
        let chosen = set.flat();
        for (path, value) in all.flat() {
            let origin = match (chosen.contains_key(&path), set.origins.get(&path)) {
                (false, _) => DEFAULT,
                (true, Some(origin)) => origin,
                (true, None) => GIVEN,
            };
            writeln!(f, "{path} = {value} ({origin})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::RestartPolicy;

    fn explained(config: &Config) -> Vec<String> {
        config.explain().to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_closer_to_the_actor_wins_and_is_explained() {
        let idle = |seconds| Settings::new().idle(Duration::from_secs(seconds));
        let given = Config::new().max_live(5).actors(idle(1)).kind("a", idle(2)).kind("b", idle(3));
        let told = Config::new().actors(Settings::new().turn_messages(7)).kind("a", idle(4));
        let merged = told.over(given);
        let (all, kinds) = merged.layered();
        assert_eq!(all.resolved().idle, Some(Duration::from_secs(1)));
        assert_eq!(all.resolved().turn_messages, 7);
        let idles: Vec<_> = kinds.iter().map(|(kind, settings)| (*kind, settings.resolved().idle.unwrap())).collect();
        assert_eq!(idles, [("a", Duration::from_secs(4)), ("b", Duration::from_secs(3))]);
        assert!(kinds.iter().all(|(_, settings)| settings.resolved().turn_messages == 7));
        let lines = explained(&merged);
        for line in [
            "max_live = 5 (given to the builder)",
            "drop_timeout = \"30s\" (default)",
            "actors.idle = \"1s\" (given to the builder)",
            "actors.turn_messages = 7 (builder)",
            "actors.restart = \"transient\" (default)",
            "kinds.a.idle = \"4s\" (builder)",
            "kinds.b.idle = \"3s\" (given to the builder)",
        ] {
            assert!(lines.iter().any(|found| found == line), "{line} is not in {lines:#?}");
        }
    }

    #[test]
    fn a_wrong_setting_is_named_by_its_path() {
        let wrong = Config::new().kind("a", Settings::new().idle(Duration::ZERO));
        assert!(wrong.check().unwrap_err().to_string().contains("kinds.a.idle"));
        assert!(Config::new().max_live(0).check().unwrap_err().to_string().contains("max_live"));
    }

    #[test]
    fn a_configuration_survives_serialisation() {
        let settings = Settings::new().restart(RestartPolicy::Permanent).idle_never();
        let config = Config::new().max_live(3).drop_timeout(Duration::from_millis(1500)).kind("a", settings);
        let value = Value::serialized(&config).unwrap();
        assert_eq!(value.deserialized::<Config>().unwrap(), config);
    }
}
