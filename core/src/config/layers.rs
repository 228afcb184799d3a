//! A configuration from files and the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Environment, File, FileFormat, Source, Value, ValueKind};

use super::Config;

/// Reads a [`Config`] from TOML files and environment variables, each over those before it. Feature `config`.
///
/// # Examples
///
/// ```
/// use gargoyle::ConfigLayers;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("gargoyle.toml");
/// std::fs::write(&path, "max_live = 100\n[kinds.account]\nidle = \"10s\"\n")?;
/// let config = ConfigLayers::new()
///     .file(&path)
///     .file_if_there("/etc/gargoyle.toml")
///     .environment("SHOP") // SHOP_MAX_LIVE=200, SHOP_KINDS__ACCOUNT__IDLE=20s
///     .load()?;
/// println!("{}", config.explain());
/// # Ok::<(), gargoyle::BoxError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConfigLayers {
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
enum Layer {
    File { path: PathBuf, required: bool },
    Environment { prefix: String },
}

/// A configuration that cannot be read. Names the file or the environment, and the setting if there is one.
// All in one text, without a source: it is for the person who wrote the file, whom a program shows `{error}`.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the configuration: {0}")]
pub struct ConfigError(config::ConfigError);

impl ConfigLayers {
    /// No layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A file in TOML, which has to be there.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.layers.push(Layer::File { path: path.as_ref().to_owned(), required: true });
        self
    }

    /// A file in TOML that need not be there.
    #[must_use]
    pub fn file_if_there(mut self, path: impl AsRef<Path>) -> Self {
        self.layers.push(Layer::File { path: path.as_ref().to_owned(), required: false });
        self
    }

    /// Environment variables that begin with `prefix` and `_`. A double `__` goes one level down:
    /// `GARGOYLE_ACTORS__IDLE=10s`. Names are taken in lower case, so that a kind with capitals cannot be named.
    #[must_use]
    pub fn environment(mut self, prefix: impl Into<String>) -> Self {
        self.layers.push(Layer::Environment { prefix: prefix.into() });
        self
    }

    /// Reads the layers. Blocks while files are read.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: a file that is not there or no TOML, a name that is no setting, a value that is none for its
    /// setting.
    pub fn load(&self) -> Result<Config, ConfigError> {
        self.merged().map_err(ConfigError)
    }

    fn merged(&self) -> Result<Config, config::ConfigError> {
        let mut builder = config::Config::builder();
        let mut origins = BTreeMap::new();
        for layer in &self.layers {
            let values = layer.source().collect()?;
            layer.check(&values)?;
            note_origins(layer, "", &values, &mut origins);
            builder = builder.add_source(Collected(values));
        }
        let config = builder.build()?.try_deserialize::<Config>()?;
        Ok(Config { origins, ..config })
    }
}

impl Layer {
    fn source(&self) -> Box<dyn Source + Send + Sync> {
        match self {
            Layer::File { path, required } => {
                Box::new(File::from(path.as_path()).format(FileFormat::Toml).required(*required))
            }
            Layer::Environment { prefix } => {
                Box::new(Environment::with_prefix(prefix).prefix_separator("_").separator("__"))
            }
        }
    }

    /// Whether these values are a configuration, so that an error names the layer that is to blame.
    fn check(&self, values: &config::Map<String, Value>) -> Result<(), config::ConfigError> {
        let alone = config::Config::builder().add_source(Collected(values.clone())).build()?;
        alone
            .try_deserialize::<Config>()
            .map(drop)
            .map_err(|error| config::ConfigError::Foreign(format!("{}: {error}", self.name("")).into()))
    }

    /// Where the value at `path` comes from.
    fn name(&self, path: &str) -> String {
        match self {
            Layer::File { path: file, .. } => file.display().to_string(),
            Layer::Environment { prefix } if path.is_empty() => format!("environment variables {prefix}_…"),
            Layer::Environment { prefix } => format!("{prefix}_{}", path.replace('.', "__").to_uppercase()),
        }
    }
}

/// Values that were read already.
#[derive(Clone, Debug)]
struct Collected(config::Map<String, Value>);

impl Source for Collected {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<config::Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

fn note_origins(
    layer: &Layer,
    above: &str,
    values: &config::Map<String, Value>,
    origins: &mut BTreeMap<String, String>,
) {
    for (name, value) in values {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match &value.kind {
            ValueKind::Table(table) => note_origins(layer, &path, table, origins),
            _ => drop(origins.insert(path.clone(), layer.name(&path))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer of the environment, without changing that of the process.
    fn explained(layers: &[(&str, &str)]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let mut config = ConfigLayers::new();
        for (name, text) in layers {
            std::fs::write(folder.path().join(name), text).unwrap();
            config = config.file(folder.path().join(name));
        }
        config.load().map(|config| config.explain().to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_later_file_wins_and_each_value_names_its_file() {
        let shown = explained(&[
            ("first.toml", "max_live = 10\n[actors]\nidle = \"10s\"\nturn_messages = 5"),
            ("second.toml", "[actors]\nidle = \"never\"\n[kinds.account]\nsave = \"every 3s\""),
        ])
        .unwrap();
        let line = |begin: &str| shown.lines().find(|line| line.starts_with(begin)).unwrap().to_owned();
        assert!(line("max_live = 10 (").ends_with("first.toml)"));
        assert!(line("actors.idle = \"never\" (").ends_with("second.toml)"));
        assert!(line("actors.turn_messages = 5 (").ends_with("first.toml)"));
        assert!(line("kinds.account.save = \"every 3s\" (").ends_with("second.toml)"));
    }

    #[test]
    fn what_is_no_setting_is_refused_with_its_file() {
        for (text, named) in [
            ("max_life = 10", "max_life"),
            ("[actors]\nidle = \"soon\"", "soon"),
            ("[kinds.a]\nrestart = \"never\"", "never"),
            ("max_live =", "wrong.toml"),
        ] {
            let error = explained(&[("wrong.toml", text)]).unwrap_err();
            assert!(error.contains("wrong.toml") && error.contains(named), "{text}: {error}");
        }
        let missing = ConfigLayers::new().file("there is no such file.toml").load().unwrap_err();
        assert!(missing.to_string().contains("there is no such file"), "{missing}");
        assert!(ConfigLayers::new().file_if_there("there is no such file.toml").load().is_ok());
    }

    #[test]
    fn a_setting_that_cannot_be_is_refused_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wrong.toml");
        std::fs::write(&file, "[kinds.a]\nidle = 0").unwrap();
        let error = ConfigLayers::new().file(&file).load().unwrap().check().unwrap_err();
        let said = format!("{}: the setting kinds.a.idle must not be 0: give a time, or never", file.display());
        assert_eq!(error.to_string(), said);
    }

    #[test]
    fn variables_name_themselves() {
        let layer = Layer::Environment { prefix: "GARGOYLE".into() };
        assert_eq!(layer.name("kinds.account.idle"), "GARGOYLE_KINDS__ACCOUNT__IDLE");
    }
}
