//! Counters in the text format of Prometheus.

use crate::{GatewayStats, Stats};
use std::fmt::{self, Write as _};

/// All of them. Made when somebody asks: the parts that handle messages only count.
pub(super) fn text(stats: &Stats) -> String {
    let mut page = Page(String::with_capacity(4_096));
    // Writing into a String does not fail.
    let _ = page.write(stats);
    page.0
}

struct Page(String);

impl Page {
    fn write(&mut self, stats: &Stats) -> fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        self.head("ringback_build_info", "gauge", "The program.")?;
        self.labelled("ringback_build_info", "version", version, 1)?;
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx", "6xx"];
        let by_class = |counts: [u64; 6]| classes.into_iter().zip(counts);

        self.head("sip_requests_received_total", "counter", "Requests received, repeated ones included.")?;
        self.family("sip_requests_received_total", "method", &stats.requests_received_by_method)?;
        self.head("sip_requests_sent_total", "counter", "Requests sent, repeated ones included.")?;
        self.family("sip_requests_sent_total", "method", &stats.requests_sent_by_method)?;
        self.head("sip_responses_received_total", "counter", "Responses received, repeated ones included.")?;
        self.family("sip_responses_received_total", "class", by_class(stats.responses_received_by_class))?;
        self.head("sip_responses_sent_total", "counter", "Responses sent, repeated ones included.")?;
        self.family("sip_responses_sent_total", "class", by_class(stats.responses_sent))?;

        self.head(
            "sip_authentications_total",
            "counter",
            "Requests whose credentials were asked for or judged.",
        )?;
        let judged = [
            ("challenged", stats.auth_challenged),
            ("accepted", stats.auth_accepted),
            ("refused", stats.auth_refused),
        ];
        self.family("sip_authentications_total", "outcome", judged)?;
        for (name, help, value) in [
            ("sip_malformed_messages_total", "What arrived and was no message.", stats.malformed),
            ("sip_failed_sends_total", "Sends that failed.", stats.failed_sends),
        ] {
            self.head(name, "counter", help)?;
            self.plain(name, value)?;
        }
        for (name, help, value) in [
            ("sip_transactions", "Transactions that are alive.", stats.transactions),
            ("sip_requests_in_progress", "Requests on their way through the proxy.", stats.contexts),
            ("sip_calls", "Calls that are up, where records are kept.", stats.calls),
            ("sip_bindings", "Bindings of registrations.", stats.bindings),
            ("sip_connections", "Open connections.", stats.connections),
            ("sip_banned_sources", "Sources that are banned now.", stats.bans),
        ] {
            self.head(name, "gauge", help)?;
            self.plain(name, value)?;
        }
        self.head(
            "sip_refused_share",
            "gauge",
            "The share of new requests that is refused for there is too much to do.",
        )?;
        self.plain("sip_refused_share", stats.refused_share)?;
        self.setup(stats)?;
        self.media(stats)?;
        self.gateways(stats)?;
        self.push(stats)?;
        self.head("sip_dropped_total", "counter", "What was dropped, closed or turned away, by reason.")?;
        self.family(
            "sip_dropped_total",
            "reason",
            stats.dropped.iter().map(|(reason, count)| (reason, *count)),
        )
    }

    fn media(&mut self, stats: &Stats) -> fmt::Result {
        self.head("sip_media_streams", "gauge", "Media that are relayed now.")?;
        self.plain("sip_media_streams", stats.media_streams)?;
        self.head("sip_media_packets_total", "counter", "Media packets relayed.")?;
        self.plain("sip_media_packets_total", stats.media_packets)?;
        self.head("sip_media_converted_total", "counter", "Media packets that were decoded and coded anew.")?;
        self.plain("sip_media_converted_total", stats.media_converted)
    }

    /// Only where phones are woken.
    fn push(&mut self, stats: &Stats) -> fmt::Result {
        let Some(push) = &stats.push else { return Ok(()) };
        let name = "sip_push_notifications_total";
        self.head(name, "counter", "Push notifications, by what became of them.")?;
        let counts = [("accepted", push.accepted), ("failed", push.failed), ("no_room", push.no_room)];
        self.family(name, "outcome", counts)?;
        let name = "sip_push_woken_requests_total";
        self.head(name, "counter", "Requests that went on because their phone had registered.")?;
        self.plain(name, push.woken)?;
        let name = "sip_push_waiting_requests";
        self.head(name, "gauge", "Requests that wait for a phone to wake up.")?;
        self.plain(name, push.waiting)
    }

    /// Each gateway has two labels: its group, and where it is.
    fn gateways(&mut self, stats: &Stats) -> fmt::Result {
        type Value = fn(&GatewayStats) -> u64;
        let families: [(&str, &str, &str, Value); 6] = [
            ("sip_gateway_up", "gauge", "Whether the gateway is there.", |own| own.up.into()),
            ("sip_gateway_calls", "gauge", "Calls that the gateway has now.", |own| own.calls.into()),
            ("sip_gateway_calls_total", "counter", "Calls that it was given.", |own| own.begun),
            ("sip_gateway_answered_total", "counter", "Those of them that it answered.", |own| own.answered),
            ("sip_gateway_failed_total", "counter", "Those after which the next one was tried.", |own| {
                own.failed
            }),
            ("sip_gateway_full_total", "counter", "Calls for which it had no room.", |own| own.full),
        ];
        if stats.gateways.is_empty() {
            return Ok(());
        }
        for (name, kind, help, value) in families {
            self.head(name, kind, help)?;
            for gateway in &stats.gateways {
                self.of_gateway(name, gateway, value(gateway))?;
            }
        }
        let name = "sip_gateway_registered";
        self.head(name, "gauge", "Whether the account is registered, where it shall be.")?;
        for gateway in &stats.gateways {
            if let Some(registered) = gateway.registered {
                self.of_gateway(name, gateway, registered.into())?;
            }
        }
        Ok(())
    }

    fn of_gateway(&mut self, name: &str, gateway: &GatewayStats, value: u64) -> fmt::Result {
        let (group, uri) = (escaped(&gateway.group), escaped(&gateway.uri));
        writeln!(self.0, "{name}{{group=\"{group}\",uri=\"{uri}\"}} {value}")
    }

    /// From INVITE to answer, people included who let it ring.
    fn setup(&mut self, stats: &Stats) -> fmt::Result {
        const NAME: &str = "sip_call_setup_seconds";
        let setup = &stats.call_setup;
        self.head(NAME, "histogram", "From INVITE to its answer, where records are kept.")?;
        let mut sum = 0;
        for (most, count) in &setup.at_most_ms {
            sum += count;
            let most = f64::from(*most) / 1_000.0;
            self.labelled(&format!("{NAME}_bucket"), "le", &most.to_string(), sum)?;
        }
        self.labelled(&format!("{NAME}_bucket"), "le", "+Inf", setup.count)?;
        writeln!(self.0, "{NAME}_sum {}", setup.total_ms as f64 / 1_000.0)?;
        self.plain(&format!("{NAME}_count"), setup.count)
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) -> fmt::Result {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}")
    }

    fn plain(&mut self, name: &str, value: impl fmt::Display) -> fmt::Result {
        writeln!(self.0, "{name} {value}")
    }

    fn family<L: AsRef<str>, V: fmt::Display>(
        &mut self,
        name: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        values.into_iter().try_for_each(|(value, count)| self.labelled(name, label, value.as_ref(), count))
    }

    /// Labels are words of ours; what could break the line is escaped all the same.
    fn labelled(&mut self, name: &str, label: &str, value: &str, count: impl fmt::Display) -> fmt::Result {
        writeln!(self.0, "{name}{{{label}=\"{}\"}} {count}", escaped(value))
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PushStats;

    #[test]
    fn gateways_are_told_apart_by_group_and_place() {
        let of = |uri: &str, registered| GatewayStats {
            group: "carrier".into(),
            uri: uri.into(),
            up: true,
            registered,
            calls: 3,
            ..GatewayStats::default()
        };
        let gateways = vec![of("sip:a.example", None), of("sip:b.example;x=\"y\"", Some(false))];
        let page = text(&Stats { gateways, media_streams: 2, refused_share: 0.25, ..Stats::default() });
        for line in [
            "sip_gateway_up{group=\"carrier\",uri=\"sip:a.example\"} 1",
            "sip_gateway_calls{group=\"carrier\",uri=\"sip:b.example;x=\\\"y\\\"\"} 3",
            "sip_gateway_registered{group=\"carrier\",uri=\"sip:b.example;x=\\\"y\\\"\"} 0",
            "sip_media_streams 2",
            "sip_media_packets_total 0",
            "sip_media_converted_total 0",
            "sip_refused_share 0.25",
        ] {
            assert!(page.lines().any(|own| own == line), "{line}:\n{page}");
        }
        assert!(!page.contains("sip_gateway_registered{group=\"carrier\",uri=\"sip:a.example\"}"));
        assert!(!text(&Stats::default()).contains("sip_gateway"));
    }

    #[test]
    fn notifications_are_counted_where_phones_are_woken() {
        let push = PushStats { accepted: 5, failed: 2, woken: 4, waiting: 1, ..PushStats::default() };
        let page = text(&Stats { push: Some(push), ..Stats::default() });
        for line in [
            "sip_push_notifications_total{outcome=\"accepted\"} 5",
            "sip_push_notifications_total{outcome=\"failed\"} 2",
            "sip_push_woken_requests_total 4",
            "sip_push_waiting_requests 1",
        ] {
            assert!(page.lines().any(|own| own == line), "{line}:\n{page}");
        }
        assert!(!text(&Stats::default()).contains("sip_push"));
    }
}
