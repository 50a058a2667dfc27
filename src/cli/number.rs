//! `sipward number`.

use clap::Subcommand;
use ureq::http::Method;

use super::client::Caller::{Account, Operator};
use super::client::encode;
use super::failure::Failure;
use super::session::{Fields, ListArgs, Listing, Session};
use super::table::column;
use super::trunk::TRUNKS;

pub(super) const EXAMPLES: &str = "\
Examples:
  sipward number list
  sipward number add +493012345678 --country DE        needs the operator's token
  sipward number assign +493012345678 office           calls to it go to the trunk office
  sipward number unassign +493012345678
  sipward number remove +493012345678                  needs the operator's token";

const NUMBERS: Listing = Listing {
    path: "numbers",
    plural: "numbers",
    names: &["id", "e164"],
    columns: &[
        column!("NUMBER", "e164"),
        column!("TRUNK", "trunk_group_id"),
        column!("COUNTRY", "country"),
        column!("REGION", "region"),
        column!("STATUS", "status"),
        column!("ID", "id"),
    ],
    paged: true,
};

/// Manage telephone numbers and the trunks that their calls go to
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the numbers of the account
    #[command(after_help = EXAMPLES)]
    List(ListArgs),
    /// Give the account a number (operator)
    #[command(after_help = EXAMPLES)]
    Add {
        /// The number as + and digits
        number: String,
        /// Two letters of ISO 3166-1
        #[arg(long)]
        country: Option<String>,
        /// Free text
        #[arg(long)]
        region: Option<String>,
        /// Who delivers its calls; free text
        #[arg(long)]
        provider: Option<String>,
    },
    /// Take a number from the account (operator)
    #[command(after_help = EXAMPLES)]
    Remove {
        /// The number as + and digits
        number: String,
    },
    /// Let the calls of a number go to a trunk
    #[command(after_help = EXAMPLES)]
    Assign {
        /// The number as + and digits
        number: String,
        /// Id, name or domain
        trunk: String,
    },
    /// Let the calls of a number go nowhere
    #[command(after_help = EXAMPLES)]
    Unassign {
        /// The number as + and digits
        number: String,
    },
}

impl Action {
    pub(super) fn run(self, session: &Session) -> Result<(), Failure> {
        let client = &session.client;
        let one = |number: &str, rest: &str| client.path(&format!("numbers/{}{rest}", encode(number)));
        let mut fields = Fields::default();
        match self {
            Self::List(wanted) => session.list(Account, &client.path("numbers")?, &NUMBERS, &wanted, &[]),
            Self::Add { number, country, region, provider } => {
                fields
                    .set("e164", Some(number))
                    .set("country", country)
                    .set("region", region)
                    .set("provider", provider);
                session.show(&session.ask(Operator, Method::POST, client.path("numbers")?, Some(fields), None)?)
            }
            Self::Remove { number } => {
                session.ask(Operator, Method::DELETE, one(&number, "")?, None, None)?;
                session.done(&format!("removed {number}"))
            }
            Self::Assign { number, trunk } => {
                fields.set("trunk_group_id", Some(session.id_of(&TRUNKS, &trunk)?));
                session.ask(Account, Method::POST, one(&number, "/assign")?, Some(fields), None)?;
                session.done(&format!("{number} goes to {trunk}"))
            }
            Self::Unassign { number } => {
                session.ask(Account, Method::DELETE, one(&number, "/assign")?, None, None)?;
                session.done(&format!("{number} goes to no trunk"))
            }
        }
    }
}
