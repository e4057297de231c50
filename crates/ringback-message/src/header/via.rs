//! Via: the path that a response takes back.

use super::{Header, HeaderId, displayed_as_written};
use crate::lex::{Cursor, decimal};
use crate::uri::take_host_port;
use crate::{Host, Output, Params, ParseError, StatusCode, Value, quick};
use std::net::{IpAddr, SocketAddr};

/// One hop that a request took (RFC 3261 §20.42).
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// The transport as written: `UDP`. Transports that nobody speaks are legal below the top (RFC 4475 §3.1.1.10).
    pub transport: &'a str,
    /// The host of sent-by.
    pub host: Host<'a>,
    /// The port of sent-by, where one is written.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params<'a>,
    /// The branch among them: nearly all who read a Via ask for it.
    branch: Option<&'a str>,
}

/// What an RFC 3261 branch begins with.
const MAGIC_COOKIE: &str = "z9hG4bK";

impl<'a> Header<'a> for Via<'a> {
    const ID: HeaderId = HeaderId::VIA;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        match quick::via(value) {
            Some(via) => Ok(via),
            None => Self::by_grammar(value),
        }
    }

    fn alone(row: &'a [u8]) -> Option<Self> {
        quick::via(row)
    }
}

impl<'a> Via<'a> {
    pub(crate) fn by_grammar(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let name = cursor.token_bytes("protocol-name")?;
        if !cursor.eat_padded(b'/') {
            return Err(cursor.error("sent-protocol"));
        }
        let version = cursor.token_bytes("protocol-version")?;
        if !name.eq_ignore_ascii_case(b"SIP") || version != b"2.0" {
            return Err(ParseError::with_status(
                cursor.at,
                "sent-protocol",
                StatusCode::VERSION_NOT_SUPPORTED,
            ));
        }
        if !cursor.eat_padded(b'/') {
            return Err(cursor.error("sent-protocol"));
        }
        let transport = cursor.token("transport")?;
        let before = cursor.at;
        cursor.skip_lws();
        if cursor.at == before {
            return Err(cursor.error("via-parm"));
        }
        let (host, port) = take_host_port(&mut cursor)?;
        let params = Params::take(&mut cursor, "via-params")?;
        cursor.finish("via-params")?;
        Ok(Self { transport, host, port, params, branch: params.value("branch") })
    }

    pub(crate) fn read(sent: (&'a str, Host<'a>, Option<u16>), params: Params<'a>, branch: &'a [u8]) -> Self {
        let branch = match branch {
            // Empty, or not there.
            b"" => params.value("branch"),
            branch => std::str::from_utf8(branch).ok(),
        };
        Self { transport: sent.0, host: sent.1, port: sent.2, params, branch }
    }
}

impl Value for Via<'_> {
    fn write(&self, out: &mut Output) {
        out.extend_from_slice(b"SIP/2.0/");
        out.extend_from_slice(self.transport.as_bytes());
        out.push(b' ');
        self.host.write(out);
        if let Some(port) = self.port {
            out.push(b':');
            out.push_number(port.into());
        }
        self.params.write(out);
    }
}

displayed_as_written!(Via<'_>);

impl<'a> Via<'a> {
    /// The branch, as written.
    pub fn branch(&self) -> Option<&'a str> {
        self.branch
    }

    /// The branch when it names a transaction by itself: it has the magic cookie and something behind it
    /// (RFC 3261 §8.1.1.7; RFC 4475 §3.2.1 for the empty one).
    pub fn unique_branch(&self) -> Option<&'a str> {
        let branch = self.branch()?;
        let (cookie, rest) = branch.split_at_checked(MAGIC_COOKIE.len())?;
        (cookie.eq_ignore_ascii_case(MAGIC_COOKIE) && !rest.is_empty()).then_some(branch)
    }

    /// The `received` address, with or without brackets (rule 12).
    pub fn received(&self) -> Option<IpAddr> {
        self.params.value("received").and_then(|value| Host::parse(value).ok()).and_then(|host| host.ip())
    }

    /// The `rport` parameter (RFC 3581): `None` absent, `Some(None)` asked for, `Some(Some(port))` filled in.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.find("rport").map(|param| param.value.and_then(decimal::<u16>))
    }

    /// The `maddr` parameter.
    pub fn maddr(&self) -> Option<Host<'a>> {
        self.params.value("maddr").and_then(|value| Host::parse(value).ok())
    }

    /// Where the response to a request goes that came from `source` in a datagram with this Via on top
    /// (RFC 3261 §18.2.2, RFC 3581 §4): to `maddr`, else to the source port where `rport` asks for it, else to
    /// the source's address and the port of sent-by. `None` where that is not one host: broadcast, multicast,
    /// unspecified.
    pub fn reply_address(&self, source: SocketAddr) -> Option<SocketAddr> {
        let port = self.port.unwrap_or(5060);
        let address = match self.maddr().and_then(|maddr| maddr.ip()) {
            Some(maddr) => SocketAddr::new(maddr, port),
            None if self.rport().is_some() => source,
            None => SocketAddr::new(source.ip(), port),
        };
        let one_host = match address.ip() {
            IpAddr::V4(ip) => !ip.is_broadcast() && !ip.is_multicast() && !ip.is_unspecified(),
            IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
        };
        (one_host && address.port() != 0).then_some(address)
    }

    /// Whether sent-by is the same: host without regard to case, absent port equal to `default_port` (rule 2).
    pub fn same_sent_by(&self, other: &Via<'_>, default_port: u16) -> bool {
        self.host == other.host && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_70_white_space_is_allowed_around_separators() {
        let via =
            Via::parse(b"SIP  / 2.0\r\n /UDP\r\n    192.0.2.2 : 5070 ; branch = z9hG4bKa ;rport").unwrap();
        assert_eq!((via.transport, via.port, via.branch()), ("UDP", Some(5070), Some("z9hG4bKa")));
        assert_eq!(via.host.ip(), Some("192.0.2.2".parse().unwrap()));
        assert_eq!(via.rport(), Some(None));
    }

    #[test]
    fn branches_need_the_cookie_and_more() {
        let branch = |text: &'static str| Via::parse(text.as_bytes()).unwrap().unique_branch();
        assert_eq!(branch("SIP/2.0/UDP a;branch=z9hG4bK"), None);
        assert_eq!(branch("SIP/2.0/UDP a;branch=390skdjuw"), None);
        assert_eq!(branch("SIP/2.0/UDP a"), None);
        assert_eq!(branch("sip/2.0/udp a;branch=Z9hG4bKx"), Some("Z9hG4bKx"));
    }

    #[test]
    fn received_takes_ipv6_in_both_spellings() {
        for text in ["SIP/2.0/UDP a;received=2001:db8::1", "SIP/2.0/UDP a;received=[2001:db8::1];rport=7"] {
            assert_eq!(Via::parse(text.as_bytes()).unwrap().received(), Some("2001:db8::1".parse().unwrap()));
        }
    }

    #[test]
    fn rule_12_replies_go_to_maddr_then_rport_then_the_port_of_sent_by() {
        let reply = |text: &'static str, source: &str| {
            let via = Via::parse(text.as_bytes()).unwrap();
            via.reply_address(source.parse().unwrap()).map(|address| address.to_string())
        };
        let source = "192.0.2.1:999";
        assert_eq!(reply("SIP/2.0/UDP h:5070;rport=999;received=192.0.2.1", source).as_deref(), Some(source));
        assert_eq!(reply("SIP/2.0/UDP h:5070", source).as_deref(), Some("192.0.2.1:5070"));
        assert_eq!(reply("SIP/2.0/UDP h", "[2001:db8::1]:7").as_deref(), Some("[2001:db8::1]:5060"));
        assert_eq!(reply("SIP/2.0/UDP h:1;maddr=192.0.2.7;rport", source).as_deref(), Some("192.0.2.7:1"));
        for nobody in ["224.0.1.75", "255.255.255.255", "0.0.0.0", "[ff02::1]", "[::]"] {
            let via = format!("SIP/2.0/UDP h;maddr={nobody}");
            let via = Via::parse(via.as_bytes()).unwrap();
            assert_eq!(via.reply_address(source.parse().unwrap()), None, "{nobody}");
        }
        assert_eq!(reply("SIP/2.0/UDP h:0", source), None);
    }

    #[test]
    fn another_version_is_505_and_junk_is_400() {
        assert_eq!(
            Via::parse(b"SIP/7.0/UDP c.example.com").unwrap_err().status,
            StatusCode::VERSION_NOT_SUPPORTED
        );
        for text in [
            "",
            ";;",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0/UDP a:port",
            "SIP/2.0/UDP a;;b",
            "SIP/2.0 /UDPa",
        ] {
            assert_eq!(Via::parse(text.as_bytes()).unwrap_err().status, StatusCode::BAD_REQUEST, "{text}");
        }
    }
}
