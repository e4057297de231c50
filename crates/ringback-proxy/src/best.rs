//! Choosing the response that goes upstream (RFC 3261 §16.7 steps 6 and 7).

use ringback_message::{HeaderId, Response, StatusCode};

/// Whether `new` is better than `old`. 6xx beats all; else the lower class; in 4xx the ones that a client can
/// repair; of equals the first.
pub(crate) fn is_better(new: StatusCode, old: StatusCode) -> bool {
    rank(new) < rank(old)
}

fn rank(status: StatusCode) -> (u16, u8) {
    let class = if status.class() == 6 { 0 } else { status.class() };
    let within = match status {
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => 0,
        StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::BAD_EXTENSION | StatusCode::ADDRESS_INCOMPLETE => 1,
        // What only says that nobody answered yields to a real answer.
        StatusCode::REQUEST_TIMEOUT | StatusCode::FLOW_FAILED => 3,
        StatusCode::SERVICE_UNAVAILABLE => 3,
        _ => 2,
    };
    (class, within)
}

/// Adds the challenges of other branches to a 401 or 407 (rule 18).
pub(crate) fn aggregate<'a>(best: &mut Response, others: impl Iterator<Item = &'a Response>) {
    if !is_challenge(best.status()) {
        return;
    }
    for other in others.filter(|other| is_challenge(other.status())) {
        for id in [HeaderId::WWW_AUTHENTICATE, HeaderId::PROXY_AUTHENTICATE] {
            for value in other.values(id) {
                if !best.values(id).any(|own| own == value) {
                    // A value that was folded is left out: it cannot be copied as one line.
                    let _ = best.push(id, value);
                }
            }
        }
    }
}

pub(crate) fn is_challenge(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_18_the_table_of_preferences() {
        let code = |code| StatusCode::new(code).unwrap();
        for (better, worse) in [
            (600, 302),
            (603, 401),
            (302, 486),
            (401, 486),
            (407, 404),
            (484, 486),
            (486, 500),
            (486, 408),
            (500, 503),
            (486, 503),
        ] {
            assert!(is_better(code(better), code(worse)), "{better} over {worse}");
            assert!(!is_better(code(worse), code(better)), "{worse} not over {better}");
        }
        assert!(!is_better(code(486), code(486)), "the first of equals stays");
    }
}
