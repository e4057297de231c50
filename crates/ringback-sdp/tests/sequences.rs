//! Random sequences of offers, answers, holds, refusals and changes between two machines, with the laws of
//! RFC 3264 checked after each step, and the same machines under hostile descriptions.

use proptest::prelude::*;
use ringback_sdp::{
    Codec, Direction, LocalMedia, MediaKind, NegotiationError, NegotiationState, OfferAnswer, Origin,
    SessionDescription,
};

/// What may happen to one of the two sides.
#[derive(Clone, Debug)]
enum Step {
    /// An offer goes out, is answered, and the answer arrives.
    Exchange,
    /// An offer goes out and is refused.
    Refused,
    /// Both make an offer at once and both are refused.
    Glare,
    Hold,
    Resume,
    Direction(usize, Direction),
    Port(usize, u16),
    Add(LocalMedia),
    Enable(usize),
    Bundling(bool),
    Move,
}

fn codec(name: &str, number: u8, rate: u32) -> Codec {
    Codec::new(number, name, rate).unwrap()
}

fn local_media() -> impl Strategy<Value = LocalMedia> {
    let codecs = vec![
        Codec::pcmu(),
        Codec::pcma(),
        Codec::telephone_event(),
        codec("iLBC", 97, 8000),
        codec("opus", 97, 48000).with_channels(2),
        codec("telephone-event", 101, 48000),
    ];
    let codecs = prop::sample::subsequence(codecs, 1..=6).prop_shuffle();
    (any::<bool>(), any::<bool>(), 1..4000_u16, codecs).prop_map(|(is_video, rtcp_mux, port, codecs)| {
        let kind = if is_video { MediaKind::VIDEO } else { MediaKind::AUDIO };
        LocalMedia { kind, rtcp_mux, ..LocalMedia::audio(port, codecs) }
    })
}

fn direction() -> impl Strategy<Value = Direction> {
    prop::sample::select(vec![
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Exchange),
        1 => Just(Step::Refused),
        1 => Just(Step::Glare),
        1 => Just(Step::Hold),
        1 => Just(Step::Resume),
        1 => (0..4_usize, direction()).prop_map(|(local, direction)| Step::Direction(local, direction)),
        1 => (0..4_usize, 0..4000_u16).prop_map(|(local, port)| Step::Port(local, port)),
        1 => local_media().prop_map(Step::Add),
        1 => (0..4_usize).prop_map(Step::Enable),
        2 => any::<bool>().prop_map(Step::Bundling),
        1 => Just(Step::Move),
    ]
}

fn side(address: &str, media: Vec<LocalMedia>) -> OfferAnswer {
    OfferAnswer::new(Origin { username: "u".into(), session_id: 1, address: address.parse().unwrap() }, media)
}

fn version(description: &SessionDescription) -> u64 {
    description.origin.session_version.as_str().parse().unwrap()
}

fn exchange(from: &mut OfferAnswer, to: &mut OfferAnswer) -> Result<(), NegotiationError> {
    let lines = from.negotiated().len();
    let versions = (from.local_description().map(version), to.local_description().map(version));
    let offer = from.make_offer()?;
    // rule 48: the count never shrinks.
    assert!(offer.media.len() >= lines);
    let offer = SessionDescription::parse(&offer.to_bytes()).unwrap();
    if let Err(error) = to.receive_offer(&offer) {
        from.rollback();
        return Err(error);
    }
    let answer = to.make_answer().unwrap();
    let answer = SessionDescription::parse(&answer.to_bytes()).unwrap();
    // rule 48: same count, same types; and a direction that fits (rule 49).
    assert_eq!(answer.media.len(), offer.media.len());
    for (offered, answered) in offer.media.iter().zip(&answer.media) {
        assert_eq!(offered.kind, answered.kind);
        assert!(offered.port != 0 || answered.port == 0);
        if answered.port != 0 {
            let (offered, answered) = (offer.direction_of(offered), answer.direction_of(answered));
            assert_eq!(answered, answered.and(offered.reversed()));
        }
    }
    from.receive_answer(&answer).unwrap();
    // rule 47: versions never fall.
    assert!(versions.0 <= Some(version(&offer)) && versions.1 <= Some(version(&answer)));
    Ok(())
}

/// Both sides know the same about each line, from their own view.
fn check(alice: &OfferAnswer, bob: &OfferAnswer) {
    assert_eq!((alice.state(), bob.state()), (NegotiationState::Stable, NegotiationState::Stable));
    assert_eq!(alice.negotiated().len(), bob.negotiated().len());
    for (ours, theirs) in alice.negotiated().iter().zip(bob.negotiated()) {
        assert_eq!(ours.is_active(), theirs.is_active());
        if ours.is_active() {
            assert_eq!(ours.direction, theirs.direction.reversed());
            assert_eq!(ours.rtcp_mux, theirs.rtcp_mux);
            let encodings = |codecs: &[Codec]| {
                codecs
                    .iter()
                    .map(|codec| (codec.payload_type(), codec.encoding().to_string()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(encodings(&ours.send), encodings(&theirs.receive));
            assert_eq!(encodings(&ours.receive), encodings(&theirs.send));
            assert!(!ours.send.is_empty());
            assert_eq!((&ours.mid, ours.bundle), (&theirs.mid, theirs.bundle));
        }
    }
    for side in [alice, bob] {
        // rule 53: a bundle has one transport, that of its tagged line.
        for media in side.negotiated() {
            if let Some(tagged) = media.bundle {
                let tagged = &side.negotiated()[tagged];
                assert!(tagged.is_active() && tagged.bundle == media.bundle && media.rtcp_mux);
                assert_eq!(tagged.remote_rtp, media.remote_rtp);
            }
        }
        let mut used: Vec<usize> = side.negotiated().iter().filter_map(|media| media.local).collect();
        let count = used.len();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), count, "a medium speaks at one line only");
    }
}

/// One step of `alice`, who may move `elsewhere`.
fn play(alice: &mut OfferAnswer, bob: &mut OfferAnswer, step: Step, elsewhere: &str) {
    match step {
        Step::Exchange => match exchange(alice, bob) {
            Ok(()) | Err(NegotiationError::NotAcceptable) => {}
            Err(error) => panic!("{error}"),
        },
        Step::Refused => {
            let before = alice.negotiated().to_vec();
            alice.make_offer().unwrap();
            alice.rollback();
            assert_eq!(alice.negotiated(), before);
        }
        Step::Glare => {
            let (ours, theirs) = (alice.make_offer().unwrap(), bob.make_offer().unwrap());
            assert_eq!(alice.receive_offer(&theirs), Err(NegotiationError::Glare));
            assert_eq!(bob.receive_offer(&ours), Err(NegotiationError::Glare));
            alice.rollback();
            bob.rollback();
        }
        Step::Hold => alice.hold(),
        Step::Resume => alice.resume(),
        Step::Direction(local, direction) => {
            alice.set_direction(local, direction);
        }
        Step::Port(local, port) => {
            alice.set_local_port(local, port);
        }
        Step::Add(media) => {
            alice.add_media(media);
        }
        Step::Enable(local) => {
            alice.enable_media(local);
        }
        Step::Bundling(is_bundling) => alice.set_bundling(is_bundling),
        Step::Move => alice.set_local_address(elsewhere.parse().unwrap()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn two_machines_stay_in_agreement(
        ours in prop::collection::vec(local_media(), 0..3),
        theirs in prop::collection::vec(local_media(), 0..3),
        steps in prop::collection::vec((any::<bool>(), step()), 1..30),
    ) {
        let (mut alice, mut bob) = (side("192.0.2.1", ours), side("2001:db8::2", theirs));
        for (is_alice, step) in steps {
            match is_alice {
                true => play(&mut alice, &mut bob, step, "192.0.2.77"),
                false => play(&mut bob, &mut alice, step, "2001:db8::77"),
            }
            check(&alice, &bob);
        }
    }

    #[test]
    fn hostile_descriptions_do_no_harm(
        ours in prop::collection::vec(local_media(), 0..3),
        bodies in prop::collection::vec(
            (any::<bool>(), "(m=(audio|video) [0-9]{1,4} RTP/AVPF? [0-9]{1,3} (0|8|97)\n(a=(rtpmap:[0-9]{1,3} [a-zA-Z]{1,4}/8000|sendonly|inactive|rtcp:[0-9]{1,6}|ptime:[0-9]{1,3})\n|c=IN IP4 [0-2]{1,3}\\.0\\.0\\.[0-9]\n){0,4}){0,4}"),
            1..8,
        ),
    ) {
        let mut side = side("192.0.2.1", ours);
        for (is_offer, media) in bodies {
            let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.9\nc=IN IP4 192.0.2.9\n{media}");
            let description = SessionDescription::parse(text.as_bytes()).unwrap();
            if is_offer {
                if side.receive_offer(&description).is_ok() {
                    let answer = side.make_answer().unwrap();
                    prop_assert_eq!(answer.media.len(), description.media.len());
                    prop_assert_eq!(SessionDescription::parse(&answer.to_bytes()), Ok(answer));
                }
            } else {
                side.make_offer().unwrap();
                if side.receive_answer(&description).is_err() {
                    side.rollback();
                }
            }
            prop_assert_eq!(side.state(), NegotiationState::Stable);
        }
    }
}
