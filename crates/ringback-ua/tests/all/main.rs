//! The user agent against peers, over a simulated network.

mod bodies;
mod calls;
mod chaos;
mod disturb;
mod identity;
mod info;
mod moved;
mod offers;
mod outbound;
mod peer;
mod publication;
mod receipts;
mod redirect;
mod registration;
mod reliable;
mod requests;
mod subscriptions;
mod texts;
mod third_party;
mod timers;
mod transfer;
mod watchers;
mod world;
