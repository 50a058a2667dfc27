//! What the tests stand on: processes with deadlines, a server of one's own, and the other programs.

pub mod baresip;
pub mod namespace;
pub mod phone;
pub mod pjsua2;
pub mod ports;
pub mod process;
pub mod seed;
pub mod server;
pub mod sip_text;
pub mod sipp;
pub mod tone;
pub mod trial;
