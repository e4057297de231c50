//! What can be asked over HTTP: one table for those who ask, and for the document that tells of it.

use super::{listings, openapi, prometheus};
use crate::admin::Asked;
use crate::inquiry::Inquiry;
use ringback_message::unescape;
use serde::Serialize;
use serde_json::json;
use std::net::IpAddr;
use std::time::Instant;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Everybody who can connect.
    All,
    /// Everybody of this machine; others with the token.
    Here,
    /// Those with the token.
    Holders,
}

/// Something that can be asked.
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    /// With one `{name}` at the most, at its end.
    pub(super) path: &'static str,
    pub(super) may: For,
    pub(super) summary: &'static str,
    /// Of the query: name, what it is, an example.
    pub(super) query: &'static [(&'static str, &'static str, &'static str)],
    /// An example of what stands for the `{name}`.
    pub(super) example: &'static str,
    /// The schema of the body, where there is one.
    pub(super) takes: Option<&'static str>,
    /// What it is answered, beside 401: status, what that means, and the schema of the body or its media type.
    pub(super) answers: &'static [(u16, &'static str, &'static str)],
    act: fn(&Asked, &Question<'_>) -> Answer,
}

impl Endpoint {
    pub(super) fn is_open(&self) -> bool {
        self.may == For::All
    }

    pub(super) fn is_open_here(&self) -> bool {
        self.may == For::Here
    }

    pub(super) fn answer(&self, asked: &Asked, question: &Question<'_>) -> Answer {
        (self.act)(asked, question)
    }
}

/// What varies in a question.
pub(super) struct Question<'a> {
    path: String,
    query: &'a str,
    body: &'a [u8],
}

impl<'a> Question<'a> {
    pub(super) fn new(path: Option<&str>, query: &'a str, body: &'a [u8]) -> Self {
        Self { path: text(path.unwrap_or_default()), query, body }
    }

    /// A value of the query.
    pub(super) fn asked(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(own, _)| *own == name).map(|(_, value)| text(value))
    }
}

fn text(escaped: &str) -> String {
    String::from_utf8_lossy(&unescape(escaped)).into_owned()
}

/// What is answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) body: String,
}

impl Answer {
    fn json(value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(body) => Self { status: 200, kind: JSON, body },
            Err(error) => Self::error(500, error.to_string()),
        }
    }

    fn text(status: u16, body: &str) -> Self {
        Self { status, kind: TEXT, body: format!("{body}\n") }
    }

    pub(super) fn error(status: u16, problem: impl Into<String>) -> Self {
        Self { status, kind: JSON, body: json!({ "error": problem.into() }).to_string() }
    }
}

/// Why nothing is answered.
pub(super) enum NotFound {
    Path,
    /// There are only these methods.
    Method(String),
}

/// The endpoint for a request, and what stands for the `{name}` of its path.
pub(super) fn find<'a>(
    method: &str,
    path: &'a str,
) -> Result<(&'static Endpoint, Option<&'a str>), NotFound> {
    let there: Vec<(&Endpoint, Option<&str>)> = ENDPOINTS
        .iter()
        .filter_map(|endpoint| match endpoint.path.split_once('{') {
            None => (endpoint.path == path).then_some((endpoint, None)),
            Some((before, _)) => {
                let rest =
                    path.strip_prefix(before).filter(|rest| !rest.is_empty() && !rest.contains('/'))?;
                Some((endpoint, Some(rest)))
            }
        })
        .collect();
    match there.iter().find(|(endpoint, _)| endpoint.method == method) {
        Some(found) => Ok(*found),
        None if there.is_empty() => Err(NotFound::Path),
        None => {
            let methods: Vec<&str> = there.iter().map(|(endpoint, _)| endpoint.method).collect();
            Err(NotFound::Method(methods.join(", ")))
        }
    }
}

const fn get(
    path: &'static str,
    summary: &'static str,
    act: fn(&Asked, &Question<'_>) -> Answer,
) -> Endpoint {
    Endpoint {
        method: "GET",
        path,
        may: For::Holders,
        summary,
        query: &[],
        example: "",
        takes: None,
        answers: &[],
        act,
    }
}

/// Everything that can be asked.
pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        may: For::All,
        answers: &[(200, "it is alive", "text/plain")],
        ..get("/healthz", "Whether the server is alive", |_, _| Answer::text(200, "alive"))
    },
    Endpoint {
        may: For::All,
        answers: &[(200, "it takes calls", "text/plain"), (503, "it is being drained", "text/plain")],
        ..get("/readyz", "Whether the server takes new calls", |asked, _| match asked.core.is_draining() {
            false => Answer::text(200, "ready"),
            true => Answer::text(503, "draining"),
        })
    },
    Endpoint {
        may: For::Here,
        answers: &[(200, "the metrics in the text format of Prometheus", "text/plain")],
        ..get("/metrics", "Counters, gauges and histograms for Prometheus", |asked, _| Answer {
            status: 200,
            kind: METRICS,
            body: prometheus::text(&asked.stats()),
        })
    },
    Endpoint {
        may: For::All,
        answers: &[(200, "this document", "Document")],
        ..get("/openapi.json", "What can be asked, as OpenAPI 3.1", |_, _| Answer::json(&openapi::document()))
    },
    Endpoint {
        answers: &[(200, "the counters", "Stats")],
        ..get("/v1/stats", "What the server has done, holds and has dropped", |asked, _| {
            Answer::json(&asked.stats())
        })
    },
    Endpoint {
        answers: &[(
            200,
            "the calls, at most 10000; `calls` of the counters says how many there are",
            "Calls",
        )],
        ..get("/v1/calls", "Which calls are up, where records are kept", |asked, _| {
            Answer::json(&json!({ "calls": asked.core.calls(Instant::now(), 10_000) }))
        })
    },
    Endpoint {
        query: &[
            ("aor", "only of this address of record", "sip:alice@example.com"),
            (
                "after",
                "those behind this address of record, in order: `next` of the answer before",
                "sip:a@example.com",
            ),
            ("limit", "at most so many addresses of record, 1 to 10000; else 1000", "10"),
        ],
        answers: &[
            (200, "addresses of record with their bindings, in order", "Registrations"),
            (400, "the query makes no sense", "Error"),
        ],
        ..get("/v1/registrations", "Who is registered, and where", registrations)
    },
    Endpoint {
        method: "DELETE",
        example: "sip:nobody@example.com",
        answers: &[
            (200, "its bindings are gone", "Removed"),
            (404, "it has none", "Error"),
            (503, "the disk does not keep up", "Error"),
        ],
        ..get("/v1/registrations/{aor}", "Removes all bindings of an address of record", remove)
    },
    Endpoint {
        answers: &[(200, "their names, in order", "Users")],
        ..get("/v1/users", "Who can log in", |asked, _| {
            Answer::json(&json!({ "users": asked.core.authority.users.names() }))
        })
    },
    Endpoint {
        answers: &[(200, "the routes in the order in which they are asked", "Routes")],
        ..get("/v1/routes", "Where requests go", |asked, _| {
            Answer::json(&json!({ "routes": asked.reloader.running().routes }))
        })
    },
    Endpoint {
        method: "POST",
        takes: Some("Inquiry"),
        answers: &[
            (200, "each route that was asked, and what becomes of the request", "Explained"),
            (400, "there is no such request", "Error"),
        ],
        ..get(
            "/v1/explain",
            "Tells which route a request would take and why, without sending anything",
            explain,
        )
    },
    Endpoint {
        answers: &[(200, "who is banned", "Bans")],
        ..get("/v1/bans", "Who is not listened to", |asked, _| {
            Answer::json(&json!({ "bans": asked.core.authority.guard.bans(Instant::now()) }))
        })
    },
    Endpoint {
        method: "DELETE",
        example: "203.0.113.66",
        answers: &[
            (200, "the ban is over", "Pardoned"),
            (400, "that is no address", "Error"),
            (404, "it was not banned", "Error"),
        ],
        ..get("/v1/bans/{address}", "Ends the ban of an address", pardon)
    },
    Endpoint {
        method: "POST",
        answers: &[
            (200, "what changed, and what needs a restart", "Reloaded"),
            (422, "it cannot be used; everything stays as it was", "Error"),
        ],
        ..get("/v1/reload", "Reads the configuration again", |asked, _| match asked.reloader.reread() {
            Ok(reloaded) => Answer::json(&reloaded),
            Err(error) => Answer::error(422, error.to_string()),
        })
    },
    Endpoint {
        method: "POST",
        answers: &[(200, "new calls and registrations are refused", "Draining")],
        ..get("/v1/drain", "Refuses new calls and registrations with 503; what is up goes on", |asked, _| {
            drain(asked, true)
        })
    },
    Endpoint {
        method: "DELETE",
        answers: &[(200, "new calls and registrations are taken", "Draining")],
        ..get("/v1/drain", "Takes new calls and registrations again", |asked, _| drain(asked, false))
    },
];

fn registrations(asked: &Asked, question: &Question<'_>) -> Answer {
    let limit = match question.asked("limit").map(|text| text.parse::<usize>()) {
        None => 1_000,
        Some(Ok(limit @ 1..=10_000)) => limit,
        Some(_) => return Answer::error(400, "limit is from 1 to 10000"),
    };
    let now = Instant::now();
    match question.asked("aor") {
        Some(aor) => match listings::one(&asked.core, now, &aor) {
            Some(listed) => Answer::json(&listed),
            None => Answer::error(400, "aor is no SIP URI with a user"),
        },
        None => Answer::json(&listings::all(
            &asked.core,
            now,
            &question.asked("after").unwrap_or_default(),
            limit,
        )),
    }
}

fn remove(asked: &Asked, question: &Question<'_>) -> Answer {
    if asked.core.jobs.as_ref().is_some_and(crate::writer::Jobs::is_full) {
        return Answer::error(503, "the disk does not keep up; try again");
    }
    match listings::remove(&asked.core, Instant::now(), &question.path) {
        0 => Answer::error(404, "nobody is registered under this address of record"),
        removed => Answer::json(&json!({ "removed": removed })),
    }
}

fn explain(asked: &Asked, question: &Question<'_>) -> Answer {
    let inquiry: Inquiry = match serde_json::from_slice(question.body) {
        Ok(inquiry) => inquiry,
        Err(error) => return Answer::error(400, error.to_string()),
    };
    match inquiry.explain(&asked.reloader.running()) {
        Ok(explained) => Answer::json(&listings::explained(&explained)),
        Err(error) => Answer::error(400, error.to_string()),
    }
}

fn pardon(asked: &Asked, question: &Question<'_>) -> Answer {
    let Ok(source) = question.path.parse::<IpAddr>() else {
        return Answer::error(400, format!("`{}` is no address", question.path));
    };
    match asked.core.authority.guard.pardon(Instant::now(), source) {
        true => Answer::json(&json!({ "pardoned": source })),
        false => Answer::error(404, format!("{source} was not banned")),
    }
}

fn drain(asked: &Asked, is_to: bool) -> Answer {
    asked.core.set_draining(is_to);
    Answer::json(&json!({ "draining": is_to }))
}
