//! `GET /api/v1/operator/backup`: everything that the store holds, as one file, while the server serves and takes changes.

#![allow(clippy::disallowed_methods, reason = "the API is shell: it uses threads that may wait, and reads the clock")]

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;

use super::Api;
use super::access::Operator;

/// Pieces of 64 KiB that may wait for a slow reader.
const WAITING: usize = 16;

/// `GET /api/v1/operator/backup`
///
/// The backup as it is made. The reader checks it: a file that was cut off is no backup and says so.
#[utoipa::path(get, path = "/api/v1/operator/backup", tag = "operator",
    responses((status = 200, description = "The backup", body = Vec<u8>, content_type = "application/octet-stream")))]
pub(super) async fn download(State(api): State<Arc<Api>>, _: Operator) -> Response {
    let (sender, receiver) = mpsc::channel(WAITING);
    let store = Arc::clone(api.administration.store());
    tokio::task::spawn_blocking(move || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        match store.backup(Pieces(&sender), now) {
            Ok(made) => tracing::info!(objects = made.objects, bindings = made.bindings, "backup handed out"),
            Err(error) => {
                tracing::warn!(%error, "a backup was not handed out whole");
                // Breaks the connection off, so that nobody takes what came for the whole.
                let _ = sender.blocking_send(Err(io::Error::other(error)));
            }
        }
    });
    let body = Body::from_stream(ReceiverStream::new(receiver));
    ([(CONTENT_TYPE, "application/octet-stream")], body).into_response()
}

struct Pieces<'a>(&'a Sender<io::Result<Bytes>>);

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
