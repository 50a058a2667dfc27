//! The Vobiz contract, what product.md puts on top, and that a change acts at once and outlasts kill -9: the built program over real
//! HTTP, with phones on real UDP.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and may wait"
)]

mod acl;
mod credentials;
mod import;
mod kill_nine;
mod numbers;
mod origination_uris;
mod phone;
mod requests;
mod revocation;
#[path = "../platform/server.rs"]
#[expect(dead_code, reason = "the tests here need less of it")]
mod server;
mod shape;
#[path = "../interop/support/sip_text.rs"]
#[expect(dead_code, reason = "the phones here need less of it")]
mod sip_text;
mod trunks;
