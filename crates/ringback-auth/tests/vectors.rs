//! Known answers: RFC 2617, RFC 7616 with its erratum, and computed ones for SIP.

use ringback_auth::{Algorithm, DigestCredentials, Ha1, Qop};
use serde_json::Value;

fn credentials(vector: &Value) -> DigestCredentials {
    let text = |name: &str| vector[name].as_str().map(str::to_owned);
    let qop = text("qop").map(|token| {
        let count = u32::from_str_radix(&text("nc").unwrap(), 16).unwrap();
        (Qop::from_token(&token).unwrap(), count)
    });
    DigestCredentials {
        username: text("username").unwrap(),
        realm: text("realm").unwrap(),
        nonce: text("nonce").unwrap(),
        uri: text("uri").unwrap(),
        response: text("response").unwrap(),
        algorithm: Algorithm::from_token(&text("algorithm").unwrap()).unwrap(),
        cnonce: text("cnonce"),
        opaque: text("opaque"),
        qop,
    }
}

#[test]
fn every_known_answer_is_proved_and_the_wrong_ones_are_not() {
    let file: Value = serde_json::from_str(include_str!("fixtures/digest.json")).unwrap();
    let (mut right, mut wrong) = (0, 0);
    for vector in file["vectors"].as_array().unwrap() {
        let credentials = credentials(vector);
        let password = vector["password"].as_str().unwrap();
        let ha1 = Ha1::new(&credentials.username, &credentials.realm, password, credentials.algorithm);
        let method = vector["method"].as_str().unwrap();
        let body = vector["body"].as_str().unwrap_or("").as_bytes();
        let proved = credentials.proves(&ha1, method, body);
        if vector["expect"] == "computed" {
            assert!(proved, "{}", vector["id"]);
            assert!(!credentials.proves(&ha1, "BYE", body), "{}: the method counts", vector["id"]);
            if credentials.qop.is_some_and(|(qop, _)| qop == Qop::AuthInt) {
                assert!(!credentials.proves(&ha1, method, b"other"), "{}: the body counts", vector["id"]);
            }
            right += 1;
        } else {
            assert!(!proved, "{}", vector["id"]);
            wrong += 1;
        }
    }
    assert_eq!((right, wrong), (20, 2));
}
