//! What a side hears that is held.

use super::*;
use crate::{Component, Expected, SideFormats, start};
use ringback_media::{Law, WavWriter};
use ringback_rtp::{Contributors, PayloadType, RtpPacket, RtpTime, SequenceNumber, Ssrc};
use ringback_sdp::Codec;
use std::io::Cursor;

const STEP: Duration = Duration::from_millis(20);

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn home(side: Side) -> SocketAddr {
    at(if side == Side::Caller { "192.0.2.1:4000" } else { "192.0.2.2:5000" })
}

/// Half a second of a square wave of 8,000.
fn music() -> AudioFile {
    let samples: Vec<i16> = (0..4_000).map(|n| if n / 10 % 2 == 0 { 8_000 } else { -8_000 }).collect();
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, 8_000).unwrap();
    writer.write(&samples).unwrap();
    writer.finish().unwrap();
    AudioFile::read(&file.into_inner()[..]).unwrap()
}

/// What came to a side: number, time, marker, and whether it is music.
type Heard = (u16, u32, bool, bool);

struct Stage {
    now: Instant,
    begun: Instant,
    stream: RelayStream,
    sequence: u16,
    exchange: u32,
}

impl Stage {
    fn new(callee: Vec<Codec>) -> Self {
        let now = start();
        let mut stream = RelayStream::new(now, Duration::from_secs(60));
        let caller = SideFormats { sends: vec![Codec::pcmu()], takes: vec![Codec::pcmu()], ptime: None };
        let callee = SideFormats { sends: callee.clone(), takes: callee, ptime: None };
        stream.convert(now, [caller, callee]);
        stream.convert_here();
        stream.set_music(now, music(), 99);
        let mut stage = Self { now, begun: now, stream, sequence: 65_530, exchange: 2 };
        stage.agree(Direction::SendRecv, Direction::SendRecv);
        stage
    }

    fn agree(&mut self, caller: Direction, callee: Direction) {
        self.exchange += 2;
        for (side, direction) in [(Side::Caller, caller), (Side::Callee, callee)] {
            let (rtp, direction) = (Some(home(side)), Some(direction));
            let expected = Expected { rtp, direction, exchange: self.exchange, ..Expected::default() };
            self.stream.expect(self.now, side, expected);
        }
    }

    /// Lets time pass, in which the caller speaks or does not; what the callee hears of it.
    fn pass(&mut self, time: Duration, speaks: bool) -> Vec<Heard> {
        let (end, mut heard, mut buffer) = (self.now + time, Vec::new(), vec![0; 2_000]);
        while self.now < end {
            if speaks {
                let time = (self.now - self.begun).as_millis() as u32 * 8;
                let length = self.say(time, &mut buffer);
                match self.stream.receive(
                    self.now,
                    Side::Caller,
                    Component::Rtp,
                    home(Side::Caller),
                    &mut buffer,
                    length,
                ) {
                    Ok((to, 0)) => assert_eq!(to, home(Side::Callee)),
                    Ok((_, length)) => heard.push(read(&buffer[..length])),
                    Err(dropped) => panic!("{dropped:?}"),
                }
                self.drain(&mut buffer, &mut heard);
            }
            while let Some((holder, to)) = self.stream.play(self.now) {
                assert_eq!((holder, to), (Side::Caller, home(Side::Callee)));
                self.drain(&mut buffer, &mut heard);
            }
            self.now += STEP;
        }
        heard
    }

    fn drain(&mut self, buffer: &mut [u8], heard: &mut Vec<Heard>) {
        while let Some(length) = self.stream.poll_converted(Side::Caller, buffer) {
            heard.push(read(&buffer[..length]));
        }
    }

    fn say(&mut self, time: u32, buffer: &mut [u8]) -> usize {
        let packet = RtpPacket {
            marker: false,
            payload_type: PayloadType::new(0).unwrap(),
            sequence: SequenceNumber(self.sequence),
            time: RtpTime(time),
            ssrc: Ssrc(5),
            contributors: Contributors::default(),
            extension: None,
            payload: &[Law::Mu.encode(100); 160],
        };
        self.sequence = self.sequence.wrapping_add(1);
        let mut octets = Vec::new();
        packet.write(&mut octets);
        buffer[..octets.len()].copy_from_slice(&octets);
        octets.len()
    }
}

fn read(octets: &[u8]) -> Heard {
    let packet = RtpPacket::parse(octets).unwrap();
    assert_eq!((packet.ssrc, packet.payload_type.number(), packet.payload.len()), (Ssrc(5), 0, 160));
    let is_music = packet.payload.iter().all(|octet| Law::Mu.decode(*octet).unsigned_abs() > 7_000);
    (packet.sequence.0, packet.time.0, packet.marker, is_music)
}

/// Numbers without a gap, and times by the clock on the wall to within two packets.
fn is_one_stream(heard: &[Heard]) {
    for pair in heard.windows(2) {
        assert_eq!(pair[1].0, pair[0].0.wrapping_add(1), "{pair:?}");
        assert!(
            pair[1].1.wrapping_sub(pair[0].1) >= 160 && pair[1].1.wrapping_sub(pair[0].1) < 80_000,
            "{pair:?}"
        );
    }
}

fn played(heard: &[Heard]) -> usize {
    heard.iter().filter(|it| it.3).count()
}

#[test]
fn who_is_held_by_one_that_stops_all_audio_hears_music_until_it_is_taken_back() {
    let mut stage = Stage::new(vec![Codec::pcmu()]);
    let mut all = stage.pass(Duration::from_secs(1), true);
    assert_eq!(played(&all), 0);
    assert_eq!(stage.stream.music_timeout(), None);
    stage.agree(Direction::Inactive, Direction::RecvOnly);
    let music = stage.pass(Duration::from_secs(2), false);
    assert_eq!((music.len(), played(&music)), (100, 100));
    assert!(music[0].2 && music[1..].iter().all(|it| !it.2), "one marker, where it begins");
    all.extend(music);
    // A moment until he speaks again.
    stage.agree(Direction::SendRecv, Direction::SendRecv);
    assert_eq!(stage.pass(Duration::from_millis(300), false), []);
    let after = stage.pass(Duration::from_secs(1), true);
    assert_eq!((after.len(), played(&after)), (50, 0));
    all.extend(after);
    is_one_stream(&all);
    let (first, last) = (all[0].1, all[all.len() - 1].1);
    // 4.3 seconds, less the last packet.
    assert!(last.wrapping_sub(first).abs_diff(4_280 * 8) <= 320, "{}", last.wrapping_sub(first));
}

#[test]
fn a_holder_with_music_of_his_own_is_heard_and_one_without_is_replaced_after_half_a_second() {
    let mut stage = Stage::new(vec![Codec::pcmu()]);
    let mut all = stage.pass(Duration::from_millis(200), true);
    stage.agree(Direction::SendOnly, Direction::RecvOnly);
    let own = stage.pass(Duration::from_secs(2), true);
    assert_eq!((own.len(), played(&own)), (100, 0));
    all.extend(own);
    let ours = stage.pass(Duration::from_secs(1), false);
    assert!((24..=26).contains(&ours.len()) && played(&ours) == ours.len(), "{}", ours.len());
    all.extend(ours);
    // He begins again while he holds.
    let own = stage.pass(Duration::from_millis(400), true);
    assert_eq!(played(&own), 0);
    all.extend(own);
    is_one_stream(&all);
}

#[test]
fn nobody_hears_music_who_is_not_held_or_does_not_listen() {
    for (caller, callee) in [
        (Direction::SendRecv, Direction::SendRecv),
        (Direction::Inactive, Direction::Inactive),
        (Direction::SendOnly, Direction::SendOnly),
        (Direction::RecvOnly, Direction::SendRecv),
    ] {
        let mut stage = Stage::new(vec![Codec::pcmu()]);
        stage.agree(caller, callee);
        assert_eq!(stage.pass(Duration::from_secs(1), false), [], "{caller:?} {callee:?}");
    }
    // What cannot be spoken to him is not tried for ever.
    let mut stage = Stage::new(vec![Codec::new(18, "G729", 8_000).unwrap()]);
    stage.agree(Direction::Inactive, Direction::RecvOnly);
    assert_eq!(stage.pass(Duration::from_secs(1), false), []);
    assert_eq!(stage.stream.music_timeout(), None);
}
