//! Sockets and threads: what feeds the engines, and sends what they want sent.
//!
//! One thread per shard owns an [`Engine`](crate::engine::Engine), a socket for each address that is listened on (shared
//! among the shards by SO_REUSEPORT), the streams that the kernel gave to it, and nothing that another thread could wait
//! for. What belongs to another shard goes there through a bounded inbox. [`bind()`] opens every listener, [`Bound::start`]
//! starts the threads, [`Running::stop`] ends them.

mod admission;
mod ages;
mod bind;
mod connection;
mod connections;
mod counters;
mod datagram;
mod inbox;
mod links;
mod local_addresses;
mod packet_path;
mod partials;
mod proof;
mod settings;
mod shard;
mod steady;
mod stream;
mod tasks;
mod tcp;
mod udp;
mod worker;
mod write_queue;

pub use bind::BindError;
pub use counters::Counter;
pub use counters::TransportCounters;
pub use counters::totals;
pub use local_addresses::LocalAddresses;
pub use local_addresses::REFRESH_INTERVAL;
pub use packet_path::PacketPath;
pub use settings::AdvertisedAddress;
pub use settings::ListenAddress;
pub use settings::Settings;
pub use steady::Clock;

use std::io;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::thread::Builder;
use std::thread::JoinHandle;
use std::thread::available_parallelism;

use tokio::sync::watch;

use crate::engine::Observer;
use admission::Admission;
use bind::ShardSockets;
use inbox::Inboxes;
use worker::Worker;

/// Every listener is open, and nothing is served yet.
#[derive(Debug)]
pub struct Bound {
    settings: Settings,
    addresses: Vec<ListenAddress>,
    sockets: Vec<ShardSockets>,
}

/// The shards serve. Dropping this tells them to stop and does not wait for it.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<ListenAddress>,
    counters: Vec<Arc<TransportCounters>>,
    stop: watch::Sender<bool>,
    failed: watch::Receiver<Option<u8>>,
    threads: Vec<JoinHandle<()>>,
}

/// A connection's identity has one byte for its shard.
const MAX_SHARDS: usize = 255;

/// Opens every listener for every shard.
///
/// # Errors
/// When an address cannot be listened on; the text says which, why, and what to do.
pub fn bind(settings: Settings) -> Result<Bound, BindError> {
    let shards = match settings.workers {
        0 => available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let (addresses, sockets) = bind::open(&settings.listen, shards.min(MAX_SHARDS))?;
    Ok(Bound { settings, addresses, sockets })
}

impl Bound {
    /// Where is listened, with the ports that were chosen where 0 was asked for.
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// How many shards there will be, numbered from 0.
    pub fn shards(&self) -> usize {
        self.sockets.len()
    }

    /// Starts a thread for each shard. `make` is called once on each of them, with its number, and gives the engine of
    /// that shard and the observer that it is to use.
    ///
    /// # Errors
    /// When the system refuses a thread; those already started stop again.
    pub fn start<P, O>(self, clock: Clock, make: impl Fn(u8) -> (P, O) + Send + Sync + 'static) -> io::Result<Running>
    where
        P: PacketPath,
        O: Observer + 'static,
    {
        let Self { settings, addresses, sockets } = self;
        let make = Arc::new(make);
        let admission = Admission::new(settings.tcp_max_connections, settings.tcp_max_per_source);
        let (inboxes, readers) = Inboxes::new(sockets.len());
        let (stop, stopped) = watch::channel(false);
        let (failure, failed) = watch::channel(None);
        let failure = Arc::new(failure);
        let mut running = Running { addresses, counters: Vec::new(), stop, failed, threads: Vec::new() };
        for ((index, sockets), inbox) in (0_u8..).zip(sockets).zip(readers) {
            let counters = Arc::<TransportCounters>::default();
            running.counters.push(Arc::clone(&counters));
            let worker = Worker {
                index,
                settings: settings.clone(),
                sockets,
                counters,
                admission: Arc::clone(&admission),
                inboxes: inboxes.clone(),
                inbox,
                clock,
                stop: stopped.clone(),
            };
            let (make, failure) = (Arc::clone(&make), Arc::clone(&failure));
            let thread = Builder::new().name(format!("sip-{index}")).spawn(move || {
                let ended = catch_unwind(AssertUnwindSafe(|| {
                    let (path, observer) = make(index);
                    worker.run(path, Box::new(observer))
                }));
                let error = match ended {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error,
                    Err(_) => io::Error::other("it panicked"),
                };
                tracing::error!(worker = index, %error, "a worker failed");
                failure.send_replace(Some(index));
            })?;
            running.threads.push(thread);
        }
        Ok(running)
    }
}

impl Running {
    /// Where is listened.
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// The counters of each shard; [`totals`] adds them up.
    pub fn counters(&self) -> &[Arc<TransportCounters>] {
        &self.counters
    }

    /// Waits until a worker has failed, and gives its number. What it served is not served any more: the process should
    /// stop what it can in order and exit with an error, so that a supervisor starts it afresh.
    pub fn failed(&self) -> impl Future<Output = u8> + Send + 'static {
        let mut failed = self.failed.clone();
        async move {
            loop {
                let failure = *failed.borrow_and_update();
                if let Some(worker) = failure {
                    return worker;
                }
                if failed.changed().await.is_err() {
                    // All workers have ended in order, so none will fail any more.
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// Stops reading, lets streams take what waits for them for up to a second, and waits for the threads to end.
    /// Blocks the calling thread that long.
    pub fn stop(mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            // What a thread had to tell, it has told by `failed`.
            let _ = thread.join();
        }
    }
}
