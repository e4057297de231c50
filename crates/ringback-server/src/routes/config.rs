//! Routes as they are written in the configuration.

use crate::config::ConfigError;
use crate::guard::networks;
use crate::media::{MediaMode, MediaWishes, music};
use ipnet::IpNet;
use ringback_media::AudioCodecs;
use ringback_message::{HeaderId, Uri};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One route: which requests it is for, what becomes of them, and what is changed in them on the way.
///
/// Of the conditions all that are given have to hold. Exactly one of `to`, `gateway`, `redirect` and
/// `reject` says what becomes of the
/// request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteConfig {
    /// What it is called where it is talked about; its number where it has no name.
    pub name: String,
    /// The methods: `["INVITE", "MESSAGE"]`.
    #[serde(deserialize_with = "one_or_more")]
    pub method: Vec<String>,
    /// The domains of the Request-URI, without regard to case; `tel` for telephone numbers (RFC 3966).
    #[serde(deserialize_with = "one_or_more")]
    pub domain: Vec<String>,
    /// A regular expression for the user of the Request-URI, or for the number of a `tel` URI without its separators.
    pub user: Option<String>,
    /// A regular expression for the address in From, `alice@example.com`.
    pub from: Option<String>,
    /// Regular expressions for the first value of header fields, by name.
    pub header: BTreeMap<String, String>,
    /// The networks that the request comes from. They are the proof then: nobody is asked for a password.
    #[serde(deserialize_with = "networks")]
    pub source: Vec<IpNet>,
    /// Where it goes: URIs in the order in which they are tried, the next where one does not answer or is in trouble. One
    /// without a user gets the user that the request is for.
    #[serde(deserialize_with = "one_or_more")]
    pub to: Vec<String>,
    /// The group of gateways that it goes to.
    pub gateway: Option<String>,
    /// Where the caller is told to look instead (302).
    #[serde(deserialize_with = "one_or_more")]
    pub redirect: Vec<String>,
    /// With what it is refused: a status from 400 to 699.
    pub reject: Option<u16>,
    /// Which way the media of its calls go; without it as for all calls.
    pub media: Option<MediaMode>,
    /// The formats that its calls are offered, in that order, whatever the caller speaks: of `opus`, `g722`, `pcmu` and `pcma`. Only
    /// where media are bridged.
    #[serde(deserialize_with = "one_or_more")]
    pub codecs: Vec<String>,
    /// A file that who is held hears in its calls, where the holder sends nothing. Only where media are bridged.
    pub hold_music: Option<PathBuf>,
    /// So many characters are cut off the beginning of the user.
    pub strip: usize,
    /// And this is put before it.
    pub prefix: String,
    /// Header fields that are set, by name.
    pub set: BTreeMap<String, String>,
    /// Header fields that are removed, by name.
    #[serde(deserialize_with = "one_or_more")]
    pub remove: Vec<String>,
}

/// The fields by which messages find their way, which are the proxy's own.
const OWN: [HeaderId; 9] = [
    HeaderId::VIA,
    HeaderId::FROM,
    HeaderId::TO,
    HeaderId::CALL_ID,
    HeaderId::CSEQ,
    HeaderId::ROUTE,
    HeaderId::RECORD_ROUTE,
    HeaderId::MAX_FORWARDS,
    HeaderId::CONTENT_LENGTH,
];

impl RouteConfig {
    /// What it asks for of media. `called` is what the route is called in what is wrong with it.
    pub(super) fn wishes(&self, called: &str) -> Result<MediaWishes, ConfigError> {
        let fail = |problem: String| Err(ConfigError::new(format!("{called}: {problem}")));
        let needs = if !self.codecs.is_empty() { "codecs" } else { "hold_music" };
        let is_asked = !self.codecs.is_empty() || self.hold_music.is_some();
        if is_asked && matches!(self.media, Some(MediaMode::Direct | MediaMode::Relay)) {
            return fail(format!("{needs} needs media = 'bridge' or 'auto'"));
        }
        let codecs = match self.codecs.join(",").as_str() {
            "" => None,
            list if self.codecs.iter().any(|name| name.to_ascii_lowercase().starts_with("l16")) => {
                return fail(format!("codecs = '{list}': l16 is not converted"));
            }
            list => match list.parse::<AudioCodecs>() {
                Ok(codecs) => Some(codecs),
                Err(error) => return fail(format!("codecs: {error}")),
            },
        };
        let music = match self.hold_music.as_deref().map(music) {
            Some(Err(problem)) => return fail(format!("hold_music: {problem}")),
            Some(Ok(music)) => Some(music),
            None => None,
        };
        Ok(MediaWishes { mode: self.media, music, codecs })
    }

    /// `called` is what the route is called in what is wrong with it.
    pub(super) fn check(&self, called: &str) -> Result<(), ConfigError> {
        let fail = |problem: String| Err(ConfigError::new(format!("{called}: {problem}")));
        let ends =
            [!self.to.is_empty(), self.gateway.is_some(), !self.redirect.is_empty(), self.reject.is_some()];
        if ends.iter().filter(|given| **given).count() != 1 {
            return fail(
                "says what becomes of a request by just one of to, gateway, redirect and reject".into(),
            );
        }
        if let Some(status) = self.reject.filter(|status| !(400..700).contains(status)) {
            return fail(format!("reject = {status} refuses nothing; a status from 400 to 699 does"));
        }
        for uri in self.to.iter().chain(&self.redirect) {
            if !Uri::parse(uri.as_bytes()).is_ok_and(|uri| uri.as_sip().is_some()) {
                return fail(format!("`{uri}` is no SIP URI; write for example sip:gateway.example.net"));
            }
        }
        if !self.prefix.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+*#-_.!".contains(&octet)) {
            return fail(format!("prefix `{}` holds what no user may begin with", self.prefix));
        }
        for name in self.set.keys().chain(&self.remove) {
            if OWN.contains(&HeaderId::from_name(name.as_bytes())) {
                return fail(format!("{name} is what messages find their way by; it stays as it is"));
            }
            let is_name = |octet: u8| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet);
            if name.is_empty() || !name.bytes().all(is_name) {
                return fail(format!("`{name}` is no name of a header field"));
            }
        }
        match self.set.iter().find(|(_, value)| value.bytes().any(|octet| octet < b' ')) {
            Some((name, _)) => fail(format!("the value of {name} holds a control character")),
            None => Ok(()),
        }
    }
}

/// Reads a string or an array of them.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a string or an array of strings")]
    enum Texts {
        One(String),
        More(Vec<String>),
    }
    Ok(match Texts::deserialize(deserializer)? {
        Texts::One(text) => vec![text],
        Texts::More(texts) => texts,
    })
}
