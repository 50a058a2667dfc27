//! The composition root: opens the store, makes the shared state, starts the shards, and takes all of it down in order.
#![allow(clippy::disallowed_methods, reason = "the shell draws the process's randomness and reads its clock")]

mod housekeeping;
mod metered;
mod provision;

use std::io::IsTerminal;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;

use crate::administration::{self, Administration, JudgedBindings, Welcome};
use crate::api::{self, Api};
use crate::auth::{MemoryReplayWindows, NonceKeys};
use crate::clock::Timestamp;
use crate::config::{Config, LogFormat};
use crate::dialog::Dialogs;
use crate::engine::{self, Engine, Secrets};
use crate::first_run::{self, HandedOver, Started};
use crate::flow::OpenStreams;
use crate::limits::{FailureTable, SourceRates};
use crate::location::Location;
use crate::metrics::{Metrics, Reading};
use crate::proxy;
use crate::report::{self, LogLimiter, Reporter};
use crate::storage::{BindingJournal, Store, load_or_rotate};
use crate::transaction::Limits;
use crate::transport::{self, Bound, Clock, LocalAddresses};
use crate::trunk::{Advertised, Alias, AuthPolicy, Directory, Interfaces};
use crate::usage::{Usage, WithUsage};

use provision::Reachable;

/// A route key makes tokens for a week; those it made are good for the longest call beyond that.
const ROUTE_KEY_AGE_S: u64 = 7 * 24 * 3600;
/// Most transactions of each kind in one shard: about 300 MB without the messages they keep.
const MAX_TRANSACTIONS: usize = 1_000_000;
/// Most bytes of messages that the transactions of one shard keep.
const MAX_KEPT_BYTES: usize = 256 << 20;
/// Most dialogs remembered; beyond it the route token alone decides.
const MAX_DIALOGS: usize = 1_000_000;

/// Random bytes of the system.
fn random_bytes<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    Ok(bytes)
}

/// Looks at what [`run`] would stop on before it makes anything: files that the configuration names.
///
/// # Errors
/// The first that cannot be used.
pub fn check(config: &Config) -> anyhow::Result<()> {
    api::Certificate::load(&config.api)?;
    Ok(())
}

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting, or that a worker has failed.
pub fn run(config: Config) -> anyhow::Result<()> {
    let logging = report::start_logging(log_format(config.log.format), &config.log.level)?;
    let metrics = Arc::new(Metrics::new());
    logging.show_in(&metrics);
    let clock = Clock::start();
    // Whatever can be refused is refused before anything is made: first the ports, then the store.
    let bound = transport::bind(config.transport.clone())?;
    let api_listener = bind_api(&config)?;
    let api_address = api_listener.local_addr()?;
    let certificate = api::Certificate::load(&config.api)?;
    let addresses = Arc::new(LocalAddresses::read().context("cannot read the addresses of this host")?);
    let local = addresses.list().into_iter().find(|ip| ip.is_ipv4() && !ip.is_loopback());
    // A seed that is not there is noticed before passwords are made and shown.
    let seed = config.account.seed.as_deref().map(provision::open_seed).transpose()?;
    let store = Arc::new(Store::open(&config.storage)?);
    let reachable = Reachable { listen: bound.addresses(), api: api_address, local };
    let first_run = provide(&store, &config, &reachable, seed, clock)?;
    let directory = administration::directory(&store, &config.account.auth_id, &config.engine.domain)?;
    warn_of_forgeable_admission(&directory);

    let journal = Arc::new(BindingJournal::new(store.clone()));
    let directory = Arc::new(ArcSwap::from_pointee(directory));
    let welcome = Welcome { directory: directory.clone(), credentials: store.credentials().clone() };
    let judged = Arc::new(JudgedBindings::new(journal.clone(), welcome));
    let location = Arc::new(Location::new(judged.clone()));
    let shared = Arc::new(shared(&config, &bound, directory.clone(), &store, &addresses, location.clone(), clock)?);
    start_journal(&journal, judged, &location, clock)?;
    metrics.watch_state(&location, &shared.dialogs);
    metrics.watch_store(&store, &journal);
    let listen = bound.addresses().to_vec();
    let limiter = Arc::new(LogLimiter::default());
    let usage = Arc::new(Usage::new(store.usage(), move || clock.now()));
    let running = start_shards(bound, clock, &shared, &metrics, &limiter, &usage)?;
    let administration = Arc::new(Administration::new(administration::Parts {
        store: store.clone(),
        directory,
        location,
        dialogs: shared.dialogs.clone(),
        domain: config.engine.domain.as_str().into(),
        settings: config.administration,
        now: Box::new(move || clock.now()),
        observer: Box::new(Reporter::new(&metrics, limiter.clone())),
    }));
    let household = housekeeping::Household {
        shared,
        store: store.clone(),
        addresses,
        clock,
        limiter: limiter.clone(),
        usage: usage.clone(),
    };
    let housekeeping = housekeeping::start(household, Reporter::new(&metrics, limiter))?;
    let api = Arc::new(Api::new(administration, metrics).with_settings(&config.api).with_usage(usage));
    api.set_ready(true);
    show(&config, &listen, api_address, local, first_run.as_ref());

    let ended = wait(&running, api_listener, certificate, api);
    tracing::info!("stopping");
    running.stop();
    drop(housekeeping);
    journal.stop().context("the last bindings could not be written")?;
    ended
}

/// The log's own word for the configuration's.
const fn log_format(format: LogFormat) -> report::LogFormat {
    match format {
        LogFormat::Human => report::LogFormat::Human,
        LogFormat::Json => report::LogFormat::Json,
    }
}

/// Makes what a store must hold before the server serves, and loads the seed.
fn provide(
    store: &Store,
    config: &Config,
    reachable: &Reachable<'_>,
    seed: Option<std::fs::File>,
    clock: Clock,
) -> anyhow::Result<Option<HandedOver>> {
    let first_run = provision::account(store, config, reachable, clock.now())?;
    if let Some(HandedOver::File(path)) = &first_run {
        tracing::info!(path = %path.display(), "account, trunk and phones made; their secrets are in this file");
    }
    if let (Some(seed), Some(path)) = (seed, &config.account.seed) {
        provision::seed(store, config, seed, path, clock.now())?;
    }
    Ok(first_run)
}

fn start_shards(
    bound: Bound,
    clock: Clock,
    shared: &Arc<engine::Shared>,
    metrics: &Arc<Metrics>,
    limiter: &Arc<LogLimiter>,
    usage: &Arc<Usage>,
) -> anyhow::Result<transport::Running> {
    let mut seeds = Vec::with_capacity(bound.shards());
    for _ in 0..bound.shards() {
        seeds.push(random_bytes::<32>()?);
    }
    let make = {
        let (shared, metrics, limiter, usage) = (shared.clone(), metrics.clone(), limiter.clone(), usage.clone());
        move |shard: u8| {
            let seed = seeds.get(usize::from(shard)).copied().unwrap_or_default();
            let engine = Engine::new(shared.clone(), shard, seed, clock.now());
            let observer = WithUsage { other: Reporter::new(&metrics, limiter.clone()), usage: usage.clone() };
            (metered::Metered::new(engine, metrics.shard_load(shard)), observer)
        }
    };
    let running = bound.start(clock, make)?;
    let counters = running.counters().to_vec();
    metrics.watch(move || {
        let reading = |(name, help, value): (&'static str, &'static str, u64)| {
            let shown = format!("transport_{name}");
            if name == "connections_open" {
                Reading::gauge(shown, help, value)
            } else {
                Reading::counter(shown, help, value)
            }
        };
        transport::totals(&counters).into_iter().map(reading).collect()
    });
    Ok(running)
}

fn bind_api(config: &Config) -> anyhow::Result<TcpListener> {
    let address = config.api.listen;
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address} for the API: is it in use? Set [api] listen to another address")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn shared(
    config: &Config,
    bound: &Bound,
    directory: Arc<ArcSwap<Directory>>,
    store: &Arc<Store>,
    addresses: &Arc<LocalAddresses>,
    location: Arc<Location>,
    clock: Clock,
) -> anyhow::Result<engine::Shared> {
    let interfaces = Arc::new(interfaces(config, bound, addresses));
    let dialogs = Arc::new(Dialogs::new(MAX_DIALOGS, random_bytes()?));
    let route_keys = route_keys(store, clock.now(), config.proxy.max_call_s)?;
    let proxy = proxy::Shared {
        settings: config.proxy.clone(),
        interfaces: interfaces.clone(),
        dialogs: dialogs.clone(),
        route_keys: Arc::new(ArcSwap::from_pointee(route_keys)),
        loop_secret: random_bytes()?,
    };
    let nonce_key = config.auth.nonce_key.map_or_else(random_bytes, Ok)?;
    Ok(engine::Shared {
        started: clock.now(),
        directory,
        credentials: store.credentials().clone(),
        nonces: NonceKeys::new(nonce_key, config.auth.nonce_lifetime, clock.now()),
        allow_rfc2069: config.auth.allow_rfc2069,
        replay: Arc::new(MemoryReplayWindows::new(config.auth.replay_windows, config.auth.nonce_lifetime)),
        rates: Arc::new(SourceRates::new(
            config.limits.per_source_per_s,
            config.limits.exempt.clone(),
            random_bytes()?,
        )),
        failures: Arc::new(FailureTable::new(
            config.limits.failures_per_minute,
            config.limits.exempt.clone(),
            random_bytes()?,
        )),
        location,
        interfaces,
        streams: OpenStreams::default(),
        dialogs,
        registrar: config.registrar.clone(),
        proxy: Arc::new(proxy),
        transactions: Limits { transactions: MAX_TRANSACTIONS, bytes: MAX_KEPT_BYTES },
        secrets: Secrets { transactions: random_bytes()?, tags: random_bytes()? },
    })
}

/// The configuration writes IPv6 hosts in brackets, as URIs do.
fn interfaces(config: &Config, bound: &Bound, addresses: &Arc<LocalAddresses>) -> Interfaces {
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let listeners = bound.addresses().iter().map(|listener| (listener.transport, listener.address)).collect();
    let advertised = config.transport.advertise.iter();
    let advertised =
        advertised.map(|name| Advertised { transport: name.transport, host: bare(&name.host), port: name.port });
    let aliases = config.engine.aliases.iter().map(|alias| Alias { host: bare(&alias.host), port: alias.port });
    Interfaces::new(listeners, advertised.collect(), aliases.collect(), addresses.clone())
}

fn route_keys(store: &Store, now: Timestamp, max_call_s: u32) -> anyhow::Result<proxy::RouteKeys> {
    let keys = load_or_rotate(store, now.secs(), ROUTE_KEY_AGE_S, u64::from(max_call_s), random_bytes()?)?;
    Ok(proxy::RouteKeys::new(keys.iter().map(|record| (record.id, record.key))))
}

fn start_journal(
    journal: &Arc<BindingJournal>,
    judged: Arc<JudgedBindings>,
    location: &Arc<Location>,
    clock: Clock,
) -> anyhow::Result<()> {
    let current = location.clone();
    journal.start(Box::new(move |aor| current.to_store(aor)))?;
    let restored = location.clone();
    journal.restore(clock.now().secs(), move |aor, record| judged.restore(&restored, aor, record))?;
    Ok(())
}

/// Product §2 step 4: admission by address over UDP can be forged.
fn warn_of_forgeable_admission(directory: &Directory) {
    for trunk in directory.trunks().filter(|trunk| trunk.admits_by_address()) {
        let policy = |policy: AuthPolicy| format!("{policy:?}");
        tracing::warn!(
            trunk = %trunk.name,
            register = policy(trunk.policy_register),
            call = policy(trunk.policy_call),
            "this trunk admits senders by their address alone; over UDP an address can be forged"
        );
    }
}

fn show(
    config: &Config,
    listen: &[transport::ListenAddress],
    api: std::net::SocketAddr,
    local: Option<IpAddr>,
    first_run: Option<&HandedOver>,
) {
    let started = Started { listen, api, local, store: &config.storage.path, log_level: &config.log.level, first_run };
    // Whoever closed our standard output does not want to read this.
    let _ = first_run::print(&first_run::started_screen(&started));
}

/// Serves the API and waits for a signal or a failure.
fn wait(
    running: &transport::Running,
    listener: TcpListener,
    certificate: Option<Arc<api::Certificate>>,
    api: Arc<Api>,
) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let failed = running.failed();
    let ending = Arc::clone(&api);
    let outcome = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(api::serve(listener, certificate, api, async move {
            // Dropped or sent, both mean the end.
            let _ = stopped.await;
        }));
        let mut hangup = signal(SignalKind::hangup())?;
        let hung_up = async {
            // A closed terminal ends what ran in it; anybody else means "reload", which is not there yet.
            while hangup.recv().await.is_some() && !std::io::stdout().is_terminal() {
                tracing::warn!("SIGHUP: the configuration is read at the start only; restart to apply a change");
            }
        };
        let outcome = tokio::select! {
            () = hung_up => Ok(()),
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            worker = failed => Err(anyhow::anyhow!("worker {worker} has failed; start the server again")),
        };
        ending.set_ready(false);
        drop(stop);
        match serving.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the API ended with an error"),
            Err(error) => tracing::error!(%error, "the API panicked"),
        }
        outcome
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}
