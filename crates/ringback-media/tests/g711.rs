//! G.711 over all inputs, against tables of the standard.

use ringback_media::Law;
use serde_json::Value;

const LAWS: [(Law, &str); 2] = [(Law::Mu, "ulaw"), (Law::A, "alaw")];

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/g711.json")).expect("the fixture is JSON")
}

#[test]
fn all_octets_decode_as_the_tables_say() {
    let fixture = fixture();
    for (law, name) in LAWS {
        let table = fixture[format!("{name}_decode")].as_array().expect("a table").clone();
        assert_eq!(table.len(), 256);
        for (octet, sample) in (0..=255).zip(&table) {
            assert_eq!(Some(i64::from(law.decode(octet))), sample.as_i64(), "{name} {octet:#x}");
        }
        assert_eq!(Some(u64::from(law.silence())), fixture["silence"][name].as_u64());
    }
}

#[test]
fn what_was_decoded_encodes_to_the_same_octet() {
    for (law, name) in LAWS {
        for octet in 0..=255 {
            // µ-law has two zeros; G.711 sends the positive one.
            let expected = if (law, octet) == (Law::Mu, 0x7f) { 0xff } else { octet };
            assert_eq!(law.encode(law.decode(octet)), expected, "{name} {octet:#x}");
        }
    }
}

/// Output values in order of magnitude, each with its octets for both signs and its lower decision value.
///
/// Tables 1 and 2 of G.711 put every output value into the middle of its interval. The first interval of A-law begins
/// at zero, that of µ-law goes from -1 to 1 of 14 bits. The other decision values therefore follow from the output values: each interval ends as far above its middle
/// as it began below. At a change of segment that is *not* halfway between two output values.
fn intervals(fixture: &Value, name: &str) -> Vec<(i32, [u8; 2], i32)> {
    let table = fixture[format!("{name}_decode")].as_array().expect("a table");
    let output = |octet: u8| table[usize::from(octet)].as_i64().expect("a sample") as i32;
    let mut magnitudes: Vec<u8> = (0x80..=0xff).collect();
    magnitudes.sort_by_key(|octet| output(*octet));
    let mut decision = if name == "ulaw" { -4 } else { 0 };
    magnitudes
        .into_iter()
        .map(|octet| {
            let middle = output(octet);
            let from = decision;
            decision = 2 * middle - from;
            (from, [octet, octet ^ 0x80], middle)
        })
        .collect()
}

#[test]
fn all_65536_samples_fall_into_the_intervals_of_the_standard() {
    let fixture = fixture();
    for (law, name) in LAWS {
        let intervals = intervals(&fixture, name);
        assert_eq!(intervals.len(), 128);
        for sample in i16::MIN..=i16::MAX {
            // The reference code of G.191 takes the one's complement, so that a negative sample on a decision value
            // falls to the smaller magnitude, a positive one to the greater. The standard leaves both open.
            let magnitude = i32::from(if sample < 0 { !sample } else { sample });
            let at = intervals.partition_point(|(from, ..)| *from <= magnitude) - 1;
            let (_, octets, middle) = intervals[at];
            let expected = octets[usize::from(sample < 0)];
            assert_eq!(law.encode(sample), expected, "{name}: {sample}");
            let decoded = i32::from(law.decode(expected));
            assert_eq!(decoded, if sample < 0 { -middle } else { middle }, "{name}: {sample}");
        }
    }
}

#[test]
fn known_samples_differ_from_another_encoder_on_decision_values_only() {
    // CPython's audioop truncates the two's complement of negative samples, which moves their decision values by
    // less than one unit of the 14 or 13 bits that the standard knows.
    let fixture = fixture();
    for example in fixture["encode_examples_audioop"].as_array().expect("examples") {
        let sample = example["linear"].as_i64().expect("a sample") as i16;
        for (law, name, unit) in [(Law::Mu, "ulaw", 4), (Law::A, "alaw", 16)] {
            let theirs = example[name].as_u64().expect("an octet") as u8;
            let ours = law.encode(sample);
            let moved = law.encode(sample.saturating_sub(unit));
            assert!(theirs == ours || (sample < 0 && theirs == moved), "{name} {sample}: {ours}, {theirs}");
        }
    }
}

#[test]
fn the_digital_milliwatt_is_symmetric_and_loud() {
    let fixture = fixture();
    for (law, name) in LAWS {
        let tone: Vec<i32> = fixture["milliwatt_1khz_0dbm0"][name]
            .as_array()
            .expect("eight octets")
            .iter()
            .map(|it| i32::from(law.decode(it.as_u64().expect("an octet") as u8)))
            .collect();
        assert_eq!(tone[..4].iter().sum::<i32>(), -tone[4..].iter().sum::<i32>());
        // 0 dBm0 lies 3.17 (µ) or 3.14 (A) dB below full load, with a peak of some 22,000.
        let power = tone.iter().map(|it| f64::from(it * it)).sum::<f64>() / 8.0;
        assert!((15_000.0..16_500.0).contains(&power.sqrt()), "{name}: {}", power.sqrt());
    }
}
