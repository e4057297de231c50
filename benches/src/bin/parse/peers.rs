//! Other parsers, with the feature `peers`: what they do of the same tasks, in their own words.

use crate::Runner;
use bytes::Bytes;
use std::hint::black_box;

/// All rows of the peers.
pub(crate) fn runners() -> Vec<Runner> {
    vec![
        Runner { task: "T1", who: "rsip", run: rsip_tasks::parse },
        Runner { task: "T1", who: "rsipstack", run: rsipstack_tasks::parse },
        Runner { task: "T2", who: "rsip", run: rsip_tasks::proxy_reads },
        Runner { task: "T2", who: "rsipstack", run: rsipstack_tasks::proxy_reads },
        Runner { task: "T4", who: "rsip", run: rsip_tasks::serialize },
        Runner { task: "T4", who: "rsipstack", run: rsipstack_tasks::serialize },
    ]
}

/// The two have one ancestor, and most names in common.
macro_rules! tasks {
    ($name:ident $sip:path) => {
        mod $name {
            use super::{Bytes, black_box};
            use sip::SipMessage;
            use sip::prelude::*;
            use $sip as sip;

            fn read(message: &[u8]) -> Option<SipMessage> {
                SipMessage::try_from(message).ok()
            }

            pub(super) fn parse(message: &Bytes, count: u32) -> Option<()> {
                for _ in 0..count {
                    black_box(read(black_box(message))?);
                }
                Some(())
            }

            pub(super) fn proxy_reads(message: &Bytes, count: u32) -> Option<()> {
                for _ in 0..count {
                    let message = read(black_box(message))?;
                    let via = message.via_header().ok()?.typed().ok()?;
                    let from = message.from_header().ok()?.typed().ok()?;
                    let to = message.to_header().ok()?.typed().ok()?;
                    let cseq = message.cseq_header().ok()?.typed().ok()?;
                    black_box((via.branch(), from.tag(), to.tag(), &cseq.method, cseq.seq));
                    black_box(message.call_id_header().ok()?.value());
                    black_box(message.max_forwards_header().is_ok());
                }
                Some(())
            }

            pub(super) fn serialize(message: &Bytes, count: u32) -> Option<()> {
                let message = read(message)?;
                for _ in 0..count {
                    black_box(black_box(&message).to_string());
                }
                Some(())
            }
        }
    };
}

tasks!(rsip_tasks::rsip);
tasks!(rsipstack_tasks::rsipstack::sip);
