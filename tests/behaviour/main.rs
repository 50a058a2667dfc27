//! Behaviour of the core on a virtual clock and a virtual network.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a test fails by panicking, also in the functions it shares with others, and says why it skips"
)]

#[path = "../support/mod.rs"]
mod support;

mod call;
mod dialog;
mod digest_uri;
mod fork;
mod hostile;
mod identity;
mod lossy;
mod overtaken;
mod policy;
mod rates;
mod refusals;
mod register;
mod registrar;
mod replay;
mod shards;
