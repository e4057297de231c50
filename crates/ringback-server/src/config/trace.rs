//! Where messages are told of as they come and go.

use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where every message is told of, as it came and as it went. What is in them is private: so are the files.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceConfig {
    /// The places; without any nothing is told.
    #[serde(deserialize_with = "places")]
    pub to: Vec<TraceTo>,
    /// How many pieces may wait to be written, 1 to 1,000,000. What finds no room is counted as `trace_no_room`.
    pub queue: usize,
    /// The number by which a collector of HEP knows us.
    pub hep_agent: u32,
    /// The word that it asks for, if it does.
    pub hep_password: Option<String>,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self { to: Vec::new(), queue: 8_192, hep_agent: 2_001, hep_password: None }
    }
}

/// A place where messages are told of. As text: `FILE.pcapng`, `FILE.jsonl` or `hep:HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceTo {
    /// A capture for Wireshark and sngrep, which is gone on with where it is there. TLS is taken off.
    Capture(PathBuf),
    /// A file with an object of JSON for each message, a line each.
    Lines(PathBuf),
    /// A collector of HEP version 3, such as Homer, by UDP.
    Hep(String),
}

impl FromStr for TraceTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(collector) = text.strip_prefix("hep:") {
            let port = collector.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            return match port {
                Some(1..) => Ok(Self::Hep(collector.to_owned())),
                _ => Err(format!("`{text}` names no port; write for example hep:127.0.0.1:9060")),
            };
        }
        let path = PathBuf::from(text);
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("pcapng") => Ok(Self::Capture(path)),
            Some("jsonl") => Ok(Self::Lines(path)),
            _ => Err(format!("`{text}` is none of FILE.pcapng, FILE.jsonl and hep:HOST:PORT")),
        }
    }
}

impl fmt::Display for TraceTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(path) | Self::Lines(path) => path.display().fmt(f),
            Self::Hep(collector) => write!(f, "hep:{collector}"),
        }
    }
}

fn places<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TraceTo>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}
