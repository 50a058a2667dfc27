//! How many streams may be open, in the whole process and from one source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Counts open streams for all shards.
#[derive(Debug)]
pub(super) struct Admission {
    max_total: usize,
    max_per_source: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// The right of one stream to be open; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    source: Option<IpAddr>,
}

/// Which limit refuses a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    Total,
    Source,
}

impl Admission {
    pub(super) fn new(max_total: usize, max_per_source: usize) -> Arc<Self> {
        Arc::new(Self { max_total, max_per_source, open: Mutex::default() })
    }

    /// Asks for a stream that `peer` opened.
    pub(super) fn accept(self: &Arc<Self>, peer: IpAddr) -> Result<Permit, Refusal> {
        self.admit(Some(source_of(peer)))
    }

    /// Asks for a stream that we open: it counts in total, and against no source.
    pub(super) fn connect(self: &Arc<Self>) -> Result<Permit, Refusal> {
        self.admit(None)
    }

    fn admit(self: &Arc<Self>, source: Option<IpAddr>) -> Result<Permit, Refusal> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.max_total {
            return Err(Refusal::Total);
        }
        if let Some(source) = source {
            let of_source = open.by_source.entry(source).or_default();
            if *of_source >= self.max_per_source {
                return Err(Refusal::Source);
            }
            *of_source += 1;
        }
        open.total += 1;
        Ok(Permit { admission: Arc::clone(self), source })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total = open.total.saturating_sub(1);
        if let Some(source) = self.source
            && let Some(of_source) = open.by_source.get_mut(&source)
        {
            *of_source = of_source.saturating_sub(1);
            if *of_source == 0 {
                open.by_source.remove(&source);
            }
        }
    }
}

/// One IPv6 site has a /64 to itself, so that is what counts as a source there.
fn source_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn both_limits_hold_and_closing_gives_the_place_back() {
        let admission = Admission::new(3, 2);
        let _first = admission.accept(ip("127.0.0.1")).unwrap();
        let second = admission.accept(ip("127.0.0.1")).unwrap();
        assert_eq!(admission.accept(ip("127.0.0.1")).unwrap_err(), Refusal::Source);
        let third = admission.connect().unwrap();
        assert_eq!(admission.accept(ip("127.0.0.2")).unwrap_err(), Refusal::Total);
        drop(second);
        let _fourth = admission.accept(ip("127.0.0.1")).unwrap();
        drop(third);
        assert!(admission.connect().is_ok());
        assert_eq!(admission.open.lock().unwrap().by_source.len(), 1);
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let admission = Admission::new(9, 1);
        let _first = admission.accept(ip("2001:db8::1")).unwrap();
        assert_eq!(admission.accept(ip("2001:db8::2")).unwrap_err(), Refusal::Source);
        assert!(admission.accept(ip("2001:db8:0:1::1")).is_ok());
    }
}
