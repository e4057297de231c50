//! A network in memory: datagrams that get lost, doubled, late and out of order, streams that stall, and links that part.
//!
//! Everything follows from the seed and the order of calls, so a run can be repeated to the byte.

use bytes::Bytes;
use ringback_sansio::{CloseReason, Entropy, Flow, FlowId, Protocol, SeededEntropy, Target};
use ringback_transport::FromNetwork;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How bad the network is, until when.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Datagrams of a thousand that get lost.
    pub loss: u64,
    /// Datagrams of a thousand that come twice.
    pub duplication: u64,
    /// The shortest time that anything takes.
    pub delay: Duration,
    /// How much longer it may take: where this is long, order is lost.
    pub jitter: Duration,
    /// Times at which two hosts do not hear each other.
    pub partitions: Vec<Partition>,
    /// From then on nothing gets lost or parted.
    pub clears: Instant,
}

/// A time at which two hosts do not hear each other.
#[derive(Clone, Copy, Debug)]
pub struct Partition {
    /// When it begins.
    pub from: Instant,
    /// When it ends.
    pub until: Instant,
    /// One host.
    pub one: IpAddr,
    /// The other.
    pub other: IpAddr,
}

impl Partition {
    fn parts(&self, now: Instant, one: IpAddr, other: IpAddr) -> bool {
        let between = (self.one, self.other) == (one, other) || (self.one, self.other) == (other, one);
        between && self.from <= now && now < self.until
    }
}

/// One end of a stream.
#[derive(Clone, Copy, Debug)]
struct End {
    host: SocketAddr,
    other: FlowId,
    /// When the last thing that was written will have arrived: order is kept.
    last: Instant,
}

/// What is on its way, and how things go.
#[derive(Debug)]
pub struct Network {
    weather: Weather,
    entropy: SeededEntropy,
    on_the_way: BinaryHeap<Reverse<OnTheWay>>,
    ends: BTreeMap<FlowId, End>,
    serial: u64,
    /// Datagrams that were handed in.
    pub sent: u64,
    /// Those of them that got lost.
    pub lost: u64,
}

#[derive(Debug)]
struct OnTheWay {
    at: Instant,
    serial: u64,
    to: SocketAddr,
    what: FromNetwork,
}

impl PartialEq for OnTheWay {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}
impl Eq for OnTheWay {}
impl PartialOrd for OnTheWay {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for OnTheWay {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}

impl Network {
    /// An empty network.
    pub fn new(weather: Weather, seed: u64) -> Self {
        Self {
            weather,
            entropy: SeededEntropy::new(seed),
            on_the_way: BinaryHeap::new(),
            ends: BTreeMap::new(),
            serial: 0,
            sent: 0,
            lost: 0,
        }
    }

    /// A new name for a socket or a connection.
    pub fn flow_id(&mut self) -> FlowId {
        self.serial += 1;
        FlowId(self.serial)
    }

    /// When something arrives next.
    pub fn next(&self) -> Option<Instant> {
        self.on_the_way.peek().map(|Reverse(next)| next.at)
    }

    /// Takes what has arrived, and where.
    pub fn arrived(&mut self, now: Instant) -> Option<(SocketAddr, FromNetwork)> {
        if self.next()? > now {
            return None;
        }
        let Reverse(arrived) = self.on_the_way.pop()?;
        Some((arrived.to, arrived.what))
    }

    /// Sends a datagram; `true` when at least one copy will arrive. `socket` is the receiver's.
    pub fn datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        socket: FlowId,
        bytes: &Bytes,
    ) -> bool {
        self.sent += 1;
        let clear = now >= self.weather.clears;
        let parted = self.heals(now, from.ip(), to.ip()).is_some();
        // Drawn in any case, so that the weather does not change what else is drawn.
        let (loses, doubles) = (self.entropy.below(1_000), self.entropy.below(1_000));
        if !clear && (parted || loses < self.weather.loss) {
            self.lost += 1;
            return false;
        }
        let copies = if !clear && doubles < self.weather.duplication { 2 } else { 1 };
        for _ in 0..copies {
            let at = now + self.time();
            let flow = Flow { id: socket, protocol: Protocol::Udp, local: to, peer: from };
            self.put(at, to, FromNetwork::Datagram(flow, bytes.clone()));
        }
        true
    }

    /// Opens a stream from one host to the listener of another; `listens` says whether there is one.
    pub fn connect(
        &mut self,
        now: Instant,
        protocol: Protocol,
        from: SocketAddr,
        to: SocketAddr,
        listens: bool,
    ) {
        if !listens {
            let at = now + self.time();
            return self.put(
                at,
                from,
                FromNetwork::ConnectFailed(Target::Address(protocol, to), CloseReason::Refused),
            );
        }
        let (ours, theirs) = (self.flow_id(), self.flow_id());
        let local = SocketAddr::new(from.ip(), 40_000 + (ours.0 % 20_000) as u16);
        let there = self.heals(now, from.ip(), to.ip()).unwrap_or(now) + self.time();
        let back = there + self.time();
        self.ends.insert(ours, End { host: from, other: theirs, last: there });
        self.ends.insert(theirs, End { host: to, other: ours, last: back });
        self.put(there, to, FromNetwork::Opened(Flow { id: theirs, protocol, local: to, peer: local }));
        self.put(back, from, FromNetwork::Opened(Flow { id: ours, protocol, local, peer: to }));
    }

    /// Writes to a stream. Nothing gets lost on it while it is open; what would be comes later.
    pub fn write(&mut self, now: Instant, id: FlowId, bytes: Bytes) {
        self.on_stream(now, id, |to| FromNetwork::Bytes(to, bytes));
    }

    /// Closes one end of a stream; the other one hears of it.
    pub fn close(&mut self, now: Instant, id: FlowId) {
        self.on_stream(now, id, |id| FromNetwork::Closed(id, CloseReason::Closed));
        self.ends.remove(&id);
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.on_the_way.is_empty()
    }

    fn on_stream(&mut self, now: Instant, id: FlowId, what: impl FnOnce(FlowId) -> FromNetwork) {
        let Some(end) = self.ends.get(&id).copied() else { return };
        let Some(other) = self.ends.get(&end.other).copied() else { return };
        let (loses, time) = (self.entropy.below(1_000), self.time());
        let mut at = self.heals(now, end.host.ip(), other.host.ip()).unwrap_or(now) + time;
        if now < self.weather.clears && loses < self.weather.loss {
            at += Duration::from_millis(200) + self.time();
        }
        let at = at.max(end.last);
        if let Some(end) = self.ends.get_mut(&id) {
            end.last = at;
        }
        self.put(at, other.host, what(end.other));
    }

    fn put(&mut self, at: Instant, to: SocketAddr, what: FromNetwork) {
        self.serial += 1;
        self.on_the_way.push(Reverse(OnTheWay { at, serial: self.serial, to, what }));
    }

    fn time(&mut self) -> Duration {
        let jitter = self.entropy.below(self.weather.jitter.as_micros() as u64 + 1);
        self.weather.delay + Duration::from_micros(jitter)
    }

    /// When the partition ends that parts two hosts now, if one does.
    fn heals(&self, now: Instant, one: IpAddr, other: IpAddr) -> Option<Instant> {
        let parting = self.weather.partitions.iter().filter(|partition| partition.parts(now, one, other));
        parting.map(|partition| partition.until).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(change: impl FnOnce(&mut Weather)) -> (Network, Instant) {
        let now = Instant::now();
        let mut weather = Weather {
            loss: 0,
            duplication: 0,
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            partitions: Vec::new(),
            clears: now + Duration::from_secs(100),
        };
        change(&mut weather);
        (Network::new(weather, 1), now)
    }

    fn hosts() -> (SocketAddr, SocketAddr) {
        ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap())
    }

    #[test]
    fn datagrams_are_lost_and_doubled_in_proportion_until_the_weather_clears() {
        let (mut network, now) = network(|weather| (weather.loss, weather.duplication) = (300, 100));
        let (one, other) = hosts();
        let bytes = Bytes::from_static(b"x");
        let arrive = |network: &mut Network, now| {
            for _ in 0..1_000 {
                network.datagram(now, one, other, FlowId(1), &bytes);
            }
            std::iter::from_fn(|| network.arrived(now + Duration::from_secs(1))).count()
        };
        let arrived = arrive(&mut network, now);
        assert!((700..840).contains(&arrived), "{arrived}");
        assert_eq!(arrive(&mut network, now + Duration::from_secs(100)), 1_000);
    }

    #[test]
    fn a_partition_swallows_datagrams_and_stalls_streams_in_order() {
        let (one, other) = hosts();
        let (mut network, now) = network(|weather| weather.jitter = Duration::from_millis(50));
        network.connect(now, Protocol::Tcp, one, other, true);
        let mut id = None;
        while let Some((at, arrived)) = network.arrived(now + Duration::from_secs(1)) {
            let FromNetwork::Opened(flow) = arrived else { panic!("{arrived:?}") };
            assert_eq!(at.ip(), flow.local.ip());
            id = if at == one { Some(flow.id) } else { id };
        }
        let until = now + Duration::from_secs(30);
        network.weather.partitions.push(Partition { from: now, until, one: one.ip(), other: other.ip() });
        assert!(!network.datagram(now, other, one, FlowId(1), &Bytes::new()));
        for byte in [b"1", b"2", b"3"] {
            network.write(now, id.unwrap(), Bytes::from_static(byte));
        }
        network.close(now, id.unwrap());
        assert!(network.next().unwrap() >= until);
        let arrived: Vec<String> = std::iter::from_fn(|| network.arrived(until + Duration::from_secs(1)))
            .map(|(_, what)| match what {
                FromNetwork::Bytes(_, bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                FromNetwork::Closed(..) => "closed".to_owned(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(arrived, ["1", "2", "3", "closed"]);
        assert!(network.is_empty());
    }
}
