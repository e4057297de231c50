//! The records of a pcap or pcapng file. Nothing is allocated by a number in the file that is not bounded first.

use ringback_sansio::Protocol;
use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

/// The longest record that is taken; more than a jumbo frame, less than a surprise.
const MAX_RECORD: usize = 262_144;
/// A pcapng block around it, with its options.
const MAX_BLOCK: usize = MAX_RECORD + 65_536;
/// Interfaces of one pcapng section.
const MAX_INTERFACES: usize = 256;

/// Why a capture cannot be read on.
#[non_exhaustive]
#[derive(Debug)]
pub enum CaptureError {
    /// The file itself could not be read.
    Io(io::Error),
    /// It is neither pcap nor pcapng.
    NotACapture,
    /// It ends in the middle of a record, as when the recorder was killed.
    Truncated,
    /// It contradicts itself; what it is about.
    Damaged(&'static str),
    /// A record claims to be longer than 256 KiB.
    TooLong(u32),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotACapture => f.write_str("not a capture; a pcap or pcapng file is wanted"),
            Self::Truncated => f.write_str("the capture ends in the middle of a record"),
            Self::Damaged(what) => write!(f, "the capture is damaged ({what})"),
            Self::TooLong(length) => {
                write!(f, "the capture has a record of {length} octets, which is too long")
            }
        }
    }
}

impl std::error::Error for CaptureError {}

impl From<io::Error> for CaptureError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Io(error),
        }
    }
}

/// One frame as it was captured.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) time: Duration,
    /// A `LINKTYPE_` number.
    pub(super) link: u16,
    /// What the interface is called after, in a file of ours.
    pub(super) protocol: Option<Protocol>,
    pub(super) frame: Vec<u8>,
}

/// Reads records of either format.
#[derive(Debug)]
pub(super) struct Records<R> {
    input: R,
    format: Format,
}

#[derive(Debug)]
enum Format {
    /// The first octets have not been read.
    Unknown,
    Classic {
        order: Order,
        link: u16,
        nanoseconds: bool,
    },
    NextGeneration {
        order: Order,
        interfaces: Vec<Interface>,
        last: Duration,
    },
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, octets: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(octets),
            Self::Big => u16::from_be_bytes(octets),
        }
    }

    fn u32(self, octets: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(octets),
            Self::Big => u32::from_be_bytes(octets),
        }
    }

    fn i64(self, octets: [u8; 8]) -> i64 {
        match self {
            Self::Little => i64::from_le_bytes(octets),
            Self::Big => i64::from_be_bytes(octets),
        }
    }
}

/// An interface of a pcapng section.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u16,
    snap_length: u32,
    /// Ticks a second.
    resolution: u64,
    /// Seconds to add.
    offset: i64,
    protocol: Option<Protocol>,
}

impl Interface {
    fn record(&self, time: Duration, frame: Vec<u8>) -> Record {
        Record { time, link: self.link, protocol: self.protocol, frame }
    }

    fn time(&self, ticks: u64) -> Duration {
        let (seconds, rest) = (ticks / self.resolution, ticks % self.resolution);
        let nanos = u128::from(rest) * 1_000_000_000 / u128::from(self.resolution);
        let seconds = seconds.saturating_add_signed(self.offset);
        Duration::new(seconds, nanos as u32)
    }
}

impl<R: Read> Records<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, format: Format::Unknown }
    }

    /// The next record; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Record>, CaptureError> {
        loop {
            match &mut self.format {
                Format::Unknown => {
                    let mut magic = [0; 4];
                    if fill(&mut self.input, &mut magic)? < 4 {
                        return Err(CaptureError::NotACapture);
                    }
                    self.format = begin(&mut self.input, magic)?;
                }
                Format::Classic { order, link, nanoseconds } => {
                    return classic_record(&mut self.input, *order, *link, *nanoseconds);
                }
                Format::NextGeneration { order, interfaces, last } => {
                    match next_block(&mut self.input, order, interfaces, last)? {
                        Block::Record(record) => return Ok(Some(record)),
                        Block::Other => {}
                        Block::End => return Ok(None),
                    }
                }
            }
        }
    }
}

/// Reads what follows the magic number.
fn begin(input: &mut impl Read, magic: [u8; 4]) -> Result<Format, CaptureError> {
    let (order, nanoseconds) = match magic {
        [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, false),
        [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, false),
        [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, true),
        [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, true),
        [0x0a, 0x0d, 0x0d, 0x0a] => {
            let order = section(input)?;
            return Ok(Format::NextGeneration { order, interfaces: Vec::new(), last: Duration::ZERO });
        }
        _ => return Err(CaptureError::NotACapture),
    };
    let mut header = [0; 20];
    input.read_exact(&mut header)?;
    let [.., l0, l1, l2, l3] = header;
    // The upper half says whether frames have checksums behind them.
    let link = (order.u32([l0, l1, l2, l3]) & 0xffff) as u16;
    Ok(Format::Classic { order, link, nanoseconds })
}

fn classic_record(
    input: &mut impl Read,
    order: Order,
    link: u16,
    nanoseconds: bool,
) -> Result<Option<Record>, CaptureError> {
    let mut header = [0; 16];
    match fill(input, &mut header)? {
        0 => return Ok(None),
        16 => {}
        _ => return Err(CaptureError::Truncated),
    }
    let word = |at: usize| order.u32([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (seconds, fraction, length) = (word(0), word(4), word(8));
    if length as usize > MAX_RECORD {
        return Err(CaptureError::TooLong(length));
    }
    let mut frame = vec![0; length as usize];
    input.read_exact(&mut frame)?;
    let nanos = if nanoseconds { fraction } else { fraction.saturating_mul(1_000) };
    let time = Duration::from_secs(u64::from(seconds)) + Duration::from_nanos(u64::from(nanos));
    Ok(Some(Record { time, link, protocol: None, frame }))
}

enum Block {
    Record(Record),
    Other,
    End,
}

/// Reads a section header behind its type; says in which order the section is written.
fn section(input: &mut impl Read) -> Result<Order, CaptureError> {
    let mut head = [0; 8];
    input.read_exact(&mut head)?;
    let [l0, l1, l2, l3, magic @ ..] = head;
    let order = match magic {
        [0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
        [0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
        _ => return Err(CaptureError::NotACapture),
    };
    let length = order.u32([l0, l1, l2, l3]);
    let rest = length.checked_sub(12).ok_or(CaptureError::Damaged("section header"))?;
    pass(input, u64::from(rest))?;
    Ok(order)
}

fn next_block(
    input: &mut impl Read,
    order: &mut Order,
    interfaces: &mut Vec<Interface>,
    last: &mut Duration,
) -> Result<Block, CaptureError> {
    let mut head = [0; 4];
    match fill(input, &mut head)? {
        0 => return Ok(Block::End),
        4 => {}
        _ => return Err(CaptureError::Truncated),
    }
    if head == [0x0a, 0x0d, 0x0d, 0x0a] {
        *order = section(input)?;
        interfaces.clear();
        return Ok(Block::Other);
    }
    let kind = order.u32(head);
    input.read_exact(&mut head)?;
    let length = order.u32(head);
    let body = length.checked_sub(12).ok_or(CaptureError::Damaged("block length"))?;
    if !matches!(kind, 1 | 2 | 3 | 6) {
        pass(input, u64::from(body) + 4)?;
        return Ok(Block::Other);
    }
    if body as usize > MAX_BLOCK {
        return Err(CaptureError::TooLong(body));
    }
    let mut octets = vec![0; body as usize];
    input.read_exact(&mut octets)?;
    pass(input, 4)?;
    let block = Body { order: *order, octets: &octets };
    match kind {
        1 => {
            if interfaces.len() >= MAX_INTERFACES {
                return Err(CaptureError::Damaged("too many interfaces"));
            }
            interfaces.push(block.interface()?);
            Ok(Block::Other)
        }
        3 => {
            let interface = interfaces.first().ok_or(CaptureError::Damaged("no interface"))?;
            let length =
                block.u32(0)?.min(if interface.snap_length == 0 { u32::MAX } else { interface.snap_length });
            let available = octets.len().saturating_sub(4);
            let frame = block.slice(4, (length as usize).min(available))?.to_vec();
            Ok(Block::Record(interface.record(*last, frame)))
        }
        _ => {
            let number = if kind == 6 { block.u32(0)? } else { u32::from(block.u16(0)?) };
            let interface = interfaces.get(number as usize).ok_or(CaptureError::Damaged("no interface"))?;
            let ticks = (u64::from(block.u32(4)?) << 32) | u64::from(block.u32(8)?);
            let frame = block.slice(20, block.u32(12)? as usize)?.to_vec();
            *last = interface.time(ticks);
            Ok(Block::Record(interface.record(*last, frame)))
        }
    }
}

/// The body of a pcapng block.
#[derive(Clone, Copy)]
struct Body<'a> {
    order: Order,
    octets: &'a [u8],
}

impl<'a> Body<'a> {
    fn slice(self, at: usize, length: usize) -> Result<&'a [u8], CaptureError> {
        let end = at.checked_add(length).ok_or(CaptureError::Damaged("block"))?;
        self.octets.get(at..end).ok_or(CaptureError::Damaged("block"))
    }

    fn array<const N: usize>(self, at: usize) -> Result<[u8; N], CaptureError> {
        self.slice(at, N)?.try_into().map_err(|_| CaptureError::Damaged("block"))
    }

    fn u16(self, at: usize) -> Result<u16, CaptureError> {
        Ok(self.order.u16(self.array(at)?))
    }

    fn u32(self, at: usize) -> Result<u32, CaptureError> {
        Ok(self.order.u32(self.array(at)?))
    }

    fn interface(self) -> Result<Interface, CaptureError> {
        let mut interface = Interface {
            link: self.u16(0)?,
            snap_length: self.u32(4)?,
            resolution: 1_000_000,
            offset: 0,
            protocol: None,
        };
        let mut at = 8;
        // Options end with code zero, or with the block.
        while let (Ok(code), Ok(length)) = (self.u16(at), self.u16(at + 2)) {
            match (code, length) {
                (0, _) => break,
                (2, length @ 2..=8) => {
                    let name = str::from_utf8(self.slice(at + 4, length.into())?);
                    interface.protocol = name.ok().and_then(Protocol::from_token);
                }
                (9, 1) => {
                    let [power] = self.array(at + 4)?;
                    interface.resolution = resolution(power).ok_or(CaptureError::Damaged("if_tsresol"))?;
                }
                (14, 8) => interface.offset = self.order.i64(self.array(at + 4)?),
                _ => {}
            }
            at += 4 + usize::from(length).next_multiple_of(4);
        }
        Ok(interface)
    }
}

/// Ticks a second: a negative power of ten, or of two when the highest bit is set.
fn resolution(power: u8) -> Option<u64> {
    match power & 0x80 {
        0 => 10u64.checked_pow(u32::from(power)),
        _ => 2u64.checked_pow(u32::from(power & 0x7f)),
    }
}

/// Reads until `buffer` is full or the file ends; says how much there was.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|it| !it.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads past that many octets.
fn pass(input: &mut impl Read, length: u64) -> Result<(), CaptureError> {
    let passed = io::copy(&mut input.take(length), &mut io::sink())?;
    if passed == length { Ok(()) } else { Err(CaptureError::Truncated) }
}
