//! Trunks: exactly the 18 keys of the contract, and in lists those of five more that are set.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use uuid::Uuid;

use crate::storage::{Direction, TrunkRecord, TrunkTransport, WebhookMethod};

use super::Api;
use super::access::Access;
use super::envelope::{List, ListQuery, timestamp};
use super::error::ApiError;

/// A trunk as it is shown on its own.
#[derive(Serialize)]
pub(super) struct Trunk {
    trunk_id: Uuid,
    account_id: String,
    name: String,
    trunk_domain: String,
    trunk_status: &'static str,
    secure: bool,
    trunk_direction: &'static str,
    concurrent_calls_limit: u32,
    cps_limit: u32,
    description: String,
    transport: &'static str,
    recording: bool,
    enable_transcription: bool,
    pii_redaction: bool,
    recording_webhook_enabled: bool,
    webhook_method: &'static str,
    created_at: String,
    updated_at: String,
}

/// A trunk in a list. A key without a value is left out; null would break strict clients.
#[derive(Serialize)]
pub(super) struct TrunkItem {
    #[serde(flatten)]
    trunk: Trunk,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_uuid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_uri_uuid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inbound_destination: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pii_entity_types: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<String>,
}

/// `GET …/trunks`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
) -> Result<Json<List<TrunkItem>>, ApiError> {
    let page = query.page_or_numbered()?;
    let mut trunks = api.read(|store| store.trunks()).await?;
    trunks.retain(|trunk| trunk.auth_id == access.account.auth_id);
    Ok(Json(page.of(trunks, |trunk| (trunk.created_at, trunk.id.0), |trunk| item(trunk, &api.domain))))
}

fn item(mut record: TrunkRecord, domain: &str) -> TrunkItem {
    TrunkItem {
        credential_uuid: record.credential_uuid,
        primary_uri_uuid: record.primary_uri_uuid,
        inbound_destination: record.inbound_destination.take(),
        pii_entity_types: record.pii_entity_types.take(),
        webhook_url: record.webhook_url.take(),
        trunk: trunk(record, domain),
    }
}

fn trunk(record: TrunkRecord, domain: &str) -> Trunk {
    Trunk {
        trunk_id: record.id.0,
        account_id: record.auth_id,
        name: record.name,
        trunk_domain: record.domain_override.unwrap_or_else(|| format!("{:08x}.{domain}", record.id.short())),
        trunk_status: if record.enabled { "active" } else { "inactive" },
        secure: record.secure,
        trunk_direction: match record.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Both => "both",
        },
        concurrent_calls_limit: record.concurrent_calls_limit,
        cps_limit: record.cps_limit,
        description: record.description,
        transport: match record.transport {
            TrunkTransport::Udp => "udp",
            TrunkTransport::Tcp => "tcp",
            TrunkTransport::Tls => "tls",
        },
        recording: record.recording,
        enable_transcription: record.enable_transcription,
        pii_redaction: record.pii_redaction,
        recording_webhook_enabled: record.recording_webhook_enabled,
        webhook_method: match record.webhook_method {
            WebhookMethod::Post => "POST",
            WebhookMethod::Get => "GET",
        },
        created_at: timestamp(record.created_at),
        updated_at: timestamp(record.updated_at),
    }
}
