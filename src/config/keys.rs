//! Every key there is. File, environment, suggestions and the summary are all driven by this one table.

use super::field::{Number, Written, fill};
use super::syntax;
use super::value::{Exposure, Key, Kind};

macro_rules! number {
    ($section:literal, $name:literal, $range:expr, $expected:expr, $($field:ident).+) => {
        Key {
            section: $section,
            name: $name,
            expected: $expected,
            exposure: Exposure::Open,
            kind: Kind::Number {
                range: $range,
                set: |config, number| config.$($field).+.put(number),
                show: |config| config.$($field).+.get(),
            },
        }
    };
}

macro_rules! truth {
    ($section:literal, $name:literal, $($field:ident).+) => {
        Key {
            section: $section,
            name: $name,
            expected: "true or false",
            exposure: Exposure::Open,
            kind: Kind::Truth {
                set: |config, truth| config.$($field).+ = truth,
                show: |config| config.$($field).+,
            },
        }
    };
}

macro_rules! text {
    ($section:literal, $name:literal, $read:expr, $expected:expr, $($field:ident).+) => {
        text!($section, $name, $read, $expected, $($field).+, Exposure::Open)
    };
    ($section:literal, $name:literal, $read:expr, $expected:expr, $($field:ident).+, $exposure:expr) => {
        Key {
            section: $section,
            name: $name,
            expected: $expected,
            exposure: $exposure,
            kind: Kind::Text {
                set: |config, text| {
                    config.$($field).+ = $read(text)?;
                    Ok(())
                },
                show: |config| config.$($field).+.written(),
            },
        }
    };
}

macro_rules! list {
    ($section:literal, $name:literal, $at_least:literal, $read:expr, $expected:expr, $($field:ident).+) => {
        Key {
            section: $section,
            name: $name,
            expected: $expected,
            exposure: Exposure::Open,
            kind: Kind::List {
                at_least: $at_least,
                set: |config, items| fill(&mut config.$($field).+, items, $read),
                show: |config| config.$($field).+.iter().map(Written::written).collect(),
            },
        }
    };
}

const NETWORKS: &str = "a list of networks such as \"10.0.0.0/8\" or \"192.0.2.1\"";
const POLICIES: &str = "one of \"all\", \"any\", \"ip_only\", \"digest_only\"";
const PEM: &str = "the path of a PEM file, or \"\"";
const SECONDS: &str = "a whole number of seconds";
const BYTES: &str = "a whole number of bytes";
const COUNT: &str = "a whole number";
const MILLIS: &str = "a whole number of milliseconds";

const U32: u64 = u32::MAX as u64;

/// The keys, in the order of the shipped file.
pub(super) static KEYS: [Key; 41] = [
    list!(
        "sip",
        "listen",
        1,
        syntax::listen_address,
        "a list of one or more addresses such as \"udp:0.0.0.0:5060\" or \"tcp:[::]:5060\"",
        transport.listen
    ),
    list!(
        "sip",
        "advertise",
        0,
        syntax::advertised_address,
        "a list of addresses such as \"udp:203.0.113.5:5060\"",
        transport.advertise
    ),
    list!(
        "sip",
        "aliases",
        0,
        syntax::alias,
        "a list of hosts such as \"sip.example.org\" or \"192.0.2.1:5060\"",
        engine.aliases
    ),
    text!("sip", "domain", syntax::domain, "a domain name such as \"sip.example.org\"", engine.domain),
    number!("sip", "max_message_bytes", 1_024..=65_535, BYTES, transport.max_message_bytes),
    number!("sip", "workers", 0..=255, COUNT, transport.workers),
    number!("tcp", "idle_s", 1..=2_592_000, SECONDS, transport.tcp_idle_s),
    number!("tcp", "message_timeout_s", 1..=3_600, SECONDS, transport.tcp_message_timeout_s),
    number!("tcp", "max_connections", 1..=1_000_000, COUNT, transport.tcp_max_connections),
    number!("tcp", "max_per_source", 1..=1_000_000, COUNT, transport.tcp_max_per_source),
    number!("tcp", "write_queue_bytes", 65_536..=67_108_864, BYTES, transport.tcp_write_queue_bytes),
    text!(
        "api",
        "listen",
        syntax::socket_address,
        "an address and a port such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
        api.listen
    ),
    text!("api", "tls_cert", syntax::optional_file, PEM, api.tls_cert),
    text!("api", "tls_key", syntax::optional_file, PEM, api.tls_key),
    truth!("api", "behind_proxy", api.behind_proxy),
    text!(
        "api",
        "operator_token",
        syntax::operator_token,
        "16 to 256 printable ASCII characters without blanks",
        api.operator_token,
        Exposure::EnvironmentOnly
    ),
    number!("api", "password_min", 8..=64, "a whole number of characters", administration.password_min),
    truth!("api", "password_mixed", administration.password_mixed),
    truth!("api", "webhook_private", administration.webhook_private),
    text!("storage", "path", syntax::folder, "the path of a folder", storage.path),
    text!("account", "auth_id", syntax::auth_id, "1 to 64 letters, digits and underscores", account.auth_id),
    text!("account", "seed", syntax::optional_file, "the path of a CSV file, or \"\"", account.seed),
    text!(
        "account",
        "auth_token",
        syntax::auth_token,
        "8 to 256 printable ASCII characters without blanks",
        account.auth_token,
        Exposure::EnvironmentOnly
    ),
    list!("default_trunk", "acl_allow", 0, syntax::network, NETWORKS, default_trunk.acl_allow),
    list!("default_trunk", "acl_deny", 0, syntax::network, NETWORKS, default_trunk.acl_deny),
    text!("default_trunk", "auth_policy_register", syntax::auth_policy, POLICIES, default_trunk.auth_policy_register),
    text!("default_trunk", "auth_policy_call", syntax::auth_policy, POLICIES, default_trunk.auth_policy_call),
    number!("registrar", "min_expires", 1..=U32, SECONDS, registrar.min_expires_s),
    number!("registrar", "default_expires", 1..=U32, SECONDS, registrar.default_expires_s),
    number!("registrar", "max_expires", 1..=U32, SECONDS, registrar.max_expires_s),
    number!("registrar", "max_contacts", 1..=1_000, COUNT, registrar.max_contacts),
    number!("digest", "nonce_lifetime_s", 1..=86_400, SECONDS, auth.nonce_lifetime),
    text!("digest", "nonce_key", syntax::nonce_key, "64 hexadecimal digits, or \"\"", auth.nonce_key, Exposure::Secret),
    number!("digest", "replay_windows", 1..=16_777_216, COUNT, auth.replay_windows),
    number!("limits", "per_source_per_s", 0..=1_000_000, COUNT, limits.per_source_per_s),
    list!("limits", "exempt", 0, syntax::network, NETWORKS, limits.exempt),
    number!("proxy", "target_timeout_ms", 1..=3_600_000, MILLIS, proxy.target_timeout_ms),
    number!("proxy", "invite_timeout_s", 1..=86_400, SECONDS, proxy.invite_timeout_s),
    number!("proxy", "max_call_s", 1..=31_536_000, SECONDS, proxy.max_call_s),
    text!("log", "format", syntax::log_format, "\"human\" or \"json\"", log.format),
    text!(
        "log",
        "level",
        syntax::log_level,
        "a level (\"error\", \"warn\", \"info\", \"debug\", \"trace\", \"off\") or a filter such as \"info,sipward::transport=debug\"",
        log.level
    ),
];
