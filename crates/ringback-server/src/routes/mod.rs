//! Routes as data: which requests go where, in the order in which the configuration has them.

mod apply;
mod config;
mod explain;

pub use config::RouteConfig;
pub use explain::{Explained, RouteVerdict, explain};

use crate::config::ConfigError;
use crate::media::MediaWishes;
use ipnet::IpNet;
use regex::{Regex, RegexBuilder};
use ringback_message::header::From;
use ringback_message::{HeaderId, Method, Request, Uri};
use std::net::IpAddr;

/// What compiling an expression may take, in bytes: matching takes time in proportion to it and to the text.
const EXPRESSION: usize = 64 << 10;

/// All routes of a server.
#[derive(Debug, Default)]
pub(crate) struct Routes(Vec<Route>);

/// One route, ready to be asked.
#[derive(Debug)]
pub(crate) struct Route {
    /// What it is called.
    name: String,
    methods: Vec<Method>,
    user: Option<Regex>,
    from: Option<Regex>,
    headers: Vec<(String, Regex)>,
    media: MediaWishes,
    config: RouteConfig,
}

/// The condition of a route that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    Method,
    Domain,
    User,
    From,
    Header(String),
    Source,
}

/// Of a request, what routes look at.
pub(crate) struct Facts<'a> {
    request: &'a Request,
    source: IpAddr,
    /// `tel` for a telephone number.
    domain: String,
    pub(crate) user: String,
    from: String,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(request: &'a Request, source: IpAddr) -> Self {
        let (domain, user) = match request.uri() {
            Ok(Uri::Sip(uri)) => (uri.host().to_string(), uri.user().unwrap_or_default().to_owned()),
            Ok(Uri::Tel(tel)) => ("tel".to_owned(), tel.digits()),
            _ => Default::default(),
        };
        let from = request.first::<From<'_>>().and_then(Result::ok);
        let from = from
            .as_ref()
            .and_then(|from| from.uri.as_sip())
            .map(|uri| format!("{}@{}", uri.user().unwrap_or_default(), uri.host()));
        Self { request, source: source.to_canonical(), domain, user, from: from.unwrap_or_default() }
    }
}

impl Routes {
    pub(crate) fn new(configs: &[RouteConfig]) -> Result<Self, ConfigError> {
        configs
            .iter()
            .zip(1..)
            .map(|(config, number)| Route::new(config, number))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Sees to it that each gateway that a route names is one of these groups.
    pub(crate) fn lead_to(&self, groups: &[&str]) -> Result<(), ConfigError> {
        let lost = self.0.iter().find_map(|route| {
            let group = route.config.gateway.as_deref()?;
            (!groups.contains(&group)).then(|| format!("{}: gateway = '{group}' is no group", route.name))
        });
        lost.map_or(Ok(()), |problem| Err(ConfigError::new(problem)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first route that a request takes.
    pub(crate) fn find(&self, facts: &Facts<'_>) -> Option<&Route> {
        self.0.iter().find(|route| route.mismatch(facts).is_none())
    }
}

impl Route {
    fn new(config: &RouteConfig, number: usize) -> Result<Self, ConfigError> {
        let name =
            if config.name.is_empty() { format!("route {number}") } else { format!("route {}", config.name) };
        config.check(&name)?;
        let expression = |key: &str, text: &str| {
            let built = RegexBuilder::new(text).size_limit(EXPRESSION).build();
            built.map_err(|error| {
                let said = error.to_string();
                let said = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
                ConfigError::new(format!("{name}: {key} = '{text}' is no regular expression: {said}"))
            })
        };
        let optional =
            |key: &str, text: &Option<String>| text.as_ref().map(|text| expression(key, text)).transpose();
        let method = |method: &String| {
            Method::new(method).map_err(|_| ConfigError::new(format!("{name}: `{method}` is no method")))
        };
        let header = |(header, text): (&String, &String)| {
            Ok((header.clone(), expression(&format!("header.{header}"), text)?))
        };
        Ok(Self {
            methods: config.method.iter().map(method).collect::<Result<_, _>>()?,
            user: optional("user", &config.user)?,
            from: optional("from", &config.from)?,
            headers: config.header.iter().map(header).collect::<Result<_, ConfigError>>()?,
            media: config.wishes(&name)?,
            config: config.clone(),
            name,
        })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the network that a request comes from lets it take this route, without a password.
    pub(crate) fn is_by_source(&self) -> bool {
        !self.config.source.is_empty()
    }

    /// The first condition that does not hold.
    fn mismatch(&self, facts: &Facts<'_>) -> Option<Mismatch> {
        let is = |own: &str| own.eq_ignore_ascii_case(&facts.domain);
        if !self.methods.is_empty() && !self.methods.contains(facts.request.method()) {
            return Some(Mismatch::Method);
        }
        if !self.config.domain.is_empty() && !self.config.domain.iter().any(|domain| is(domain)) {
            return Some(Mismatch::Domain);
        }
        if self.user.as_ref().is_some_and(|user| !user.is_match(&facts.user)) {
            return Some(Mismatch::User);
        }
        if self.from.as_ref().is_some_and(|from| !from.is_match(&facts.from)) {
            return Some(Mismatch::From);
        }
        let is_there = |network: &IpNet| network.contains(&facts.source);
        if !self.config.source.is_empty() && !self.config.source.iter().any(is_there) {
            return Some(Mismatch::Source);
        }
        let differs = |(name, value): &&(String, Regex)| {
            !header(facts.request, name).is_some_and(|text| value.is_match(&text))
        };
        self.headers.iter().find(differs).map(|(name, _)| Mismatch::Header(name.clone()))
    }
}

/// The first value of a header field as text.
fn header(request: &Request, name: &str) -> Option<String> {
    let value = match HeaderId::from_name(name.as_bytes()) {
        HeaderId::OTHER => request.other(name),
        id => request.values(id).next(),
    };
    value.map(|value| String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests;
