//! What a call looks like: captures in and out, and ladder diagrams as text, SVG and live.
//!
//! - [`CaptureWriter`] and [`CaptureReader`]: files for and from Wireshark, tcpdump and sngrep;
//! - [`HepAgent`]: datagrams for a collector such as Homer, and [`Reassembly`]: whole messages for those who need them;
//! - [`Calls`]: packets sorted into [calls](Call), with their RTP, [outcome](Outcome) and [story](Call::story);
//! - [`Ladder`]: the diagram of a call as text for a terminal or as an SVG picture;
//! - [`LadderPrinter`]: the same, row by row, while the call goes on.
//!
//! A [`Packet`] goes into all of them, whether it was captured, or handed over by a program that just sent it:
//!
//! ```
//! use bytes::Bytes;
//! use ringback_sansio::Protocol;
//! use ringback_trace::{Calls, CaptureReader, CaptureWriter, LadderPrinter, Names, Outcome, Packet, TextStyle};
//! use std::time::Duration;
//!
//! let (phone, server) = ("192.0.2.1:5060".parse()?, "192.0.2.9:5060".parse()?);
//! let message = |start: &str| format!(
//!     "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@example.com>;tag=1\r\n\
//!      To: <sip:a@example.com>\r\nCall-ID: 7\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n"
//! );
//! let packet = |millis, source, destination, text: String| Packet {
//!     time: Duration::from_secs(1_800_000_000) + Duration::from_millis(millis),
//!     source,
//!     destination,
//!     protocol: Protocol::Udp,
//!     payload: Bytes::from(text),
//! };
//! let packets = [
//!     packet(0, phone, server, message("REGISTER sip:example.com SIP/2.0")),
//!     packet(4, server, phone, message("SIP/2.0 200 OK")),
//! ];
//!
//! // As it happens:
//! let mut names = Names::new();
//! names.add(phone, "phone").add(server, "server");
//! let mut printer = LadderPrinter::new(&["phone", "server"], names.clone(), TextStyle { width: 60, ..Default::default() });
//! let live = printer.header() + &packets.iter().map(|it| printer.message(it)).collect::<String>() + &printer.footer();
//! assert!(live.contains("   0.004         │◀────── 200 OK · REGISTER ───────│"), "{live}");
//!
//! // Into a file for Wireshark, and out of it again:
//! let mut writer = CaptureWriter::new(Vec::new())?;
//! packets.iter().try_for_each(|it| writer.write(it))?;
//! let mut calls = Calls::new();
//! for packet in CaptureReader::new(writer.finish()?.as_slice()) {
//!     calls.add(&packet?);
//! }
//! let call = calls.find("7").expect("it was captured");
//! assert_eq!(call.outcome(), Outcome::Answered { status: 200, reason: "OK".into() });
//! assert!(call.ladder(&names).svg().starts_with("<svg"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything that a peer wrote is escaped before it reaches a terminal or a picture, and every table is bounded.
//!
//! Not here: opening files, sniffing interfaces, TLS decryption, WebSocket framing.
//!
//! Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, <https://www.tcpdump.org/linktypes.html>,
//! HEP version 3 as Homer's collectors read it.

mod calls;
mod capture;
mod hep;
mod ladder;
mod media;
mod message;
mod names;
mod reassembly;
mod story;
mod text;

pub use calls::{Call, Calls, Outcome};
pub use capture::{CaptureError, CaptureFormat, CaptureReader, CaptureWriter, Packet};
pub use hep::HepAgent;
pub use ladder::{Ladder, LadderPrinter, TextStyle};
pub use names::Names;
pub use reassembly::Reassembly;
