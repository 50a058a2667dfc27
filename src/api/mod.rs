//! The HTTP API: `/healthz`, `/metrics`, and the management API that Vobiz clients use unchanged.
//!
//! One file a resource; `access` lets a request in, `envelope` cuts lists into pages, `error` is the one shape of an error.
//! Strict clients refuse unknown keys, so a resource shows exactly the keys of the contract.

#![allow(clippy::disallowed_methods, reason = "the API is shell: it hands what may touch the disk to another thread")]

mod access;
mod connection;
mod credentials;
mod envelope;
mod error;
mod health;
mod serve;
mod settings;
mod trunks;

pub use access::token_hash;
pub use serve::serve;
pub use settings::Settings;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use crate::metrics::Metrics;
use crate::storage::{ReadError, Store};

use error::ApiError;

/// Largest request body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// Longest time that a request may take once its head is there.
const LONGEST: Duration = Duration::from_secs(10);

/// What the API works on.
pub struct Api {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    domain: Box<str>,
    ready: AtomicBool,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("domain", &self.domain).field("ready", &self.is_ready()).finish_non_exhaustive()
    }
}

impl Api {
    /// Over `store`; `domain` is `[sip] domain`, under which trunks and realms are named. Not ready yet.
    pub fn new(store: Arc<Store>, metrics: Arc<Metrics>, domain: &str) -> Self {
        Self { store, metrics, domain: domain.into(), ready: AtomicBool::new(false) }
    }

    /// Says whether SIP is served, which is what `/healthz` answers.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Reads the store on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(result) => result.map_err(|error| ApiError::internal(&error)),
            Err(error) => Err(ApiError::internal(&error)),
        }
    }
}

/// All routes.
pub fn router(api: Arc<Api>) -> Router {
    let router = Router::new().route("/healthz", get(health::healthz)).route("/metrics", get(health::metrics));
    let router = of_account(router, "trunks", get(trunks::list));
    of_account(router, "trunks/credentials", get(credentials::list))
        .fallback(async || ApiError::new(StatusCode::NOT_FOUND, "There is nothing at this path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "This path does not take this method")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(finish))
        .with_state(api)
}

/// Adds a resource of an account. Old and new clients write `account` and `Account`, which [`access::Access`] looks at, and some end
/// paths with a slash, which must not be answered with a redirect.
fn of_account(router: Router<Arc<Api>>, path: &str, methods: MethodRouter<Arc<Api>>) -> Router<Arc<Api>> {
    let path = format!("/api/v1/{{area}}/{{auth_id}}/{path}");
    router.route(&path, methods.clone()).route(&format!("{path}/"), methods)
}

/// Gives up on what takes too long, and keeps answers out of caches.
async fn finish(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(LONGEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "The request took too long").into_response(),
    };
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
