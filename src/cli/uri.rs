//! `sipward uri`.

use clap::{Args, Subcommand};
use ureq::http::Method;

use super::client::Caller::Account;
use super::failure::Failure;
use super::session::{Fields, ListArgs, Listing, Session};
use super::table::column;
use super::trunk::{TRUNKS, switch};

pub(super) const EXAMPLES: &str = "\
Examples:
  sipward uri list
  sipward uri add sip:carrier.example.net:5060 --priority 1 --trunk office
  sipward uri add sip:backup.example.net --priority 2 --transport tcp --trunk office
  sipward uri set sip:backup.example.net --weight 30
  sipward uri disable sip:backup.example.net
  sipward uri remove sip:backup.example.net

The lowest priority is called first; among equals calls are shared out by weight. An origination URI is named by its id
or by the URI itself.";

/// All origination URIs of the account.
pub(super) const URIS: Listing = Listing {
    path: "trunks/origination-uris",
    plural: "origination URIs",
    names: &["id", "uri"],
    columns: &[
        column!("URI", "uri"),
        column!("PRIORITY", "priority"),
        column!("WEIGHT", "weight"),
        column!("TRANSPORT", "transport"),
        column!("ENABLED", "enabled"),
        column!("TRUNK", "trunk_id"),
        column!("DESCRIPTION", "description"),
        column!("ID", "id"),
    ],
    paged: false,
};

/// Manage origination URIs: where a trunk's calls go
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the origination URIs of the account
    #[command(after_help = EXAMPLES)]
    List {
        #[command(flatten)]
        wanted: ListArgs,
        /// Only those for this trunk: id, name or domain
        #[arg(long)]
        trunk: Option<String>,
    },
    /// Show everything about an origination URI
    #[command(after_help = EXAMPLES)]
    Show {
        /// Id or URI
        uri: String,
    },
    /// Make an origination URI
    #[command(after_help = EXAMPLES)]
    Add {
        /// sip:host, sip:host:port or sip:user@host:port
        uri: String,
        #[command(flatten)]
        fields: UriFields,
        /// Only for this trunk: id, name or domain
        #[arg(long)]
        trunk: Option<String>,
        /// Keep it without using it
        #[arg(long)]
        disabled: bool,
    },
    /// Change an origination URI; what is not named stays as it is
    #[command(after_help = EXAMPLES)]
    Set {
        /// Id or URI
        uri: String,
        /// Another URI
        #[arg(long, value_name = "URI")]
        to: Option<String>,
        #[command(flatten)]
        fields: UriFields,
        /// Only if it is still as it was with this ETag
        #[arg(long, value_name = "ETAG")]
        if_match: Option<String>,
    },
    /// Use an origination URI again
    #[command(after_help = EXAMPLES)]
    Enable {
        /// Id or URI
        uri: String,
    },
    /// Keep an origination URI without using it
    #[command(after_help = EXAMPLES)]
    Disable {
        /// Id or URI
        uri: String,
    },
    /// Remove an origination URI
    #[command(after_help = EXAMPLES)]
    Remove {
        /// Id or URI
        uri: String,
    },
}

/// What can be set on an origination URI.
#[derive(Debug, Args)]
pub(super) struct UriFields {
    /// The lowest is called first
    #[arg(long, value_name = "NUMBER")]
    priority: Option<u32>,
    /// Its share among those of one priority
    #[arg(long, value_name = "NUMBER")]
    weight: Option<u32>,
    /// What carries the requests
    #[arg(long, value_parser = ["udp", "tcp", "tls"])]
    transport: Option<String>,
    /// Free text
    #[arg(long)]
    description: Option<String>,
}

impl UriFields {
    fn into_fields(self, uri: Option<String>) -> Fields {
        let mut fields = Fields::default();
        fields
            .set("uri", uri)
            .set("priority", self.priority)
            .set("weight", self.weight)
            .set("transport", self.transport)
            .set("description", self.description);
        fields
    }
}

impl Action {
    pub(super) fn run(self, session: &Session) -> Result<(), Failure> {
        let path = |word: &str| session.client.path(&format!("origination-uris/{}", session.id_of(&URIS, word)?));
        let trunk_id = |trunk: Option<String>| trunk.map(|word| session.id_of(&TRUNKS, &word)).transpose();
        match self {
            Self::List { wanted, trunk } => {
                let filter = [("trunk_id", trunk_id(trunk)?)];
                session.list(Account, &session.client.path(URIS.path)?, &URIS, &wanted, &filter)
            }
            Self::Show { uri } => session.show(&session.ask(Account, Method::GET, path(&uri)?, None, None)?),
            Self::Add { uri, fields, trunk, disabled } => {
                let mut fields = fields.into_fields(Some(uri));
                fields.set("trunk_id", trunk_id(trunk)?).set("enabled", disabled.then_some(false));
                let path = session.client.path("origination-uris")?;
                session.show(&session.ask(Account, Method::POST, path, Some(fields), None)?)
            }
            Self::Set { uri, to, fields, if_match } => {
                let fields = fields.into_fields(to);
                if fields.is_empty() {
                    return Err(Failure::usage("nothing to change: name at least one option, see --help"));
                }
                let path = path(&uri)?;
                session.show(&session.ask(Account, Method::PUT, path, Some(fields), if_match.as_deref())?)
            }
            Self::Enable { uri } => switch(session, Account, path(&uri)?, true),
            Self::Disable { uri } => switch(session, Account, path(&uri)?, false),
            Self::Remove { uri } => {
                session.ask(Account, Method::DELETE, path(&uri)?, None, None)?;
                session.done(&format!("removed {uri}"))
            }
        }
    }
}
