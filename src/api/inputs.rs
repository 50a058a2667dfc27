//! What requests may say, as the description of the API shows it. The readers are in `body` and `envelope`.

#![expect(dead_code, reason = "these shapes are described, never made")]

use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct AccountPath {
    /// The account, the same as in X-Auth-ID.
    auth_id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParameters {
    /// How many; more than 100 are 100.
    #[param(minimum = 1, default = 20)]
    limit: Option<u64>,
    /// How many are passed over.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParameters {
    /// How many; more than 100 are 100.
    #[param(minimum = 1, default = 20)]
    limit: Option<u64>,
    /// How many are passed over.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
    /// The field to sort by, with - before it for descending order. Without it: newest first.
    sort: Option<String>,
    /// Only what has this text in one of its searchable fields; case does not count.
    search: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NumberedParameters {
    /// The page, from 1, where offset is not given.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// As limit, where that is not given.
    #[param(minimum = 1)]
    size: Option<u64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ItemParameters {
    /// The page, from 1.
    #[param(minimum = 1, default = 1)]
    page: Option<u64>,
    /// How many; more than 100 are 100.
    #[param(minimum = 1, default = 20)]
    per_page: Option<u64>,
    /// Only numbers with these digits.
    search: Option<String>,
    /// Only numbers of this trunk.
    trunk_id: Option<Uuid>,
    /// There are no sub-accounts; looked at, without effect.
    include_subaccounts: Option<bool>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ViewParameter {
    /// full shows what the contract does not have as well.
    view: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TrunkParameter {
    /// Only what belongs to this trunk.
    trunk_id: Option<Uuid>,
}

/// An account to be made.
#[derive(ToSchema)]
pub(super) struct AccountBody {
    /// Made up where it is left out.
    #[schema(pattern = "^[A-Za-z0-9_]{1,64}$")]
    auth_id: Option<String>,
    /// The digest realm; {auth_id}.{domain} where it is left out.
    realm: Option<String>,
    enabled: Option<bool>,
}

/// What can be changed of an account.
#[derive(ToSchema)]
pub(super) struct AccountChange {
    enabled: Option<bool>,
}

macro_rules! body {
    ($(#[doc = $new:literal] $body:ident, #[doc = $old:literal] $change:ident { $($(#[$must:meta])* $required:ident: $required_type:ty,)* ; $($(#[$meta:meta])* $field:ident: $type:ty,)* })+) => {
        $(
            #[doc = $new]
            #[derive(ToSchema)]
            pub(super) struct $body { $($(#[$must])* $required: $required_type,)* $($(#[$meta])* $field: $type,)* }

            #[doc = $old]
            #[derive(ToSchema)]
            pub(super) struct $change { $($(#[$must])* $required: Option<$required_type>,)* $($(#[$meta])* $field: $type,)* }
        )+
    };
}

body! {
    /// A trunk to be made.
    TrunkBody,
    /// What is to change of a trunk; what is left out stays.
    TrunkChange {
        #[schema(min_length = 1, max_length = 255)]
        name: String, ;
        /// Instead of {first 8 hex digits of trunk_id}.{domain}.
        trunk_domain: Option<String>,
        enabled: Option<bool>,
        /// active or enabled, inactive or disabled.
        trunk_status: Option<String>,
        secure: Option<bool>,
        /// inbound, outbound or both; also as trunk_type.
        trunk_direction: Option<String>,
        /// 0 is no limit; also as max_concurrent_calls.
        #[schema(maximum = 1_000_000)]
        concurrent_calls_limit: Option<u32>,
        /// 0 is no limit.
        #[schema(maximum = 1_000_000)]
        cps_limit: Option<u32>,
        description: Option<String>,
        /// udp, tcp or tls.
        transport: Option<String>,
        recording: Option<bool>,
        enable_transcription: Option<bool>,
        pii_redaction: Option<bool>,
        recording_webhook_enabled: Option<bool>,
        /// POST or GET.
        webhook_method: Option<String>,
        webhook_url: Option<String>,
        credential_uuid: Option<Uuid>,
        ipacl_uuid: Option<Uuid>,
        primary_uri_uuid: Option<Uuid>,
        fallback_uri_uuid: Option<Uuid>,
        inbound_destination: Option<String>,
        pii_entity_types: Option<String>,
        /// all, any, ip_only or digest_only.
        auth_policy_register: Option<String>,
        /// all, any, ip_only or digest_only.
        auth_policy_call: Option<String>,
        /// 401 or 407.
        call_challenge: Option<u32>,
        /// Of MD5, SHA-256 and SHA-512-256, in the order in which they are offered.
        digest_algorithms: Option<Vec<String>>,
        /// own or any.
        caller_id: Option<String>,
        select_by_source: Option<bool>,
        use_account_acl: Option<bool>,
    }

    /// A credential to be made: with a password, or with ha1.
    CredentialBody,
    /// What is to change of a credential; what is left out stays.
    CredentialChange {
        /// Never changed later.
        #[schema(pattern = "^[A-Za-z0-9_.+-]{1,64}$")]
        username: String, ;
        /// Hashed and wiped; never shown again.
        #[schema(min_length = 8, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
        password: Option<String>,
        /// Instead of a password: HA1 in hexadecimal digits by algorithm, over the realm of the account.
        ha1: Option<Ha1Body>,
        enabled: Option<bool>,
        description: Option<String>,
        /// The one trunk that it is for.
        trunk_id: Option<Uuid>,
    }

    /// An ACL entry to be made.
    AclBody,
    /// What is to change of an ACL entry; what is left out stays.
    AclChange {
        /// An address or CIDR, IPv4 or IPv6.
        #[schema(pattern = "^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}(/(3[0-2]|[12]?[0-9]))?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(/[0-9]{1,3})?)$")]
        ip_address: String, ;
        /// Whether it denies.
        deny: Option<bool>,
        /// Also as name.
        description: Option<String>,
        enabled: Option<bool>,
        trunk_id: Option<Uuid>,
        /// Names that a peer admitted by it may register.
        may_register: Option<Vec<String>>,
    }

    /// An origination URI to be made.
    UriBody,
    /// What is to change of an origination URI; what is left out stays.
    UriChange {
        #[schema(max_length = 255, pattern = "^[Ss][Ii][Pp][Ss]?:[!-~]+$")]
        uri: String, ;
        /// The lowest comes first.
        #[schema(maximum = 65_535)]
        priority: Option<u32>,
        /// Its share among those of one priority.
        #[schema(maximum = 65_535)]
        weight: Option<u32>,
        enabled: Option<bool>,
        /// udp, tcp or tls.
        transport: Option<String>,
        /// Also as name.
        description: Option<String>,
        trunk_id: Option<Uuid>,
    }
}

/// HA1 in hexadecimal digits by algorithm (RFC 7616 §3.4.2), at least one.
#[derive(ToSchema)]
pub(super) struct Ha1Body {
    #[schema(rename = "MD5", pattern = "^[0-9A-Fa-f]{32}$")]
    md5: Option<String>,
    #[schema(rename = "SHA-256", pattern = "^[0-9A-Fa-f]{64}$")]
    sha256: Option<String>,
    #[schema(rename = "SHA-512-256", pattern = "^[0-9A-Fa-f]{64}$")]
    sha512_256: Option<String>,
}

/// A number to be made.
#[derive(ToSchema)]
pub(super) struct NumberBody {
    /// + and 7 to 15 digits.
    #[schema(pattern = "^\\+[1-9][0-9]{6,14}$")]
    e164: String,
    /// Two letters of ISO 3166-1.
    country: Option<String>,
    region: Option<String>,
    provider: Option<String>,
    tags: Option<Vec<String>>,
}

/// The trunk that a number goes to.
#[derive(ToSchema)]
pub(super) struct AssignBody {
    /// Also as trunk_id.
    trunk_group_id: Uuid,
}
