//! G.711: eight bits a sample by µ-law or A-law (ITU-T G.711), as the reference code of ITU-T G.191 has it.

/// Which of the two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// µ-law, `PCMU`: North America and Japan.
    Mu,
    /// A-law, `PCMA`: everywhere else.
    A,
}

impl Law {
    /// The law of an encoding name in SDP; the case of letters does not count.
    pub fn from_name(name: &str) -> Option<Self> {
        [(Self::Mu, "PCMU"), (Self::A, "PCMA")]
            .into_iter()
            .find(|(_, it)| it.eq_ignore_ascii_case(name))
            .map(|(law, _)| law)
    }

    /// The encoding name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mu => "PCMU",
            Self::A => "PCMA",
        }
    }

    /// The octet of silence.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Mu => 0xff,
            Self::A => 0xd5,
        }
    }

    /// One sample to an octet.
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => encode_mu(sample),
            Self::A => encode_a(sample),
        }
    }

    /// One octet to a sample.
    pub const fn decode(self, octet: u8) -> i16 {
        match self {
            Self::Mu => MU[octet as usize],
            Self::A => A[octet as usize],
        }
    }

    /// Appends the octets of all samples.
    pub fn encode_into(self, samples: &[i16], out: &mut Vec<u8>) {
        out.extend(samples.iter().map(|sample| self.encode(*sample)));
    }

    /// Appends the samples of all octets.
    pub fn decode_into(self, octets: &[u8], out: &mut Vec<i16>) {
        out.extend(octets.iter().map(|octet| self.decode(*octet)));
    }
}

const MU: [i16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = decode_mu(octet as u8);
        octet += 1;
    }
    table
};

const A: [i16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = decode_a(octet as u8);
        octet += 1;
    }
    table
};

/// Fourteen bits in one's complement, biased by 33, become sign, segment and step; all inverted on the line.
const fn encode_mu(sample: i16) -> u8 {
    let magnitude = (if sample < 0 { !sample } else { sample }) >> 2;
    let biased = magnitude + 33;
    let biased = if biased > 0x1fff { 0x1fff } else { biased };
    // The segment is the place of the highest bit; the least value, 33, has it at place 5.
    let segment = 10 - biased.leading_zeros();
    let step = (biased >> (segment + 1)) & 0x0f;
    let sign = if sample < 0 { 0x00 } else { 0x80 };
    sign | (0x7f & !(((segment as u8) << 4) | step as u8))
}

const fn decode_mu(octet: u8) -> i16 {
    let inverted = !octet;
    let segment = (inverted >> 4) & 7;
    let step = (inverted & 0x0f) as i16;
    let magnitude = (((step << 3) + 0x84) << segment) - 0x84;
    if octet & 0x80 == 0 { -magnitude } else { magnitude }
}

/// Twelve bits in one's complement become sign, segment and step; even bits inverted on the line.
const fn encode_a(sample: i16) -> u8 {
    let magnitude = ((if sample < 0 { !sample } else { sample }) >> 4) as u16;
    let code = if magnitude < 16 {
        magnitude
    } else {
        // Above the first segment the leading one is implied; 16..=31 has it at place 4.
        let segment = 12 - magnitude.leading_zeros() as u16;
        (segment << 4) | ((magnitude >> (segment - 1)) & 0x0f)
    };
    let sign = if sample < 0 { 0x00 } else { 0x80 };
    (sign | code as u8) ^ 0x55
}

const fn decode_a(octet: u8) -> i16 {
    let code = octet ^ 0x55;
    let segment = (code >> 4) & 7;
    let step = ((code & 0x0f) as i16) << 4;
    let magnitude = match segment {
        0 => step + 8,
        _ => (step + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}
