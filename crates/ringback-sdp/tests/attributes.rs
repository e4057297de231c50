//! Attributes by their meaning over whole descriptions: what is read is written as it was, and nothing panics.

use proptest::prelude::*;
use ringback_sdp::SessionDescription;
use ringback_sdp::attribute::*;

/// Reads a value as what its name says, and writes it. None when no type here has that name.
fn rewritten(name: &str, value: &str) -> Option<Result<String, AttributeError>> {
    macro_rules! rewrite {
        ($($type:ident),*) => {
            $(if name == $type::NAME {
                return Some($type::parse(value).map(|read| read.to_string()));
            })*
        };
    }
    rewrite!(
        AcceptTypes,
        AcceptWrappedTypes,
        Candidate,
        ConfId,
        ConnectionReuse,
        Content,
        Crypto,
        Extmap,
        FileDate,
        FileDisposition,
        FileIcon,
        FileRange,
        FileSelector,
        FileTransferId,
        Fingerprint,
        FloorControl,
        FloorId,
        Fmtp,
        Group,
        IceOptions,
        IcePwd,
        IceUfrag,
        KeyMgmt,
        Label,
        MaxMessageSize,
        MaxPtime,
        MaxSize,
        Mid,
        Msid,
        Path,
        Ptime,
        Rid,
        Rtcp,
        RtcpFeedback,
        Rtpmap,
        SctpPort,
        Setup,
        Simulcast,
        Ssrc,
        SsrcGroup,
        TlsId,
        UserId
    );
    None
}

const EVERY_KIND: &str = include_str!("../../../fuzz/corpus/sdp/all-attributes");

/// Name and value of each attribute of a description.
fn attributes(text: &str) -> Vec<(String, String)> {
    let description = SessionDescription::parse(text.as_bytes()).unwrap();
    let all = description.media.iter().flat_map(|media| &media.attributes).chain(&description.attributes);
    all.map(|it| (it.name().to_owned(), it.value().unwrap_or_default().to_owned())).collect()
}

#[test]
fn browsers_and_border_elements_are_written_as_they_were_read() {
    for text in [
        include_str!("../../../benches/messages/audio.sdp"),
        include_str!("../../../benches/messages/webrtc.sdp"),
    ] {
        let mut count = 0;
        for (name, value) in attributes(text) {
            if let Some(written) = rewritten(&name, &value) {
                assert_eq!(written, Ok(value), "{name}");
                count += 1;
            }
        }
        assert!(count > 20);
    }
}

#[test]
fn every_kind_of_attribute_is_read() {
    for (name, value) in attributes(EVERY_KIND) {
        if let Some(read) = rewritten(&name, &value) {
            assert!(read.is_ok(), "{name}:{value}: {read:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// However a value is maimed: when it still reads, what is written reads the same.
    #[test]
    fn what_is_written_is_read_again(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[ -~é]?"), 0..4),
    ) {
        let (name, value) = which.get(&attributes(EVERY_KIND)).clone();
        let mut value: Vec<char> = value.chars().collect();
        for (at, text) in edits {
            let at = at.index(value.len() + 1);
            match text.chars().next() {
                Some(letter) => value.insert(at, letter),
                None if at < value.len() => drop(value.remove(at)),
                None => {}
            }
        }
        if let Some(Ok(written)) = rewritten(&name, &value.iter().collect::<String>()) {
            prop_assert_eq!(rewritten(&name, &written), Some(Ok(written)), "{}", name);
        }
    }
}
