//! The tasks that wait on streams: one that accepts, one that opens, and one for each open stream.
#![allow(clippy::disallowed_methods, reason = "the shell waits so that the core need not")]

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::io::Interest;
use tokio::net::TcpListener;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio::time::timeout;

use super::admission::Admission;
use super::admission::Refusal;
use super::counters::TransportCounters;
use super::packet_path::PacketPath;
use super::shard::Shared;
use super::tasks::Tasks;
use crate::flow::ConnectionId;

/// How long a peer may take to answer when a stream to it is opened: less than timer B leaves for another target.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// When descriptors have run out, accepting again at once would only fail again.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);

const TELL_OF_OUTAGE_EVERY: Duration = Duration::from_secs(60);

/// Takes in the streams that peers open, within the limits.
pub(super) async fn accept<P: PacketPath>(
    shard: Shared<P>,
    tasks: Tasks,
    listener: TcpListener,
    admission: Arc<Admission>,
) {
    let counters = Arc::clone(&shard.borrow().links.counters);
    let mut outage = Outage::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                outage.end();
                take_in(&shard, &tasks, stream, peer, &admission, &counters);
            }
            Err(error) if is_of_one_stream(&error) => counters.accepts_failed.increment(),
            Err(error) => {
                outage.go_on(&error, Instant::now());
                counters.accepts_failed.increment();
                sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
            }
        }
    }
}

/// Times in which no stream can be accepted. The log is told of the first and then of no more than one a minute: where
/// descriptors are scarce, they come and go many times a second.
#[derive(Debug, Default)]
struct Outage {
    told_at: Option<Instant>,
    must_tell_end: bool,
}

impl Outage {
    /// Whether the log was told.
    fn go_on(&mut self, error: &io::Error, now: Instant) -> bool {
        if self.told_at.is_some_and(|told_at| now.duration_since(told_at) < TELL_OF_OUTAGE_EVERY) {
            return false;
        }
        self.told_at = Some(now);
        self.must_tell_end = true;
        tracing::warn!(
            %error,
            "cannot accept streams, and tries again; if descriptors have run out, allow more (`ulimit -n`, LimitNOFILE)"
        );
        true
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.must_tell_end) {
            tracing::info!("accepts streams again");
        }
    }
}

/// Whether accepting failed because the peer of that one stream has gone again.
fn is_of_one_stream(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

fn take_in<P: PacketPath>(
    shard: &Shared<P>,
    tasks: &Tasks,
    stream: TcpStream,
    peer: SocketAddr,
    admission: &Arc<Admission>,
    counters: &TransportCounters,
) {
    let admitted = match admission.accept(peer.ip()) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            tracing::debug!(%peer, ?refusal, "stream refused");
            match refusal {
                Refusal::Total => counters.connections_refused_full.increment(),
                Refusal::Source => counters.connections_refused_source.increment(),
            }
            return;
        }
    };
    let stream = Rc::new(stream);
    let accepted = {
        let mut shard = shard.borrow_mut();
        let now = shard.clock.now();
        let accepted = shard.links.connections.accepted(Rc::clone(&stream), peer, admitted, now);
        shard.settle(now);
        accepted
    };
    if let Some((id, wake)) = accepted {
        tasks.start(serve(Rc::clone(shard), id, stream, wake));
    }
}

/// Opens the streams that the shard asks for.
pub(super) async fn connect<P: PacketPath>(shard: Shared<P>, tasks: Tasks) {
    let requested = Rc::clone(&shard.borrow().links.connections.connect_requested);
    loop {
        requested.notified().await;
        loop {
            let request = shard.borrow_mut().links.connections.to_connect.pop_front();
            let Some(id) = request else { break };
            tasks.start(open(Rc::clone(&shard), id));
        }
    }
}

async fn open<P: PacketPath>(shard: Shared<P>, id: ConnectionId) {
    let ends = shard.borrow().links.connections.get(id).map(|connection| (connection.local, connection.peer));
    let opened = match ends {
        Some((local, peer)) => timeout(CONNECT_TIMEOUT, open_from(local, peer))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => Err(io::ErrorKind::NotConnected.into()),
    };
    let opened = {
        let mut shard = shard.borrow_mut();
        let now = shard.clock.now();
        let opened = match opened {
            Ok(stream) => {
                let stream = Rc::new(stream);
                shard.links.connections.connected(id, &stream, now).map(|wake| (stream, wake))
            }
            Err(error) => {
                tracing::debug!(peer = ?ends.map(|(_, peer)| peer), %error, "stream could not be opened");
                shard.links.connections.not_connected(id);
                None
            }
        };
        shard.settle(now);
        opened
    };
    if let Some((stream, wake)) = opened {
        serve(shard, id, stream, wake).await;
    }
}

async fn open_from(local: SocketAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if !local.ip().is_unspecified() && local.is_ipv4() == peer.is_ipv4() {
        let mut source = local;
        source.set_port(0);
        socket.bind(source)?;
    }
    socket.set_nodelay(true)?;
    socket.connect(peer).await
}

/// Waits on one stream, for reading always and for writing only while something waits to be written.
async fn serve<P: PacketPath>(shard: Shared<P>, id: ConnectionId, stream: Rc<TcpStream>, wake: Rc<Notify>) {
    // A stream that we opened may have more to write than it took at once.
    let mut interest = Interest::READABLE | Interest::WRITABLE;
    loop {
        let can_read = tokio::select! {
            biased;
            ready = stream.ready(interest) => ready.is_ok_and(|ready| ready.is_readable() || ready.is_read_closed()),
            () = wake.notified() => false,
        };
        match shard.borrow_mut().serve_stream(id, &stream, can_read) {
            Some(next) => interest = next,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_of_when_it_begins_and_once_a_minute() {
        let (mut outage, error) = (Outage::default(), io::Error::from(nix::errno::Errno::EMFILE));
        let began = Instant::now();
        let told = |outage: &mut Outage, seconds| outage.go_on(&error, began + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59, 60, 61].map(|second| told(&mut outage, second)), [true, false, false, true, false]);
        outage.end();
        assert_eq!([62, 119, 120].map(|second| told(&mut outage, second)), [false, false, true], "also of another");
    }
}
