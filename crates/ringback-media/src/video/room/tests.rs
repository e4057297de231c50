//! What the parties of a room see, on virtual time.

use super::*;
use ringback_rtp::{RtpTime, SequenceNumber};
use std::sync::Arc;

const FRAME: Duration = Duration::from_millis(33);

fn vp8() -> Codec {
    Codec::new(96, "VP8", 90_000).unwrap()
}

/// A party that sends small pictures of VP8 and sends a key frame when it is asked for one, a moment later.
struct Camera {
    key: VideoPartyKey,
    stream: StreamId,
    size: usize,
    rid: Option<Arc<str>>,
    sequence: u16,
    asked: Vec<u32>,
    /// How many pictures later a request is answered; `None` never.
    answers: Option<u32>,
    due: Option<u32>,
    format: Arc<Codec>,
}

impl Camera {
    fn new(key: VideoPartyKey) -> Self {
        Self {
            key,
            stream: StreamId(0),
            size: 100,
            rid: None,
            sequence: (key.0 as u16).wrapping_mul(20_000).wrapping_add(65_000),
            asked: Vec::new(),
            answers: Some(3),
            due: None,
            format: vp8().into(),
        }
    }

    fn layer(key: VideoPartyKey, stream: u8, rid: &str, size: usize) -> Self {
        Self { stream: StreamId(stream), rid: Some(rid.into()), size, ..Self::new(key) }
    }
}

/// What a receiver got: whose it is, which place, whether a key frame begins, and the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    of: u8,
    line: usize,
    is_key: bool,
    sequence: u16,
    time: u32,
    octets: usize,
}

struct World {
    room: VideoRoom,
    now: Instant,
    picture: u32,
    cameras: Vec<Camera>,
    seen: Vec<Vec<Seen>>,
}

impl World {
    fn new(mode: VideoMode, parties: usize) -> Self {
        let mut room = VideoRoom::new(mode);
        let now = crate::video::start();
        let keys: Vec<_> = (0..parties).map(|_| room.join()).collect();
        keys.iter().for_each(|key| room.set_formats(now, *key, vec![vp8()]));
        let cameras = keys.into_iter().map(Camera::new).collect();
        Self { room, now, picture: 0, cameras, seen: vec![Vec::new(); parties] }
    }

    /// So many pictures of all cameras.
    fn run(&mut self, pictures: u32) {
        for _ in 0..pictures {
            self.picture += 1;
            self.now += FRAME;
            if self.room.poll_timeout(self.now).is_some_and(|due| due <= self.now) {
                self.room.handle_timeout(self.now);
            }
            for at in 0..self.cameras.len() {
                let camera = &mut self.cameras[at];
                let is_key = camera.due.take_if(|due| *due <= self.picture).is_some();
                camera.sequence = camera.sequence.wrapping_add(1);
                let mut payload = vec![camera.key.0 as u8; camera.size];
                payload[..2].copy_from_slice(&[0x10, u8::from(!is_key)]);
                let packet = VideoPacket {
                    stream: camera.stream,
                    rid: camera.rid.clone(),
                    format: Arc::clone(&camera.format),
                    marker: true,
                    sequence: SequenceNumber(camera.sequence),
                    time: RtpTime(self.picture * 2_970 + u32::from(camera.sequence)),
                    payload: payload.into(),
                };
                let key = camera.key;
                self.room.publish(self.now, key, &packet);
                self.drain();
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.room.poll() {
            match output {
                RoomOutput::Forward { to, line, packet } => {
                    let seen = Seen {
                        of: packet.payload[2],
                        line,
                        is_key: packet.payload[1] & 1 == 0,
                        sequence: packet.sequence.0,
                        time: packet.time.0,
                        octets: packet.payload.len(),
                    };
                    self.seen[to.0 as usize].push(seen);
                }
                RoomOutput::KeyFrame { party, stream } => {
                    let camera = self.cameras.iter_mut().find(|it| (it.key, it.stream) == (party, stream));
                    let camera = camera.expect("only streams that there are are asked");
                    camera.asked.push(self.picture);
                    camera.due = camera.due.or(camera.answers.map(|later| self.picture + later));
                }
            }
        }
    }

    fn key(&self, party: usize) -> VideoPartyKey {
        VideoPartyKey(party as u64)
    }

    fn floor(&mut self, party: usize) {
        let key = self.key(party);
        self.room.set_floor(self.now, Some(key));
        self.drain();
    }

    /// Whom a party has seen one after the other at a place. Each begins with a key frame, and the numbers go on.
    fn shown_to(&self, party: usize, line: usize) -> Vec<u8> {
        let seen: Vec<&Seen> = self.seen[party].iter().filter(|it| it.line == line).collect();
        let mut order = Vec::new();
        for (at, packet) in seen.iter().enumerate() {
            if order.last() != Some(&packet.of) {
                assert!(packet.is_key, "{party} sees {} without a key frame", packet.of);
                order.push(packet.of);
            }
            if let Some(before) = at.checked_sub(1).map(|at| seen[at]) {
                assert_eq!(packet.sequence, before.sequence.wrapping_add(1));
                let step = packet.time.wrapping_sub(before.time);
                assert!((1..90_000 * 6).contains(&step), "{party}, {at}: a step of {step} ticks");
            }
        }
        order
    }
}

#[test]
fn all_see_who_speaks_and_who_speaks_sees_who_has_spoken_before() {
    let mut world = World::new(VideoMode::Switch, 4);
    world.floor(1);
    world.run(60);
    world.floor(2);
    world.run(60);
    world.floor(3);
    world.run(60);
    let before: Vec<usize> = world.seen.iter().map(Vec::len).collect();
    world.room.set_floor(world.now, None);
    world.run(60);
    assert_eq!(world.room.shown(), Some(world.key(3)), "the picture stays when nobody speaks");
    assert!((0..4).all(|party| world.seen[party].len() == before[party] + 60), "nobody's picture stops");
    assert_eq!(world.shown_to(0, 0), [1, 2, 3]);
    // The first one sees somebody before anybody else has spoken.
    assert_eq!(world.shown_to(1, 0), [0, 2, 3]);
    assert_eq!(world.shown_to(2, 0), [1, 3]);
    assert_eq!(world.shown_to(3, 0), [1, 2]);
}

#[test]
fn the_old_picture_stays_until_a_key_frame_comes_and_that_is_asked_for_until_then() {
    let mut world = World::new(VideoMode::Switch, 3);
    world.floor(0);
    world.run(60);
    world.cameras[1].answers = Some(40);
    world.floor(1);
    let asked = world.picture;
    world.run(39);
    assert_eq!(world.shown_to(2, 0), [0]);
    let steps: Vec<u32> = world.cameras[1].asked.iter().rev().take(3).map(|at| at - asked).collect();
    assert_eq!(steps, [29, 10, 0], "again after 300 ms and after 600 ms");
    world.run(5);
    assert_eq!(world.shown_to(2, 0), [0, 1]);
}

#[test]
fn many_requests_for_the_same_picture_are_one() {
    let mut world = World::new(VideoMode::Switch, 8);
    world.floor(0);
    world.run(60);
    let asked = world.cameras[0].asked.len();
    for _ in 0..20 {
        (1..8).for_each(|party| world.room.key_frame_wanted(world.now, VideoPartyKey(party), 0));
        world.drain();
    }
    assert_eq!(world.cameras[0].asked.len(), asked + 1);
    world.run(5);
    assert!(world.seen[5].iter().rev().take(4).any(|seen| seen.is_key));
    // A place that there is not, and a party that there is not.
    world.room.key_frame_wanted(world.now, VideoPartyKey(1), 9);
    world.room.key_frame_wanted(world.now, VideoPartyKey(99), 0);
}

#[test]
fn a_cough_is_not_seen() {
    let mut world = World::new(VideoMode::Switch, 3);
    world.floor(0);
    world.run(10);
    world.floor(1);
    world.run(10);
    world.floor(0);
    world.run(60);
    assert_eq!(world.shown_to(2, 0), [0]);
    // Who goes on is seen when the time is over, without another word of the mixer.
    world.floor(1);
    world.run(10);
    world.floor(0);
    world.run(90);
    assert_eq!(world.shown_to(2, 0), [0, 1, 0]);
}

#[test]
fn who_leaves_is_replaced_by_who_was_seen_before() {
    let mut world = World::new(VideoMode::Switch, 4);
    world.floor(0);
    world.run(60);
    world.floor(1);
    world.run(60);
    let key = world.key(1);
    world.room.leave(world.now, key);
    world.cameras.remove(1);
    world.drain();
    world.run(60);
    assert_eq!(world.shown_to(2, 0), [0, 1, 0]);
    assert_eq!(world.shown_to(0, 0).first(), Some(&1));
    assert_eq!((world.room.len(), world.room.shown()), (3, Some(world.key(0))));
    // One that stops sending is as good as gone.
    world.cameras.remove(0);
    world.run(200);
    assert_eq!(world.shown_to(2, 0), [0, 1, 0, 3]);
}

#[test]
fn everybody_sees_everybody_at_places_that_stay() {
    let mut world = World::new(VideoMode::Forward(2), 4);
    world.run(60);
    assert_eq!((world.shown_to(0, 0), world.shown_to(0, 1)), (vec![1], vec![2]));
    assert_eq!((world.shown_to(3, 0), world.shown_to(3, 1)), (vec![0], vec![1]));
    assert!(world.seen[0].iter().all(|seen| seen.line < 2), "no more than two");
    let key = world.key(1);
    world.room.leave(world.now, key);
    world.cameras.remove(1);
    world.drain();
    world.run(60);
    assert_eq!((world.shown_to(0, 0), world.shown_to(0, 1)), (vec![1, 3], vec![2]));
    world.room.set_mode(world.now, VideoMode::Switch);
    world.drain();
    world.floor(3);
    world.run(60);
    let (now, rest) = world.seen[0].split_at(world.seen[0].len() - 30);
    assert!(rest.iter().all(|seen| (seen.line, seen.of) == (0, 3)) && !now.is_empty());
}

#[test]
fn the_size_follows_what_comes_through_and_what_is_wished_for() {
    let mut world = World::new(VideoMode::Switch, 3);
    let key = world.key(0);
    // 24, 242 and 727 kbit/s.
    world.cameras.remove(0);
    for (stream, rid, size) in [(0, "q", 100), (1, "h", 1_000), (2, "f", 3_000)] {
        world.cameras.push(Camera::layer(key, stream, rid, size));
    }
    world.floor(0);
    world.run(120);
    let last = |world: &World, party: usize| world.seen[party].last().map(|seen| seen.octets);
    assert_eq!((last(&world, 1), last(&world, 2)), (Some(3_000), Some(3_000)));
    world.room.set_estimate(world.now, VideoPartyKey(1), 400_000);
    world.run(60);
    assert_eq!((last(&world, 1), last(&world, 2)), (Some(1_000), Some(3_000)));
    world.room.set_estimate(world.now, VideoPartyKey(1), 10_000);
    world.room.set_layer(world.now, VideoPartyKey(2), Layer::Named("h".to_owned()));
    world.run(60);
    assert_eq!((last(&world, 1), last(&world, 2)), (Some(100), Some(1_000)));
    // Just enough is not enough to grow.
    world.room.set_estimate(world.now, VideoPartyKey(1), 750_000);
    world.room.set_layer(world.now, VideoPartyKey(2), Layer::Smallest);
    world.run(60);
    assert_eq!((last(&world, 1), last(&world, 2)), (Some(1_000), Some(100)));
    world.shown_to(1, 0);
    world.shown_to(2, 0);
}

#[test]
fn who_cannot_show_a_format_does_not_get_it() {
    let mut world = World::new(VideoMode::Switch, 3);
    let h264 = Codec::new(97, "H264", 90_000).unwrap();
    world.room.set_formats(world.now, VideoPartyKey(2), vec![h264]);
    world.floor(0);
    world.run(60);
    assert_eq!(world.shown_to(1, 0), [0]);
    assert!(world.seen[2].is_empty());
}

#[test]
fn a_storm_of_streams_is_refused_and_counted() {
    let mut world = World::new(VideoMode::Forward(10), 3);
    world.run(30);
    let forwarded = world.room.stats().forwarded;
    let packet = |stream: u8| VideoPacket {
        stream: StreamId(stream),
        rid: Some("forged".into()),
        format: vp8().into(),
        marker: false,
        sequence: SequenceNumber(u16::from(stream).wrapping_mul(7_919)),
        time: RtpTime(0),
        payload: vec![0x10, 0, 0].into(),
    };
    for stream in 0..=255 {
        world.room.publish(world.now, VideoPartyKey(0), &packet(stream));
        world.room.publish(world.now, VideoPartyKey(77), &packet(stream));
    }
    let stats = world.room.stats();
    assert_eq!(stats.refused, 252 + 256);
    assert!(stats.forwarded - forwarded <= 2 * 4);
    world.drain();
    world.run(10);
}

#[test]
fn outputs_that_nobody_polls_are_bounded() {
    let mut world = World::new(VideoMode::Switch, 3);
    world.floor(0);
    world.run(60);
    let camera = &world.cameras[0];
    for number in 0..10_000u16 {
        let packet = VideoPacket {
            stream: StreamId(0),
            rid: None,
            format: Arc::clone(&camera.format),
            marker: true,
            sequence: SequenceNumber(camera.sequence.wrapping_add(1 + number)),
            time: RtpTime(0),
            payload: vec![0x10, 1, 0].into(),
        };
        world.room.publish(world.now, camera.key, &packet);
    }
    assert!(world.room.stats().dropped > 10_000);
    assert_eq!(std::iter::from_fn(|| world.room.poll()).count(), MAX_OUTPUTS);
}
