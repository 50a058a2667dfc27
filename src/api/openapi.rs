//! Placeholder until the description is here.
use utoipa::{IntoParams, ToSchema};

/// `limit`, `offset`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what envelope reads")]
pub(super) struct PageParameters {
    /// How many, 1 to 100.
    limit: Option<u64>,
    /// How many are passed over.
    offset: Option<u64>,
}

/// `limit`, `offset`, `sort`, `search`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what envelope and arrangement read")]
pub(super) struct ListParameters {
    /// How many, 1 to 100.
    limit: Option<u64>,
    /// How many are passed over.
    offset: Option<u64>,
    /// The field to sort by, with `-` before it for descending order; without it newest first.
    sort: Option<String>,
    /// Only what has this text in one of its searchable fields; case does not count.
    search: Option<String>,
}

/// The account.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what access reads")]
pub(super) struct AccountPath {
    /// The account, the same as in `X-Auth-ID`.
    auth_id: String,
}

/// An account to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what accounts reads")]
pub(super) struct AccountBody {
    /// 1 to 64 letters, digits and underscores; made up where it is left out.
    auth_id: Option<String>,
    /// The digest realm; `{auth_id}.{domain}` where it is left out.
    realm: Option<String>,
    enabled: Option<bool>,
}

/// What can be changed of an account.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what accounts reads")]
pub(super) struct AccountChange {
    enabled: Option<bool>,
}
