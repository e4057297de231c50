//! The server asked over HTTP, each path as the document that it serves describes it.

use crate::support::{PATIENCE, Phone, Scratch, call, config, start};
use ringback_message::{Method, StatusCode};
use ringback_server::{AdminConfig, RouteConfig, Server, ServerConfig, Storage};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

/// A server that is asked over HTTP, and its token.
struct Asked {
    server: Server,
    token: String,
    _scratch: Scratch,
}

struct Reply {
    status: u16,
    kind: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Asked {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let route = RouteConfig { user: Some("^9".into()), reject: Some(403), ..RouteConfig::default() };
        let mut config = ServerConfig {
            storage: Storage::Directory(scratch.path().into()),
            admin: AdminConfig { listen: Some("127.0.0.1:0".parse().unwrap()), ..AdminConfig::default() },
            routes: vec![route],
            ..config()
        };
        let again = config.clone();
        config.reread = Some(Arc::new(move || Ok(ServerConfig { no_auth: false, ..again.clone() })));
        let server = start(config);
        let file = scratch.path().join("admin-token");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let token = std::fs::read_to_string(file).unwrap();
        assert_eq!(token.len(), 64);
        Self { server, token, _scratch: scratch }
    }

    fn ask_with(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Reply {
        let mut stream = TcpStream::connect(self.server.http().unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let shown = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{shown}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
        let field =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        Reply {
            status: head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default(),
            kind: field("content-type:").to_owned(),
            body: body.to_owned(),
        }
    }

    fn ask(&self, method: &str, path: &str) -> Reply {
        self.ask_with(method, path, Some(&self.token), "")
    }
}

/// Says where a value is not as its schema has it: the types, properties and items that the document uses.
fn differs(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let named = document.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("no {name}"));
        return differs(document, named, value);
    }
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("the test knows no {other}"),
    };
    let fits = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        other => panic!("no type: {other}"),
    };
    if !fits {
        return Some(format!("{value} is no {}", schema["type"]));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            return Some(format!("{value} has no {name}"));
        }
    }
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut inside = properties
        .filter_map(|(name, schema)| value.get(name).and_then(|value| differs(document, schema, value)));
    let mut items = value.as_array().into_iter().flatten();
    inside.next().or_else(|| items.find_map(|item| differs(document, &schema["items"], item)))
}

#[test]
fn every_path_of_the_document_answers_as_it_is_described() {
    let asked = Asked::new("http-document");
    let (mut alice, mut bob) =
        (Phone::udp(&asked.server, "alice", "a"), Phone::udp(&asked.server, "bob", "b"));
    assert_eq!(bob.register(600).status(), StatusCode::OK);
    call(&mut alice, &mut bob);
    let document = asked.ask_with("GET", "/openapi.json", None, "").json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut seen = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_ascii_uppercase();
            let mut target = path.clone();
            for parameter in operation["parameters"].as_array().unwrap() {
                let (name, example) =
                    (parameter["name"].as_str().unwrap(), parameter["example"].as_str().unwrap());
                match parameter["in"].as_str().unwrap() {
                    "path" => target = target.replace(&format!("{{{name}}}"), example),
                    _ => {
                        target += &format!("{}{name}={example}", if target.contains('?') { "&" } else { "?" })
                    }
                }
            }
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let body = schema["$ref"]
                .as_str()
                .map(|name| document.pointer(name.trim_start_matches('#')).unwrap()["example"].to_string());
            let needs_token = operation["responses"].get("401").is_some();
            let is_always = operation["security"][0].get("token").is_some();
            for token in [Some(asked.token.as_str()), None] {
                let reply = asked.ask_with(&method, &target, token, body.as_deref().unwrap_or_default());
                let what = format!("{method} {target}: {} {}", reply.status, reply.body);
                assert_eq!(reply.status == 401, needs_token && is_always && token.is_none(), "{what}");
                let described = &operation["responses"][reply.status.to_string()];
                let (kind, schema) = described["content"]
                    .as_object()
                    .unwrap_or_else(|| panic!("{what}"))
                    .iter()
                    .next()
                    .unwrap();
                assert!(reply.kind.starts_with(kind.as_str()), "{what}: {}", reply.kind);
                if kind == "application/json" {
                    assert_eq!(differs(&document, &schema["schema"], &reply.json()), None, "{what}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 30, "{seen}");
    for (method, path, status) in
        [("GET", "/", 404), ("GET", "/v1/bans/", 404), ("PUT", "/v1/bans", 405), ("POST", "/v1/explain", 400)]
    {
        assert_eq!(asked.ask(method, path).status, status, "{method} {path}");
    }
    let wrong = format!("{}0", &asked.token[1..]);
    assert_eq!(asked.ask_with("GET", "/v1/stats", Some(&wrong), "").status, 401);
}

#[test]
fn registrations_are_listed_page_by_page_and_removed_for_good() {
    let asked = Asked::new("http-registrations");
    for (name, word) in [("alice", "a"), ("bob", "b")] {
        assert_eq!(Phone::udp(&asked.server, name, word).register(600).status(), StatusCode::OK);
    }
    let first = asked.ask("GET", "/v1/registrations?limit=1").json();
    assert_eq!(first["registrations"][0]["aor"], "sip:alice@example.com");
    assert_eq!(first["next"], "sip:alice@example.com");
    let rest = asked.ask("GET", "/v1/registrations?limit=1&after=sip:alice%40example.com").json();
    assert_eq!(rest["registrations"][0]["aor"], "sip:bob@example.com");
    assert_eq!((rest["registrations"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    let contact = &rest["registrations"][0]["contacts"][0];
    assert!(contact["uri"].as_str().unwrap().starts_with("sip:bob@127.0.0.1:"), "{contact}");
    assert!((590..=600).contains(&contact["expires"].as_u64().unwrap()), "{contact}");
    assert_eq!(asked.ask("GET", "/v1/registrations?limit=0").status, 400);

    assert_eq!(asked.ask("DELETE", "/v1/registrations/sip%3Abob%40example.com").json()["removed"], 1);
    assert_eq!(asked.ask("DELETE", "/v1/registrations/sip:bob@example.com").status, 404);
    let left = asked.ask("GET", "/v1/registrations?aor=sip:bob@example.com").json();
    assert_eq!(left["registrations"].as_array().unwrap().len(), 0);
    // The disk has forgotten it as well.
    let Asked { server, _scratch: scratch, .. } = asked;
    drop(server);
    let mut again = config();
    again.storage = Storage::Directory(scratch.path().into());
    assert_eq!(start(again).stats().bindings, 1);
}

#[test]
fn metrics_count_by_method_class_and_reason() {
    let asked = Asked::new("http-metrics");
    let (mut alice, mut bob) =
        (Phone::udp(&asked.server, "alice", "a"), Phone::udp(&asked.server, "bob", "b"));
    assert_eq!(bob.register(600).status(), StatusCode::OK);
    assert_eq!(Phone::udp(&asked.server, "alice", "x").register(600).status(), StatusCode::FORBIDDEN);
    call(&mut alice, &mut bob);
    let metrics = asked.ask_with("GET", "/metrics", None, "");
    assert!(metrics.kind.starts_with("text/plain; version=0.0.4"), "{}", metrics.kind);
    for line in [
        "sip_requests_received_total{method=\"INVITE\"} 2",
        "sip_requests_received_total{method=\"REGISTER\"} 4",
        "sip_requests_sent_total{method=\"BYE\"} 1",
        "sip_responses_sent_total{class=\"4xx\"} 4",
        "sip_authentications_total{outcome=\"accepted\"} 2",
        "sip_authentications_total{outcome=\"refused\"} 1",
        "sip_bindings 1",
        "sip_banned_sources 0",
        "sip_dropped_total{reason=\"datagrams_by_kernel\"} 0",
    ] {
        assert!(metrics.body.lines().any(|own| own == line), "{line}:\n{}", metrics.body);
    }
    for line in metrics.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok() && !name.is_empty(), "{line}");
        let family = name.split('{').next().unwrap();
        assert!(metrics.body.contains(&format!("# TYPE {family} ")) || family.contains("_seconds"), "{line}");
    }
}

#[test]
fn what_is_new_is_refused_while_it_is_drained_and_calls_go_on() {
    let asked = Asked::new("http-drain");
    let (mut alice, mut bob) =
        (Phone::udp(&asked.server, "alice", "a"), Phone::udp(&asked.server, "bob", "b"));
    assert_eq!(bob.register(600).status(), StatusCode::OK);
    let invite = alice.invite("sip:bob@example.com");
    let (ok, invite) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let invite = bob.requested(&Method::INVITE);
            bob.reply(&invite, StatusCode::OK);
        });
        alice.transact(invite)
    });
    let ack = alice.in_dialog(Method::ACK, &invite, &ok).build().unwrap();
    alice.send(&ack);
    assert_eq!(asked.ask_with("GET", "/readyz", None, "").status, 200);
    assert_eq!(asked.ask("POST", "/v1/drain").json()["draining"], true);
    assert_eq!(asked.ask_with("GET", "/readyz", None, "").status, 503);
    assert_eq!(asked.ask_with("GET", "/healthz", None, "").status, 200);
    for method in [Method::OPTIONS, Method::REGISTER, Method::INVITE] {
        let request = alice.request(method, "sip:example.com", "sip:alice@example.com");
        assert_eq!(alice.transact(request).0.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let bye = alice.in_dialog(Method::BYE, &invite, &ok);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let bye = bob.requested(&Method::BYE);
            bob.reply(&bye, StatusCode::OK);
        });
        assert_eq!(alice.transact(bye).0.status(), StatusCode::OK);
    });
    assert_eq!(asked.ask("DELETE", "/v1/drain").json()["draining"], false);
    assert_eq!(alice.register(600).status(), StatusCode::OK);
}

#[test]
fn only_this_machine_is_listened_to_unless_told_otherwise() {
    let scratch = Scratch::new("http-remote");
    let start = |admin: AdminConfig| Server::start(ServerConfig { admin, ..config() });
    let everywhere = AdminConfig { listen: Some("0.0.0.0:0".parse().unwrap()), ..AdminConfig::default() };
    let refused = start(everywhere.clone()).unwrap_err().to_string();
    assert!(refused.contains("not of this machine alone"), "{refused}");
    let refused = start(AdminConfig { allow_remote: true, ..everywhere.clone() }).unwrap_err().to_string();
    assert!(refused.contains("needs admin.token_file"), "{refused}");
    let file = scratch.path().join("token");
    std::fs::write(&file, "short\n").unwrap();
    let admin = AdminConfig { allow_remote: true, token_file: Some(file.clone()), ..everywhere };
    let refused = start(admin.clone()).unwrap_err().to_string();
    assert!(refused.contains("holds no token"), "{refused}");
    std::fs::write(&file, "a-token-of-our-own\n").unwrap();
    let server = start(admin).unwrap();
    let asked = Asked { server, token: "a-token-of-our-own".into(), _scratch: scratch };
    // Others on the network are told nothing without it.
    assert_eq!(asked.ask_with("GET", "/metrics", None, "").status, 401);
    assert_eq!(asked.ask("GET", "/metrics").status, 200);
}
