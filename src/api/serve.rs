//! Serving HTTP/1.1 until told to stop, with bounds on what clients can hold.

#![allow(clippy::disallowed_methods, reason = "the API is shell: it waits")]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio_rustls::TlsAcceptor;

use super::connection::Connection;
use super::stream::Stream;
use super::tls::Certificate;
use super::{Api, router};

/// Connections at once; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 512;

/// How long requests may go on after the end was called.
const GRACE: Duration = Duration::from_secs(2);

/// Answers on `listener`, over TLS where there is a `certificate`, until `shutdown` is there; then takes no new connections, lets requests end for at most two seconds, and returns.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(
    listener: std::net::TcpListener,
    certificate: Option<Arc<Certificate>>,
    api: Arc<Api>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let acceptor = certificate.as_ref().map(Certificate::acceptor).transpose().map_err(io::Error::other)?;
    let listener = Bounded::new(TcpListener::from_std(listener)?, acceptor, MAX_CONNECTIONS);
    let (tell, told) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        let _ = tell.send(());
    };
    let grace = async move {
        let _ = told.await;
        tokio::time::sleep(GRACE).await;
    };
    let follow = async move {
        match certificate {
            Some(certificate) => certificate.follow().await,
            None => std::future::pending().await,
        }
    };
    let service = router(api).into_make_service_with_connect_info::<PeerAddress>();
    let server = axum::serve(listener, service).with_graceful_shutdown(signal);
    tokio::select! {
        result = server.into_future() => result,
        () = grace => Ok(()),
        () = follow => Ok(()),
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerAddress(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Bounded>> for PeerAddress {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A listener with a bound on the connections that are open.
pub(super) struct Bounded {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    places: Arc<Semaphore>,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener, acceptor: Option<TlsAcceptor>, places: usize) -> Self {
        Self { listener, acceptor, places: Arc::new(Semaphore::new(places)) }
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
        (Connection::new(Stream::new(stream, self.acceptor.as_ref()), place), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
