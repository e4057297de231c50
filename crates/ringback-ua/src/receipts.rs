//! Receipts of instant messages (RFC 5438): asked for with a message that is wrapped (RFC 3862), told by a message of their own.

mod told;

use crate::agent::{UserAgent, bare};
use crate::{AccountKey, CommandError, RequestKey};
use bytes::Bytes;
use ringback_message::body::{CPIM, Cpim, CpimBuf, PartBuf};
use ringback_message::header::{ContentType, Date, NameAddr};
use ringback_message::{HeaderId, ParseError, Request, UriBuf};
use ringback_sansio::Entropy;
use std::fmt;
use std::time::{Duration, Instant};

/// The namespace of what is said about receipts, and how we call it.
const IMDN: &str = "urn:ietf:params:imdn";
const NAMESPACE: &str = "imdn <urn:ietf:params:imdn>";
/// More than any date or name of a message is long, in octets.
const LONGEST: usize = 256;

/// Names one message of ours to those who tell what became of it. Nobody can guess it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(String);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What became of a message, as who has it tells (RFC 5438 §7.2).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Receipt {
    /// The device of the recipient has it.
    Delivered,
    /// It was shown.
    Displayed,
    /// A server on the way has seen to it, such as a list that copies it.
    Processed,
    /// It waits until the recipient is there.
    Stored,
    /// It cannot be delivered.
    Failed,
    /// The recipient does not want that to be told.
    Forbidden,
    /// What became of it is not known there.
    Error,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delivered => "delivered",
            Self::Displayed => "displayed",
            Self::Processed => "processed",
            Self::Stored => "stored",
            Self::Failed => "not delivered",
            Self::Forbidden => "not to be told",
            Self::Error => "not known",
        })
    }
}

/// A wish to be told what becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptWish {
    account: AccountKey,
    /// Who has sent it, and is told.
    to: UriBuf,
    id: String,
    date: Option<String>,
    delivery: bool,
    display: bool,
}

impl ReceiptWish {
    /// Whether the sender wants to hear of this.
    pub fn wants(&self, receipt: Receipt) -> bool {
        match receipt {
            Receipt::Delivered => self.delivery,
            Receipt::Displayed => self.display,
            _ => false,
        }
    }
}

/// What a MESSAGE says.
pub(crate) enum Said {
    /// Something to read.
    Text { content_type: String, body: Bytes, wish: Option<ReceiptWish> },
    /// What became of a message of ours.
    Receipt(MessageId, Receipt),
}

/// Reads a MESSAGE for an account, wrapped or not.
pub(crate) fn read(account: AccountKey, request: &Request) -> Result<Said, ParseError> {
    let content_type = request.values(HeaderId::CONTENT_TYPE).next();
    let content_type = content_type.map_or("text/plain".into(), String::from_utf8_lossy).into_owned();
    if !request.entity().is("message", "cpim") {
        return Ok(Said::Text { content_type, body: request.body().clone(), wish: None });
    }
    let cpim = Cpim::parse(request.body())?;
    let content = cpim.content();
    if content.is("message", "imdn+xml") {
        let (id, receipt) = told::read(content.body()).ok_or(ParseError::new(0, "imdn"))?;
        return Ok(Said::Receipt(MessageId(id), receipt));
    }
    let content_type = content.first::<ContentType<'_>>().and_then(Result::ok);
    let content_type = content_type.map_or("text/plain".to_owned(), |kind| kind.to_string());
    let wish = wish(account, &cpim, request);
    Ok(Said::Text { content_type, body: Bytes::copy_from_slice(content.body()), wish })
}

/// What the sender wants to hear. It goes to whom From names, and to nobody else whatever the wrapping says.
fn wish(account: AccountKey, cpim: &Cpim<'_>, request: &Request) -> Option<ReceiptWish> {
    let text = |value: &[u8]| {
        let value = std::str::from_utf8(value).ok()?;
        (value.len() <= LONGEST && !value.contains(char::is_control)).then(|| value.to_owned())
    };
    let about = |name: &str| text(cpim.field_in(IMDN, name)?);
    let asked = about("Disposition-Notification")?;
    let asks =
        |word: &str| asked.split(',').any(|one| one.split(';').next().is_some_and(|one| one.trim() == word));
    let from = request.values(HeaderId::FROM).next()?;
    let to = NameAddr::parse(from).ok()?.uri.to_owned();
    let (delivery, display) = (asks("positive-delivery"), asks("display"));
    (delivery || display).then_some(ReceiptWish {
        account,
        to,
        id: about("Message-ID")?,
        date: cpim.field("DateTime").and_then(text),
        delivery,
        display,
    })
}

impl<E: Entropy> UserAgent<E> {
    /// Sends an instant message, and asks who has it to tell when it is there and when it was shown:
    /// [`UaEvent::Receipt`](crate::UaEvent::Receipt), by the name that is given back. `unix` is what time it is. One
    /// [`Reply`](crate::UaEvent::Reply) follows as for [`message`](Self::message); who does not know wrapped messages
    /// answers 415.
    ///
    /// # Errors
    /// When the account is gone or a value cannot stand in a message.
    pub fn message_with_receipts(
        &mut self,
        now: Instant,
        account: AccountKey,
        target: &UriBuf,
        content_type: &str,
        body: impl Into<Bytes>,
        unix: Duration,
    ) -> Result<(RequestKey, MessageId), CommandError> {
        let known = self.accounts.get(account.0).ok_or(CommandError::Gone)?;
        let id = format!("{:016x}{:016x}", self.entropy.next_u64(), self.entropy.next_u64());
        let wrapped = CpimBuf::new(PartBuf::new(content_type, body))
            .field("From", known.account.from())
            .field("To", format_args!("<{}>", bare(target)))
            .field("DateTime", Date::from_unix(unix.as_secs()).rfc3339())
            .field("NS", NAMESPACE)
            .field("imdn.Message-ID", id.as_str())
            .field("imdn.Disposition-Notification", "positive-delivery, negative-delivery, display")
            .build()?;
        let request = self.message(now, account, target, CPIM, wrapped)?;
        Ok((request, MessageId(id)))
    }

    /// Tells the sender of a message what became of it, where that [is wanted](ReceiptWish::wants); `None` where it is not. One
    /// [`Reply`](crate::UaEvent::Reply) follows.
    ///
    /// # Errors
    /// When the account is gone, or its server leads nowhere.
    pub fn tell_receipt(
        &mut self,
        now: Instant,
        wish: &ReceiptWish,
        receipt: Receipt,
    ) -> Result<Option<RequestKey>, CommandError> {
        if !wish.wants(receipt) {
            return Ok(None);
        }
        let known = self.accounts.get(wish.account.0).ok_or(CommandError::Gone)?;
        let aor = known.account.aor.to_string();
        let told = told::write(&wish.id, wish.date.as_deref(), &aor, receipt);
        let id = format!("{:016x}{:016x}", self.entropy.next_u64(), self.entropy.next_u64());
        let notice = PartBuf::new("message/imdn+xml", told).disposition("notification");
        let wrapped = CpimBuf::new(notice)
            .field("From", known.account.from())
            .field("To", format_args!("<{}>", bare(&wish.to)))
            .field("NS", NAMESPACE)
            .field("imdn.Message-ID", id)
            .build()?;
        self.message(now, wish.account, &wish.to, CPIM, wrapped).map(Some)
    }
}
