//! The order in which the servers of an SRV set are tried (RFC 2782).

use ringback_sansio::Entropy;

/// One server of an SRV set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) host: String,
}

/// Orders servers: by priority, and of one priority each next one by lot, with chances as its weight.
pub(super) fn in_order(mut servers: Vec<Server>, entropy: &mut impl Entropy) -> Vec<Server> {
    // Those without weight stand first, so that they have a small chance beside those with one.
    servers.sort_by_key(|server| (server.priority, server.weight));
    let mut ordered = Vec::with_capacity(servers.len());
    while let Some(priority) = servers.first().map(|server| server.priority) {
        let equals = servers.iter().take_while(|server| server.priority == priority);
        let sum: u64 = equals.map(|server| u64::from(server.weight)).sum();
        let lot = entropy.below(sum + 1);
        let mut running = 0;
        let chosen = servers.iter().position(|server| {
            running += u64::from(server.weight);
            running >= lot
        });
        ordered.push(servers.remove(chosen.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sansio::SeededEntropy;

    fn server(priority: u16, weight: u16, host: &str) -> Server {
        Server { priority, weight, port: 5060, host: host.to_owned() }
    }

    fn firsts(servers: &[Server], tries: u64) -> Vec<String> {
        (0..tries)
            .map(|seed| in_order(servers.to_vec(), &mut SeededEntropy::new(seed))[0].host.clone())
            .collect()
    }

    #[test]
    fn priorities_come_in_order_whatever_the_lot() {
        let servers = [server(20, 9, "last"), server(10, 0, "a"), server(10, 5, "b"), server(0, 0, "first")];
        for seed in 0..50 {
            let ordered = in_order(servers.to_vec(), &mut SeededEntropy::new(seed));
            assert_eq!(ordered.len(), 4);
            assert!(ordered.is_sorted_by_key(|server| server.priority), "{ordered:?}");
        }
    }

    #[test]
    fn weights_are_shares() {
        let firsts = firsts(&[server(0, 1, "one"), server(0, 2, "two")], 6_000);
        let ones = firsts.iter().filter(|host| *host == "one").count();
        // A lot of 0 to 3 of which 0 and 1 are for the one.
        assert!((2_700..3_300).contains(&ones), "{ones}");
        let none = self::firsts(&[server(0, 0, "none"), server(0, 9, "nine")], 1_000);
        let nones = none.iter().filter(|host| *host == "none").count();
        assert!((50..200).contains(&nones), "{nones}");
    }
}
