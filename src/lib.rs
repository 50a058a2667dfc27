//! sipward decides who may use SIP trunks: a digest and IP ACL gate, a registrar and a proxy in one program.
//!
//! The crate is a **sans-IO core** inside an **asynchronous shell**. The core is plain functions and state machines:
//! [`engine::Engine::receive`] takes bytes, the [`flow::Flow`] they came on and the time, and leaves in an
//! [`engine::Output`] what is to be sent; [`engine::Engine::expire`] does the same when time has passed. It reads no
//! clock, draws no randomness of its own and waits for nothing. The shell owns sockets, threads, the store and the clock.
//!
//! Modules stand in layers; each may use only what is listed above it (`tests/architecture.rs` holds the table and fails
//! on a forbidden import):
//!
//! | layer | modules |
//! |---|---|
//! | 0 words | [`clock`], [`flow`], [`trunk_id`], [`message`], [`output`] |
//! | 1 mechanisms | [`acl`], [`limits`], [`auth`], [`trunk`], [`transaction`], [`location`], [`dialog`], [`event`] |
//! | 2 services | [`registrar`], [`proxy`] |
//! | 3 engine | [`engine`] |
//! | 4 shell | [`storage`], [`administration`], [`metrics`], [`report`], [`transport`], [`usage`], [`api`] |
//! | 5 wiring | [`config`], [`first_run`], [`app`], [`cli`] |
//!
//! **The life of a REGISTER.** `transport` reads a datagram and hands it to the [`engine::Engine`] of its shard. [`message`] finds the
//! header fields in one pass over the bytes. `engine::pipeline` takes the ordered steps: shape, rates, which [`trunk`],
//! the trunk's policy with [`acl`] and [`auth`]. A request without a valid answer to a challenge leaves again as a stateless
//! 401. What passes is an `auth::Admitted` and goes to [`registrar`], which changes [`location`] and writes the 200;
//! [`storage`] writes the changed bindings behind. `docs/ARCHITECTURE.md` follows an INVITE as well.

pub mod clock;
pub mod flow;
pub mod message;
pub mod output;
pub mod trunk_id;

pub mod acl;
pub mod auth;
pub mod dialog;
pub mod event;
pub mod limits;
pub mod location;
pub mod transaction;
pub mod trunk;

pub mod proxy;
pub mod registrar;

pub mod engine;

pub mod administration;
pub mod api;
pub mod metrics;
pub mod report;
pub mod storage;
pub mod transport;
pub mod usage;

pub mod app;
pub mod cli;
pub mod config;
pub mod first_run;
