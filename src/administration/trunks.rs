//! Trunks.
#![allow(clippy::disallowed_methods, reason = "the shell draws the identities of what is made")]

use uuid::Uuid;

use crate::auth::{Algorithm, ChallengeStatus};
use crate::storage::{Direction, TrunkRecord, TrunkTransport, WebhookMethod, Window};
use crate::trunk::{AuthPolicy, TrunkId};

use super::error::Error;
use super::{Administration, Draft, rules, snapshot, webhook};

const KIND: &str = "Trunk";
const MAX_TEXT: usize = 255;
const MAX_LIMIT: u32 = 1_000_000;
const DEFAULT_CALLS: u32 = 10;
const DEFAULT_CPS: u32 = 2;

/// Values for a trunk; `None` leaves a value as it is, and `Some(None)` takes one away.
#[derive(Clone, Debug, Default)]
pub struct TrunkFields {
    /// Required to make one.
    pub name: Option<String>,
    /// Its SIP domain, where it is not `{first 8 hex digits}.{domain}`.
    pub trunk_domain: Option<Option<String>>,
    /// As [`TrunkRecord::enabled`].
    pub enabled: Option<bool>,
    /// As [`TrunkRecord::secure`].
    pub secure: Option<bool>,
    /// As [`TrunkRecord::direction`].
    pub direction: Option<Direction>,
    /// As [`TrunkRecord::concurrent_calls_limit`].
    pub concurrent_calls_limit: Option<u32>,
    /// As [`TrunkRecord::cps_limit`].
    pub cps_limit: Option<u32>,
    /// As [`TrunkRecord::description`].
    pub description: Option<String>,
    /// As [`TrunkRecord::transport`].
    pub transport: Option<TrunkTransport>,
    /// As [`TrunkRecord::recording`].
    pub recording: Option<bool>,
    /// As [`TrunkRecord::enable_transcription`].
    pub enable_transcription: Option<bool>,
    /// As [`TrunkRecord::pii_redaction`].
    pub pii_redaction: Option<bool>,
    /// As [`TrunkRecord::recording_webhook_enabled`].
    pub recording_webhook_enabled: Option<bool>,
    /// As [`TrunkRecord::webhook_method`].
    pub webhook_method: Option<WebhookMethod>,
    /// As [`TrunkRecord::credential_uuid`].
    pub credential_uuid: Option<Option<Uuid>>,
    /// As [`TrunkRecord::ipacl_uuid`].
    pub ipacl_uuid: Option<Option<Uuid>>,
    /// As [`TrunkRecord::primary_uri_uuid`].
    pub primary_uri_uuid: Option<Option<Uuid>>,
    /// As [`TrunkRecord::fallback_uri_uuid`].
    pub fallback_uri_uuid: Option<Option<Uuid>>,
    /// As [`TrunkRecord::inbound_destination`].
    pub inbound_destination: Option<Option<String>>,
    /// As [`TrunkRecord::pii_entity_types`].
    pub pii_entity_types: Option<Option<String>>,
    /// As [`TrunkRecord::webhook_url`].
    pub webhook_url: Option<Option<String>>,
    /// As [`TrunkRecord::policy_register`].
    pub policy_register: Option<AuthPolicy>,
    /// As [`TrunkRecord::policy_call`].
    pub policy_call: Option<AuthPolicy>,
    /// As [`TrunkRecord::call_challenge`].
    pub call_challenge: Option<ChallengeStatus>,
    /// As [`TrunkRecord::algorithms`].
    pub algorithms: Option<Vec<Algorithm>>,
    /// As [`TrunkRecord::caller_id_any`].
    pub caller_id_any: Option<bool>,
    /// As [`TrunkRecord::select_by_source`].
    pub select_by_source: Option<bool>,
    /// As [`TrunkRecord::use_account_acl`].
    pub use_account_acl: Option<bool>,
}

impl Administration {
    /// Makes a trunk.
    ///
    /// # Errors
    /// [`Error::Conflict`] where its domain or, with `select_by_source`, an address would select two trunks.
    pub fn create_trunk(&self, auth_id: &str, fields: TrunkFields) -> Result<TrunkRecord, Error> {
        if fields.name.is_none() {
            return Err(Error::invalid("name", "name is required"));
        }
        self.configure(auth_id, |draft| {
            let mut record = new_trunk(self.unused_id(), auth_id, self.micros());
            self.fill_trunk(&mut record, fields, draft)?;
            draft.changes.create_trunk(&record)?;
            draft.trunks.push(record.clone());
            Ok(record)
        })
    }

    /// Changes a trunk. Bindings that it no longer lets in are dropped.
    ///
    /// # Errors
    /// As [`Administration::create_trunk`].
    pub fn update_trunk(&self, auth_id: &str, id: TrunkId, fields: TrunkFields) -> Result<TrunkRecord, Error> {
        self.configure(auth_id, |draft| {
            let mut record = draft.trunk(id)?.clone();
            self.fill_trunk(&mut record, fields, draft)?;
            record.updated_at = self.later(record.updated_at);
            draft.changes.update_trunk(&record)?;
            draft.trunk(id)?.clone_from(&record);
            Ok(record)
        })
    }

    /// Deletes a trunk with what is scoped to it. What it shares with others stays; its numbers stay, without a trunk.
    ///
    /// # Errors
    /// [`Error::Conflict`] while it has calls, and for the default trunk.
    pub fn delete_trunk(&self, auth_id: &str, id: TrunkId) -> Result<(), Error> {
        self.configure(auth_id, |draft| {
            draft.trunk(id)?;
            self.refuse_while_calls_are_up(id)?;
            draft.trunks.retain(|trunk| trunk.id != id);
            draft.changes.delete_trunk(id);
            for credential in self.store.page_of_credentials(auth_id, Some(id), None, Window::ALL)?.records {
                draft.changes.delete_credential(auth_id, &credential.username)?;
            }
            for entry in draft.entries.extract_if(.., |entry| entry.trunk == Some(id)) {
                draft.changes.delete_acl_entry(entry.id);
            }
            let uris = self.store.page_of_origination_uris(auth_id, Window::ALL)?.records;
            for uri in uris.into_iter().filter(|uri| uri.trunk == Some(id)) {
                draft.changes.delete_origination_uri(uri.id);
            }
            let numbers = self.store.page_of_numbers(auth_id, Window::ALL)?.records;
            for mut number in numbers.into_iter().filter(|number| number.trunk == Some(id)) {
                number.trunk = None;
                number.updated_at = self.later(number.updated_at);
                draft.changes.update_number(&number)?;
            }
            Ok(())
        })
    }

    /// The trunk `id` of the account.
    pub fn trunk(&self, auth_id: &str, id: TrunkId) -> Result<TrunkRecord, Error> {
        let record = self.store.trunk(id)?.filter(|record| record.auth_id == auth_id);
        record.ok_or(Error::NotFound(KIND))
    }

    /// The SIP domain of a trunk.
    pub fn domain_of(&self, record: &TrunkRecord) -> String {
        snapshot::domain_of(record, &self.domain)
    }

    pub(super) fn refuse_while_calls_are_up(&self, id: TrunkId) -> Result<(), Error> {
        match self.dialogs.calls_of(id) {
            0 => Ok(()),
            calls => {
                Err(Error::conflict(format!("The trunk has {calls} active call(s); end them or disable the trunk")))
            }
        }
    }

    /// The first eight digits name the domain, so they must be new.
    fn unused_id(&self) -> TrunkId {
        let directory = self.directory.load();
        loop {
            let id = TrunkId(Uuid::new_v4());
            if directory.by_short_id(id.short()).is_none() {
                return id;
            }
        }
    }

    fn fill_trunk(&self, record: &mut TrunkRecord, fields: TrunkFields, draft: &Draft) -> Result<(), Error> {
        self.check_trunk(record, &fields, draft)?;
        macro_rules! set {
            ($($field:ident => $target:ident),+ $(,)?) => { $(if let Some(value) = fields.$field { record.$target = value; })+ };
        }
        set! {
            name => name, trunk_domain => domain_override, enabled => enabled, secure => secure, direction => direction,
            concurrent_calls_limit => concurrent_calls_limit, cps_limit => cps_limit, description => description,
            transport => transport, recording => recording, enable_transcription => enable_transcription,
            pii_redaction => pii_redaction, recording_webhook_enabled => recording_webhook_enabled,
            webhook_method => webhook_method, credential_uuid => credential_uuid, ipacl_uuid => ipacl_uuid,
            primary_uri_uuid => primary_uri_uuid, fallback_uri_uuid => fallback_uri_uuid,
            inbound_destination => inbound_destination, pii_entity_types => pii_entity_types, webhook_url => webhook_url,
            policy_register => policy_register, policy_call => policy_call, call_challenge => call_challenge,
            algorithms => algorithms, caller_id_any => caller_id_any, select_by_source => select_by_source,
            use_account_acl => use_account_acl,
        }
        Ok(())
    }

    fn check_trunk(&self, record: &TrunkRecord, fields: &TrunkFields, draft: &Draft) -> Result<(), Error> {
        if let Some(name) = &fields.name {
            rules::name(name)?;
        }
        if let Some(description) = &fields.description {
            rules::description(description)?;
        }
        for (field, value) in
            [("inbound_destination", &fields.inbound_destination), ("pii_entity_types", &fields.pii_entity_types)]
        {
            if let Some(Some(value)) = value {
                rules::text(field, value, MAX_TEXT)?;
            }
        }
        for (field, value) in
            [("concurrent_calls_limit", fields.concurrent_calls_limit), ("cps_limit", fields.cps_limit)]
        {
            if value.is_some_and(|value| value > MAX_LIMIT) {
                return Err(Error::invalid(field, format!("{field} must be at most {MAX_LIMIT}; 0 is no limit")));
            }
        }
        if let Some(Some(url)) = &fields.webhook_url {
            webhook::check(url, self.settings.webhook_private)?;
        }
        if let Some(Some(domain)) = &fields.trunk_domain {
            self.check_domain(record, domain)?;
        }
        if fields.algorithms.as_ref().is_some_and(Vec::is_empty) {
            return Err(Error::invalid("digest_algorithms", "digest_algorithms must name at least one algorithm"));
        }
        self.check_references(record, fields, draft)
    }

    /// What the trunk points at must be of the account and not for another trunk.
    fn check_references(&self, record: &TrunkRecord, fields: &TrunkFields, draft: &Draft) -> Result<(), Error> {
        let fits = |scope: Option<TrunkId>| scope.is_none_or(|scope| scope == record.id);
        let unknown =
            |field: &'static str| Err(Error::invalid(field, format!("{field} names nothing that this trunk can have")));
        if let Some(Some(id)) = fields.credential_uuid
            && fields.credential_uuid != Some(record.credential_uuid)
            && !self.credential(&record.auth_id, id).is_ok_and(|credential| fits(credential.trunk))
        {
            return unknown("credential_uuid");
        }
        if let Some(Some(id)) = fields.ipacl_uuid
            && !draft.entries.iter().any(|entry| entry.id == id && fits(entry.trunk))
        {
            return unknown("ipacl_uuid");
        }
        for (field, value) in
            [("primary_uri_uuid", fields.primary_uri_uuid), ("fallback_uri_uuid", fields.fallback_uri_uuid)]
        {
            if let Some(Some(id)) = value
                && !self.origination_uri(&record.auth_id, id).is_ok_and(|uri| fits(uri.trunk))
            {
                return unknown(field);
            }
        }
        Ok(())
    }

    /// A name of one's own; below the server's domain only the trunk's own, or accounts could take each other's.
    fn check_domain(&self, record: &TrunkRecord, name: &str) -> Result<(), Error> {
        let invalid = |reason: &'static str| Err(Error::invalid("trunk_domain", reason));
        let lower = name.to_ascii_lowercase();
        let label = |label: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=63).contains(&label.len())
                && label.bytes().all(fits)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_name = name.len() <= MAX_TEXT && lower.split('.').all(label);
        if !is_name || lower.parse::<std::net::IpAddr>().is_ok() || lower == "localhost" {
            return invalid("trunk_domain must be a domain name");
        }
        let own = format!("{:08x}.{}", record.id.short(), self.domain);
        if lower != own && (lower == *self.domain || lower.ends_with(&format!(".{}", self.domain))) {
            return invalid("trunk_domain must not be below the domain of this server");
        }
        Ok(())
    }
}

impl Draft {
    fn trunk(&mut self, id: TrunkId) -> Result<&mut TrunkRecord, Error> {
        self.trunks.iter_mut().find(|trunk| trunk.id == id).ok_or(Error::NotFound(KIND))
    }
}

/// Product §1: what a trunk made over the API is unless the request says otherwise.
fn new_trunk(id: TrunkId, auth_id: &str, now: u64) -> TrunkRecord {
    TrunkRecord {
        id,
        auth_id: auth_id.to_owned(),
        name: String::new(),
        domain_override: None,
        enabled: true,
        secure: false,
        direction: Direction::Both,
        concurrent_calls_limit: DEFAULT_CALLS,
        cps_limit: DEFAULT_CPS,
        description: String::new(),
        transport: TrunkTransport::Udp,
        recording: false,
        enable_transcription: false,
        pii_redaction: false,
        recording_webhook_enabled: false,
        webhook_method: WebhookMethod::Post,
        created_at: now,
        updated_at: now,
        credential_uuid: None,
        ipacl_uuid: None,
        primary_uri_uuid: None,
        fallback_uri_uuid: None,
        inbound_destination: None,
        pii_entity_types: None,
        webhook_url: None,
        policy_register: AuthPolicy::All,
        policy_call: AuthPolicy::All,
        call_challenge: ChallengeStatus::Unauthorized,
        algorithms: vec![Algorithm::Md5],
        caller_id_any: false,
        select_by_source: false,
        use_account_acl: true,
    }
}
