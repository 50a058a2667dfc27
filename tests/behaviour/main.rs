//! Behaviour of the core on a virtual clock and a virtual network.

#[path = "../support/mod.rs"]
mod support;

mod register;
mod call;
mod dialog;
mod fork;
mod shards;
