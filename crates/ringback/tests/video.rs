//! Pictures between endpoints on this machine: packets of the shape of VP8, over sockets, with losses.

use futures::{SinkExt as _, StreamExt as _};
use ringback::{
    Audio, AudioCodecs, CallEvent, Codec, Conference, Endpoint, SrtpPolicy, StreamId, Video, VideoEvent,
    VideoLegStats, VideoMode, VideoPacket, VideoStream,
};
use ringback_media::AudioSource;
use ringback_rtp::{RtpTime, SequenceNumber};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{interval, timeout};

const PICTURE: Duration = Duration::from_millis(33);
const PHASE: Duration = Duration::from_secs(3);
/// Packets of a picture.
const FRAGMENTS: u8 = 3;

/// A phone that loses one in ten of the packets with pictures that come, and none of those that are sent again.
async fn phone(srtp: SrtpPolicy) -> (Endpoint, Arc<AtomicUsize>) {
    let (pictures, lost) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&lost);
    let endpoint = Endpoint::builder()
        .listen("udp:127.0.0.1:0")
        .codecs(AudioCodecs::g711())
        .answers_anyone()
        .srtp(srtp)
        .media_hook(Arc::new(move |packet: &mut Vec<u8>| {
            let is_picture = packet.len() > 100 && packet[1] & 0x7f == 96;
            let is_lost = is_picture && pictures.fetch_add(1, Ordering::Relaxed) % 10 == 7;
            counted.fetch_add(usize::from(is_lost), Ordering::Relaxed);
            !is_lost
        }));
    (endpoint.start().await.expect("a free port"), lost)
}

/// A tone in one phase of three, and silence in the others.
fn speaks_in(phase: usize) -> Audio {
    let length = PHASE.as_secs() as usize * 8_000;
    let mut samples = vec![0; 3 * length];
    AudioSource::tone(500.0, -15.0).fill(8_000, &mut samples[phase * length..(phase + 1) * length]);
    Audio::samples(samples)
}

/// What a phone saw: by its place in the stream, whose it is, whether a key frame begins, and when it was taken.
type Seen = BTreeMap<i64, (u8, bool, u32)>;

/// Sends pictures and looks at those that come, until the call is over.
async fn camera(mut stream: VideoStream, id: u8) -> (Seen, VideoLegStats) {
    let format: Arc<Codec> = Codec::new(96, "VP8", 90_000).expect("in its range").into();
    let (mut sequence, mut picture, mut is_agreed, mut key_due) = (0u16, 0u16, false, true);
    let (mut seen, mut long): (Seen, BTreeMap<u8, i64>) = (BTreeMap::new(), BTreeMap::new());
    let mut ticker = interval(PICTURE);
    loop {
        tokio::select! {
            _ = ticker.tick(), if is_agreed => {
                picture = picture.wrapping_add(1);
                let is_key = std::mem::take(&mut key_due);
                for fragment in 0..FRAGMENTS {
                    sequence = sequence.wrapping_add(1);
                    let start = if fragment == 0 { 0x90 } else { 0x80 };
                    let [high, low] = picture.to_be_bytes();
                    let head = [start, 0x80, 0x80 | high, low, u8::from(!is_key), id];
                    let packet = VideoPacket {
                        stream: StreamId(0),
                        rid: None,
                        format: format.clone(),
                        marker: fragment + 1 == FRAGMENTS,
                        sequence: SequenceNumber(sequence),
                        time: RtpTime(u32::from(picture) * 2_970),
                        payload: [&head[..], &[id; 300]].concat().into(),
                    };
                    if stream.send(packet).await.is_err() {
                        is_agreed = false;
                    }
                }
            }
            event = stream.next() => match event.expect("an end") {
                VideoEvent::Agreed(formats) => is_agreed = formats.iter().any(|it| it.is_named("VP8")),
                VideoEvent::KeyFrameWanted => key_due = true,
                VideoEvent::Packet(packet) => {
                    let highest = long.entry(packet.stream.0).or_insert(i64::from(packet.sequence.0));
                    let ahead = packet.sequence.distance_from(SequenceNumber(*highest as u16));
                    let at = *highest + i64::from(ahead);
                    *highest = at.max(*highest);
                    // Each stream has numbers of its own.
                    let at = at + (i64::from(packet.stream.0) << 40);
                    let is_key = packet.payload[0] & 0x10 != 0 && packet.payload[4] == 0;
                    let known = seen.insert(at, (packet.payload[5], is_key, packet.time.0));
                    assert!(known.is_none(), "each packet comes once");
                }
                VideoEvent::Ended(stats) => return (seen, *stats),
                _ => {}
            },
        }
    }
}

/// Whom a phone has seen one after the other. Each begins with a key frame, and time goes on.
fn order(seen: &Seen) -> Vec<u8> {
    let mut order = Vec::new();
    let mut before: Option<(i64, u32)> = None;
    for (at, (of, is_key, time)) in seen {
        if order.last() != Some(of) {
            assert!(*is_key, "{of} begins without a key frame, at {at}");
            order.push(*of);
        }
        if let Some((before, at_time)) = before {
            assert!((*time).wrapping_sub(at_time) < 90_000 * 3, "time goes back at {at}");
            assert!(at - before < 30, "the numbers leap from {before} to {at}");
        }
        before = Some((*at, *time));
    }
    order
}

/// Three phones call a conference; each of them speaks in its phase. What they saw, what was counted, and how many packets were lost on
/// the way to each.
async fn conference(mode: VideoMode, srtp: SrtpPolicy, phases: u32) -> Vec<(Seen, VideoLegStats, usize)> {
    let (host, lost_at_host) = phone(srtp).await;
    let conference = Conference::new();
    conference.set_video(mode);
    let _account = host.account("sip:host@127.0.0.1").open().await.expect("an account");
    let target = format!("sip:host@{}", host.listeners()[0].address);
    let mut phones = Vec::new();
    for id in 0..3u8 {
        let (phone, lost) = phone(srtp).await;
        let account = phone.account("sip:phone@127.0.0.1").open().await.expect("an account");
        let (video, stream) = Video::stream();
        let audio = speaks_in(usize::from(id));
        let call = account.call(target.as_str()).audio(audio).video(video).start();
        let mut call = call.await.expect("a call");
        let (seat, member) = conference.seat();
        let incoming = host.incoming().await.expect("a call");
        let answered = incoming.answer_with_video(seat, conference.video_seat(member)).await.expect("up");
        let media = loop {
            match call.next().await.expect("an answer") {
                CallEvent::Answered(media) => break media,
                CallEvent::Ended(summary) => panic!("not answered: {}", summary.ending),
                _ => {}
            }
        };
        assert_eq!(media.video.as_deref(), Some("VP8"));
        let camera = tokio::spawn(camera(stream, id));
        phones.push((phone, account, call, answered, camera, lost));
    }
    tokio::time::sleep(PHASE * phases).await;
    let members = conference.members();
    if mode == VideoMode::Switch {
        assert!(members[2].is_shown && members[2].has_floor, "{members:?}");
    }
    assert!(lost_at_host.load(Ordering::Relaxed) > 0);
    let stats = conference.video_stats();
    assert!(stats.forwarded > 0 && stats.dropped == 0 && stats.refused == 0, "{stats:?}");
    let mut outcomes = Vec::new();
    for (_, _, call, ..) in &phones {
        call.hangup().expect("up");
    }
    for (phone, account, call, answered, camera, lost) in phones {
        let (seen, stats) = camera.await.expect("no panic");
        outcomes.push((seen, stats, lost.load(Ordering::Relaxed)));
        drop((phone, account, call, answered));
    }
    outcomes
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), work).await.expect("done in time")
}

/// Nearly all that was lost has come after all; of the last moment some may be on its way.
fn check_repairs(outcomes: &[(Seen, VideoLegStats, usize)]) {
    for (seen, stats, lost) in outcomes {
        let (first, last) =
            (seen.keys().next().expect("pictures"), seen.keys().next_back().expect("pictures"));
        let missing = (last - first + 1) as usize - seen.len();
        assert!(*lost > 20 && missing * 10 <= *lost, "{missing} missing of {lost} lost: {stats:?}");
        assert!(stats.recovered * 10 >= *lost as u64 * 8, "{lost} lost: {stats:?}");
        assert_eq!((stats.forged, stats.foreign), (0, 0), "{stats:?}");
    }
}

#[tokio::test]
async fn three_parties_see_who_speaks_and_what_is_lost_comes_again() {
    let outcomes = in_time(conference(VideoMode::Switch, SrtpPolicy::Off, 3)).await;
    // The first one is shown before anybody speaks, and sees the second one itself.
    assert_eq!(order(&outcomes[0].0), [1, 2]);
    assert_eq!(order(&outcomes[1].0), [0, 2]);
    assert_eq!(order(&outcomes[2].0), [0, 1]);
    check_repairs(&outcomes);
}

#[tokio::test]
async fn encrypted_pictures_of_all_come_to_all() {
    let outcomes = in_time(conference(VideoMode::Forward(2), SrtpPolicy::Require, 1)).await;
    for (id, (seen, stats, _)) in (0u8..).zip(&outcomes) {
        assert!(seen.values().all(|(of, ..)| *of != id), "nobody sees itself");
        assert_eq!(stats.encryption.map(ringback::SrtpProfile::name), Some("AEAD_AES_128_GCM"));
        assert_eq!((stats.forged, stats.foreign), (0, 0), "{stats:?}");
    }
}

#[tokio::test]
async fn a_call_goes_on_without_the_pictures_that_the_other_side_refuses() {
    let (host, _) = phone(SrtpPolicy::Off).await;
    let (caller, _) = phone(SrtpPolicy::Off).await;
    let _account = host.account("sip:host@127.0.0.1").open().await.expect("an account");
    let account = caller.account("sip:phone@127.0.0.1").open().await.expect("an account");
    let (video, mut stream) = Video::stream();
    let target = format!("sip:host@{}", host.listeners()[0].address);
    let call = account.call(target).audio(Audio::silence()).video(video.clone()).start();
    let mut call = in_time(call).await.expect("a call");
    let incoming = in_time(host.incoming()).await.expect("a call");
    let answered = in_time(incoming.answer(Audio::silence())).await.expect("up");
    in_time(async {
        loop {
            if let CallEvent::Answered(media) = call.next().await.expect("an answer") {
                assert_eq!((media.video, media.codec.as_str()), (None, "PCMU"));
                return;
            }
        }
    })
    .await;
    assert!(call.show(video).await.is_err(), "a call has these already");
    call.hangup().expect("up");
    assert!(matches!(in_time(stream.next()).await, Some(VideoEvent::Ended(_))));
    drop(answered);
}
