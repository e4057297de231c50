//! The table of what can be asked, as OpenAPI 3.1.

use super::api::{ENDPOINTS, Endpoint, For};
use serde_json::{Map, Value, json};

/// The document.
pub(super) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in ENDPOINTS {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(endpoint.method.to_ascii_lowercase(), operation(endpoint));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ringback admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Asks a running server and tells it what to do. The token is in the file that admin.token_file \
                            names, or in admin-token in the data directory.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    if let Some((_, name)) = endpoint.path.split_once('{') {
        let name = name.trim_end_matches('}');
        parameters.push(json!({
            "name": name, "in": "path", "required": true, "schema": { "type": "string" }, "example": endpoint.example,
        }));
    }
    for (name, description, example) in endpoint.query {
        parameters.push(json!({
            "name": name, "in": "query", "description": description, "schema": { "type": "string" }, "example": example,
        }));
    }
    let mut responses: Map<String, Value> = Map::new();
    for (status, description, body) in endpoint.answers {
        responses.insert(status.to_string(), json!({ "description": description, "content": content(body) }));
    }
    if endpoint.may != For::All {
        let description = "the token was not shown";
        responses.insert("401".into(), json!({ "description": description, "content": content("Error") }));
    }
    let mut operation =
        json!({ "summary": endpoint.summary, "parameters": parameters, "responses": responses });
    if let Some(schema) = endpoint.takes {
        operation["requestBody"] = json!({ "required": true, "content": content(schema) });
    }
    operation["security"] = match endpoint.may {
        For::All => json!([]),
        // Without a token as well, on this machine.
        For::Here => json!([{}, { "token": [] }]),
        For::Holders => json!([{ "token": [] }]),
    };
    operation
}

/// A media type, or the name of a schema.
fn content(body: &str) -> Value {
    match body.contains('/') {
        true => json!({ body: { "schema": { "type": "string" } } }),
        false => {
            json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{body}") } } })
        }
    }
}

fn object(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

fn schemas() -> Value {
    let (text, number, yes) =
        (json!({ "type": "string" }), json!({ "type": "integer" }), json!({ "type": "boolean" }));
    let (texts, numbers) = (list(text.clone()), list(number.clone()));
    let counts = json!({ "type": "object", "additionalProperties": { "type": "integer" } });
    let maybe = json!({ "type": ["string", "null"] });
    let gateway = object(json!({
        "group": text, "uri": text, "up": yes, "registered": { "type": ["boolean", "null"] }, "calls": number, "begun": number,
        "answered": number, "failed": number, "full": number,
    }));
    let leg = object(json!({
        "packets": number, "lost": number, "jitter_ms": { "type": "number" }, "mos": { "type": ["number", "null"] }, "silent": yes,
    }));
    let contact = object(json!({
        "uri": text, "params": text, "q": { "type": "number" }, "expires": number, "transport": text, "received": text,
        "path": texts, "user_agent": maybe,
    }));
    let mut inquiry = object(json!({
        "from": text, "to": text, "method": text, "source": text,
        "headers": { "type": "object", "additionalProperties": { "type": "string" } },
    }));
    inquiry["required"] = json!(["from", "to"]);
    inquiry["example"] =
        json!({ "from": "sip:alice@example.com", "to": "sip:100@example.com", "source": "192.0.2.1" });
    json!({
        "Error": object(json!({ "error": text })),
        "Document": object(json!({ "openapi": text, "info": { "type": "object" }, "paths": { "type": "object" } })),
        "Stats": object(json!({
            "requests_received": number, "responses_received": number, "malformed": number, "requests_sent": number,
            "responses_sent": numbers, "failed_sends": number, "transactions": number, "contexts": number,
            "bindings": number, "connections": number, "calls": number, "bans": number, "dropped": counts,
            "refused_share": { "type": "number" }, "media_streams": number, "media_packets": number, "media_converted": number,
            "gateways": list(gateway),
        })),
        "Registrations": object(json!({
            "registrations": list(object(json!({ "aor": text, "contacts": list(contact) }))), "next": maybe,
        })),
        "Calls": object(json!({
            "calls": list(object(json!({
                "call_id": text, "from": text, "to": text, "seconds": number,
                "media": { "anyOf": [object(json!({ "caller": leg, "callee": leg })), { "type": "null" }] },
            }))),
        })),
        "Removed": object(json!({ "removed": number })),
        "Users": object(json!({ "users": list(object(json!({ "name": text, "from": text }))) })),
        "Routes": object(json!({ "routes": list(json!({ "type": "object" })) })),
        "Inquiry": inquiry,
        "Explained": object(json!({
            "asked": list(object(json!({ "route": text, "taken": yes, "why": maybe }))), "outcome": text,
        })),
        "Bans": object(json!({
            "bans": list(object(json!({ "source": text, "seconds": number, "times": number }))),
        })),
        "Pardoned": object(json!({ "pardoned": text })),
        "Reloaded": object(json!({ "changed": texts, "needs_restart": texts })),
        "Draining": object(json!({ "draining": yes })),
    })
}
