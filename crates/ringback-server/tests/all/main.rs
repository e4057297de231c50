//! The whole server over real sockets, one program for all the files: linking it is what costs.

mod alias;
mod calls;
mod edge;
mod gateways;
mod guard;
mod holding;
mod http;
mod media;
mod numbers;
mod outbound;
mod overload;
mod preferences;
mod profiles;
mod push;
mod records;
mod registering;
mod reload;
mod rfc3665;
mod storage;
mod support;
mod trace;
mod transcoding;
mod trunks;
mod trust;
