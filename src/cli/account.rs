//! `sipward account`: for the operator of the server.

use clap::Subcommand;
use ureq::http::Method;

use super::client::Caller::Operator;
use super::client::encode;
use super::failure::Failure;
use super::password::agrees;
use super::session::{Fields, ListArgs, Listing, Session};
use super::table::{column, note};
use super::trunk::switch;

pub(super) const EXAMPLES: &str = "\
Examples:
  export SIPWARD_OPERATOR_TOKEN=…          the one in the server's SIPWARD_API_OPERATOR_TOKEN
  sipward account list
  sipward account add                      shows the new account and, once, its token
  sipward account add MA_ACME
  sipward account rotate-token MA_ACME     the old token is refused from now on
  sipward account disable MA_ACME          suspends it: its API, registrations and calls
  sipward account remove MA_ACME --yes";

const ACCOUNTS: Listing = Listing {
    path: "operator/accounts",
    plural: "accounts",
    names: &["auth_id"],
    columns: &[
        column!("ACCOUNT", "auth_id"),
        column!("ENABLED", "enabled"),
        column!("REALM", "realm"),
        column!("CREATED", "created_at"),
        column!("UPDATED", "updated_at"),
    ],
    paged: false,
};

/// Manage accounts (operator)
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the accounts
    #[command(after_help = EXAMPLES)]
    List(ListArgs),
    /// Show an account
    #[command(after_help = EXAMPLES)]
    Show {
        /// Its auth_id
        account: String,
    },
    /// Make an account; its token is shown this once
    #[command(after_help = EXAMPLES)]
    Add {
        /// Its auth_id; without one the server makes it
        account: Option<String>,
        /// The digest realm, instead of the account's name and the server's domain
        #[arg(long)]
        realm: Option<String>,
    },
    /// Let an account work again
    #[command(after_help = EXAMPLES)]
    Enable {
        /// Its auth_id
        account: String,
    },
    /// Suspend an account: its API, its registrations and its calls
    #[command(after_help = EXAMPLES)]
    Disable {
        /// Its auth_id
        account: String,
    },
    /// Give an account another token; it is shown this once
    #[command(after_help = EXAMPLES)]
    RotateToken {
        /// Its auth_id
        account: String,
    },
    /// Remove an account with everything that it has
    #[command(after_help = EXAMPLES)]
    Remove {
        /// Its auth_id
        account: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl Action {
    pub(super) fn run(self, session: &Session) -> Result<(), Failure> {
        let path = |account: &str| format!("/operator/accounts/{}", encode(account));
        let mut fields = Fields::default();
        match self {
            Self::List(wanted) => session.list(Operator, "/operator/accounts", &ACCOUNTS, &wanted, &[]),
            Self::Show { account } => session.show(&session.ask(Operator, Method::GET, path(&account), None, None)?),
            Self::Add { account, realm } => {
                fields.set("auth_id", account).set("realm", realm);
                session.show(&session.ask(
                    Operator,
                    Method::POST,
                    "/operator/accounts".to_owned(),
                    Some(fields),
                    None,
                )?)?;
                keep_the_token(session);
                Ok(())
            }
            Self::Enable { account } => switch(session, Operator, path(&account), true),
            Self::Disable { account } => switch(session, Operator, path(&account), false),
            Self::RotateToken { account } => {
                let path = format!("{}/token", path(&account));
                session.show(&session.ask(Operator, Method::POST, path, None, None)?)?;
                keep_the_token(session);
                Ok(())
            }
            Self::Remove { account, yes } => {
                agrees(&format!("This removes the account {account} with everything that it has."), yes)?;
                session.ask(Operator, Method::DELETE, path(&account), None, None)?;
                session.done(&format!("removed {account}"))
            }
        }
    }
}

fn keep_the_token(session: &Session) {
    if !session.json {
        note("Keep the token: only a hash of it is stored, and it is not shown again.");
    }
}
