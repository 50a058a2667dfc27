//! What a change of a row means to people, for the audit log: which object, and which of its fields, never their values.

use super::audit::AuditAction;
use super::destination::{NumberRecord, OriginationUriRecord};
use super::key::Kind;
use super::record::{self, Record};
use super::schema::{AccountRecord, AclRecord, CredentialRecord, TrunkRecord};

/// A row before and after.
pub(super) struct Changed<'a> {
    pub(super) key: &'a [u8],
    pub(super) old: Option<&'a [u8]>,
    pub(super) new: Option<&'a [u8]>,
}

/// An object that was made, changed or removed.
pub(super) struct Difference {
    pub(super) auth_id: String,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) fields: Vec<String>,
}

/// An object of the configuration.
trait Object: Record {
    /// Account, id, and the name that people know it by.
    fn identity(&self) -> (String, String, String);
    /// The fields in which two versions differ, as the API names them.
    fn differing(&self, other: &Self) -> Vec<&'static str>;
}

macro_rules! object {
    ($record:ty, |$it:ident| $identity:expr, $($field:ident => $name:literal),+ $(,)?) => {
        impl Object for $record {
            fn identity(&self) -> (String, String, String) {
                let $it = self;
                $identity
            }

            fn differing(&self, other: &Self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$field != other.$field { names.push($name); })+
                names.dedup();
                names
            }
        }
    };
}

object!(
    AccountRecord,
    |it| (it.auth_id.clone(), it.auth_id.clone(), String::new()),
    token_hash => "auth_token",
    realm_override => "realm",
    enabled => "enabled",
);

object!(
    CredentialRecord,
    |it| (it.auth_id.clone(), it.id.to_string(), it.username.clone()),
    description => "description",
    enabled => "enabled",
    trunk => "trunk_id",
    ha1_md5 => "password",
    ha1_sha256 => "password",
    ha1_sha512_256 => "password",
);

object!(
    AclRecord,
    |it| (it.auth_id.clone(), it.id.to_string(), it.ip_address.clone()),
    ip_address => "ip_address",
    deny => "action",
    description => "description",
    enabled => "enabled",
    trunk => "trunk_id",
    may_register => "may_register",
);

object!(
    OriginationUriRecord,
    |it| (it.auth_id.clone(), it.id.to_string(), it.uri.clone()),
    uri => "uri",
    priority => "priority",
    weight => "weight",
    enabled => "enabled",
    transport => "transport",
    description => "description",
    trunk => "trunk_id",
);

object!(
    NumberRecord,
    |it| (it.auth_id.clone(), it.id.to_string(), it.e164.clone()),
    trunk => "trunk_id",
    country => "country",
    region => "region",
    provider => "provider",
    tags => "tags",
    is_blocked => "is_blocked",
);

object!(
    TrunkRecord,
    |it| (it.auth_id.clone(), it.id.0.to_string(), it.name.clone()),
    name => "name",
    domain_override => "trunk_domain",
    enabled => "enabled",
    secure => "secure",
    direction => "trunk_direction",
    concurrent_calls_limit => "concurrent_calls_limit",
    cps_limit => "cps_limit",
    description => "description",
    transport => "transport",
    recording => "recording",
    enable_transcription => "enable_transcription",
    pii_redaction => "pii_redaction",
    recording_webhook_enabled => "recording_webhook_enabled",
    webhook_method => "webhook_method",
    credential_uuid => "credential_uuid",
    ipacl_uuid => "ipacl_uuid",
    primary_uri_uuid => "primary_uri_uuid",
    fallback_uri_uuid => "fallback_uri_uuid",
    inbound_destination => "inbound_destination",
    pii_entity_types => "pii_entity_types",
    webhook_url => "webhook_url",
    policy_register => "auth_policy_register",
    policy_call => "auth_policy_call",
    call_challenge => "call_challenge",
    algorithms => "digest_algorithms",
    caller_id_any => "caller_id",
    select_by_source => "select_by_source",
    use_account_acl => "use_account_acl",
);

/// The name of an audited kind.
pub(super) const fn object_name(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Account => "account",
        Kind::Credential => "credential",
        Kind::AclEntry => "ip_acl",
        Kind::Number => "number",
        Kind::OriginationUri => "origination_uri",
        Kind::Trunk => "trunk",
        Kind::Audit | Kind::RouteKey | Kind::State | Kind::Tombstone => return None,
    })
}

impl Changed<'_> {
    pub(super) const fn action(&self) -> AuditAction {
        match (self.old, self.new) {
            (_, None) => AuditAction::Deleted,
            (None, Some(_)) => AuditAction::Created,
            (Some(_), Some(_)) => AuditAction::Updated,
        }
    }

    /// What it means; `None` where nothing was there before or after, or it cannot be read.
    pub(super) fn difference(&self) -> Option<Difference> {
        match Kind::of(self.key)? {
            Kind::Account => self.of::<AccountRecord>(),
            Kind::Credential => self.of::<CredentialRecord>(),
            Kind::AclEntry => self.of::<AclRecord>(),
            Kind::Number => self.of::<NumberRecord>(),
            Kind::OriginationUri => self.of::<OriginationUriRecord>(),
            Kind::Trunk => self.of::<TrunkRecord>(),
            Kind::Audit | Kind::RouteKey | Kind::State | Kind::Tombstone => None,
        }
    }

    fn of<T: Object>(&self) -> Option<Difference> {
        let read = |bytes: Option<&[u8]>| bytes.and_then(|bytes| record::decode::<T>(bytes).ok());
        let (old, new) = (read(self.old), read(self.new));
        let (auth_id, id, name) = new.as_ref().or(old.as_ref())?.identity();
        let fields = match (&old, &new) {
            (Some(old), Some(new)) => new.differing(old),
            _ => Vec::new(),
        };
        Some(Difference { auth_id, id, name, fields: fields.into_iter().map(str::to_owned).collect() })
    }
}
