//! Captures, written and read back, and files of all sorts.

use crate::scene::{EPOCH, Scene, at, sdp};
use bytes::Bytes;
use proptest::prelude::*;
use ringback_sansio::Protocol;
use ringback_trace::{CaptureError, CaptureFormat, CaptureReader, CaptureWriter, Packet};
use std::time::Duration;

fn written(packets: &[Packet]) -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new()).expect("memory");
    packets.iter().for_each(|it| writer.write(it).expect("memory"));
    writer.finish().expect("memory")
}

fn written_as_pcapng(packets: &[Packet]) -> Vec<u8> {
    let mut writer = CaptureWriter::with_format(Vec::new(), CaptureFormat::Pcapng).expect("memory");
    packets.iter().for_each(|it| writer.write(it).expect("memory"));
    writer.finish().expect("memory")
}

fn read(file: &[u8]) -> Vec<Packet> {
    CaptureReader::new(file).map(|it| it.expect("a good capture")).collect()
}

/// The records of a classic capture, headers and all, and what is in front of them.
fn records(file: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (header, mut rest) = file.split_at(24);
    let mut records = Vec::new();
    while let Some((head, _)) = rest.split_first_chunk::<16>() {
        let length = 16 + u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
        records.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    (header.to_vec(), records)
}

fn joined(header: &[u8], records: &[Vec<u8>]) -> Vec<u8> {
    [header, &records.concat()].concat()
}

/// A classic capture whose frames begin with `prefix`, of another link type.
fn relinked(file: &[u8], link: u16, prefix: &[u8]) -> Vec<u8> {
    let (mut header, mut records) = records(file);
    header[20..22].copy_from_slice(&link.to_le_bytes());
    for record in &mut records {
        let length = (record.len() - 16 + prefix.len()) as u32;
        record[8..12].copy_from_slice(&length.to_le_bytes());
        record.splice(16..16, prefix.iter().copied());
    }
    joined(&header, &records)
}

fn message(length: usize, call: usize) -> Bytes {
    let head = format!(
        "INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK{call}\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\
         From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), &vec![b'a' + (call % 26) as u8; length]].concat().into()
}

fn streamed(lengths: &[usize]) -> Vec<Packet> {
    let packet = |(call, length): (usize, &usize)| Packet {
        time: EPOCH + Duration::from_millis(call as u64),
        source: at("192.0.2.1:40000"),
        destination: at("192.0.2.9:5060"),
        protocol: Protocol::Tcp,
        payload: message(*length, call),
    };
    lengths.iter().enumerate().map(packet).collect()
}

#[test]
fn a_call_is_read_back_as_it_was_written() {
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let scene = Scene::call_over(protocol);
        assert_eq!(read(&written(&scene.packets)), scene.packets);
    }
    let packet = |source: &str, destination: &str| Packet {
        time: EPOCH,
        source: at(source),
        destination: at(destination),
        protocol: Protocol::Udp,
        payload: Bytes::from_static(b"odd"),
    };
    let packets = [packet("[2001:db8::1]:5060", "[2001:db8::2]:5061"), packet("[::1]:1", "[::1]:65535")];
    assert_eq!(read(&written(&packets)), packets);
    let mapped = read(&written(&[packet("[::ffff:192.0.2.1]:5060", "192.0.2.2:5060")]));
    assert_eq!(mapped[0].source, at("192.0.2.1:5060"));
}

#[test]
fn a_pcapng_file_keeps_transports_and_nanoseconds_and_may_have_several_sections() {
    let of = |protocol| {
        let mut packets = Scene::call_over(protocol).packets;
        packets.iter_mut().for_each(|packet| packet.time += Duration::from_nanos(7));
        packets
    };
    let mut file = Vec::new();
    let mut all = Vec::new();
    for protocol in Protocol::ALL {
        assert_eq!(read(&written_as_pcapng(&of(protocol))), of(protocol), "{protocol}");
        file.extend(written_as_pcapng(&of(protocol)));
        all.extend(of(protocol));
    }
    assert_eq!(read(&file).len(), all.len());
    for end in (0..file.len()).step_by(97) {
        let whole = CaptureReader::new(&file[..end]).take_while(Result::is_ok).count();
        assert!(whole <= all.len(), "a file that is cut anywhere is read as far as it goes");
    }
}

#[test]
fn every_checksum_is_right() {
    let sum = |octets: &[u8]| {
        let words =
            octets.chunks(2).map(|it| u32::from(u16::from_be_bytes([it[0], *it.get(1).unwrap_or(&0)])));
        let sum: u32 = words.sum();
        let once = (sum & 0xffff) + (sum >> 16);
        (once & 0xffff) + (once >> 16)
    };
    let (_, records) = records(&written(&Scene::call_over(Protocol::Tcp).packets));
    for record in &records {
        let packet = &record[16..];
        assert_eq!(sum(&packet[..20]), 0xffff);
        let length = (packet.len() - 20) as u16;
        let pseudo = [&packet[12..20], &[0, packet[9]], &length.to_be_bytes(), &packet[20..]].concat();
        assert_eq!(sum(&pseudo), 0xffff);
    }
}

#[test]
fn every_usual_link_layer_is_understood() {
    let packets = Scene::call().packets;
    let file = written(&packets);
    let ethernet: &[u8] = &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for (link, prefix) in [
        (1, [ethernet, &[8, 0]].concat()),
        (1, [ethernet, &[0x81, 0, 0, 7, 8, 0]].concat()),
        (1, [ethernet, &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 8, 0]].concat()),
        (0, vec![2, 0, 0, 0]),
        (108, vec![0, 0, 0, 2]),
        (12, Vec::new()),
        (228, Vec::new()),
        (113, [&[0; 14][..], &[8, 0]].concat()),
        (276, [&[8, 0][..], &[0; 18]].concat()),
    ] {
        assert_eq!(read(&relinked(&file, link, &prefix)), packets, "link type {link}");
    }
    assert_eq!(read(&relinked(&file, 1, &[ethernet, &[8, 6]].concat())), [], "ARP");
    assert_eq!(read(&relinked(&file, 105, &[])), [], "unknown");
}

#[test]
fn messages_are_cut_out_of_streams_whatever_happened_to_the_segments() {
    let packets = streamed(&[0, 5_000, 100, 20_000, 3]);
    let payloads: Vec<Bytes> = packets.iter().map(|it| it.payload.clone()).collect();
    let of = |file: &[u8]| read(file).into_iter().map(|it| it.payload).collect::<Vec<_>>();
    let file = written(&packets);
    assert_eq!(of(&file), payloads);

    let (header, whole) = records(&file);
    let mut swapped = whole.clone();
    for at in (3..swapped.len() - 1).step_by(2) {
        swapped.swap(at, at + 1);
    }
    assert_eq!(of(&joined(&header, &swapped)), payloads, "out of order");
    let repeated: Vec<Vec<u8>> = whole.iter().flat_map(|it| [it.clone(), it.clone()]).collect();
    assert_eq!(of(&joined(&header, &repeated)), payloads, "every segment twice");
    // The capture began in the middle of the second message.
    assert_eq!(of(&joined(&header, &whole[6..])), payloads[2..], "without a beginning");
    // A segment of the second message is missing: what it holds up is given up, later messages are not.
    let mut missing = whole.clone();
    missing.remove(5);
    let many: Vec<usize> = [0, 5_000].into_iter().chain(std::iter::repeat_n(1_000, 200)).collect();
    let (header, mut longer) = records(&written(&streamed(&many)));
    longer.remove(5);
    assert!(of(&joined(&header, &longer)).len() > 100, "a segment is missing");
}

#[test]
fn fragments_of_a_datagram_are_put_together() {
    let mut scene = Scene::new(Protocol::Udp);
    let offer = format!(
        "{}{}",
        sdp(4_000, "sendrecv", 1),
        "a=candidate:1 1 UDP 1 192.0.2.1 4000 typ host\r\n".repeat(80)
    );
    scene.sip(0, (scene.alice, scene.bob), "INVITE sip:b@x SIP/2.0", "1 INVITE", "", &offer);
    let (header, whole) = records(&written(&scene.packets));
    let (head, payload) = whole[0][16..].split_at(20);
    let parts: Vec<Vec<u8>> = payload
        .chunks(1_480)
        .enumerate()
        .map(|(n, part)| {
            let more = if (n + 1) * 1_480 < payload.len() { 0x2000 } else { 0u16 };
            let mut packet = [head, part].concat();
            packet[2..4].copy_from_slice(&((20 + part.len()) as u16).to_be_bytes());
            packet[6..8].copy_from_slice(&(more | (n * 1_480 / 8) as u16).to_be_bytes());
            let length = (packet.len() as u32).to_le_bytes();
            [&whole[0][..8], &length, &length, &packet].concat()
        })
        .rev()
        .collect();
    assert!(parts.len() >= 3);
    assert_eq!(read(&joined(&header, &parts)), scene.packets);
}

/// A pcapng file of one section; `big` is its byte order.
fn next_generation(packets: &[Vec<u8>], big: bool) -> Vec<u8> {
    let u32 = |it: u32| if big { it.to_be_bytes() } else { it.to_le_bytes() };
    let u16 = |it: u16| if big { it.to_be_bytes() } else { it.to_le_bytes() };
    let block = |kind: u32, body: &[u8]| {
        let length = u32(12 + body.len() as u32);
        [&u32(kind)[..], &length, body, &length].concat()
    };
    let section = [&u32(0x1a2b_3c4d)[..], &u16(1), &u16(0), &[0xff; 8]].concat();
    // Raw IP in nanoseconds.
    let interface =
        [&u16(101)[..], &u16(0), &u32(0), &u16(9), &u16(1), &[9, 0, 0, 0], &u16(0), &u16(0)].concat();
    let mut file = [block(0x0a0d_0d0a, &section), block(1, &interface), block(0xbad, &[0; 16])].concat();
    for (n, packet) in packets.iter().enumerate() {
        let ticks = EPOCH.as_nanos() as u64 + n as u64 * 1_000;
        let length = u32(packet.len() as u32);
        let mut body =
            [&u32(0)[..], &u32((ticks >> 32) as u32), &u32(ticks as u32), &length, &length, packet].concat();
        body.resize(body.len().next_multiple_of(4), 0);
        file.extend(block(6, &body));
    }
    file
}

#[test]
fn both_byte_orders_of_pcapng_are_read() {
    let mut scene = Scene::new(Protocol::Udp);
    scene.send(0, scene.alice, scene.bob, "first");
    scene.send(0, scene.alice, scene.bob, "second one");
    let (_, packets) = records(&written(&scene.packets));
    let packets: Vec<Vec<u8>> = packets.into_iter().map(|it| it[16..].to_vec()).collect();
    scene.packets[1].time += Duration::from_micros(1);
    for big in [false, true] {
        assert_eq!(read(&next_generation(&packets, big)), scene.packets);
        let twice = [next_generation(&packets, big), next_generation(&packets, !big)].concat();
        assert_eq!(read(&twice).len(), 4, "two sections");
    }
}

#[test]
fn what_is_no_capture_is_refused_and_what_breaks_off_is_told_after_what_was_there() {
    let last = |file: &[u8]| CaptureReader::new(file).last().expect("an item").expect_err("an error");
    assert!(matches!(last(b""), CaptureError::NotACapture));
    assert!(matches!(last(b"RIFF and so on"), CaptureError::NotACapture));
    let file = written(&Scene::call().packets);
    let items: Vec<_> = CaptureReader::new(&file[..file.len() - 1]).collect();
    assert_eq!(items.len(), Scene::call().packets.len());
    assert!(matches!(items.last(), Some(Err(CaptureError::Truncated))));
    let (header, mut whole) = records(&file);
    whole[0][8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(last(&joined(&header, &whole)), CaptureError::TooLong(u32::MAX)));
}

proptest! {
    #[test]
    fn no_file_breaks_the_reader(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..30),
        kind in 0usize..4,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = match kind {
            0 => written(&streamed(&[10, 3_000, 0])),
            1 => relinked(&written(&Scene::call().packets[..8]), 1, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0xdd]),
            _ => {
                let (_, packets) = records(&written(&Scene::call().packets[..8]));
                next_generation(&packets.into_iter().map(|it| it[16..].to_vec()).collect::<Vec<_>>(), kind == 2)
            }
        };
        for (at, octet) in changes {
            let at = at.index(file.len());
            file[at] = octet;
        }
        file.truncate(cut.index(file.len()) + 1);
        prop_assert!(CaptureReader::new(&*file).count() < 10_000);
    }
}
