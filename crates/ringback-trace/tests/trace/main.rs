//! Captures and diagrams of a call that is made up message by message.

mod capture;
mod ladder;
mod scene;
