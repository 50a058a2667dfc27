//! What every command that talks to a server shares: where and as whom, and how answers are shown.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value};
use ureq::http::Method;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::config::Secret;

use super::client::{Answer, Ask, Caller, Client, Target};
use super::failure::{Code, Failure};
use super::password;
use super::table::{self, Column};

/// Objects of a page: the most that the server gives.
const PAGE: u64 = 100;

/// Where the server is and who asks. Tokens come from the environment (SIPWARD_AUTH_TOKEN, SIPWARD_OPERATOR_TOKEN) or standard input.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ServerArgs {
    /// The address of the server's API
    #[arg(long, global = true, env = "SIPWARD_API", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    api: String,
    /// The account
    #[arg(long, global = true, env = "SIPWARD_AUTH_ID", value_name = "MA_…")]
    auth_id: Option<String>,
    /// Read the account's token from standard input instead of SIPWARD_AUTH_TOKEN
    #[arg(long, global = true, conflicts_with = "operator_token_stdin")]
    auth_token_stdin: bool,
    /// Read the operator's token from standard input instead of SIPWARD_OPERATOR_TOKEN
    #[arg(long, global = true)]
    operator_token_stdin: bool,
    /// Trust the certificates of this PEM file for https, and no others
    #[arg(long, global = true, env = "SIPWARD_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// How long the server may take to answer, in seconds
    #[arg(long, global = true, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Print what the server sends, for scripts
    #[arg(long, global = true)]
    json: bool,
}

/// Which part of a list.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only what contains this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = PAGE, value_parser = clap::value_parser!(u64).range(1..=PAGE))]
    limit: u64,
    /// Pass over so many
    #[arg(long, default_value_t = 0)]
    offset: u64,
    /// Everything; with --json one answer of the server a line
    #[arg(long, conflicts_with_all = ["limit", "offset"])]
    all: bool,
}

/// A resource as a list: where it is, and what is shown of it.
#[derive(Clone, Copy)]
pub(super) struct Listing {
    /// Path under the account.
    pub(super) path: &'static str,
    /// What people call several of them.
    pub(super) plural: &'static str,
    /// Keys of the identity and of the names by which one can be meant.
    pub(super) names: &'static [&'static str],
    pub(super) columns: &'static [Column],
    /// Whether it is read by page and per_page, as numbers are.
    pub(super) paged: bool,
}

/// The fields of a body.
#[derive(Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Sets `key` where there is a value.
    pub(super) fn set(&mut self, key: &str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value.into());
        }
        self
    }

    /// Sets keys to JSON values, or to texts where they are none, from `key=value`.
    pub(super) fn set_all(&mut self, fields: &[String]) -> Result<&mut Self, Failure> {
        for field in fields {
            let wrong = || Failure::usage(format!("--field {field}: expected KEY=VALUE"));
            let (key, value) = field.split_once('=').ok_or_else(wrong)?;
            self.set(key, Some(serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))));
        }
        Ok(self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn into_body(self) -> Zeroizing<String> {
        Zeroizing::new(Value::Object(self.0).to_string())
    }
}

/// A command's connection to the server and to the person.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) json: bool,
}

impl ServerArgs {
    /// Collects the tokens and makes the client; talks to nobody yet.
    pub(super) fn session(self) -> Result<Session, Failure> {
        let from_environment = |name| std::env::var(name).ok().filter(|token| !token.is_empty()).map(Secret::new);
        let token = |stdin: bool, name, what| {
            if stdin { password::line_of_stdin(what).map(Some) } else { Ok(from_environment(name)) }
        };
        let target = Target {
            api: self.api,
            auth_id: self.auth_id,
            auth_token: token(self.auth_token_stdin, "SIPWARD_AUTH_TOKEN", "the account's token")?,
            operator_token: token(self.operator_token_stdin, "SIPWARD_OPERATOR_TOKEN", "the operator's token")?,
            timeout: Duration::from_secs(self.timeout),
        };
        Ok(Session { client: Client::new(target, self.ca_file.as_deref())?, json: self.json })
    }
}

impl Session {
    /// One request, with all our own fields in the answer.
    pub(super) fn ask(
        &self,
        caller: Caller,
        method: Method,
        path: String,
        fields: Option<Fields>,
        if_match: Option<&str>,
    ) -> Result<Answer, Failure> {
        let body = fields.map(Fields::into_body);
        self.client.ask(&Ask { caller, method, path, query: full(), body, if_match })
    }

    /// Shows an object that was made, changed or asked for.
    pub(super) fn show(&self, answer: &Answer) -> Result<(), Failure> {
        if self.json {
            return Ok(table::print(&format!("{}\n", answer.text.trim_end()))?);
        }
        let etag = answer.etag.as_ref().map(|etag| format!("ETag {etag}\n")).unwrap_or_default();
        Ok(table::print(&format!("{}{etag}", table::lines(&answer.value)))?)
    }

    /// Says to people what was done; scripts see the exit code.
    pub(super) fn done(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { Ok(table::print(&format!("{text}\n"))?) }
    }

    /// Lists what is under `path`.
    pub(super) fn list(
        &self,
        caller: Caller,
        path: &str,
        listing: &Listing,
        wanted: &ListArgs,
        filter: &[(&'static str, Option<String>)],
    ) -> Result<(), Failure> {
        let mut query = filter.iter().filter_map(|(key, value)| Some((*key, value.clone()?))).collect::<Vec<_>>();
        query.extend(wanted.search.clone().map(|text| ("search", text)));
        let (mut offset, mut objects, mut total) = (wanted.offset, Vec::new(), 0);
        loop {
            let answer = self.page(caller, path, listing, &query, [wanted.limit, offset])?;
            let page = Page::of(&answer.value)?;
            if self.json {
                table::print(&format!("{}\n", answer.text.trim_end()))?;
            }
            total = page.total.max(total);
            offset += page.objects.len() as u64;
            let last = page.objects.is_empty() || offset >= page.total;
            if !self.json {
                objects.extend(page.objects.iter().cloned());
            }
            if last || !wanted.all {
                break;
            }
        }
        if self.json {
            return Ok(());
        }
        if objects.is_empty() && total == 0 {
            return self.done(&format!("no {}", listing.plural));
        }
        table::print(&table::table(listing.columns, &objects, table::terminal_width()))?;
        if total > objects.len() as u64 {
            let (shown, plural) = (objects.len(), listing.plural);
            table::note(&format!("{shown} of {total} {plural}; --offset {offset} or --all shows more"));
        }
        Ok(())
    }

    /// The ids of the objects with that name, in the part of the list that `filter` leaves.
    fn called(&self, listing: &Listing, word: &str, filter: &[(&'static str, String)]) -> Result<Vec<String>, Failure> {
        let path = self.client.path(listing.path)?;
        let (mut offset, mut found) = (0, Vec::new());
        loop {
            let answer = self.page(Caller::Account, &path, listing, filter, [PAGE, offset])?;
            let page = Page::of(&answer.value)?;
            let named = |object: &&Value| {
                listing.names.iter().skip(1).any(|name| object.get(*name).and_then(Value::as_str) == Some(word))
            };
            let id = |object: &Value| object.get(*listing.names.first()?).and_then(Value::as_str).map(str::to_owned);
            found.extend(page.objects.iter().filter(named).filter_map(id));
            offset += page.objects.len() as u64;
            if page.objects.is_empty() || offset >= page.total {
                return Ok(found);
            }
        }
    }

    fn page(
        &self,
        caller: Caller,
        path: &str,
        listing: &Listing,
        filter: &[(&'static str, String)],
        [limit, offset]: [u64; 2],
    ) -> Result<Answer, Failure> {
        let mut query = full();
        if listing.paged {
            if offset % limit != 0 {
                return Err(Failure::usage(format!(
                    "{} come by page: --offset must be a multiple of --limit",
                    listing.plural
                )));
            }
            query.extend([("per_page", limit.to_string()), ("page", (offset / limit + 1).to_string())]);
        } else {
            query.extend([("limit", limit.to_string()), ("offset", offset.to_string())]);
        }
        query.extend(filter.iter().cloned());
        self.client.ask(&Ask { caller, method: Method::GET, path: path.to_owned(), query, body: None, if_match: None })
    }

    /// The id of the one object that `word` means: an id, or one of its names.
    pub(super) fn id_of(&self, listing: &Listing, word: &str) -> Result<String, Failure> {
        if Uuid::try_parse(word).is_ok() {
            return Ok(word.to_owned());
        }
        // The search may look into fewer fields than a name can stand in.
        let mut found = self.called(listing, word, &[("search", word.to_owned())])?;
        if found.is_empty() {
            found = self.called(listing, word, &[])?;
        }
        let plural = listing.plural;
        match found.as_slice() {
            [id] => Ok(id.clone()),
            [] => Err(Failure::new(Code::NotFound, format!("there is no {word} among the {plural} of this account"))),
            several => Err(Failure::new(
                Code::Conflict,
                format!("{} {plural} are called {word}; say which by its id: {}", several.len(), several.join(" ")),
            )),
        }
    }
}

fn full() -> Vec<(&'static str, String)> {
    vec![("view", "full".to_owned())]
}

/// One answer to a list, in either envelope.
struct Page<'a> {
    objects: &'a [Value],
    total: u64,
}

impl<'a> Page<'a> {
    fn of(value: &'a Value) -> Result<Self, Failure> {
        let objects = value.get("objects").or_else(|| value.get("items")).and_then(Value::as_array);
        let total = value.get("meta").unwrap_or(value).get("total").and_then(Value::as_u64);
        match (objects, total) {
            (Some(objects), Some(total)) => Ok(Self { objects, total }),
            _ => Err(Failure::new(Code::Failed, "the answer is no list; is this the API of sipward?")),
        }
    }
}
