//! Times as people write them: `30s`, `5m`.

use super::ConfigError;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// Reads a time: a number with `ms`, `s`, `m` or `h`, or of seconds where nothing follows it.
///
/// # Errors
/// When it is none, or more than a day.
pub fn read_duration(text: &str) -> Result<Duration, ConfigError> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let read = number.parse::<u64>().ok().filter(|_| milliseconds > 0);
    let most = Duration::from_secs(86_400);
    read.map(|number| Duration::from_millis(number.saturating_mul(milliseconds)))
        .filter(|time| *time <= most)
        .ok_or_else(|| ConfigError::new(format!("`{text}` is no time up to a day; write for example 30s")))
}

/// A time in TOML: the same in quotes, or a number of seconds.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a time is a number of seconds, or in quotes such as \"30s\"")]
    enum Time {
        Seconds(u32),
        Text(String),
    }
    let text = match Time::deserialize(deserializer)? {
        Time::Seconds(seconds) => seconds.to_string(),
        Time::Text(text) => text,
    };
    read_duration(&text).map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, milliseconds) in
            [("30s", 30_000), ("0", 0), ("250ms", 250), ("5m", 300_000), ("24h", 86_400_000)]
        {
            assert_eq!(read_duration(text).unwrap(), Duration::from_millis(milliseconds), "{text}");
        }
        for text in ["", "s", "1.5s", "-1s", "30 s", "25h", "99999999999999999999h", "5d"] {
            let error = read_duration(text).unwrap_err().to_string();
            assert!(error.contains("write for example 30s"), "{text}: {error}");
        }
    }
}
