//! The request as it is sent on (RFC 3261 §16.6): edited bytes, never printed values.

use crate::auth::DigestAnswer;
use crate::flow::{Flow, Transport};
use crate::message::{Field, Name, Request, copy_fields, lex, write_topmost_via};
use crate::output::BranchId;
use crate::trunk::Interfaces;

use super::branch;
use super::route;
use super::token::Token;

/// What one forwarded request is made from, the same for all its branches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edits<'r, 'a> {
    pub request: &'r Request<'a>,
    /// The way it came.
    pub came: &'r Flow,
    pub interfaces: &'r Interfaces,
    /// Digest answers for this realm stay here.
    pub realm: &'r [u8],
    /// How many Route values are ours.
    pub own_routes: usize,
    /// Goes into our Record-Route; `None` where none is added.
    pub token: Option<Token>,
    pub shard: u8,
    pub loop_mark: u64,
}

/// RFC 3261 §8.1.1.6: the recommended value, for requests that have none (§16.6 step 3).
const MAX_FORWARDS: u8 = 70;

impl Edits<'_, '_> {
    /// Appends the request for one branch.
    pub(super) fn write(&self, out: &mut Vec<u8>, uri: &[u8], flow: &Flow, id: BranchId) {
        let request = self.request;
        out.extend_from_slice(request.method_token);
        out.push(b' ');
        out.extend_from_slice(uri);
        out.extend_from_slice(b" SIP/2.0\r\n");
        self.write_via(out, flow, id);
        if let Some(token) = &self.token {
            self.write_record_route(out, flow, token);
            if !same_way(flow, self.came) {
                self.write_record_route(out, self.came, token);
            }
        }
        self.write_fields(out);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(request.body);
    }

    fn write_via(&self, out: &mut Vec<u8>, flow: &Flow, id: BranchId) {
        out.extend_from_slice(b"Via: SIP/2.0/");
        out.extend_from_slice(flow.transport.via_token().as_bytes());
        out.push(b' ');
        self.interfaces.push_sent_by(out, flow);
        out.extend_from_slice(b";branch=");
        branch::write_branch(out, self.shard, id, self.loop_mark);
        out.extend_from_slice(b"\r\n");
    }

    fn write_record_route(&self, out: &mut Vec<u8>, flow: &Flow, token: &Token) {
        out.extend_from_slice(b"Record-Route: <sip:");
        self.interfaces.push_sent_by(out, flow);
        if flow.transport != Transport::Udp {
            out.extend_from_slice(b";transport=");
            out.extend_from_slice(flow.transport.uri_token().as_bytes());
        }
        out.extend_from_slice(b";lr;tk=");
        out.extend_from_slice(token);
        out.extend_from_slice(b">\r\n");
    }

    fn write_fields(&self, out: &mut Vec<u8>) {
        let head = &self.request.head;
        let hops = self.request.max_forwards.map_or(MAX_FORWARDS, |hops| hops.saturating_sub(1));
        let mut topmost = true;
        let mut own_routes = self.own_routes;
        let mut has_length = false;
        copy_fields(head, out, |field, out| match field.name {
            Name::Via if std::mem::take(&mut topmost) => {
                write_topmost_via(out, head.value(field), self.came.peer);
                true
            }
            Name::MaxForwards => {
                write_hops(out, hops);
                true
            }
            Name::Route if own_routes > 0 => {
                route::write_rest(head, field, &mut own_routes, out);
                true
            }
            Name::Authorization | Name::ProxyAuthorization => self.is_ours(field),
            // RFC 3325 §5: nobody outside asserts who somebody is, and this server asserts nothing yet.
            Name::PAssertedIdentity => true,
            Name::ContentLength => std::mem::replace(&mut has_length, true),
            _ => false,
        });
        if self.request.max_forwards.is_none() {
            write_hops(out, hops);
        }
        if !has_length {
            out.extend_from_slice(b"Content-Length: ");
            lex::push_decimal(out, self.request.body.len() as u64);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Whether a digest answer is for our realm. One that cannot be read is taken for ours where it names the realm.
    fn is_ours(&self, field: &Field) -> bool {
        let value = self.request.head.value(field);
        match DigestAnswer::parse(value) {
            Ok(Some(answer)) => answer.realm.means(self.realm),
            Ok(None) => false,
            Err(_) => memchr::memmem::find(value, self.realm).is_some(),
        }
    }
}

fn write_hops(out: &mut Vec<u8>, hops: u8) {
    out.extend_from_slice(b"Max-Forwards: ");
    lex::push_decimal(out, u64::from(hops));
    out.extend_from_slice(b"\r\n");
}

/// Whether one Record-Route serves both sides. Otherwise the change is recorded twice (RFC 5658).
fn same_way(one: &Flow, two: &Flow) -> bool {
    one.transport == two.transport && one.local == two.local
}
