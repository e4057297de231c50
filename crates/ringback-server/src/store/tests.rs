//! What is kept, and a store as large as it gets.

use super::*;
use ringback_net::epoch;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Bindings of one commit: as many as the writer takes at once.
const BATCH: u32 = 2_000;

/// What an ordinary phone behind UDP leaves.
fn binding(number: u32, now: Instant) -> Change {
    let ip = Ipv4Addr::from(0x0a00_0000 | number);
    let contact = format!("sip:user{number:07}@{ip}:5060;transport=udp");
    let binding = Binding {
        contact: UriBuf::new(&contact).unwrap(),
        params: String::new(),
        q: None,
        expires_at: now + Duration::from_secs(3_600 + u64::from(number % 3_600)),
        call_id: format!("{number:08x}-7d21-4b0e-9a55-3f6c0c1de001"),
        cseq: 1,
        path: Vec::new(),
        flow: None,
        protocol: Protocol::Udp,
        received: SocketAddr::from((ip, 5_060)),
        user_agent: Some("Phone/1.0".to_owned()),
    };
    Change::Put(Aor::parse(&format!("sip:user{number:07}@example.com")).unwrap(), binding.into())
}

#[test]
fn bindings_come_back_as_they_were_and_ended_ones_do_not() {
    let folder = std::env::temp_dir().join(format!("ringback-store-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    let (epoch, mut store) = (epoch(), Store::open(&folder).unwrap());
    let kept: Vec<Change> = (0..3).map(|number| binding(number, epoch.at)).collect();
    let mut ended = binding(3, epoch.at);
    if let Change::Put(_, binding) = &mut ended {
        Arc::make_mut(binding).expires_at = epoch.at;
    }
    store.commit(&epoch, kept.iter().chain([&ended])).unwrap();
    let mut back = Vec::new();
    store.each_binding(epoch.at, &epoch, |aor, binding| back.push(Change::Put(aor, binding.into()))).unwrap();
    for change in &mut back {
        if let Change::Put(_, binding) = change {
            // On disk it is in milliseconds of the calendar.
            let lasts = binding.expires_at.saturating_duration_since(epoch.at) + Duration::from_micros(999);
            Arc::make_mut(binding).expires_at = epoch.at + Duration::from_secs(lasts.as_secs());
        }
    }
    assert_eq!(back, kept);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
#[ignore = "writes 200 MB: cargo xtask bench bindings"]
fn a_store_with_very_many_bindings_is_written() {
    let folder = std::env::var_os("RINGBACK_BINDINGS_FOLDER").expect("the folder of the store");
    let count = std::env::var("RINGBACK_BINDINGS").expect("how many").parse::<u32>().expect("a number");
    let (epoch, mut store) = (epoch(), Store::open(Path::new(&folder)).unwrap());
    for begin in (0..count).step_by(BATCH as usize) {
        let batch: Vec<Change> =
            (begin..count.min(begin + BATCH)).map(|number| binding(number, epoch.at)).collect();
        store.commit(&epoch, &batch).unwrap();
    }
}
