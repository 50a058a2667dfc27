//! The HTTP API: `/healthz`, `/metrics`, and the management API that Vobiz clients use unchanged.
//!
//! One file a resource; `access` lets a request in, `envelope` cuts lists into pages, `error` is the one shape of an error.
//! Strict clients refuse unknown keys, so a resource shows exactly the keys of the contract.

#![allow(clippy::disallowed_methods, reason = "the API is shell: it hands what may touch the disk to another thread")]

mod access;
mod accounts;
mod acl;
mod arrangement;
mod backup;
mod body;
mod connection;
mod credentials;
mod envelope;
mod error;
mod failures;
mod health;
mod idempotency;
mod inputs;
mod live;
mod log;
mod numbers;
mod openapi;
mod openapi_page;
mod origin;
mod origination_uris;
mod path;
mod preconditions;
mod serve;
mod settings;
mod stream;
mod tls;
mod trunks;
mod words;

pub use access::token_hash;
pub use serve::serve;
pub use settings::{OperatorToken, Settings};
pub use tls::{Certificate, TlsError};

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get};

use crate::administration::{self, Administration};
use crate::metrics::Metrics;
use crate::storage::{ReadError, Store};
use crate::usage::Usage;

use error::ApiError;
use failures::Failures;
use idempotency::Idempotency;
use origin::Origin;

/// Largest request body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// What the API works on.
pub struct Api {
    administration: Arc<Administration>,
    metrics: Arc<Metrics>,
    ready: AtomicBool,
    operator: Option<OperatorToken>,
    behind_proxy: bool,
    failures: Failures,
    usage: Option<Arc<Usage>>,
    idempotency: Idempotency,
    /// Held alone by a change that depends on what it is made to.
    changes: tokio::sync::RwLock<()>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("ready", &self.is_ready()).finish_non_exhaustive()
    }
}

impl Api {
    /// Over `administration`. Not ready yet.
    pub fn new(administration: Arc<Administration>, metrics: Arc<Metrics>) -> Self {
        Self {
            administration,
            metrics,
            ready: AtomicBool::new(false),
            operator: None,
            behind_proxy: false,
            failures: Failures::default(),
            usage: None,
            idempotency: Idempotency::new(),
            changes: tokio::sync::RwLock::default(),
        }
    }

    /// As the operator has decided.
    #[must_use]
    pub fn with_settings(self, settings: &Settings) -> Self {
        Self { operator: settings.operator_token, behind_proxy: settings.behind_proxy, ..self }
    }

    /// With what is known of the use of credentials.
    #[must_use]
    pub fn with_usage(self, usage: Arc<Usage>) -> Self {
        Self { usage: Some(usage), ..self }
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
        let store = Arc::clone(self.administration.store());
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(result) => result.map_err(|error| ApiError::internal(&error)),
            Err(error) => Err(ApiError::internal(&error)),
        }
    }
}

impl Api {
    /// Reads or changes the configuration on a thread that may wait for the disk. A change that has begun is finished, also when the client
    /// has gone.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Administration) -> Result<T, administration::Error> + Send + 'static,
    ) -> Result<T, ApiError> {
        let administration = Arc::clone(&self.administration);
        let author = Origin::author();
        match tokio::task::spawn_blocking(move || author.acting(|| work(&administration))).await {
            Ok(result) => result.map_err(Into::into),
            Err(error) => Err(ApiError::internal(&error)),
        }
    }
}

/// All routes.
pub fn router(api: Arc<Api>) -> Router {
    let router = Router::new().route("/healthz", get(health::healthz)).route("/metrics", get(health::metrics));
    let router = router.route("/api/v1/operator/backup", get(backup::download));
    let router = resource(router, ["trunks", "trunks"], trunks::routes());
    let router = resource(router, ["credentials", "trunks/credentials"], credentials::routes());
    let router = resource(router, ["ip-acl", "trunks/ip-acl"], acl::routes());
    let router = resource(router, ["origination-uris", "trunks/origination-uris"], origination_uris::routes());
    let router = resource(router, ["numbers", "numbers"], numbers::routes());
    let router = of_account(router, "numbers/{name}/assign", numbers::assignment());
    let router = openapi::routes(log::routes(live::routes(accounts::routes(router))));
    let router = router
        .fallback(async || ApiError::new(StatusCode::NOT_FOUND, "There is nothing at this path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "This path does not take this method")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(api.clone());
    // Around the router as a whole: some of these look at one path with another method, or at another path.
    Router::new()
        .fallback_service(router)
        .layer(from_fn_with_state(api.clone(), idempotency::once))
        .layer(from_fn_with_state(api.clone(), preconditions::hold))
        .layer(from_fn_with_state(api, origin::frame))
}

/// The methods of a resource, by path.
struct Routes {
    create: MethodRouter<Arc<Api>>,
    list: MethodRouter<Arc<Api>>,
    one: MethodRouter<Arc<Api>>,
}

/// Adds a resource of the contract: made at one path, listed at another, which for most is below `trunks`.
fn resource(router: Router<Arc<Api>>, [path, listed]: [&str; 2], routes: Routes) -> Router<Arc<Api>> {
    let router = of_account(router, &format!("{path}/{{name}}"), routes.one);
    if path == listed {
        return of_account(router, path, routes.create.merge(routes.list));
    }
    of_account(of_account(router, path, routes.create), listed, routes.list)
}

/// Adds a resource of an account. Old and new clients write `account` and `Account`, which [`access::Access`] looks at, and some end
/// paths with a slash, which must not be answered with a redirect.
fn of_account(router: Router<Arc<Api>>, path: &str, methods: MethodRouter<Arc<Api>>) -> Router<Arc<Api>> {
    with_slash(router, &format!("/api/v1/{{area}}/{{auth_id}}/{path}"), methods)
}

fn with_slash(router: Router<Arc<Api>>, path: &str, methods: MethodRouter<Arc<Api>>) -> Router<Arc<Api>> {
    router.route(path, methods.clone()).route(&format!("{path}/"), methods)
}

#[cfg(test)]
mod tests;
