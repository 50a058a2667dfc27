//! The thread of one shard: its tasks, and how they end.
#![allow(clippy::disallowed_methods, reason = "the shell waits so that the core need not")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::net::UdpSocket;
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::task::LocalSet;
use tokio::task::yield_now;
use tokio::time::sleep;
use tokio::time::sleep_until;
use tokio::time::timeout;

use super::admission::Admission;
use super::bind::ShardSockets;
use super::connections::Connections;
use super::counters::TransportCounters;
use super::inbox::Inbox;
use super::inbox::Inboxes;
use super::inbox::Letter;
use super::links::Links;
use super::packet_path::PacketPath;
use super::settings::Settings;
use super::shard::Shard;
use super::shard::Shared;
use super::steady::Clock;
use super::tasks::Tasks;
use super::tcp;
use super::udp::UdpSockets;
use crate::engine::Observer;

/// What a worker needs beside its engine.
pub(super) struct Worker {
    pub(super) index: u8,
    pub(super) settings: Settings,
    pub(super) sockets: ShardSockets,
    pub(super) counters: Arc<TransportCounters>,
    pub(super) admission: Arc<Admission>,
    pub(super) inboxes: Inboxes,
    pub(super) inbox: Inbox,
    pub(super) clock: Clock,
    pub(super) stop: watch::Receiver<bool>,
}

/// Streams have this long to take what waits for them when the server stops.
const FLUSH_AT_STOP: Duration = Duration::from_secs(1);
/// Batches of datagrams after which other tasks have their turn. Each turn costs a look at the kernel's event queue.
const BATCHES_PER_TURN: usize = 4;
/// Letters after which other tasks have their turn.
const LETTERS_PER_TURN: usize = 64;
/// The engine's timers are no finer; waking for each would only cost.
const TIMER_RESOLUTION: Duration = Duration::from_millis(10);

impl Worker {
    /// Serves until told to stop.
    ///
    /// # Errors
    /// When the system refuses the runtime, or a task panicked.
    pub(super) fn run<P: PacketPath>(self, path: P, observer: Box<dyn Observer>) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        LocalSet::new().block_on(&runtime, self.serve(path, observer))
    }

    async fn serve<P: PacketPath>(self, path: P, observer: Box<dyn Observer>) -> io::Result<()> {
        let Self { index, settings, sockets, counters, admission, inboxes, inbox, clock, mut stop } = self;
        let listening = sockets.tcp.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let links = Links {
            shard: index,
            udp: UdpSockets::new(sockets.udp, Arc::clone(&counters))?,
            connections: Connections::new(index, &settings, listening, Arc::clone(&admission), Arc::clone(&counters)),
            inboxes,
            counters,
            untold: VecDeque::new(),
            untold_grew: Rc::default(),
        };
        let listeners = sockets.tcp.into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>()?;
        let shard = Shard::new(path, observer, links, clock, settings.max_message_bytes);
        let shard = Rc::new(RefCell::new(shard));

        let tasks = Tasks::default();
        let feeding = start_tasks(&shard, &tasks, listeners, &admission, inbox);
        tokio::select! {
            // A sender that is gone has stopped as well.
            _ = stop.wait_for(|stop| *stop) => {}
            () = tasks.panicked() => return Err(io::Error::other("a task panicked")),
        }
        feeding.iter().for_each(AbortHandle::abort);
        close_streams(&shard).await;
        Ok(())
    }
}

/// Starts what feeds the shard, to be aborted when it stops. The tasks of single streams end by themselves.
fn start_tasks<P: PacketPath>(
    shard: &Shared<P>,
    tasks: &Tasks,
    listeners: Vec<TcpListener>,
    admission: &Arc<Admission>,
    inbox: Inbox,
) -> Vec<AbortHandle> {
    let mut started = vec![
        tasks.start(read_letters(Rc::clone(shard), inbox)),
        tasks.start(tell_closings(Rc::clone(shard))),
        tasks.start(keep_time(Rc::clone(shard))),
        tasks.start(sweep_streams(Rc::clone(shard))),
        tasks.start(tcp::connect(Rc::clone(shard), tasks.clone())),
    ];
    let sockets = shard.borrow().links.udp.handles();
    for (index, socket) in sockets.into_iter().enumerate() {
        started.push(tasks.start(read_datagrams(Rc::clone(shard), index, socket)));
    }
    for listener in listeners {
        started.push(tasks.start(tcp::accept(Rc::clone(shard), tasks.clone(), listener, Arc::clone(admission))));
    }
    started
}

async fn read_datagrams<P: PacketPath>(shard: Shared<P>, index: usize, socket: Rc<UdpSocket>) {
    let mut batches = 0;
    while socket.readable().await.is_ok() {
        let more = shard.borrow_mut().receive_datagrams(index);
        batches = if more { batches + 1 } else { 0 };
        if batches >= BATCHES_PER_TURN {
            batches = 0;
            yield_now().await;
        }
    }
}

async fn read_letters<P: PacketPath>(shard: Shared<P>, mut inbox: Inbox) {
    let mut letters = Vec::with_capacity(LETTERS_PER_TURN);
    while inbox.read(&mut letters, LETTERS_PER_TURN).await > 0 {
        {
            let mut shard = shard.borrow_mut();
            let now = shard.clock.now();
            letters.drain(..).for_each(|letter| shard.open_letter(letter, now));
            shard.settle(now);
        }
        yield_now().await;
    }
}

/// Waits for room in the inboxes that were full when streams closed.
async fn tell_closings<P: PacketPath>(shard: Shared<P>) {
    let grew = Rc::clone(&shard.borrow().links.untold_grew);
    loop {
        grew.notified().await;
        loop {
            let next = shard.borrow_mut().links.untold.pop_front();
            let Some((to, id)) = next else { break };
            let inbox = shard.borrow().links.inboxes.of(to);
            if let Some(inbox) = inbox {
                // A shard that has ended needs no news.
                let _ = inbox.send(Letter::Closed(id)).await;
            }
        }
    }
}

/// Sleeps until the engine's next timeout, and for ever while it has none.
async fn keep_time<P: PacketPath>(shard: Shared<P>) {
    let changed = Rc::clone(&shard.borrow().timer_changed);
    let clock = shard.borrow().clock;
    let mut not_before = clock.now();
    loop {
        let due = shard.borrow_mut().arm();
        let Some(due) = due else {
            changed.notified().await;
            continue;
        };
        let wake_at = tokio::time::Instant::from_std(clock.instant(due.max(not_before)));
        tokio::select! {
            () = sleep_until(wake_at) => {
                shard.borrow_mut().expire();
                not_before = clock.now() + TIMER_RESOLUTION;
            }
            () = changed.notified() => {}
        }
    }
}

/// One task looks after the age of all streams: a timer for each would wake the thread thousands of times.
async fn sweep_streams<P: PacketPath>(shard: Shared<P>) {
    let opened = count_changed(&shard);
    let interval = shard.borrow().links.connections.sweep_interval();
    loop {
        let none_open = shard.borrow().links.connections.is_empty();
        if none_open {
            opened.notified().await;
        }
        sleep(interval).await;
        shard.borrow_mut().sweep();
    }
}

/// Lets streams take what waits for them, for a moment, and closes them all.
async fn close_streams<P: PacketPath>(shard: &Shared<P>) {
    {
        let mut shard = shard.borrow_mut();
        shard.is_stopping = true;
        let now = shard.clock.now();
        shard.links.connections.flush(now);
        shard.links.connections.close_all(false);
        shard.settle(now);
    }
    let closed = count_changed(shard);
    let all_closed = async {
        while !shard.borrow().links.connections.is_empty() {
            closed.notified().await;
        }
    };
    if timeout(FLUSH_AT_STOP, all_closed).await.is_err() {
        shard.borrow_mut().links.connections.close_all(true);
    }
}

fn count_changed<P>(shard: &Shared<P>) -> Rc<Notify> {
    Rc::clone(&shard.borrow().links.connections.count_changed)
}
