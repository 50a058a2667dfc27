//! Route: which values name this server, what token they carry, and where the request goes on (RFC 3261 §16.4, §16.6).

use std::net::SocketAddr;

use crate::message::{Address, Head, Name, Request, Uri, lex};
use crate::trunk::{Directory, Interfaces};

/// The Route of a request, split at the first value that is not ours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Routes<'a> {
    /// How many leading values name this server; they are removed.
    pub ours: usize,
    /// The token in one of them.
    pub token: Option<&'a [u8]>,
    /// The first value that leads elsewhere.
    pub next: Option<Uri<'a>>,
    /// A value could not be read.
    pub malformed: bool,
}

impl<'a> Routes<'a> {
    /// Reads the Route fields of a request that arrived at `local`.
    pub fn read(request: &Request<'a>, interfaces: &Interfaces, directory: &Directory, local: SocketAddr) -> Self {
        let mut routes = Self::default();
        if request.head.first(Name::Route).is_none() {
            return routes;
        }
        for item in request.head.items(Name::Route) {
            let Some(Address { uri, .. }) = Address::parse(item).filter(|address| address.uri.is_sip()) else {
                routes.malformed = true;
                return routes;
            };
            if !interfaces.is_this_server(uri.host, uri.port, local) && directory.by_domain(uri.host).is_none() {
                routes.next = Some(uri);
                return routes;
            }
            routes.ours += 1;
            routes.token = routes.token.or_else(|| uri.params.get(b"tk"));
        }
        routes
    }
}

/// Appends what is left of the Route fields after the first `skip` values. Called for each field in turn.
pub(super) fn write_rest(head: &Head<'_>, field: &crate::message::Field, skip: &mut usize, out: &mut Vec<u8>) {
    let mut items = lex::list(head.value(field));
    while *skip > 0 && items.next().is_some() {
        *skip -= 1;
    }
    let rest = lex::trim(items.rest());
    if !rest.is_empty() {
        out.extend_from_slice(b"Route: ");
        out.extend_from_slice(rest);
        out.extend_from_slice(b"\r\n");
    }
}
