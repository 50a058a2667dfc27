//! What is going on at the moment: registered contacts and calls of an account.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::administration::{self, Administration};
use crate::clock::Timestamp;
use crate::dialog::Call;
use crate::location::{AddressOfRecord, Binding};
use crate::report::escape_uri;
use crate::storage::{AuditAction, Changes, Page, Window};
use crate::trunk::TrunkId;

use super::access::Access;
use super::arrangement::{Field, Sorted};
use super::envelope::{List, ListQuery, timestamp};
use super::error::ApiError;
use super::path::Name;
use super::{Api, of_account};

/// A contact at which a user can be reached.
#[derive(Serialize, ToSchema)]
pub(super) struct Registration {
    /// The address of record, `user@trunk_domain`.
    aor: String,
    trunk_id: Uuid,
    /// The contact URI as registered.
    contact: String,
    /// The address and port that the registration came from.
    source: String,
    /// `udp` or `tcp`.
    transport: String,
    user_agent: String,
    expires_at: String,
    /// Seconds until then.
    expires_in: u64,
    /// The credential that registered it; left out where the sender was admitted by its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_id: Option<Uuid>,
}

/// A call that is up or being set up.
#[derive(Serialize, ToSchema)]
pub(super) struct LiveCall {
    call_id: String,
    trunk_id: Uuid,
    from: String,
    to: String,
    /// The address and port that it came from.
    source: String,
    since: String,
    answered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_at: Option<String>,
}

/// How many calls an account has, as the contract has it.
#[derive(Serialize, ToSchema)]
pub(super) struct Concurrency {
    account_id: String,
    concurrent_calls: u64,
    /// The sum of what its trunks may have; 0 where one of them has no limit.
    max_concurrent: u64,
    utilization_pct: f64,
    request_id: String,
}

/// A binding in its place.
struct Row {
    aor: AddressOfRecord,
    domain: Arc<str>,
    binding: Binding,
}

const REGISTRATION_FIELDS: &[Field<Row>] = &[
    Field { name: "aor", of: |it| Sorted::Text(it.aor.user.as_ref().into()), is_searched: true },
    Field { name: "contact", of: |it| Sorted::Text(String::from_utf8_lossy(&it.binding.contact)), is_searched: true },
    Field { name: "source", of: |it| Sorted::Text(it.binding.flow.peer.to_string().into()), is_searched: true },
    Field { name: "user_agent", of: |it| Sorted::Text(it.binding.user_agent.as_ref().into()), is_searched: true },
    Field { name: "expires_at", of: |it| Sorted::Number(it.binding.expires_at.micros()), is_searched: false },
];

const CALL_FIELDS: &[Field<Call>] = &[
    Field { name: "from", of: |it| Sorted::Text(String::from_utf8_lossy(&it.from)), is_searched: true },
    Field { name: "to", of: |it| Sorted::Text(String::from_utf8_lossy(&it.to)), is_searched: true },
    Field { name: "call_id", of: |it| Sorted::Text(String::from_utf8_lossy(&it.call_id)), is_searched: true },
    Field { name: "since", of: |it| Sorted::Number(it.since.micros()), is_searched: false },
];

pub(super) fn routes(router: Router<Arc<Api>>) -> Router<Arc<Api>> {
    let router = of_account(router, "registrations", get(registrations));
    let router = of_account(router, "registrations/{name}", get(registrations_of).delete(unregister));
    let router = of_account(router, "calls", get(calls));
    of_account(router, "concurrency", get(concurrency))
}

/// `GET …/registrations`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/registrations", tag = "live",
    params(super::inputs::AccountPath, super::inputs::ListParameters), responses((status = 200, body = List<Registration>)))]
pub(super) async fn registrations(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
) -> Result<Json<List<Registration>>, ApiError> {
    let (page, arrangement, trunk) = (query.page()?, query.arrangement(REGISTRATION_FIELDS)?, query.trunk()?);
    let (now, rows) = api
        .work(move |administration| {
            let now = administration.now();
            let is_wanted = |aor: &AddressOfRecord| trunk.is_none_or(|trunk| trunk == aor.trunk);
            let rows = |window| Ok(bindings(administration, &access.account.auth_id, now, is_wanted).cut(window));
            arrangement.read(page.window(), rows).map(|rows| (now, rows))
        })
        .await?;
    Ok(Json(page.list(rows, |row| shown(&row, now))))
}

/// `GET …/registrations/{aor}`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/registrations/{aor}", tag = "live",
    params(super::inputs::AccountPath, ("aor" = String, Path, description = "user, user@trunk_domain or sip:user@trunk_domain")),
    responses((status = 200, body = List<Registration>)))]
pub(super) async fn registrations_of(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    name: Name,
) -> Result<Json<List<Registration>>, ApiError> {
    let page = query.page()?;
    let (now, rows) = api
        .work(move |administration| {
            let now = administration.now();
            let (user, trunks) = address_of_record(administration, &access.account.auth_id, name.as_str());
            let rows = bindings(administration, &access.account.auth_id, now, |aor| {
                *aor.user == *user && trunks.contains_key(&aor.trunk)
            });
            if rows.total == 0 { Err(administration::Error::NotFound("Registration")) } else { Ok((now, rows)) }
        })
        .await?;
    Ok(Json(page.list(rows.cut(page.window()), |row| shown(&row, now))))
}

/// `DELETE …/registrations/{aor}`: the phone is unreachable until it registers again, which nothing keeps it from.
#[utoipa::path(delete, path = "/api/v1/Account/{auth_id}/registrations/{aor}", tag = "live",
    params(super::inputs::AccountPath, ("aor" = String, Path, description = "user, user@trunk_domain or sip:user@trunk_domain")),
    responses((status = 204)))]
pub(super) async fn unregister(
    State(api): State<Arc<Api>>,
    access: Access,
    name: Name,
) -> Result<StatusCode, ApiError> {
    api.work(move |administration| {
        let auth_id = &access.account.auth_id;
        let (user, trunks) = address_of_record(administration, auth_id, name.as_str());
        let dropped: usize = trunks.keys().map(|trunk| administration.drop_bindings(*trunk, &user)).sum();
        if dropped == 0 {
            return Err(administration::Error::NotFound("Registration"));
        }
        let mut changes = Changes::new();
        changes.tell(AuditAction::Deleted, "registration", (auth_id, "", name.as_str()));
        Ok(administration.store().commit(changes)?)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET …/calls`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/calls", tag = "live",
    params(super::inputs::AccountPath, super::inputs::ListParameters), responses((status = 200, body = List<LiveCall>)))]
pub(super) async fn calls(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
) -> Result<Json<List<LiveCall>>, ApiError> {
    let (page, arrangement, trunk) = (query.page()?, query.arrangement(CALL_FIELDS)?, query.trunk()?);
    let found = api.work(move |administration| {
        let trunks = trunks(administration, &access.account.auth_id);
        arrangement.read(page.window(), |window| {
            let mut records = Vec::new();
            administration.dialogs().for_each_call(|call| {
                if trunks.contains_key(&call.trunk) && trunk.is_none_or(|trunk| trunk == call.trunk) {
                    records.push(call.clone());
                }
            });
            records.sort_unstable_by_key(|call| std::cmp::Reverse(call.since));
            Ok(Page { total: records.len(), records }.cut(window))
        })
    });
    Ok(Json(page.list(found.await?, |call| LiveCall {
        call_id: String::from_utf8_lossy(&call.call_id).into_owned(),
        trunk_id: call.trunk.0,
        from: escape_uri(&call.from),
        to: escape_uri(&call.to),
        source: call.peer.to_string(),
        since: timestamp(call.since.micros()),
        answered: call.answered_at.is_some(),
        answered_at: call.answered_at.map(|at| timestamp(at.micros())),
    })))
}

/// `GET …/concurrency`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/concurrency", tag = "live",
    params(super::inputs::AccountPath), responses((status = 200, body = Concurrency)))]
pub(super) async fn concurrency(
    State(api): State<Arc<Api>>,
    access: Access,
    origin: super::origin::Origin,
) -> Result<Json<Concurrency>, ApiError> {
    let account_id = access.account.auth_id.clone();
    let counted = api.work(move |administration| {
        let auth_id = &access.account.auth_id;
        let trunks = trunks(administration, auth_id);
        let mut calls = 0_u64;
        administration.dialogs().for_each_call(|call| calls += u64::from(trunks.contains_key(&call.trunk)));
        let limits = administration.store().page_of_trunks(auth_id, Window::ALL)?.records;
        Ok((calls, limits.iter().map(|trunk| trunk.concurrent_calls_limit).collect::<Vec<_>>()))
    });
    let (concurrent_calls, limits) = counted.await?;
    let unlimited = limits.contains(&0);
    let max_concurrent = if unlimited { 0 } else { limits.into_iter().map(u64::from).sum() };
    let utilization = |most: u64| (concurrent_calls as f64 * 1_000.0 / most as f64).round() / 10.0;
    Ok(Json(Concurrency {
        account_id,
        concurrent_calls,
        max_concurrent,
        utilization_pct: if max_concurrent == 0 { 0.0 } else { utilization(max_concurrent) },
        request_id: origin.request_id.to_string(),
    }))
}

/// The account's trunks with their domains.
fn trunks(administration: &Administration, auth_id: &str) -> HashMap<TrunkId, Arc<str>> {
    let directory = administration.directory();
    let own = directory.trunks().filter(|trunk| *trunk.account.auth_id == *auth_id);
    own.map(|trunk| (trunk.id, Arc::from(&*trunk.domain))).collect()
}

/// The user and the trunks that `name` means: `user`, `user@domain` or `sip:user@domain`.
fn address_of_record(
    administration: &Administration,
    auth_id: &str,
    name: &str,
) -> (String, HashMap<TrunkId, Arc<str>>) {
    let mut trunks = trunks(administration, auth_id);
    let bare = name.strip_prefix("sip:").or_else(|| name.strip_prefix("sips:")).unwrap_or(name);
    match bare.rsplit_once('@') {
        Some((user, domain)) => {
            trunks.retain(|_, own| own.eq_ignore_ascii_case(domain));
            (user.to_owned(), trunks)
        }
        None => (bare.to_owned(), trunks),
    }
}

/// The live bindings of the account, by user.
fn bindings(
    administration: &Administration,
    auth_id: &str,
    now: Timestamp,
    is_wanted: impl Fn(&AddressOfRecord) -> bool,
) -> Page<Row> {
    let trunks = trunks(administration, auth_id);
    let mut records = Vec::new();
    administration.location().for_each(|aor, record| {
        let Some(domain) = trunks.get(&aor.trunk).filter(|_| is_wanted(aor)) else { return };
        let live = record.bindings.iter().filter(|binding| binding.expires_at > now);
        records.extend(live.map(|binding| Row { aor: aor.clone(), domain: domain.clone(), binding: binding.clone() }));
    });
    // Stable: the bindings of one address of record stay in the order in which they were made.
    records.sort_by(|one, other| one.aor.user.cmp(&other.aor.user).then(one.aor.trunk.cmp(&other.aor.trunk)));
    Page { total: records.len(), records }
}

fn shown(row: &Row, now: Timestamp) -> Registration {
    let Row { aor, domain, binding } = row;
    Registration {
        aor: format!("{}@{domain}", aor.user),
        trunk_id: aor.trunk.0,
        contact: escape_uri(&binding.contact),
        source: binding.flow.peer.to_string(),
        transport: binding.flow.transport.to_string(),
        user_agent: binding.user_agent.to_string(),
        expires_at: timestamp(binding.expires_at.micros()),
        expires_in: binding.expires_at.since(now).as_secs(),
        credential_id: binding.credential,
    }
}
