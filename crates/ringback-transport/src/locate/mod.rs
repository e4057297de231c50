//! Where a URI leads (RFC 3263): which questions to ask DNS, and which targets follow from the answers.
//!
//! [`next_hop`] takes the steps that need no question. Where a name is left, a [`Locator`] asks for its NAPTR, SRV,
//! A and AAAA records, takes the answers in any order, and ends with targets in the order to try them. It never
//! resolves anything itself, and it keeps nothing: caching is for whoever answers.
//!
//! ```
//! use ringback_message::UriBuf;
//! use ringback_sansio::{DomainId, Protocol, SeededEntropy, Target};
//! use ringback_transport::locate::{Answer, Kind, Locator, NextHop, Record, Resources, Step, next_hop};
//!
//! let uri: UriBuf = "sip:bob@example.com;transport=tcp".parse()?;
//! let NextHop::Name(name) = next_hop(&uri.as_sip().unwrap())? else { unreachable!() };
//! let resources = Resources { protocols: vec![Protocol::Tcp, Protocol::Udp], families: vec![Kind::A] };
//! let mut locator = Locator::new(name, DomainId(1), resources);
//! let mut entropy = SeededEntropy::new(1);
//! let targets = loop {
//!     match locator.poll().expect("a question or the end") {
//!         Step::Ask(id, question) => {
//!             let answer = match question.kind {
//!                 Kind::A => Answer::Records(vec![Record::A([192, 0, 2, 1].into())]),
//!                 _ => Answer::NoRecords,
//!             };
//!             locator.answer(id, answer, &mut entropy);
//!         }
//!         Step::Done(targets) => break targets,
//!     }
//! };
//! assert_eq!(targets, Ok(vec![Target::Address(Protocol::Tcp, "192.0.2.1:5060".parse()?)]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod locator;
mod next_hop;
mod penalty;
mod question;
mod select;

pub use locator::{Locator, Resources, Step};
pub use next_hop::{Name, NextHop, next_hop};
pub use penalty::Penalties;
pub use question::{Answer, Kind, LocateError, Question, QuestionId, Record};
