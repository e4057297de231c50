//! The test sequences of ITU-T G.722 Appendix II, read where they lie: both bands of the coder and of the decoder, bit by bit.
//!
//! A sequence is a row of words of sixteen bits, the high octet first. The lowest bit says that the codec is reset. Of a sample
//! fifteen bits are above it; of an octet of code eight are, at the top.

use ringback_media::g722::bands::{Coder, Decoder};
use std::path::Path;

/// What goes in and what has to come out: of the coder, and of the decoder in its mode of 64 kbit/s.
const CODED: [(&str, &str); 2] = [("bt1c1.xmt", "bt2r1.cod"), ("bt1c2.xmt", "bt2r2.cod")];
const DECODED: [(&str, &str, &str); 3] = [
    ("bt2r1.cod", "bt3l1.rc1", "bt3h1.rc0"),
    ("bt2r2.cod", "bt3l2.rc1", "bt3h2.rc0"),
    ("bt1d3.cod", "bt3l3.rc1", "bt3h3.rc0"),
];

/// Prints one line a sequence; says whether all of them hold.
pub(crate) fn report(folder: &Path) -> bool {
    let read = |name: &str| words(&folder.join(name));
    let (mut held, mut lines) = (true, Vec::new());
    for (input, output) in CODED {
        let (Some(input), Some(wanted)) = (read(input), read(output)) else { continue };
        let mut coder = Coder::new();
        let made = input.iter().map(|word| {
            if word & 1 == 1 {
                coder = Coder::new();
                return 1;
            }
            let sample = i32::from(word.cast_signed() >> 1);
            u16::from(coder.encode(sample, sample)) << 8
        });
        lines.push((output, differing(made, &wanted), wanted.len()));
    }
    for (input, low, high) in DECODED {
        let (Some(input), Some(of_low), Some(of_high)) = (read(input), read(low), read(high)) else {
            continue;
        };
        let mut decoder = Decoder::new();
        let made: Vec<(u16, u16)> = input
            .iter()
            .map(|word| {
                if word & 1 == 1 {
                    decoder = Decoder::new();
                    return (1, 1);
                }
                let (low, high) = decoder.decode((word >> 8) as u8);
                ((low as i16).cast_unsigned() << 1, (high as i16).cast_unsigned() << 1)
            })
            .collect();
        lines.push((low, differing(made.iter().map(|it| it.0), &of_low), of_low.len()));
        lines.push((high, differing(made.iter().map(|it| it.1), &of_high), of_high.len()));
    }
    if lines.is_empty() {
        return true;
    }
    println!("\nG.722, the sequences of Appendix II at 64 kbit/s");
    for (name, differing, length) in lines {
        let mark = if differing == 0 { ' ' } else { '!' };
        println!("{mark} {name:10} {} of {length} words hold", length - differing);
        held &= differing == 0;
    }
    held
}

fn differing(made: impl Iterator<Item = u16>, wanted: &[u16]) -> usize {
    made.zip(wanted).filter(|(made, wanted)| made != *wanted).count()
}

fn words(path: &Path) -> Option<Vec<u16>> {
    let octets = std::fs::read(path).ok()?;
    Some(octets.chunks_exact(2).map(|it| u16::from_be_bytes([it[0], it[1]])).collect())
}
