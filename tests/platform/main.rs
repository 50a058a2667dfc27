//! What a platform team expects of the API beside its resources, held against the built program over real HTTP.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and may wait"
)]

mod access;
mod accounts;
mod audit;
mod description;
mod live;
mod manners;
mod phone;
#[allow(dead_code, reason = "other tests of the API use more of it")]
mod server;
mod tls;
