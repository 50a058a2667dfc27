//! What must be done from time to time, on a thread of its own and never in the packet path: expiry of bindings and
//! dialogs, interface addresses, route keys.
#![allow(clippy::disallowed_methods, reason = "this thread waits so that no other has to")]

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::engine;
use crate::event::{Event, Gone, Observer};
use crate::report::LogLimiter;
use crate::storage::Store;
use crate::transport::{Clock, LocalAddresses, REFRESH_INTERVAL};
use crate::usage::Usage;

/// How often bindings are looked at.
const TICK: Duration = Duration::from_secs(1);
/// Records looked at before others get their turn at the table's locks.
const SWEEP: usize = 1_000;
/// How often dialogs are looked at.
const DIALOGS: Duration = Duration::from_secs(10);
/// How often it is stored how credentials are used.
const USAGE: Duration = Duration::from_secs(60);
/// How often the age of the route key is looked at.
const KEYS: Duration = Duration::from_secs(3600);

/// What it looks after.
pub(super) struct Household {
    pub shared: Arc<engine::Shared>,
    pub store: Arc<Store>,
    pub addresses: Arc<LocalAddresses>,
    pub clock: Clock,
    pub limiter: Arc<LogLimiter>,
    pub usage: Arc<Usage>,
}

/// The thread. Dropping this ends it and waits for it.
pub(super) struct Housekeeping {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Starts the thread.
pub(super) fn start(household: Household, observer: impl Observer + Send + 'static) -> io::Result<Housekeeping> {
    let (stop, stopped) = channel();
    let thread = Builder::new().name("housekeeping".into()).spawn(move || keep(&household, observer, &stopped))?;
    Ok(Housekeeping { stop: Some(stop), thread: Some(thread) })
}

fn keep(household: &Household, mut observer: impl Observer, stopped: &Receiver<()>) {
    let mut ticks = 0_u64;
    let every = |ticks: u64, span: Duration| ticks.is_multiple_of(span.as_secs().max(1));
    while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        ticks += 1;
        household.expire_bindings(&mut observer);
        household.limiter.tell_left_out();
        if every(ticks, DIALOGS) {
            household.shared.dialogs.sweep(household.clock.now());
        }
        if every(ticks, REFRESH_INTERVAL)
            && let Err(error) = household.addresses.refresh()
        {
            tracing::warn!(%error, "cannot read the addresses of this host; the ones known stay in use");
        }
        if every(ticks, USAGE) {
            household.store_usage();
        }
        if every(ticks, KEYS)
            && let Err(error) = household.rotate_keys()
        {
            tracing::warn!(error = format!("{error:#}"), "cannot rotate the route key; the present one stays in use");
        }
    }
    household.store_usage();
}

impl Household {
    fn expire_bindings(&self, observer: &mut impl Observer) {
        let expired = |observer: &mut dyn Observer| {
            self.shared.location.sweep(self.clock.now(), SWEEP, |aor, binding| {
                observer.observe(&Event::Unregistered { aor, binding, gone: Gone::Expired });
            })
        };
        while expired(observer) == SWEEP {}
    }

    fn store_usage(&self) {
        let exists = |id| self.store.credentials().by_id(id).is_some();
        if let Err(error) = self.store.put_usage(self.usage.take_changed(exists)) {
            tracing::warn!(%error, "how credentials were used in the last minute is not stored");
        }
    }

    fn rotate_keys(&self) -> anyhow::Result<()> {
        let keys = super::route_keys(&self.store, self.clock.now(), self.shared.proxy.settings.max_call_s)?;
        self.shared.proxy.route_keys.store(keys.into());
        Ok(())
    }
}
