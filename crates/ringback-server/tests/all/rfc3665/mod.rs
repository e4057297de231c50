//! The flows of RFC 3665 in which there is a server, against servers that run: what Alice and Bob send is what is printed
//! there, and what the servers send is compared with what is printed.

mod compare;
mod end;
mod names;
mod registration;
mod stage;

use compare::Rows;
use ringback_sansio::Protocol;
use ringback_server::{MediaConfig, MediaMode, RouteConfig};
use stage::{Host, Stage, host};

fn proxy_1() -> Host {
    host("proxy1", &["ss1.atlanta.example.com", "atlanta.example.com"], "alice")
}

fn proxy_2() -> Host {
    host("proxy2", &["ss2.biloxi.example.com", "biloxi.example.com"], "bob")
}

/// A Proxy 2 that asks Alice for a password as well. Ours asks its own users alone, so she is one of them.
fn proxy_2_that_asks_alice() -> Host {
    let mut host = proxy_2();
    host.config.domains.push("atlanta.example.com".into());
    host.config.users.insert("alice".into(), "a".into());
    host
}

fn set(rows: &mut Rows, field: &str, values: &[&str]) {
    rows.insert(field.to_owned(), values.iter().map(|value| (*value).to_owned()).collect());
}

fn as_printed(_: &str, _: &mut Rows) {}

#[test]
fn rfc_3665_3_2_a_call_through_two_proxies() {
    Stage::new("3-2-call-two-proxies", Protocol::Tcp, vec![proxy_1(), proxy_2()])
        .registered("proxy2", "biloxi")
        .play(as_printed);
}

#[test]
fn rfc_3665_3_3_two_proxies_ask_for_a_password() {
    Stage::new("3-3-call-multi-proxy-auth", Protocol::Udp, vec![proxy_1(), proxy_2_that_asks_alice()])
        .registered("proxy2", "biloxi")
        .play(|name, printed| match name {
            // Two slips of the RFC: the ACK of Proxy 1 bears the Via of Alice, and another one a Contact on the way.
            "f08-ack-proxy1-proxy2.sip" => set(printed, "Via", &["UDP ss1.atlanta.example.com"]),
            "f20-ack-proxy1-proxy2.sip" | "f21-ack-proxy2-bob.sip" => drop(printed.remove("Contact")),
            _ => {}
        });
}

#[test]
fn rfc_3665_3_4_a_second_proxy_where_the_first_is_down() {
    Stage::new("3-4-call-proxy-failure", Protocol::Udp, vec![proxy_2_that_asks_alice()])
        .registered("proxy2", "biloxi")
        .play(as_printed);
}

#[test]
fn rfc_3665_3_5_a_call_through_an_alg() {
    let mut alg = host("sipalg", &["alg1.atlanta.example.com"], "nobody");
    alg.config.domains.push("atlanta.example.com".into());
    alg.config.no_auth = true;
    alg.config.media = MediaConfig { mode: MediaMode::Relay, ports: [0, 0], ..MediaConfig::default() };
    Stage::new("3-5-call-through-alg", Protocol::Udp, vec![alg, proxy_2_that_asks_alice()])
        .registered("proxy2", "biloxi")
        .challenged("proxy2")
        .play(|name, printed| {
            // Our Proxy 2 stays on the way.
            if let Some(hops) = printed.get_mut("Record-Route")
                && name != "f02-invite-sipalg-proxy2.sip"
            {
                hops.insert(0, "ss2.biloxi.example.com;lr".into());
            }
            if let "f13-ack-sipalg-bob.sip" | "f15-bye-sipalg-bob.sip" = name {
                printed.get_mut("Via").unwrap().insert(0, "UDP ss2.biloxi.example.com".into());
                set(printed, "Max-Forwards", &["68"]);
            }
        });
}

#[test]
fn rfc_3665_3_6_a_redirection_and_an_offer_in_the_200() {
    let mut redirect = host("redirectserver", &["ss2.biloxi.example.com", "biloxi.example.com"], "bob");
    redirect.config.routes = vec![RouteConfig {
        domain: vec!["biloxi.example.com".into()],
        source: vec!["127.0.0.0/8".parse().unwrap()],
        redirect: vec!["sip:bob@chicago.example.com;transport=tcp".into()],
        ..RouteConfig::default()
    }];
    let proxy_3 = host("proxy3", &["ss3.chicago.example.com", "chicago.example.com"], "bob");
    Stage::new("3-6-call-redirect-sdp-in-ack", Protocol::Tcp, vec![redirect, proxy_3])
        .registered("proxy3", "chicago")
        .play(|name, printed| {
            // A slip of the RFC: a name in Via without `received`.
            if let "f14-bye-proxy3-alice.sip" | "f16-200-proxy3-bob.sip" = name {
                let via = printed.get_mut("Via").unwrap().last_mut().unwrap();
                *via = format!("{} received", via.trim_end_matches(" received"));
            }
        });
}

#[test]
fn rfc_3665_3_7_a_re_invite_from_another_address() {
    Stage::new("3-7-call-reinvite-new-address", Protocol::Udp, vec![proxy_2()])
        .registered("proxy2", "biloxi")
        .play(|name, printed| {
            let start = printed["start"][0].clone();
            let through = |printed: &mut Rows| {
                printed.get_mut("Via").unwrap().insert(0, "UDP ss2.biloxi.example.com".into());
                printed.get_mut("Via").unwrap()[1].push_str(" received");
                set(printed, "Max-Forwards", &["69"]);
            };
            // The proxy of the RFC goes out of the way after the 200; ours stays, so that it knows when the call ends.
            match name {
                "f02-invite-proxy2-bob.sip" | "f05-180-proxy2-alice.sip" | "f07-200-proxy2-alice.sip" => {
                    set(printed, "Record-Route", &["ss2.biloxi.example.com;lr"]);
                }
                name if name > "f08" && !start.starts_with("200") => through(printed),
                _ => {}
            }
        });
}

#[test]
fn rfc_3665_3_8_a_call_that_is_not_answered_and_taken_back() {
    Stage::new("3-8-no-answer-cancel", Protocol::Udp, vec![proxy_1(), proxy_2()])
        .registered("proxy2", "biloxi")
        .challenged("proxy1")
        .play(|name, printed| match name {
            // Three slips of the RFC: the CANCEL bears Alice's own URI, the ACK of Proxy 1 the Via of Proxy 2, and Content-Length
            // got lost on the way.
            "f19-487-proxy1-alice.sip" => set(printed, "Content-Length", &["0"]),
            "f11-cancel-proxy1-proxy2.sip" => set(printed, "start", &["CANCEL sip:bob@biloxi.example.com"]),
            // RFC 3261 §9.2: the tag is that of the responses to the INVITE, where they had one.
            "f10-200-proxy1-alice.sip" | "f12-200-proxy2-proxy1.sip" => {
                set(printed, "To", &["Bob <sip:bob@biloxi.example.com>;tag=314159"]);
            }
            "f18-ack-proxy1-proxy2.sip" => set(printed, "Via", &["UDP ss1.atlanta.example.com"]),
            _ => {}
        });
}

#[test]
fn rfc_3665_3_9_a_call_to_somebody_who_is_busy() {
    Stage::new("3-9-busy", Protocol::Tcp, vec![proxy_1(), proxy_2()])
        .registered("proxy2", "biloxi")
        .challenged("proxy1")
        .play(as_printed);
}

#[test]
fn rfc_3665_3_10_a_call_to_somebody_who_does_not_respond() {
    let besides = Stage::new("3-10-no-response", Protocol::Udp, vec![proxy_1(), proxy_2()])
        .registered("proxy2", "biloxi")
        .challenged("proxy1")
        // RFC 3261 §16.8 has 408 for that.
        .instead("480 No Response", "408 Request Timeout")
        .play(as_printed);
    // F6 to F11.
    assert_eq!(besides.iter().filter(|kind| *kind == "INVITE 1").count(), 6);
}

#[test]
fn rfc_3665_3_11_a_call_to_somebody_who_is_away() {
    Stage::new("3-11-temporarily-unavailable", Protocol::Udp, vec![proxy_1(), proxy_2()])
        .registered("proxy2", "biloxi")
        .challenged("proxy1")
        .play(as_printed);
}
