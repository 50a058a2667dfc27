//! Serving HTTP/1.1 until told to stop, with bounds on what clients can hold.

#![allow(clippy::disallowed_methods, reason = "the API is shell: it waits")]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

use super::connection::Connection;
use super::{Api, router};

/// Connections at once; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 512;

/// How long requests may go on after the end was called.
const GRACE: Duration = Duration::from_secs(2);

/// Answers on `listener` until `shutdown` is there; then takes no new connections, lets requests end for at most two seconds, and returns.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(
    listener: std::net::TcpListener,
    api: Arc<Api>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = Bounded::new(TcpListener::from_std(listener)?, MAX_CONNECTIONS);
    let (tell, told) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        let _ = tell.send(());
    };
    let grace = async move {
        let _ = told.await;
        tokio::time::sleep(GRACE).await;
    };
    let server = axum::serve(listener, router(api)).with_graceful_shutdown(signal);
    tokio::select! {
        result = server.into_future() => result,
        () = grace => Ok(()),
    }
}

/// A listener with a bound on the connections that are open.
#[derive(Debug)]
pub(super) struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener, places: usize) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(places)) }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // Fails only once the semaphore is closed, which it never is.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Without it answers wait for the client's delayed acknowledgement; they still come.
        let _ = stream.set_nodelay(true);
        (Connection::new(stream, place), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
