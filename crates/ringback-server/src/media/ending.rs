//! Ending calls of which a side has died: a proxy has no dialogs of its own, so each side gets the BYE that the other would send.

use super::watch::Silence;
use crate::core::{Out, ServerCore};
use crate::shard::{Asker, Node};
use ringback_message::Request;
use ringback_transport::locate::NextHop;
use std::time::Instant;

impl ServerCore {
    /// Ends the call, unless the side was heard meanwhile.
    pub(super) fn end_silent_call(&self, now: Instant, silence: &Silence, out: &mut Out) {
        let Some(media) = self.media() else { return };
        let seconds = media.patience().as_secs();
        // ITU-T Q.850: 102 is recovery on timer expiry.
        let reason = format!("Q.850;cause=102;text=\"no media for {seconds} s\"");
        let index = self.index(&silence.call_id);
        let mut hops = Vec::new();
        self.with_shard(now, index, out, |node| {
            let Some(ended) = node.relayed.end_silent(&silence.call_id, silence.side, &reason) else {
                return;
            };
            let who = if silence.side == ringback_relay::Side::Caller { "caller" } else { "callee" };
            let call = String::from_utf8_lossy(&silence.call_id);
            tracing::warn!(%call, who, seconds, "a call is ended whose media have died");
            media.count_ended();
            if let Some(calls) = &mut node.calls {
                calls.ended_by_us(
                    now,
                    &silence.call_id,
                    &ended.caller,
                    &format!("no media of the {who} for {seconds} s"),
                );
            }
            for mut bye in ended.byes {
                self.gateways.in_dialog(&silence.call_id, &mut bye);
                match node.proxy.hop_of_own(&mut bye) {
                    Ok(NextHop::Known(to)) => send(now, node, to, bye),
                    Ok(hop) => {
                        node.asked += 1;
                        node.questions.insert(node.asked, Asker::Bye(Box::new(bye)));
                        hops.push(((index as u64) << 48 | node.asked, hop));
                    }
                    Err(status) => tracing::debug!(%call, %status, "a BYE of ours has no way"),
                }
            }
        });
        hops.into_iter().for_each(|(token, hop)| out.resolve(token, hop));
    }
}

/// Sends a BYE of ours. What is answered changes nothing: the call is over here.
pub(crate) fn send(now: Instant, node: &mut Node, to: ringback_sansio::Target, bye: Request) {
    if let Err(error) = node.transactions.request(now, to, bye) {
        tracing::debug!(?error, "a BYE of ours was not sent");
    }
}
