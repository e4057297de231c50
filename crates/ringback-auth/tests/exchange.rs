//! Client and server against each other, and what an attacker tries in between.

use proptest::prelude::*;
use ringback_auth::{
    Algorithm, Attempt, AuthError, Authenticator, Credentials, DigestChallenge, DigestClient,
    DigestCredentials, Ha1, Place, Qop, Rejection, Verdict, copy_credentials,
};
use ringback_message::header::{Authorization, ProxyAuthorization, WwwAuthenticate};
use ringback_message::{HeaderId, Method, Request, Response, StatusCode};
use ringback_sansio::SeededEntropy;
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1_700_000_000);

struct Users;

impl Credentials for Users {
    fn ha1(&self, user: &str, realm: &str, algorithm: Algorithm) -> Option<Ha1> {
        (user == "alice").then(|| Ha1::new(user, realm, "secret", algorithm))
    }
}

fn request(method: Method, uri: &str) -> Request {
    Request::builder(method, uri)
        .header(HeaderId::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
        .header(HeaderId::FROM, "<sip:alice@example.com>;tag=1")
        .header(HeaderId::TO, "<sip:alice@example.com>")
        .header(HeaderId::CALL_ID, "x")
        .build()
        .unwrap()
}

fn register() -> Request {
    request(Method::REGISTER, "sip:example.com")
}

fn refusal(status: StatusCode, challenges: &[(HeaderId, &str)]) -> Response {
    let reply = register().reply(status, Some("t"));
    challenges.iter().fold(reply, |reply, (id, value)| reply.header(*id, *value)).build().unwrap()
}

fn credentials(request: &Request) -> Vec<DigestCredentials> {
    let server = request.all::<Authorization>().map(|value| value.unwrap().0);
    let proxy = request.all::<ProxyAuthorization>().map(|value| value.unwrap().0);
    server.chain(proxy).map(|value| DigestCredentials::parse(&value).unwrap()).collect()
}

/// A client that was let in once, its server, and the request that got in.
fn acquainted(server: &mut Authenticator) -> (DigestClient, Request) {
    let mut client = DigestClient::new("alice", "secret");
    let mut request = register();
    let mut entropy = SeededEntropy::new(1);
    let refusal = server.demand(NOW, &request, Place::Server, false, &mut entropy).build().unwrap();
    client.authorize(&mut Attempt::default(), &refusal, &mut request, &mut entropy).unwrap();
    assert!(matches!(accept(server, &request), Verdict::Accepted { .. }));
    (client, request)
}

fn server() -> Authenticator {
    Authenticator::new("example.com", [9; 32])
}

fn accept(server: &mut Authenticator, request: &Request) -> Verdict {
    server.authenticate(NOW, request, Place::Server, &Users)
}

fn alice() -> Verdict {
    Verdict::Accepted { user: "alice".into() }
}

#[test]
fn every_algorithm_and_quality_gets_in() {
    for algorithm in Algorithm::ALL {
        for qop in [&[][..], &[Qop::Auth], &[Qop::AuthInt], &[Qop::AuthInt, Qop::Auth]] {
            let mut server = server();
            server.algorithms(&[algorithm]).qop(qop).opaque("kept \"as\" it is");
            let mut entropy = SeededEntropy::new(1);
            let mut client = DigestClient::new("alice", "secret");
            let mut request = request(Method::MESSAGE, "sip:bob@example.com");
            request.set_body(Some("text/plain"), "hello").unwrap();
            let refusal = server.demand(NOW, &request, Place::Proxy, false, &mut entropy).build().unwrap();
            assert_eq!(refusal.status(), StatusCode::PROXY_AUTHENTICATION_REQUIRED);
            client.authorize(&mut Attempt::default(), &refusal, &mut request, &mut entropy).unwrap();
            assert_eq!(credentials(&request)[0].opaque.as_deref(), Some("kept \"as\" it is"));
            let verdict = server.authenticate(NOW, &request, Place::Proxy, &Users);
            assert_eq!(verdict, alice(), "{algorithm} {qop:?}");
        }
    }
}

#[test]
fn rule_24_count_rises_for_each_use_of_a_nonce() {
    let mut server = server();
    let (mut client, first) = acquainted(&mut server);
    let mut counts = vec![credentials(&first)[0].qop];
    for _ in 0..2 {
        let mut next = register();
        client.preauthorize(&mut next).unwrap();
        assert_eq!(accept(&mut server, &next), alice());
        counts.push(credentials(&next)[0].qop);
    }
    assert_eq!(counts, [Some((Qop::Auth, 1)), Some((Qop::Auth, 2)), Some((Qop::Auth, 3))]);
}

#[test]
fn rule_24_stale_is_retried_once_and_only_once() {
    let mut client = DigestClient::new("alice", "secret");
    let mut entropy = SeededEntropy::new(1);
    let mut attempt = Attempt::default();
    let mut request = register();
    let mut outcomes = Vec::new();
    for (nonce, stale) in [("a", "false"), ("b", "true"), ("c", "true")] {
        let value = format!("Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\", stale={stale}");
        let refusal = refusal(StatusCode::UNAUTHORIZED, &[(HeaderId::WWW_AUTHENTICATE, &value)]);
        outcomes.push(client.authorize(&mut attempt, &refusal, &mut request, &mut entropy));
    }
    assert_eq!(outcomes, [Ok(()), Ok(()), Err(AuthError::Refused)]);
    assert_eq!(credentials(&request).len(), 1, "the older credentials gave way");
    assert_eq!(credentials(&request)[0].nonce, "b");
}

#[test]
fn rule_24_a_refused_password_is_not_tried_again() {
    for next in ["a", "b"] {
        let mut client = DigestClient::new("alice", "wrong");
        let mut entropy = SeededEntropy::new(1);
        let mut attempt = Attempt::default();
        let mut request = register();
        let mut outcomes = Vec::new();
        for nonce in ["a", next] {
            let value = format!("Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\"");
            let refusal = refusal(StatusCode::UNAUTHORIZED, &[(HeaderId::WWW_AUTHENTICATE, &value)]);
            outcomes.push(client.authorize(&mut attempt, &refusal, &mut request, &mut entropy));
        }
        assert_eq!(outcomes, [Ok(()), Err(AuthError::Refused)], "then nonce {next}");
    }
}

#[test]
fn rule_24_two_servers_with_nonces_for_one_use_cannot_keep_it_going() {
    let mut client = DigestClient::new("alice", "secret");
    let mut entropy = SeededEntropy::new(1);
    let mut attempt = Attempt::default();
    let mut request = register();
    let rounds = (0..100).take_while(|round| {
        let realm = if round % 2 == 0 { "a" } else { "b" };
        let value = format!("Digest realm=\"{realm}\", nonce=\"{round}\", qop=\"auth\"");
        let refusal = refusal(StatusCode::UNAUTHORIZED, &[(HeaderId::WWW_AUTHENTICATE, &value)]);
        client.authorize(&mut attempt, &refusal, &mut request, &mut entropy).is_ok()
    });
    assert_eq!(rounds.count(), 4, "each realm once, and once more for its used nonce");
}

#[test]
fn rule_24_all_realms_are_answered_with_the_strongest_algorithm() {
    let refusal = refusal(
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        &[
            (HeaderId::PROXY_AUTHENTICATE, "Digest realm=\"p\", nonce=\"1\", algorithm=AKAv1-MD5"),
            (HeaderId::PROXY_AUTHENTICATE, "Digest realm=\"p\", nonce=\"2\", algorithm=MD5"),
            (HeaderId::PROXY_AUTHENTICATE, "Digest realm=\"p\", nonce=\"3\", algorithm=SHA-256"),
            (HeaderId::PROXY_AUTHENTICATE, "Digest realm=\"p\", nonce=\"4\", algorithm=SHA-512-256"),
            (HeaderId::PROXY_AUTHENTICATE, "Digest realm=\"q\", nonce=\"5\""),
            (HeaderId::PROXY_AUTHENTICATE, "Basic realm=\"q\""),
            (HeaderId::WWW_AUTHENTICATE, "Digest realm=\"p\", nonce=\"6\", algorithm=MD5-sess, qop=\"auth\""),
        ],
    );
    let mut request = register();
    let mut client = DigestClient::default();
    client.password("p", "alice", "secret");
    let ha1 = Ha1::new("bob", "q", "secret", Algorithm::Md5);
    client.hashes("q", "bob", [ha1.clone()]);
    let mut entropy = SeededEntropy::new(1);
    client.authorize(&mut Attempt::default(), &refusal, &mut request, &mut entropy).unwrap();
    let sent = credentials(&request);
    let seen: Vec<_> = sent.iter().map(|c| (c.nonce.as_str(), c.username.as_str())).collect();
    assert_eq!(seen, [("6", "alice"), ("3", "alice"), ("5", "bob")]);
    assert!(sent[2].proves(&ha1, "REGISTER", b""));
    assert_eq!(request.values(HeaderId::PROXY_AUTHORIZATION).count(), 2);
}

#[test]
fn rule_24_credentials_for_a_proxy_stay_on_while_the_server_is_answered() {
    let mut client = DigestClient::new("alice", "secret");
    let mut entropy = SeededEntropy::new(1);
    let mut attempt = Attempt::default();
    let mut request = register();
    request.push(HeaderId::AUTHORIZATION, "Digest realm=\"other\", username=\"application's own\"").unwrap();
    let challenge = "Digest realm=\"p\", nonce=\"1\", qop=\"auth\"";
    let proxy =
        refusal(StatusCode::PROXY_AUTHENTICATION_REQUIRED, &[(HeaderId::PROXY_AUTHENTICATE, challenge)]);
    let server = refusal(StatusCode::UNAUTHORIZED, &[(HeaderId::WWW_AUTHENTICATE, challenge)]);
    client.authorize(&mut attempt, &proxy, &mut request, &mut entropy).unwrap();
    client.authorize(&mut attempt, &server, &mut request, &mut entropy).unwrap();
    let proxy = request.require::<ProxyAuthorization>().unwrap();
    assert_eq!(DigestCredentials::parse(&proxy).unwrap().qop, Some((Qop::Auth, 2)), "its nonce counts on");
    let server: Vec<&[u8]> = request.values(HeaderId::AUTHORIZATION).collect();
    assert!(server.len() == 2 && server[0].ends_with(b"own\""), "what the application put there stays");
}

#[test]
fn rule_24_ack_and_cancel_cannot_be_authorized() {
    let value = "Digest realm=\"r\", nonce=\"a\"";
    let refusal = refusal(StatusCode::UNAUTHORIZED, &[(HeaderId::WWW_AUTHENTICATE, value)]);
    let mut client = DigestClient::new("alice", "secret");
    let mut entropy = SeededEntropy::new(1);
    client.authorize(&mut Attempt::default(), &refusal, &mut register(), &mut entropy).unwrap();
    for method in [Method::ACK, Method::CANCEL] {
        let mut request = request(method, "sip:example.com");
        let outcome = client.authorize(&mut Attempt::default(), &refusal, &mut request, &mut entropy);
        assert_eq!(outcome, Err(AuthError::Method));
        client.preauthorize(&mut request).unwrap();
        assert_eq!(credentials(&request), []);
    }
}

#[test]
fn rule_16_the_ack_to_a_2xx_carries_the_credentials_of_its_invite() {
    let mut server = server();
    let (mut client, _) = acquainted(&mut server);
    let mut invite = request(Method::INVITE, "sip:example.com");
    client.preauthorize(&mut invite).unwrap();
    let mut ack = request(Method::ACK, "sip:bob@192.0.2.4");
    copy_credentials(&invite, &mut ack).unwrap();
    assert_eq!(credentials(&ack), credentials(&invite));
    assert_eq!(credentials(&ack).len(), 1);
}

#[test]
fn credentials_for_a_server_go_neither_to_another_host_nor_to_its_users() {
    let mut server = server();
    let (mut client, _) = acquainted(&mut server);
    for (uri, carried) in [("sip:Example.com", 1), ("sip:bob@example.com", 0), ("sip:example.org", 0)] {
        let mut invite = request(Method::INVITE, uri);
        client.preauthorize(&mut invite).unwrap();
        assert_eq!(credentials(&invite).len(), carried, "{uri}");
    }
    client.forget();
    let mut invite = request(Method::INVITE, "sip:example.com");
    client.preauthorize(&mut invite).unwrap();
    assert_eq!(credentials(&invite), []);
}

#[test]
fn what_cannot_be_answered_is_said_and_leaves_the_request_alone() {
    let mut client = DigestClient::default();
    client.password("r", "alice", "secret");
    let mut entropy = SeededEntropy::new(1);
    for (status, value, error) in [
        (StatusCode::OK, "Digest realm=\"r\", nonce=\"a\"", AuthError::NoChallenge(None)),
        (StatusCode::UNAUTHORIZED, "Digest realm=\"s\", nonce=\"a\"", AuthError::NoCredentials),
    ] {
        let refusal = refusal(status, &[(HeaderId::WWW_AUTHENTICATE, value)]);
        let mut request = register();
        let outcome = client.authorize(&mut Attempt::default(), &refusal, &mut request, &mut entropy);
        assert_eq!(outcome, Err(error));
        assert!(request.render() == register().render());
    }
    let basic = refusal(StatusCode::UNAUTHORIZED, &[(HeaderId::WWW_AUTHENTICATE, "Basic realm=\"r\"")]);
    let outcome = client.authorize(&mut Attempt::default(), &basic, &mut register(), &mut entropy);
    assert!(matches!(outcome, Err(AuthError::NoChallenge(Some(_)))));
}

#[test]
fn fault_13_a_replay_is_refused_and_stale_needs_the_right_password() {
    let mut server = server();
    let (_, request) = acquainted(&mut server);
    assert_eq!(accept(&mut server, &request), Verdict::Stale, "the same nonce and count");
    let later = NOW + Duration::from_secs(301);
    let verdict = server.authenticate(later, &request, Place::Server, &Users);
    assert_eq!(verdict, Verdict::Stale, "after the nonce expired");
    let mut other = Authenticator::new("example.com", [8; 32]);
    assert_eq!(accept(&mut other, &request), Verdict::Stale, "a nonce of another run");

    let mut guess = register();
    let mut entropy = SeededEntropy::new(2);
    let refusal = server.demand(NOW, &guess, Place::Server, false, &mut entropy).build().unwrap();
    let mut guesser = DigestClient::new("alice", "guess");
    guesser.authorize(&mut Attempt::default(), &refusal, &mut guess, &mut entropy).unwrap();
    let verdict = server.authenticate(later, &guess, Place::Server, &Users);
    assert_eq!(verdict, Verdict::Rejected(Rejection::Password), "expired, and wrong");
    assert_eq!(accept(&mut server, &guess), Verdict::Rejected(Rejection::Password));
}

#[test]
fn fault_13_an_answer_without_qop_uses_its_nonce_up() {
    let mut server = server();
    server.qop(&[]);
    let (_, request) = acquainted(&mut server);
    assert_eq!(credentials(&request)[0].qop, None);
    assert_eq!(accept(&mut server, &request), Verdict::Stale);
}

#[test]
fn fault_14_challenges_cost_no_memory_and_used_nonces_are_bounded() {
    let mut server = server();
    server.watched_nonces(2);
    let mut entropy = SeededEntropy::new(1);
    for _ in 0..1_000 {
        assert_eq!(server.challenges(NOW, false, &mut entropy).len(), 2);
    }
    assert!(server.window().is_empty());
    let verdicts: Vec<Verdict> = (0..3)
        .map(|_| {
            let mut request = register();
            let refusal = server.demand(NOW, &request, Place::Server, false, &mut entropy).build().unwrap();
            let mut client = DigestClient::new("alice", "secret");
            client.authorize(&mut Attempt::default(), &refusal, &mut request, &mut entropy).unwrap();
            accept(&mut server, &request)
        })
        .collect();
    assert_eq!(verdicts, [alice(), alice(), Verdict::Stale], "nobody alive is forgotten");
    assert_eq!(server.window().len(), 2);
}

#[test]
fn fault_15_unknown_user_and_wrong_password_look_the_same() {
    let verdicts = ["alice", "nobody"].map(|user| {
        let mut server = server();
        let mut request = register();
        let mut entropy = SeededEntropy::new(1);
        let refusal = server.demand(NOW, &request, Place::Server, false, &mut entropy).build().unwrap();
        let mut client = DigestClient::new(user, "guess");
        client.authorize(&mut Attempt::default(), &refusal, &mut request, &mut entropy).unwrap();
        accept(&mut server, &request)
    });
    assert_eq!(verdicts, [const { Verdict::Rejected(Rejection::Password) }; 2]);
}

#[test]
fn auth_int_holds_the_exact_body() {
    let mut server = server();
    server.qop(&[Qop::AuthInt]);
    let mut entropy = SeededEntropy::new(1);
    let mut message = request(Method::MESSAGE, "sip:bob@example.com");
    message.set_body(Some("text/plain"), "hello").unwrap();
    let refusal = server.demand(NOW, &message, Place::Server, false, &mut entropy).build().unwrap();
    let mut client = DigestClient::new("alice", "secret");
    client.authorize(&mut Attempt::default(), &refusal, &mut message, &mut entropy).unwrap();
    let mut forged = message.clone();
    forged.set_body(Some("text/plain"), "hullo").unwrap();
    assert_eq!(accept(&mut server, &forged), Verdict::Rejected(Rejection::Password));
    assert_eq!(accept(&mut server, &message), alice());
}

#[test]
fn what_was_not_offered_is_not_taken() {
    let mut strict = server();
    let (_, request) = acquainted(&mut strict);
    strict.algorithms(&[Algorithm::Md5]);
    assert_eq!(accept(&mut strict, &request), Verdict::Rejected(Rejection::NotOffered));
    let mut strict = server();
    let (_, request) = acquainted(&mut strict);
    strict.qop(&[Qop::AuthInt]);
    assert_eq!(accept(&mut strict, &request), Verdict::Rejected(Rejection::NotOffered));
    let mut elsewhere = Authenticator::new("example.org", [9; 32]);
    assert_eq!(accept(&mut elsewhere, &request), Verdict::Missing, "those are for another realm");
}

#[test]
fn the_digest_uri_is_compared_only_where_asked() {
    let mut server = server();
    let (mut client, _) = acquainted(&mut server);
    let mut invite = request(Method::INVITE, "sip:example.com:5060;transport=udp");
    client.preauthorize(&mut invite).unwrap();
    let mut retargeted = invite.clone();
    retargeted.set_uri("sip:premium@example.com").unwrap();
    server.require_same_uri(true);
    assert_eq!(accept(&mut server, &retargeted), Verdict::Rejected(Rejection::Uri));
    invite.set_uri("sip:example.com").unwrap();
    assert_eq!(accept(&mut server, &invite), alice(), "port and parameters do not count");
    client.preauthorize(&mut retargeted).unwrap();
    server.require_same_uri(false);
    retargeted.set_uri("sip:carol@example.com").unwrap();
    assert_eq!(accept(&mut server, &retargeted), alice());
}

#[test]
fn credentials_in_other_schemes_and_broken_ones_get_a_challenge() {
    for (value, verdict) in [
        ("NoOneKnowsThisScheme opaque-data=here", Verdict::Missing),
        ("Basic YWxpY2U6c2VjcmV0", Verdict::Missing),
    ] {
        let mut request = register();
        request.push(HeaderId::AUTHORIZATION, value).unwrap();
        assert_eq!(accept(&mut server(), &request), verdict, "{value}");
    }
    let mut request = register();
    request.push(HeaderId::AUTHORIZATION, "Digest username=\"alice").unwrap();
    assert!(matches!(accept(&mut server(), &request), Verdict::Rejected(Rejection::Malformed(_))));
}

#[test]
fn challenges_come_strongest_first() {
    let mut server = server();
    server.algorithms(&[Algorithm::Md5, Algorithm::Sha512_256, Algorithm::Sha256]);
    let refusal =
        server.demand(NOW, &register(), Place::Server, true, &mut SeededEntropy::new(1)).build().unwrap();
    let offered: Vec<_> = refusal
        .all::<WwwAuthenticate>()
        .map(|value| DigestChallenge::parse(&value.unwrap()).unwrap())
        .inspect(|challenge| assert!(challenge.stale))
        .map(|challenge| challenge.algorithm)
        .collect();
    assert_eq!(offered, [Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_credentials_panic_or_get_in(
        value in "(Digest )?(((realm|nonce|uri|username|cnonce|nc|qop|response|algorithm)=(\"[ -~]{0,12}\"|[!-~]{0,9}|\"example\\.com\")),? ?){0,10}",
    ) {
        let mut request = register();
        request.push(HeaderId::AUTHORIZATION, &value).unwrap();
        let mut server = server();
        let verdict = accept(&mut server, &request);
        let turned_away = !matches!(verdict, Verdict::Accepted { .. } | Verdict::Stale);
        prop_assert!(turned_away);
    }

    #[test]
    fn no_challenge_panics_the_client(value in "(Digest )?([a-z]{1,9}=(\"[ -~]{0,12}\"|[!-~]{0,9}),? ?){0,8}") {
        let refusal = refusal(StatusCode::UNAUTHORIZED, &[(HeaderId::WWW_AUTHENTICATE, &value)]);
        let mut client = DigestClient::new("alice", "secret");
        let mut request = register();
        let mut entropy = SeededEntropy::new(1);
        let outcome = client.authorize(&mut Attempt::default(), &refusal, &mut request, &mut entropy);
        prop_assert_eq!(outcome.is_ok(), request.has(HeaderId::AUTHORIZATION));
    }
}
