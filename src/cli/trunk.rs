//! `sipward trunk`.

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use ureq::http::Method;

use super::client::Caller;
use super::client::Caller::Account;
use super::failure::Failure;
use super::password::agrees;
use super::session::{Fields, ListArgs, Listing, Session};
use super::table::column;

pub(super) const EXAMPLES: &str = "\
Examples:
  sipward trunk list
  sipward trunk add office --calls 20 --cps 5 --policy any
  sipward trunk set office --digest-algorithms SHA-256,MD5
  sipward trunk set office --primary-uri 0190b1f2-5c1e-7cc3-98c4-dc0c0c07398f
  sipward trunk disable office        drops its registrations and refuses its calls at once
  sipward trunk remove office --yes   with the credentials and ACL entries that are for it alone

A trunk is named by its id, its name or its domain.";

/// All trunks of the account.
pub(super) const TRUNKS: Listing = Listing {
    path: "trunks",
    plural: "trunks",
    names: &["trunk_id", "name", "trunk_domain"],
    columns: &[
        column!("NAME", "name"),
        column!("STATUS", "trunk_status"),
        column!("DOMAIN", "trunk_domain"),
        column!("DIRECTION", "trunk_direction"),
        column!("CALLS", "concurrent_calls_limit"),
        column!("CPS", "cps_limit"),
        column!("REGISTER", "auth_policy_register"),
        column!("CALL", "auth_policy_call"),
        column!("ID", "trunk_id"),
    ],
    paged: false,
};

/// Manage trunks: whose calls and registrations are let in, and how many
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the trunks of the account
    #[command(after_help = EXAMPLES)]
    List(ListArgs),
    /// Show everything about a trunk
    #[command(after_help = EXAMPLES)]
    Show {
        /// Id, name or domain
        trunk: String,
    },
    /// Make a trunk
    #[command(after_help = EXAMPLES)]
    Add {
        /// What people call it
        name: String,
        #[command(flatten)]
        fields: Box<TrunkFields>,
    },
    /// Change a trunk; what is not named stays as it is
    #[command(after_help = EXAMPLES)]
    Set {
        /// Id, name or domain
        trunk: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        fields: Box<TrunkFields>,
        /// Only if it is still as it was with this ETag
        #[arg(long, value_name = "ETAG")]
        if_match: Option<String>,
    },
    /// Let a trunk work again
    #[command(after_help = EXAMPLES)]
    Enable {
        /// Id, name or domain
        trunk: String,
    },
    /// Refuse everything on a trunk and drop its registrations
    #[command(after_help = EXAMPLES)]
    Disable {
        /// Id, name or domain
        trunk: String,
    },
    /// Remove a trunk with everything that is for it alone
    #[command(after_help = EXAMPLES)]
    Remove {
        /// Id, name or domain
        trunk: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

const POLICIES: [&str; 4] = ["all", "any", "ip_only", "digest_only"];

/// What can be set on a trunk.
#[derive(Debug, Args)]
pub(super) struct TrunkFields {
    /// Free text
    #[arg(long)]
    description: Option<String>,
    /// Which way calls may go
    #[arg(long, value_parser = ["inbound", "outbound", "both"])]
    direction: Option<String>,
    /// Calls at once; 0 for no limit
    #[arg(long, value_name = "NUMBER")]
    calls: Option<u32>,
    /// New calls per second; 0 for no limit
    #[arg(long, value_name = "NUMBER")]
    cps: Option<u32>,
    /// Its SIP domain, instead of the one made from its id
    #[arg(long)]
    domain: Option<String>,
    /// Kept and shown, not enforced
    #[arg(long, value_parser = ["udp", "tcp", "tls"])]
    transport: Option<String>,
    /// What must be passed, for registrations and calls alike
    #[arg(long, value_parser = POLICIES, conflicts_with_all = ["policy_register", "policy_call"])]
    policy: Option<String>,
    /// What a REGISTER must pass
    #[arg(long, value_parser = POLICIES)]
    policy_register: Option<String>,
    /// What every other request must pass
    #[arg(long, value_parser = POLICIES)]
    policy_call: Option<String>,
    /// Whether the account's ACL entries that are for no trunk count here
    #[arg(long, value_name = "yes|no", value_parser = BoolishValueParser::new())]
    use_account_acl: Option<bool>,
    /// Whether this trunk is chosen by the peer's address
    #[arg(long, value_name = "yes|no", value_parser = BoolishValueParser::new())]
    select_by_source: Option<bool>,
    /// Digest algorithms offered, in order: MD5, SHA-256, SHA-512-256
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    digest_algorithms: Option<Vec<String>>,
    /// Whether From must be the caller's own
    #[arg(long, value_parser = ["own", "any"])]
    caller_id: Option<String>,
    /// The status that challenges calls
    #[arg(long, value_parser = ["401", "407"])]
    call_challenge: Option<String>,
    /// The one credential for the whole account that is used here, by id
    #[arg(long, value_name = "ID")]
    credential: Option<String>,
    /// The one ACL entry for the whole account that is used here, by id
    #[arg(long, value_name = "ID")]
    acl: Option<String>,
    /// Where calls go first, by id
    #[arg(long, value_name = "ID")]
    primary_uri: Option<String>,
    /// Where calls go next, by id
    #[arg(long, value_name = "ID")]
    fallback_uri: Option<String>,
    /// Any other field of the API, as KEY=VALUE; the value is JSON or text
    #[arg(long = "field", value_name = "KEY=VALUE")]
    fields: Vec<String>,
}

impl TrunkFields {
    fn into_fields(self, name: Option<String>) -> Result<Fields, Failure> {
        let mut fields = Fields::default();
        fields
            .set("name", name)
            .set("description", self.description)
            .set("trunk_direction", self.direction)
            .set("concurrent_calls_limit", self.calls)
            .set("cps_limit", self.cps)
            .set("trunk_domain", self.domain)
            .set("transport", self.transport)
            .set("auth_policy_register", self.policy_register.or_else(|| self.policy.clone()))
            .set("auth_policy_call", self.policy_call.or(self.policy))
            .set("use_account_acl", self.use_account_acl)
            .set("select_by_source", self.select_by_source)
            .set("digest_algorithms", self.digest_algorithms)
            .set("caller_id", self.caller_id)
            .set("call_challenge", self.call_challenge.and_then(|status| status.parse::<u16>().ok()))
            .set("credential_uuid", self.credential)
            .set("ipacl_uuid", self.acl)
            .set("primary_uri_uuid", self.primary_uri)
            .set("fallback_uri_uuid", self.fallback_uri)
            .set_all(&self.fields)?;
        Ok(fields)
    }
}

impl Action {
    pub(super) fn run(self, session: &Session) -> Result<(), Failure> {
        let path = |word: &str| session.client.path(&format!("trunks/{}", session.id_of(&TRUNKS, word)?));
        match self {
            Self::List(wanted) => session.list(Account, &session.client.path("trunks")?, &TRUNKS, &wanted, &[]),
            Self::Show { trunk } => session.show(&session.ask(Account, Method::GET, path(&trunk)?, None, None)?),
            Self::Add { name, fields } => {
                let fields = fields.into_fields(Some(name))?;
                let path = session.client.path("trunks")?;
                session.show(&session.ask(Account, Method::POST, path, Some(fields), None)?)
            }
            Self::Set { trunk, name, fields, if_match } => {
                let fields = fields.into_fields(name)?;
                if fields.is_empty() {
                    return Err(Failure::usage("nothing to change: name at least one option, see --help"));
                }
                let path = path(&trunk)?;
                session.show(&session.ask(Account, Method::PUT, path, Some(fields), if_match.as_deref())?)
            }
            Self::Enable { trunk } => switch(session, Account, path(&trunk)?, true),
            Self::Disable { trunk } => switch(session, Account, path(&trunk)?, false),
            Self::Remove { trunk, yes } => {
                let path = path(&trunk)?;
                agrees(&format!("This removes the trunk {trunk} and what is for it alone."), yes)?;
                session.ask(Account, Method::DELETE, path, None, None)?;
                session.done(&format!("removed {trunk}"))
            }
        }
    }
}

/// Sets `enabled`.
pub(super) fn switch(session: &Session, caller: Caller, path: String, enabled: bool) -> Result<(), Failure> {
    let mut fields = Fields::default();
    fields.set("enabled", Some(enabled));
    session.show(&session.ask(caller, Method::PUT, path, Some(fields), None)?)
}
