//! The drivers over loopback sockets.

mod eyeballs;
mod loopback;
mod names;
mod support;
mod web_socket;
