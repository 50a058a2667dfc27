//! Conformance to the RFCs, one module per section.

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

mod rfc3261_s16_proxy;
mod rfc3261_s17_transactions;
mod rfc3261_s9_cancel;
mod rfc3581_rport;
mod rfc4320_non_invite;
mod rfc5658_double_record_route;
mod rfc6026_accepted;
mod rfc7616_digest_vectors;
