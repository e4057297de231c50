//! Fax over IP: the attributes of T.38 (ITU-T T.38 annex D, RFC 7345 §4).

use super::macros::{digits, words};
use crate::{Attribute, Media};

words! {
    /// Who makes the training check of the line (`T38FaxRateManagement`).
    FaxRateManagement {
        /// Each gateway by itself; for TCP.
        LocalTcf = "localTCF",
        /// The two fax machines, through the gateways.
        TransferredTcf = "transferredTCF",
    }
}

words! {
    /// How lost UDPTL packets are made up for (`T38FaxUdpEC`).
    FaxUdpErrorCorrection {
        /// By sending each again in those that follow.
        Redundancy = "t38UDPRedundancy",
        /// By parity packets.
        Fec = "t38UDPFEC",
        /// Not at all.
        None = "t38UDPNoEC",
    }
}

/// What the two sides of a fax tell each other. Absent values have no default here but that of T.38.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct T38 {
    /// `T38FaxVersion`; 0 when it is absent.
    pub version: u8,
    /// `T38MaxBitRate`, in bit/s.
    pub max_bit_rate: Option<u32>,
    /// `T38FaxFillBitRemoval`.
    pub fill_bit_removal: bool,
    /// `T38FaxTranscodingMMR`.
    pub transcoding_mmr: bool,
    /// `T38FaxTranscodingJBIG`.
    pub transcoding_jbig: bool,
    /// `T38FaxRateManagement`.
    pub rate_management: Option<FaxRateManagement>,
    /// `T38FaxMaxBuffer`, in octets.
    pub max_buffer: Option<u32>,
    /// `T38FaxMaxDatagram`, in octets.
    pub max_datagram: Option<u32>,
    /// `T38FaxMaxIFP`, in octets.
    pub max_ifp: Option<u32>,
    /// `T38FaxUdpEC`.
    pub error_correction: Option<FaxUdpErrorCorrection>,
}

impl T38 {
    /// Reads them from an `m=image` line. Names compare without regard to case, for peers disagree about it;
    /// values that cannot be read count as absent.
    pub fn of(media: &Media) -> Self {
        let mut fax = Self::default();
        for attribute in &media.attributes {
            let value = attribute.value().map(str::trim);
            let number = value.and_then(digits::<u32>);
            // A property, though some peers write `:0` and `:1`.
            let flag = value.is_none_or(|value| value != "0");
            match attribute.name().to_ascii_lowercase().as_str() {
                "t38faxversion" => fax.version = value.and_then(digits).unwrap_or_default(),
                "t38maxbitrate" | "t38faxmaxbitrate" => fax.max_bit_rate = number,
                "t38faxfillbitremoval" => fax.fill_bit_removal = flag,
                "t38faxtranscodingmmr" => fax.transcoding_mmr = flag,
                "t38faxtranscodingjbig" => fax.transcoding_jbig = flag,
                "t38faxratemanagement" => fax.rate_management = value.and_then(FaxRateManagement::from_word),
                "t38faxmaxbuffer" => fax.max_buffer = number,
                "t38faxmaxdatagram" => fax.max_datagram = number,
                "t38faxmaxifp" => fax.max_ifp = number,
                "t38faxudpec" => fax.error_correction = value.and_then(FaxUdpErrorCorrection::from_word),
                _ => {}
            }
        }
        fax
    }

    /// The lines that say it.
    pub fn attributes(&self) -> Vec<Attribute> {
        let mut lines = vec![format!("T38FaxVersion:{}", self.version)];
        let numbers = [
            ("T38MaxBitRate", self.max_bit_rate),
            ("T38FaxMaxBuffer", self.max_buffer),
            ("T38FaxMaxDatagram", self.max_datagram),
            ("T38FaxMaxIFP", self.max_ifp),
        ];
        lines.extend(numbers.iter().filter_map(|(name, value)| Some(format!("{name}:{}", (*value)?))));
        let properties = [
            ("T38FaxFillBitRemoval", self.fill_bit_removal),
            ("T38FaxTranscodingMMR", self.transcoding_mmr),
            ("T38FaxTranscodingJBIG", self.transcoding_jbig),
        ];
        lines.extend(properties.iter().filter(|(_, has)| *has).map(|(name, _)| (*name).to_owned()));
        lines.extend(self.rate_management.map(|it| format!("T38FaxRateManagement:{it}")));
        lines.extend(self.error_correction.map(|it| format!("T38FaxUdpEC:{it}")));
        lines.iter().map(|line| Attribute::composed(line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MediaKind, Word};

    fn image(lines: &[&str]) -> Media {
        let mut media = Media::new(MediaKind::IMAGE, 49170, Word::from_static("udptl"), vec![]);
        media.attributes = lines.iter().map(|line| Attribute::composed(line)).collect();
        media
    }

    /// ITU-T T.38 §D.2.3.5, with the lines that gateways add.
    #[test]
    fn faxes_are_read_and_written() {
        let media = image(&[
            "T38FaxVersion:0",
            "T38MaxBitRate:14400",
            "T38FaxMaxBuffer:262",
            "T38FaxMaxDatagram:90",
            "T38FaxFillBitRemoval:0",
            "T38FaxTranscodingMMR",
            "T38FaxRateManagement:transferredTCF",
            "T38FaxUdpEC:t38UDPRedundancy",
        ]);
        let fax = T38::of(&media);
        assert_eq!((fax.max_bit_rate, fax.max_datagram), (Some(14400), Some(90)));
        assert_eq!((fax.fill_bit_removal, fax.transcoding_mmr), (false, true));
        assert_eq!(fax.rate_management, Some(FaxRateManagement::TransferredTcf));
        assert_eq!(fax.error_correction, Some(FaxUdpErrorCorrection::Redundancy));
        let again = Media { attributes: fax.attributes(), ..media };
        assert_eq!(T38::of(&again), fax);
    }

    #[test]
    fn peers_spell_names_as_they_like_and_values_may_be_wrong() {
        let fax = T38::of(&image(&["T38faxversion:3", "t38FaxMaxBuffer:-1", "T38FaxUdpEC:magic"]));
        assert_eq!(fax, T38 { version: 3, ..T38::default() });
    }
}
