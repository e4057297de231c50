//! One notifier of a subscription of ours: its dialog, and until when it tells.

use crate::SendTag;
use crate::dialog::Dialog;
use ringback_message::UriBuf;
use ringback_sansio::Entropy;
use std::time::{Duration, Instant};

/// One notifier; a forked SUBSCRIBE has one for each From tag in a NOTIFY (RFC 6665 §4.4.1).
#[derive(Debug)]
pub(crate) struct Leg {
    /// Counted as they were heard.
    pub(crate) number: u32,
    pub(crate) dialog: Dialog,
    /// Our SUBSCRIBE in this dialog that has no final response.
    pub(crate) sending: Option<SendTag>,
    /// Where that went.
    pub(crate) sent_to: Option<UriBuf>,
    /// Whether the last SUBSCRIBE took the subscription back.
    pub(crate) left: bool,
    /// When it runs out.
    pub(crate) until: Instant,
}

/// When to refresh what lasts for so many seconds: early enough for a request that is lost for as long as a transaction
/// lives, and not all at the same time.
pub(crate) fn refresh_after(seconds: u32, entropy: &mut dyn Entropy) -> Duration {
    let whole = Duration::from_secs(seconds.into());
    let lead = (whole / 2).min(Duration::from_secs(120));
    let jitter = lead.saturating_mul(entropy.below(101) as u32) / 1000;
    (whole - lead).saturating_sub(jitter).max(Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sansio::SeededEntropy;

    #[test]
    fn subscriptions_are_refreshed_while_a_lost_one_can_be_repeated() {
        let mut entropy = SeededEntropy::new(1);
        for (seconds, least, most) in [(3_600, 3_468, 3_480), (60, 27, 30), (1, 0, 1), (0, 0, 1)] {
            let after = refresh_after(seconds, &mut entropy).as_secs();
            assert!((least..=most).contains(&after), "{seconds} s are refreshed after {after} s");
        }
    }
}
