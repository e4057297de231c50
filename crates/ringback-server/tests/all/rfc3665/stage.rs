//! A flow of RFC 3665 on a stage: servers that are real, and Alice and Bob, who send what is printed.

use super::compare::{Places, Rows, differences, kind, rows, values};
use super::end::{End, Inbox, Way, Wire};
use super::names::{Zone, serve};
use crate::support::{config, start};
use ringback_auth::{Attempt, DigestClient, copy_credentials};
use ringback_message::{HeaderId, Message, Method, Request, Response, StatusCode};
use ringback_net::OsEntropy;
use ringback_sansio::Protocol;
use ringback_server::{Server, ServerConfig};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A server of the RFC.
pub(super) struct Host {
    /// What it is called in the names of the files.
    pub(super) called: &'static str,
    /// Its names; the first is what it writes into messages.
    pub(super) names: &'static [&'static str],
    pub(super) config: ServerConfig,
}

struct Running {
    called: &'static str,
    server: Server,
    sent: Inbox<SocketAddr>,
}

/// Where the printed flow and what is right for us part ways, by file.
pub(super) type Tweak = fn(&str, &mut Rows);

pub(super) struct Stage {
    folder: PathBuf,
    protocol: Protocol,
    servers: Vec<Running>,
    alice: End,
    bob: End,
    places: Places,
    /// What servers made up, and what is printed instead: tags.
    made_up: Vec<(String, String)>,
    /// Text of the RFC, and what stands in its place here.
    instead: Vec<(&'static str, &'static str)>,
    /// Requests and responses that each end received, with the way that they came.
    received: HashMap<&'static str, Vec<(Message, Way)>>,
    /// Kinds of what ends sent.
    sent: Vec<String>,
    challenge: Option<Response>,
    digest: DigestClient,
    /// The last INVITE of Alice.
    invite: Option<Request>,
}

/// The server `called`, for these domains and their user.
pub(super) fn host(called: &'static str, names: &'static [&'static str], user: &str) -> Host {
    let domains = names.iter().map(|name| (*name).to_owned()).collect();
    let realm = names.last().map(|name| (*name).to_owned());
    let users = [(user.to_owned(), user[..1].to_owned())].into();
    Host { called, names, config: ServerConfig { domains, realm, users, ..config() } }
}

impl Stage {
    pub(super) fn new(folder: &str, protocol: Protocol, hosts: Vec<Host>) -> Self {
        let zone = Zone::default();
        let name_server = serve(zone.clone());
        let (alice, bob) = (End::new(), End::new());
        let mut places: Places = Vec::new();
        let mut place = |names: &[&'static str], ports: [(Protocol, u16); 2]| {
            for name in names {
                places.extend(ports.iter().map(|(_, port)| (*name, *port)));
                let told = ports.iter().filter(|(spoken, _)| *spoken == protocol);
                zone.lock().unwrap().extend(told.map(|(spoken, port)| (*name, *spoken, *port)));
            }
        };
        let both = |port: &dyn Fn(Protocol) -> u16| [Protocol::Udp, Protocol::Tcp].map(|by| (by, port(by)));
        place(&["client.atlanta.example.com"], both(&|by| alice.port(by)));
        place(&["client.biloxi.example.com", "client.chicago.example.com"], both(&|by| bob.port(by)));
        let servers = hosts.into_iter().map(|host| {
            let (tap, sent) = Wire::new();
            let name_servers = vec![name_server];
            let server = start(ServerConfig { name_servers, tap: Some(tap), ..host.config });
            place(host.names, both(&|by| listener(&server, by).port()));
            Running { called: host.called, server, sent }
        });
        let servers = servers.collect();
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../ringback-proxy/tests/rfc3665").join(folder);
        Self {
            folder,
            protocol,
            servers,
            alice,
            bob,
            places,
            made_up: Vec::new(),
            instead: Vec::new(),
            received: HashMap::new(),
            sent: Vec::new(),
            challenge: None,
            digest: DigestClient::new("alice", "a"),
            invite: None,
        }
    }

    fn server(&self, called: &str) -> &Running {
        self.servers.iter().find(|running| running.called == called).expect("a server of the flow")
    }

    /// A request of our own, before the flow: Bob registers, or Alice asks for a challenge.
    fn prepare(&mut self, end: &str, to: &str, request: &Request) -> Response {
        let address = listener(&self.server(to).server, self.protocol);
        let (protocol, what) = (self.protocol, kind(request));
        let end = if end == "alice" { &mut self.alice } else { &mut self.bob };
        end.send(protocol, address, request);
        let (message, _) =
            end.take(&what, |message| kind(message).ends_with(&what) && message.status().unwrap().is_final());
        Response::try_from(message).unwrap()
    }

    fn request(&self, method: Method, user: &str, host: &str, uri: &str, number: u32) -> Request {
        let (end, name) = if user == "alice" { (&self.alice, "atlanta") } else { (&self.bob, host) };
        let by = self.protocol.as_via();
        let via = format!("SIP/2.0/{by} client.{name}.example.com:{}", end.port(self.protocol));
        Request::builder(method.clone(), uri)
            .header(HeaderId::VIA, format_args!("{via};branch=z9hG4bKbefore{number}"))
            .header(HeaderId::MAX_FORWARDS, 70u8)
            .header(HeaderId::FROM, format_args!("<sip:{user}@{host}.example.com>;tag=before"))
            .header(HeaderId::TO, format_args!("<sip:bob@{host}.example.com>"))
            .header(HeaderId::CALL_ID, format_args!("before-{user}"))
            .header(HeaderId::CSEQ, format_args!("{number} {method}"))
            .build()
            .unwrap()
    }

    /// Bob is registered at that server under `HOST.example.com`, as the flows of chapter 3 presume.
    pub(super) fn registered(mut self, called: &str, host: &str) -> Self {
        let uri = format!("sip:{host}.example.com");
        let mut register = self.request(Method::REGISTER, "bob", host, &uri, 1);
        register.push(HeaderId::CONTACT, format_args!("<sip:bob@client.{host}.example.com>")).unwrap();
        let challenge = self.prepare("bob", called, &register);
        let mut digest = DigestClient::new("bob", "b");
        let mut again = self.request(Method::REGISTER, "bob", host, &uri, 2);
        again.push(HeaderId::CONTACT, format_args!("<sip:bob@client.{host}.example.com>")).unwrap();
        digest.authorize(&mut Attempt::default(), &challenge, &mut again, &mut OsEntropy::new()).unwrap();
        assert_eq!(self.prepare("bob", called, &again).status(), StatusCode::OK);
        self
    }

    /// Alice knows a nonce already: her first INVITE is printed with credentials.
    pub(super) fn challenged(mut self, called: &str) -> Self {
        let options = self.request(Method::OPTIONS, "alice", "atlanta", "sip:bob@biloxi.example.com", 1);
        let challenge = self.prepare("alice", called, &options);
        assert_eq!(challenge.status(), StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        self.challenge = Some(challenge);
        self
    }

    /// Where this is printed, that is right here.
    pub(super) fn instead(mut self, printed: &'static str, ours: &'static str) -> Self {
        self.instead.push((printed, ours));
        self
    }

    /// Plays the flow, file by file. Gives the kinds of what came besides.
    pub(super) fn play(mut self, tweak: Tweak) -> Vec<String> {
        let read = std::fs::read_dir(&self.folder).unwrap();
        let mut names: Vec<String> =
            read.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        for name in &names {
            let mut text = std::fs::read_to_string(self.folder.join(name)).unwrap();
            for (printed, ours) in &self.instead {
                text = text.replace(printed, ours);
            }
            let printed = Message::parse(text.into_bytes()).unwrap();
            let parts: Vec<&str> = name.trim_end_matches(".sip").split('-').collect();
            let (from, to) = (parts[2], parts[3]);
            if let "alice" | "bob" = from {
                self.send(from, to, &printed);
            }
            // What one end sends to the other goes through the servers that are on record.
            if from != "alice" && from != "bob" || to == "alice" || to == "bob" {
                let got = self.take(from, to, &printed, name);
                self.compare(&got, &printed, name, tweak);
            }
        }
        self.nothing_else()
    }

    fn take(&mut self, from: &str, to: &str, printed: &Message, name: &str) -> Message {
        let wanted = kind(printed);
        let what = format!("{name} ({wanted})");
        let got = match to {
            "alice" | "bob" => {
                let (who, end) =
                    if to == "alice" { ("alice", &mut self.alice) } else { ("bob", &mut self.bob) };
                let (message, way) = end.take(&what, |message| kind(message) == wanted);
                self.received.entry(who).or_default().push((message.clone(), way));
                message
            }
            _ => {
                let own = Protocol::Udp;
                let peers = [own, Protocol::Tcp].map(|by| listener(&self.server(to).server, by).port());
                let is_for = |message: &Message| kind(message) == wanted;
                let sender = self.servers.iter_mut().find(|running| running.called == from).unwrap();
                // Responses go back over the connection, whose other end has a port of its own.
                let (message, peer) = sender.sent.take(&what, is_for);
                let is_there = peers.contains(&peer.port()) || message.status().is_some();
                assert!(is_there, "{what} went to {peer}");
                message
            }
        };
        let is_refusal =
            got.status().is_some_and(|status| status == StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        if is_refusal && to == "alice" {
            self.challenge = Some(Response::try_from(got.clone()).unwrap());
        }
        got
    }

    fn compare(&mut self, got: &Message, printed: &Message, name: &str, tweak: Tweak) {
        let is_relayed = self.sent.contains(&kind(printed));
        let mut expected = printed.clone();
        if got.status().is_some() && is_relayed {
            let reason = |message: &Message| Response::try_from(message.clone()).unwrap().reason().to_vec();
            assert_eq!(reason(got), reason(printed), "{name}");
        } else if got.status().is_some() {
            let [made, print] = [got, printed].map(|message| values(message, HeaderId::TO).concat());
            let tag = |to: &str| to.split_once(";tag=").map(|(_, tag)| tag.to_owned());
            if let (Some(made), Some(print)) = (tag(&made), tag(&print))
                && !self.made_up.iter().any(|(_, known)| *known == print)
            {
                self.made_up.push((made, print));
            }
        }
        expected = self.with_made_up(&expected);
        let mut printed = rows(&expected, &self.places);
        tweak(name, &mut printed);
        let wrong = differences(&rows(got, &self.places), &printed);
        assert!(wrong.is_empty(), "{name}:\n{}\n{got:#?}", wrong.join("\n"));
    }

    /// With the tags that our servers made instead of those that are printed.
    fn with_made_up(&self, message: &Message) -> Message {
        let mut text = String::from_utf8(message.render().to_vec()).unwrap();
        for (made, printed) in &self.made_up {
            text = text.replace(&format!(";tag={printed}"), &format!(";tag={made}"));
        }
        Message::parse(text.into_bytes()).unwrap()
    }

    /// Sends what is printed, with what has to be changed.
    fn send(&mut self, from: &str, to: &str, printed: &Message) {
        self.sent.push(kind(printed));
        let message = self.with_made_up(printed);
        let received = self.received.get(from).map_or(&[][..], |received| received);
        let Ok(request) = Request::try_from(message.clone()) else {
            let (response, way) = self.response(received, message);
            let end = if from == "alice" { &self.alice } else { &self.bob };
            return end.answer(&way, &response);
        };
        let request = self.adapted(from, request);
        let first = self.route_of(&request).or_else(|| {
            self.servers.iter().find(|running| running.called == to).map(|running| {
                let by = via_protocol(&request);
                (by, listener(&running.server, by))
            })
        });
        // In 3.4 Proxy 1 is not there, and what goes to it is lost.
        let Some((protocol, address)) = first else { return };
        if from == "alice" && *request.method() == Method::INVITE {
            self.invite = Some(request.clone());
        }
        let end = if from == "alice" { &mut self.alice } else { &mut self.bob };
        end.send(protocol, address, &request);
    }

    /// Where its first Route leads, which a server of ours wrote.
    fn route_of(&self, request: &Request) -> Option<(Protocol, SocketAddr)> {
        let route = values(request, HeaderId::ROUTE).into_iter().next()?;
        let address = route.split("127.0.0.1:").nth(1)?.split([';', '>']).next()?;
        Some((via_protocol(request), format!("127.0.0.1:{address}").parse().unwrap()))
    }

    fn adapted(&mut self, from: &str, request: Request) -> Request {
        // The port of sent-by, for over UDP that is where responses go.
        let (end, port) =
            if from == "alice" { (&self.alice, "client.atlanta") } else { (&self.bob, "client.") };
        assert!(values(&request, HeaderId::VIA)[0].contains(port));
        let via = values(&request, HeaderId::VIA)[0]
            .replace(":5060", &format!(":{}", end.port(via_protocol(&request))));
        let mut request = request;
        request.set(HeaderId::VIA, via).unwrap();
        if values(&request, HeaderId::TO)[0].contains(";tag=")
            && let Some(routes) = self.route_set(from, &request)
        {
            request.remove(HeaderId::ROUTE);
            routes.iter().for_each(|route| request.push(HeaderId::ROUTE, route).unwrap());
        }
        if request.has(HeaderId::PROXY_AUTHORIZATION) {
            request.remove(HeaderId::PROXY_AUTHORIZATION);
            match (&self.challenge, &self.invite) {
                (_, Some(invite)) if *request.method() == Method::ACK => {
                    copy_credentials(invite, &mut request).unwrap();
                }
                (Some(challenge), before) => {
                    if let Some(before) = before {
                        copy_credentials(before, &mut request).unwrap();
                    }
                    let mut attempt = Attempt::default();
                    self.digest
                        .authorize(&mut attempt, challenge, &mut request, &mut OsEntropy::new())
                        .unwrap();
                }
                (None, _) => panic!("no challenge"),
            }
        }
        request
    }

    /// The route set of the dialog at one end; nothing where the request belongs to a transaction that failed.
    fn route_set(&self, from: &str, request: &Request) -> Option<Vec<String>> {
        let received = self.received.get(from)?;
        let is_success = |message: &Message| kind(message).starts_with("200 INVITE");
        let created = received.iter().rev().find(|(message, _)| {
            is_success(message) || message.method().is_some_and(|method| *method == Method::INVITE)
        });
        let (created, _) = created?;
        if *request.method() == Method::ACK && from == "alice" && !is_success(created) {
            return None;
        }
        // The first of the dialog says it, not what came later.
        let (created, _) = received.iter().find(|(message, _)| message.has(HeaderId::RECORD_ROUTE))?;
        let mut routes = values(created, HeaderId::RECORD_ROUTE);
        if created.status().is_some() {
            routes.reverse();
        }
        Some(routes)
    }

    /// A response with the Via and Record-Route of the request that it answers, and the way of it.
    fn response(&self, received: &[(Message, Way)], mut response: Message) -> (Message, Way) {
        let cseq = values(&response, HeaderId::CSEQ);
        let (request, way) = received
            .iter()
            .rev()
            .find(|(request, _)| request.is_request() && values(request, HeaderId::CSEQ) == cseq)
            .expect("a request to answer");
        for id in [HeaderId::VIA, HeaderId::RECORD_ROUTE] {
            // Where none is printed a 180 or 200 of an INVITE has them all the same.
            let makes_dialog = !request.has(HeaderId::ROUTE)
                && cseq[0].ends_with("INVITE")
                && response.status().is_some_and(|status| status.as_u16() < 300);
            if id == HeaderId::VIA || makes_dialog {
                response.remove(id);
                values(request, id).iter().for_each(|value| response.push(id, value).unwrap());
            }
        }
        (response, way.clone())
    }

    /// What came besides is 100 Trying, which a server of ours sends for each INVITE, or comes once more because a
    /// machine under load was slow.
    fn nothing_else(&mut self) -> Vec<String> {
        let rest: Vec<Message> = [&mut self.alice, &mut self.bob].into_iter().flat_map(End::rest).collect();
        for message in &rest {
            let known = self.received.values().flatten().any(|(got, _)| kind(got) == kind(message));
            assert!(known || message.status() == Some(StatusCode::TRYING), "{message:#?}");
        }
        rest.iter().map(kind).collect()
    }
}

fn via_protocol(request: &Request) -> Protocol {
    match values(request, HeaderId::VIA)[0].starts_with("SIP/2.0/TCP") {
        true => Protocol::Tcp,
        false => Protocol::Udp,
    }
}

fn listener(server: &Server, protocol: Protocol) -> SocketAddr {
    server.listeners().iter().find(|listener| listener.protocol == protocol).unwrap().address
}
