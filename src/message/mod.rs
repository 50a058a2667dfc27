//! SIP messages on the bytes as received: one reader for identity, digest and routing (product rule, `docs/decisions/0002`).
//!
//! [`Head::read`] finds the header fields in one pass; [`Request::parse`] and [`Response::parse`] read the fields that every
//! message must have; the rest is read where it is needed, as borrowed slices. Messages are forwarded as edited bytes and
//! never printed from values. This is the only module that names rsip ([`second_reader`]).

mod address;
mod compose;
mod framing;
mod head;
pub mod lex;
mod name;
mod request;
mod response;
pub mod second_reader;
mod uri;
mod via;

pub use address::Address;
pub use compose::{Reply, copy_fields, end_without_body, reason_phrase, write_status_line, write_topmost_via};
pub use framing::{Frame, Framer, FramingError};
pub use head::{Broken, Field, Head, MAX_FIELDS, unfold};
pub use lex::Params;
pub use name::Name;
pub use request::{Malformed, Method, Request, StartLine, parse_cseq};
pub use response::Response;
#[cfg(test)]
pub(crate) use uri::tests::{COMPARED, PARSED};
pub use uri::{DEFAULT_PORT, Scheme, Uri, host_and_port, host_ip};
pub use via::{MAGIC_COOKIE, Via, push_host_ip, push_ip};
