//! Settings as texts, as a person writes them: `"30s"`, `"never"`, `"every 10s"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use humantime::{DurationError, format_duration, parse_duration};

use super::{Idle, RestartPolicy, SaveMode, Time};

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        format_duration(self.0).fmt(f)
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        time(text).map(Time)
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Idle::After(time) => Time(*time).fmt(f),
            Idle::Never => f.write_str("never"),
        }
    }
}

impl FromStr for Idle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Idle::Never),
            _ => time(text).map(Idle::After).map_err(|error| format!("{error}, or never")),
        }
    }
}

/// As in a configuration: `temporary`, `transient`, `permanent`.
impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RestartPolicy::Temporary => "temporary",
            RestartPolicy::Transient => "transient",
            RestartPolicy::Permanent => "permanent",
        })
    }
}

impl FromStr for RestartPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "temporary" => Ok(RestartPolicy::Temporary),
            "transient" => Ok(RestartPolicy::Transient),
            "permanent" => Ok(RestartPolicy::Permanent),
            _ => Err(format!("{text:?} is no restart policy: say temporary, transient or permanent")),
        }
    }
}

/// As in a configuration: `every-turn`, `every 10s`, `on-petrify`.
impl fmt::Display for SaveMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SaveMode::EveryTurn => f.write_str("every-turn"),
            SaveMode::Every(time) => write!(f, "every {}", Time(*time)),
            SaveMode::OnPetrify => f.write_str("on-petrify"),
        }
    }
}

impl FromStr for SaveMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("every ")) {
            ("every-turn", _) => Ok(SaveMode::EveryTurn),
            ("on-petrify", _) => Ok(SaveMode::OnPetrify),
            (_, Some(interval)) => time(interval).map(SaveMode::Every),
            _ => Err(format!("{text:?} is no save mode: say every-turn, on-petrify, or, for example, every 10s")),
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .map_err(|error: DurationError| format!("{text:?} is no time ({error}): say, for example, 30s or 1m 30s"))
}

/// For serde: an optional setting as its text.
pub(crate) mod option {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};

    pub(crate) fn serialize<T: Display, S: Serializer>(setting: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        setting.as_ref().map(ToString::to_string).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err = String>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_are_shown() {
        for text in ["30s", "1m 30s", "2ms"] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
            assert_eq!(text.parse::<Idle>().unwrap().to_string(), text);
            assert_eq!(format!("every {text}").parse::<SaveMode>().unwrap().to_string(), format!("every {text}"));
        }
        for text in ["every-turn", "on-petrify"] {
            assert_eq!(text.parse::<SaveMode>().unwrap().to_string(), text);
        }
        assert_eq!("never".parse(), Ok(Idle::Never));
        for text in ["temporary", "transient", "permanent"] {
            let policy: RestartPolicy = text.parse().unwrap();
            assert_eq!(policy.to_string(), text);
            // As serde writes a policy that stands alone: records of either way are read.
            let alone = crate::Value::serialized(&policy).unwrap();
            assert_eq!(alone.as_text(), Some(text));
        }
    }

    #[test]
    fn what_is_no_setting_is_refused_with_what_to_say() {
        assert!("soon".parse::<Time>().unwrap_err().contains("30s"));
        assert!("soon".parse::<Idle>().unwrap_err().contains("never"));
        assert!("sometimes".parse::<SaveMode>().unwrap_err().contains("on-petrify"));
        assert!("always".parse::<RestartPolicy>().unwrap_err().contains("transient"));
        assert!("every now and then".parse::<SaveMode>().unwrap_err().contains("30s"));
    }
}
