//! Protects and unprotects packets that are given in hexadecimal, a line each: a way to hold this crate against another program.
//!
//! ```text
//! $ packets AES_CM_128_HMAC_SHA1_80 KEY-AND-SALT
//! protect-rtp 80000001…
//! 80000001…
//! ```

use ringback_srtp::{Inbound, MasterKey, Outbound, Profile, Refused};
use std::error::Error;
use std::io::{BufRead as _, Write as _};

/// Room for what protecting adds.
const ROOM: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (profile, key) = args.next().zip(args.next()).ok_or("usage: packets PROFILE KEY-AND-SALT")?;
    let profile = Profile::from_name(&profile).ok_or_else(|| format!("no profile is called {profile}"))?;
    let key = MasterKey::new(profile, &octets(&key).ok_or("the key is not in hexadecimal")?)?;
    let (mut sender, mut receiver) = (Outbound::new(&key), Inbound::new(&[key])?);
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (what, packet) = line.split_once(' ').ok_or("a line is: WHAT PACKET")?;
        let mut packet = octets(packet).ok_or("a packet is not in hexadecimal")?;
        let len = packet.len();
        packet.resize(len + ROOM, 0);
        let done: Result<usize, Refused> = match what {
            "protect-rtp" => sender.protect_rtp(&mut packet, len),
            "protect-rtcp" => sender.protect_rtcp(&mut packet, len),
            "unprotect-rtp" => receiver.unprotect_rtp(&mut packet[..len]),
            "unprotect-rtcp" => receiver.unprotect_rtcp(&mut packet[..len]),
            _ => return Err(format!("nothing is called {what}").into()),
        };
        match done {
            Ok(len) => packet[..len].iter().try_for_each(|octet| write!(out, "{octet:02x}"))?,
            Err(why) => write!(out, "refused: {why}")?,
        }
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

fn octets(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
