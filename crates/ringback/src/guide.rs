//! One page for each task. Every block of code on them is compiled, and some of it run, by the tests of this crate.

#[doc = include_str!("../guide/register.md")]
pub mod register {}

#[doc = include_str!("../guide/call.md")]
pub mod call {}

#[doc = include_str!("../guide/answer.md")]
pub mod answer {}

#[doc = include_str!("../guide/hold.md")]
pub mod hold {}

#[doc = include_str!("../guide/transfer.md")]
pub mod transfer {}

#[doc = include_str!("../guide/digits.md")]
pub mod digits {}

#[doc = include_str!("../guide/messages.md")]
pub mod messages {}

#[doc = include_str!("../guide/text.md")]
pub mod text {}

#[doc = include_str!("../guide/events.md")]
pub mod events {}

#[doc = include_str!("../guide/audio.md")]
pub mod audio {}

#[doc = include_str!("../guide/video.md")]
pub mod video {}

#[doc = include_str!("../guide/signalling.md")]
pub mod signalling {}

#[doc = include_str!("../guide/network.md")]
pub mod network {}

#[doc = include_str!("../guide/errors.md")]
pub mod errors {}
