//! The user agent against peers, over a simulated network.

mod bodies;
mod calls;
mod chaos;
mod identity;
mod info;
mod moved;
mod offers;
mod outbound;
mod peer;
mod publication;
mod redirect;
mod registration;
mod reliable;
mod requests;
mod subscriptions;
mod timers;
mod transfer;
mod watchers;
mod world;
