//! The real program as a user runs it.

mod demo;
mod doctor;
mod drain;
mod events;
mod lint;
mod load;
mod media;
mod nat;
mod phone;
mod records;
mod reload;
mod restart;
mod screen;
mod serve;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod web_socket;
