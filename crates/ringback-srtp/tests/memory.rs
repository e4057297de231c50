//! Packets take no memory of their own. Alone in its program, for the allocator counts for all threads.

use ringback_sansio::SeededEntropy;
use ringback_srtp::{Inbound, MasterKey, Outbound, Profile};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn no_packet_allocates() {
    for profile in Profile::ALL {
        let key = MasterKey::generate(profile, &mut SeededEntropy::new(1));
        let (mut outbound, mut inbound) = (Outbound::new(&key), Inbound::new(&[key]).expect("one key"));
        let mut buffer = [0; 256];
        let mut plain = [7; 172];
        plain[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let region = Region::new(ALLOCATOR);
        for sequence in 0..100u16 {
            buffer[..plain.len()].copy_from_slice(&plain);
            buffer[2..4].copy_from_slice(&sequence.to_be_bytes());
            let len = outbound.protect_rtp(&mut buffer, plain.len()).expect("protected");
            inbound.unprotect_rtp(&mut buffer[..len]).expect("genuine");
            buffer[..2].copy_from_slice(&[0x80, 200]);
            let len = outbound.protect_rtcp(&mut buffer, 60).expect("protected");
            inbound.unprotect_rtcp(&mut buffer[..len]).expect("genuine");
        }
        assert_eq!(region.change().allocations, 0, "{profile}");
    }
}
