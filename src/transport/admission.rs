//! How many streams may be open, in the whole process and from one source.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::flow::ConnectionId;

/// Counts open streams for all shards.
#[derive(Debug)]
pub(super) struct Admission {
    max_total: usize,
    max_per_source: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// Without those in `giving_way`.
    total: usize,
    by_source: HashMap<IpAddr, usize>,
    admitted: u64,
    /// Streams of others that have shown nothing, the oldest first.
    unproven: BTreeMap<u64, ConnectionId>,
    /// Streams whose place was given to another, and which their shards have not closed yet.
    giving_way: HashSet<u64>,
}

/// Streams beyond the limit that may be open until their shards come to close them.
const MAX_GIVING_WAY: usize = 64;

/// The right of one stream to be open; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    number: u64,
    source: Option<IpAddr>,
}

/// A right, and the stream that is to be closed for it.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) permit: Permit,
    pub(super) gives_way: Option<ConnectionId>,
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
    pub(super) fn accept(self: &Arc<Self>, peer: IpAddr) -> Result<Admitted, Refusal> {
        self.admit(Some(source_of(peer)))
    }

    /// Asks for a stream that we open: it counts in total, and against no source.
    pub(super) fn connect(self: &Arc<Self>) -> Result<Admitted, Refusal> {
        self.admit(None)
    }

    fn admit(self: &Arc<Self>, source: Option<IpAddr>) -> Result<Admitted, Refusal> {
        let mut open = self.open();
        if let Some(source) = source
            && open.by_source.get(&source).is_some_and(|of_source| *of_source >= self.max_per_source)
        {
            return Err(Refusal::Source);
        }
        let gives_way = if open.total >= self.max_total { Some(open.make_way().ok_or(Refusal::Total)?) } else { None };
        if let Some(source) = source {
            *open.by_source.entry(source).or_default() += 1;
        }
        open.total += 1;
        open.admitted += 1;
        Ok(Admitted { permit: Permit { admission: Arc::clone(self), number: open.admitted, source }, gives_way })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Takes the place of the oldest stream that has shown nothing.
    fn make_way(&mut self) -> Option<ConnectionId> {
        if self.giving_way.len() >= MAX_GIVING_WAY {
            return None;
        }
        let (number, id) = self.unproven.pop_first()?;
        self.giving_way.insert(number);
        self.total = self.total.saturating_sub(1);
        Some(id)
    }
}

impl Permit {
    /// Notes which stream it is for: one that has to give way to others until it is [proven](Self::prove).
    pub(super) fn is_for(&self, id: ConnectionId) {
        self.admission.open().unproven.insert(self.number, id);
    }

    /// Notes that the stream is of use. Its place is its own again if it was to give way, and one more than the limit may
    /// then be open.
    pub(super) fn prove(&self) {
        let mut open = self.admission.open();
        open.unproven.remove(&self.number);
        if open.giving_way.remove(&self.number) {
            open.total += 1;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admission.open();
        open.unproven.remove(&self.number);
        if !open.giving_way.remove(&self.number) {
            open.total = open.total.saturating_sub(1);
        }
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

    #[test]
    fn the_oldest_stream_that_has_shown_nothing_gives_way_when_all_places_are_taken() {
        let admission = Admission::new(3, 9);
        let id = |serial| ConnectionId::new(0, serial);
        let [proven, oldest, second] = [1, 2, 3].map(|serial| {
            let Admitted { permit, gives_way } = admission.accept(ip("127.0.0.1")).unwrap();
            assert_eq!(gives_way, None);
            permit.is_for(id(serial));
            permit
        });
        proven.prove();
        let newcomer = admission.accept(ip("127.0.0.1")).unwrap();
        assert_eq!(newcomer.gives_way, Some(id(2)));
        let outgoing = admission.connect().unwrap();
        assert_eq!(outgoing.gives_way, Some(id(3)));
        assert_eq!(admission.connect().unwrap_err(), Refusal::Total, "all that are left are of use or unknown yet");
        drop((oldest, second));
        assert_eq!(admission.connect().unwrap_err(), Refusal::Total, "their places were taken before");
        drop(newcomer);
        assert_eq!(admission.connect().unwrap().gives_way, None);
    }

    #[test]
    fn a_stream_that_proves_itself_before_it_is_closed_has_its_place_back() {
        let admission = Admission::new(1, 9);
        let first = admission.accept(ip("127.0.0.1")).unwrap().permit;
        first.is_for(ConnectionId::new(0, 1));
        let second = admission.accept(ip("127.0.0.1")).unwrap().permit;
        first.prove();
        drop(second);
        assert_eq!(admission.connect().unwrap_err(), Refusal::Total);
        drop(first);
        assert!(admission.connect().is_ok());
        let open = admission.open();
        assert!(open.unproven.is_empty() && open.giving_way.is_empty() && open.total == 0);
    }

    #[test]
    fn only_so_many_give_way_before_they_are_closed() {
        let admission = Admission::new(100, 999);
        let permits: Vec<_> = (1..=100 + MAX_GIVING_WAY as u64)
            .map(|serial| {
                let permit = admission.accept(ip("127.0.0.1")).unwrap().permit;
                permit.is_for(ConnectionId::new(0, serial));
                permit
            })
            .collect();
        assert_eq!(admission.accept(ip("127.0.0.2")).unwrap_err(), Refusal::Total);
        drop(permits);
        assert_eq!(admission.open().total, 0);
    }
}
