//! `sipward acl`.

use clap::Subcommand;
use serde_json::Value;
use ureq::http::Method;

use super::client::Caller::Account;
use super::failure::Failure;
use super::session::{Fields, ListArgs, Listing, Session};
use super::table::{Column, column};
use super::trunk::{TRUNKS, switch};

pub(super) const EXAMPLES: &str = "\
Examples:
  sipward acl list
  sipward acl add 192.0.2.0/24 --trunk office --description 'head office'
  sipward acl add 192.0.2.66 --deny            refused everywhere, whatever else allows it
  sipward acl add 198.51.100.7 --trunk office --may-register pbx,reception
  sipward acl disable 192.0.2.0/24
  sipward acl remove 192.0.2.66

An entry is named by its id or its address as it was given.";

/// All ACL entries of the account.
pub(super) const ACL: Listing = Listing {
    path: "trunks/ip-acl",
    plural: "ACL entries",
    names: &["id", "ip_address"],
    columns: &[
        column!("ADDRESS", "ip_address"),
        Column("ACTION", |entry| {
            let deny = entry.get("deny").and_then(Value::as_bool).unwrap_or(false);
            if deny { "deny" } else { "allow" }.to_owned()
        }),
        column!("ENABLED", "enabled"),
        column!("TRUNK", "trunk_id"),
        column!("MAY REGISTER", "may_register"),
        column!("DESCRIPTION", "description"),
        column!("ID", "id"),
    ],
    paged: false,
};

/// Manage IP ACL entries: addresses that are allowed or denied
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the ACL entries of the account
    #[command(after_help = EXAMPLES)]
    List {
        #[command(flatten)]
        wanted: ListArgs,
        /// Only those for this trunk: id, name or domain
        #[arg(long)]
        trunk: Option<String>,
    },
    /// Show everything about an entry
    #[command(after_help = EXAMPLES)]
    Show {
        /// Id or address
        entry: String,
    },
    /// Allow or deny an address or a network; it acts at once
    #[command(after_help = EXAMPLES)]
    Add {
        /// An address or CIDR, IPv4 or IPv6
        address: String,
        /// Deny instead of allow
        #[arg(long)]
        deny: bool,
        /// Only for this trunk: id, name or domain
        #[arg(long)]
        trunk: Option<String>,
        /// Names that a peer admitted by this entry may register
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        may_register: Option<Vec<String>>,
        /// Free text
        #[arg(long)]
        description: Option<String>,
        /// Keep it without using it
        #[arg(long)]
        disabled: bool,
    },
    /// Change an entry; what is not named stays as it is
    #[command(after_help = EXAMPLES)]
    Set {
        /// Id or address
        entry: String,
        /// Another address or CIDR
        #[arg(long)]
        address: Option<String>,
        /// What it does
        #[arg(long, value_parser = ["allow", "deny"])]
        action: Option<String>,
        /// Names that a peer admitted by this entry may register
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        may_register: Option<Vec<String>>,
        /// Free text
        #[arg(long)]
        description: Option<String>,
        /// Only if it is still as it was with this ETag
        #[arg(long, value_name = "ETAG")]
        if_match: Option<String>,
    },
    /// Use an entry again
    #[command(after_help = EXAMPLES)]
    Enable {
        /// Id or address
        entry: String,
    },
    /// Keep an entry without using it
    #[command(after_help = EXAMPLES)]
    Disable {
        /// Id or address
        entry: String,
    },
    /// Remove an entry
    #[command(after_help = EXAMPLES)]
    Remove {
        /// Id or address
        entry: String,
    },
}

impl Action {
    pub(super) fn run(self, session: &Session) -> Result<(), Failure> {
        let path = |word: &str| session.client.path(&format!("ip-acl/{}", session.id_of(&ACL, word)?));
        let trunk_id = |trunk: Option<String>| trunk.map(|word| session.id_of(&TRUNKS, &word)).transpose();
        let mut fields = Fields::default();
        match self {
            Self::List { wanted, trunk } => {
                let filter = [("trunk_id", trunk_id(trunk)?)];
                session.list(Account, &session.client.path(ACL.path)?, &ACL, &wanted, &filter)
            }
            Self::Show { entry } => session.show(&session.ask(Account, Method::GET, path(&entry)?, None, None)?),
            Self::Add { address, deny, trunk, may_register, description, disabled } => {
                fields
                    .set("ip_address", Some(address))
                    .set("deny", deny.then_some(true))
                    .set("trunk_id", trunk_id(trunk)?)
                    .set("may_register", may_register)
                    .set("description", description)
                    .set("enabled", disabled.then_some(false));
                let path = session.client.path("ip-acl")?;
                session.show(&session.ask(Account, Method::POST, path, Some(fields), None)?)
            }
            Self::Set { entry, address, action, may_register, description, if_match } => {
                fields
                    .set("ip_address", address)
                    .set("deny", action.map(|action| action == "deny"))
                    .set("may_register", may_register)
                    .set("description", description);
                if fields.is_empty() {
                    return Err(Failure::usage("nothing to change: name at least one option, see --help"));
                }
                let path = path(&entry)?;
                session.show(&session.ask(Account, Method::PUT, path, Some(fields), if_match.as_deref())?)
            }
            Self::Enable { entry } => switch(session, Account, path(&entry)?, true),
            Self::Disable { entry } => switch(session, Account, path(&entry)?, false),
            Self::Remove { entry } => {
                session.ask(Account, Method::DELETE, path(&entry)?, None, None)?;
                session.done(&format!("removed {entry}"))
            }
        }
    }
}
