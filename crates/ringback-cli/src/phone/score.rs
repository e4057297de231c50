//! How the audio of a call was, in words and as fields.

use crate::out::Reporter;
use ringback::{LegStats, SrtpProfile};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Says how good the call sounded on either side.
pub(crate) fn tell_score(report: &Reporter, media: &LegStats) {
    let word = |mos: Option<f64>| mos.map_or("unknown".to_owned(), |mos| format!("MOS {mos:.2}"));
    let (heard, said) = (media.mos(), media.remote_mos());
    let mut text = format!("score: what we heard {}, what the other side heard {}", word(heard), word(said));
    let told = media.remote_metrics;
    if let Some(told) = told {
        let percent = |part: u8| f64::from(part) / 2.56;
        let _ = write!(
            text,
            " (it says: {:.1} % lost, {:.1} % too late, {} ms waiting to be played)",
            percent(told.loss_rate),
            percent(told.discard_rate),
            told.buffer_nominal
        );
    }
    let told = told.map_or(Value::Null, |told| {
        json!({
            "lost": f64::from(told.loss_rate) / 256.0,
            "late": f64::from(told.discard_rate) / 256.0,
            "burst_density": f64::from(told.bursts.burst_density) / 256.0,
            "burst_ms": told.bursts.burst_duration,
            "gap_density": f64::from(told.bursts.gap_density) / 256.0,
            "gap_ms": told.bursts.gap_duration,
            "round_trip_ms": told.round_trip,
            "buffer_ms": told.buffer_nominal,
            "r_factor": told.r_factor,
        })
    });
    report.tell("score", [("heard", heard.into()), ("said", said.into()), ("told", told)], text);
}

pub(crate) fn media_fields(media: &LegStats) -> Value {
    json!({
        "packets_sent": media.packets_sent,
        "packets_received": media.packets_received,
        "lost": media.lost,
        "recovered": media.recovered,
        "encryption": media.encryption.map(SrtpProfile::name),
        "forged": media.forged,
        "late": media.late,
        "mos": media.mos(),
        "jitter_ms": media.jitter.as_secs_f64() * 1e3,
        "concealed_ms": media.concealed.as_millis() as u64,
    })
}
