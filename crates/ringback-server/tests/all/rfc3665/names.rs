//! The names of RFC 3665 on loopback: a name server that says on which port of this machine each host is.

use hickory_resolver::proto::op::{Message as Dns, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use ringback_sansio::Protocol;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// A host of the RFC: its name, how it is spoken to, and its port here.
pub(super) type Host = (&'static str, Protocol, u16);

/// The hosts that the name server knows; they may be added while it runs.
pub(super) type Zone = Arc<Mutex<Vec<Host>>>;

/// Starts a name server. URIs of the RFC name no port, so it is SRV that says it.
pub(super) fn serve(zone: Zone) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((len, peer)) = socket.recv_from(&mut buffer) {
            let mut answer = Dns::from_vec(&buffer[..len]).unwrap().into_response();
            let query = answer.queries[0].clone();
            let asked = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
            let found = zone.lock().unwrap().iter().find_map(|(host, protocol, port)| {
                let service = format!("_sip._{}.{host}", protocol.as_via().to_ascii_lowercase());
                if asked == *host {
                    return Some(RData::A(A(Ipv4Addr::LOCALHOST)));
                }
                let target = Name::from_ascii(host).unwrap();
                (asked == service).then(|| RData::SRV(SRV::new(0, 0, *port, target)))
            });
            answer.metadata.response_code =
                if found.is_some() { ResponseCode::NoError } else { ResponseCode::NXDomain };
            if let Some(data) = found.filter(|data| data.record_type() == query.query_type()) {
                answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
            }
            let _ = socket.send_to(&answer.to_vec().unwrap(), peer);
        }
    });
    address
}
