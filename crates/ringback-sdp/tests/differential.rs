//! The same descriptions read by another implementation, `sdp-types`: both have to see the same lines.
//!
//! Where a folder of descriptions met in the wild is named (RINGBACK_CONFORMANCE) those are read too. What the other
//! one refuses and we read has to have a reason that [`SessionDescription::deviations`] knows, or one of a short list.

use ringback_sdp::{Attribute, Connection, Media, SessionDescription, Word};
use std::path::{Path, PathBuf};

#[test]
fn both_see_the_same_lines() {
    let mut compared = 0;
    for (path, body) in bodies() {
        let ours = SessionDescription::parse(&body);
        match (&ours, sdp_types::Session::parse(&body)) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(essence(ours), their_essence(&theirs), "{}", path.display());
                compared += 1;
            }
            (Ok(_), Err(error)) => {
                assert!(is_explained(&body), "{}: only we read it: {error}", path.display())
            }
            (Err(error), Ok(_)) => panic!("{}: only we refuse it: {error}", path.display()),
            (Err(_), Err(_)) => {}
        }
    }
    assert!(compared >= 30, "{compared}");
}

/// Why the other implementation may refuse what we read.
fn is_explained(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    !SessionDescription::deviations(body).unwrap().is_empty()
        // It holds versions in 64 bits; the grammar has no such limit (RFC 8866 §9).
        || text.lines().find_map(|line| line.strip_prefix("o=")?.split(' ').nth(2)).is_some_and(|it| it.len() > 19)
}

fn bodies() -> Vec<(PathBuf, Vec<u8>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![
        here.join("tests/fixtures"),
        here.join("../../fuzz/corpus/sdp"),
        here.join("../../benches/messages"),
    ];
    folders.extend(std::env::var_os("RINGBACK_CONFORMANCE").map(|folder| PathBuf::from(folder).join("sdp")));
    let files = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path());
    let is_sdp = |path: &PathBuf| path.extension().is_none_or(|ending| ending == "sdp") && path.is_file();
    // What a fuzzer wrote bears its hash as a name. It is rubbish, on which no two need agree.
    let is_rubbish = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    files
        .filter(|path| is_sdp(path) && !is_rubbish(path))
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

type Line = (String, Vec<String>);

/// Each line as its type and its parts.
fn essence(of: &SessionDescription) -> Vec<Line> {
    let mut lines = vec![
        line(
            "o",
            [
                &of.origin.username,
                &of.origin.session_id,
                &of.origin.session_version,
                &of.origin.network_type,
                &of.origin.address_type,
                &of.origin.address,
            ],
        ),
        line("s", [name(of.session_name.as_str().unwrap_or_default())]),
    ];
    lines.extend(of.connection.iter().map(our_connection));
    lines.extend(of.attributes.iter().map(our_attribute));
    for media in &of.media {
        let Media { kind, port, protocol, formats, .. } = media;
        let formats = formats.iter().map(Word::as_str).collect::<Vec<_>>().join(" ");
        lines.push(line("m", [kind.to_string(), port.to_string(), protocol.to_string(), formats]));
        lines.extend(media.connections.iter().map(our_connection));
        lines.extend(media.attributes.iter().map(our_attribute));
    }
    lines
}

/// No name is written as `-`; the other one keeps it empty.
fn name(text: &str) -> &str {
    if text.trim().is_empty() { "-" } else { text }
}

fn our_connection(it: &Connection) -> Line {
    line("c", [&it.network_type, &it.address_type, &it.address])
}

fn our_attribute(it: &Attribute) -> Line {
    line("a", [it.name(), it.value().unwrap_or_default()])
}

fn their_essence(of: &sdp_types::Session) -> Vec<Line> {
    let origin = &of.origin;
    let username = origin.username.clone().unwrap_or("-".to_owned());
    let mut lines = vec![
        line(
            "o",
            [
                &username,
                &origin.sess_id,
                &origin.sess_version.to_string(),
                &origin.nettype,
                &origin.addrtype,
                &origin.unicast_address,
            ],
        ),
        line("s", [name(&of.session_name)]),
    ];
    let connection =
        |it: &sdp_types::Connection| line("c", [&it.nettype, &it.addrtype, &it.connection_address]);
    let attribute =
        |it: &sdp_types::Attribute| line("a", [&it.attribute, it.value.as_deref().unwrap_or_default()]);
    lines.extend(of.connection.iter().map(connection));
    lines.extend(of.attributes.iter().map(attribute));
    for media in &of.medias {
        lines.push(line("m", [&media.media, &media.port.to_string(), &media.proto, media.fmt.trim()]));
        lines.extend(media.connections.iter().map(connection));
        lines.extend(media.attributes.iter().map(attribute));
    }
    lines
}

fn line(letter: &str, parts: impl IntoIterator<Item = impl ToString>) -> Line {
    (letter.to_owned(), parts.into_iter().map(|part| part.to_string()).collect())
}
