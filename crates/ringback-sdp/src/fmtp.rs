//! Which `a=fmtp` parameters decide whether two formats can talk to each other.
//!
//! Most parameters only say what a side likes to receive and never stand in the way. A few change the layout of
//! the payload; RFC 3264 §6.1 leaves to each payload format to say which, so they are listed here by format.

/// How two values of one parameter are compared.
enum Compare {
    /// The whole value, this one when it is missing.
    Whole(&'static str),
    /// The first characters, of this one when it is missing.
    Prefix(usize, &'static str),
}

/// The binding parameters of an encoding, with their sources.
fn binding_parameters(encoding: &str) -> &'static [(&'static str, Compare)] {
    use Compare::{Prefix, Whole};
    const TABLE: &[(&str, &[(&str, Compare)])] = &[
        // RFC 4867 §8.3.1
        (
            "AMR",
            &[
                ("octet-align", Whole("0")),
                ("crc", Whole("0")),
                ("robust-sorting", Whole("0")),
                ("interleaving", Whole("")),
            ],
        ),
        (
            "AMR-WB",
            &[
                ("octet-align", Whole("0")),
                ("crc", Whole("0")),
                ("robust-sorting", Whole("0")),
                ("interleaving", Whole("")),
            ],
        ),
        // RFC 5577 §5: each bit rate is a format of its own.
        ("G7221", &[("bitrate", Whole(""))]),
        // RFC 6184 §8.2.2: the profile must be the same, the level need not.
        ("H264", &[("packetization-mode", Whole("0")), ("profile-level-id", Prefix(2, "42"))]),
        // RFC 9628 §6.1
        ("VP9", &[("profile-id", Whole("0"))]),
    ];
    TABLE
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(encoding))
        .map_or(&[], |(_, parameters)| parameters)
}

/// Whether formats of this encoding with these parameters understand each other.
pub(crate) fn compatible(encoding: &str, ours: &str, theirs: &str) -> bool {
    binding_parameters(encoding).iter().all(|(name, compare)| {
        let (Compare::Whole(default) | Compare::Prefix(_, default)) = compare;
        let (ours, theirs) = (value(ours, name).unwrap_or(default), value(theirs, name).unwrap_or(default));
        match compare {
            Compare::Whole(_) => ours.eq_ignore_ascii_case(theirs),
            Compare::Prefix(length, _) => match (ours.get(..*length), theirs.get(..*length)) {
                (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
                _ => false,
            },
        }
    })
}

/// The value of one parameter in `name=value;name=value`.
pub(crate) fn value<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rule 50: fmtp is compared per codec.
    #[test]
    fn rule_50_only_parameters_that_change_the_payload_bind() {
        #[rustfmt::skip]
        let table = [
            ("PCMU", "", "x=1", true),
            ("opus", "useinbandfec=1", "stereo=1;maxaveragebitrate=20000", true),
            ("telephone-event", "0-15", "0-16", true),
            ("G729", "annexb=no", "annexb=yes", true),
            ("amr-wb", "octet-align=1", "mode-change-capability=2; octet-align=1", true),
            ("AMR-WB", "octet-align=1", "", false),
            ("G7221", "bitrate=24000", "bitrate=32000", false),
            ("H264", "profile-level-id=42E01F", "profile-level-id=42e00a;packetization-mode=0", true),
            ("H264", "profile-level-id=42e01f", "profile-level-id=64001f", false),
            ("H264", "packetization-mode=1", "", false),
            ("H264", "profile-level-id=é", "profile-level-id=é", true),
            ("H264", "profile-level-id=1", "profile-level-id=1", false),
        ];
        for (encoding, ours, theirs, expected) in table {
            assert_eq!(compatible(encoding, ours, theirs), expected, "{encoding}: {ours} against {theirs}");
            assert_eq!(compatible(encoding, theirs, ours), expected, "{encoding}: {theirs} against {ours}");
        }
    }
}
