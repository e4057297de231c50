//! As much of SIP as the phones of the kill test need.

use std::fmt::Write as _;

/// A message that came, or goes.
pub(crate) struct Message(String);

impl Message {
    pub(crate) fn read(octets: &[u8]) -> Self {
        Self(String::from_utf8_lossy(octets).into_owned())
    }

    fn first_line(&self) -> &str {
        self.0.lines().next().unwrap_or_default()
    }

    /// The status of a response; none of a request.
    pub(crate) fn status(&self) -> Option<u16> {
        self.first_line().strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    pub(crate) fn method(&self) -> &str {
        self.first_line().split(' ').next().unwrap_or_default()
    }

    /// The method that a request has, or that a response is to.
    pub(crate) fn about(&self) -> &str {
        self.value("CSeq").rsplit(' ').next().unwrap_or_default()
    }

    pub(crate) fn values<'a>(&'a self, name: &'static str) -> impl DoubleEndedIterator<Item = &'a str> {
        let is_it = move |line: &'a str| line.split_once(": ").filter(|(own, _)| *own == name);
        self.0.lines().filter_map(is_it).map(|(_, value)| value)
    }

    pub(crate) fn value(&self, name: &'static str) -> &str {
        self.values(name).next().unwrap_or_default()
    }

    /// What tells the transaction of a response.
    pub(crate) fn branch(&self) -> &str {
        let via = self.value("Via");
        via.split_once("branch=").map_or("", |(_, rest)| rest.split(';').next().unwrap_or_default())
    }

    /// The URI of the contact.
    pub(crate) fn contact(&self) -> &str {
        let value = self.value("Contact");
        value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(value, |(uri, _)| uri)
    }

    /// The response to this request; `more` are header lines with their ends.
    pub(crate) fn reply(&self, status: &str, tag: &str, more: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
            for value in self.values(name) {
                // Writing to a String cannot fail.
                let _ = write!(text, "{name}: {value}");
                if name == "To" && !value.contains(";tag=") {
                    let _ = write!(text, ";tag={tag}");
                }
                text.push_str("\r\n");
            }
        }
        text + more + "Content-Length: 0\r\n\r\n"
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// One side of a call that is up, and what it needs to say more in it (RFC 3261 §12).
#[derive(Clone, Debug)]
pub(crate) struct Side {
    call_id: String,
    local: String,
    remote: String,
    target: String,
    routes: Vec<String>,
    cseq: u32,
}

impl Side {
    /// Of who called, from the 2xx.
    pub(crate) fn of_caller(answer: &Message) -> Self {
        let routes = answer.values("Record-Route").rev().map(str::to_owned).collect();
        Self::new(answer, answer.value("From"), answer.value("To"), routes)
    }

    /// Of who was called, from the INVITE and the tag that it was answered with.
    pub(crate) fn of_callee(invite: &Message, tag: &str) -> Self {
        let routes = invite.values("Record-Route").map(str::to_owned).collect();
        let local = format!("{};tag={tag}", invite.value("To"));
        Self::new(invite, &local, invite.value("From"), routes)
    }

    fn new(of: &Message, local: &str, remote: &str, routes: Vec<String>) -> Self {
        Self {
            call_id: of.value("Call-ID").to_owned(),
            local: local.to_owned(),
            remote: remote.to_owned(),
            target: of.contact().to_owned(),
            routes,
            cseq: 1,
        }
    }

    /// The ACK to the 2xx of the first INVITE.
    pub(crate) fn ack(&self, via: &str) -> String {
        self.write("ACK", 1, via)
    }

    /// A new request in the call.
    pub(crate) fn request(&mut self, method: &str, via: &str) -> String {
        self.cseq += 1;
        self.write(method, self.cseq, via)
    }

    fn write(&self, method: &str, cseq: u32, via: &str) -> String {
        let Self { call_id, local, remote, target, routes, .. } = self;
        let routes: String = routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        format!(
            "{method} {target} SIP/2.0\r\nVia: {via}\r\n{routes}Max-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
        )
    }
}
