//! Many credentials at once, over the API: several requests at a time, progress for people, a report of what was refused.

#![allow(clippy::disallowed_methods, reason = "the command line is shell: it owns threads and waits")]

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use ureq::http::Method;
use zeroize::Zeroizing;

use crate::config::Secret;
use crate::config::seed::SeedRows;

use super::client::{Answer, Ask, Caller};
use super::failure::{Code, Failure};
use super::session::Session;
use super::table::{note, print};

/// Refused rows that are told one by one.
const TOLD: usize = 1_000;

/// How often a row is tried while the server is busy.
const TRIES: u32 = 5;

/// How an import goes.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Only for this trunk: id, name or domain
    #[arg(long)]
    pub(super) trunk: Option<String>,
    /// Requests at a time
    #[arg(long, default_value_t = 16, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(super) concurrency: u8,
    /// Show no progress
    #[arg(long)]
    pub(super) quiet: bool,
}

/// A credential to be made.
#[derive(Serialize)]
pub(super) struct New {
    pub(super) username: String,
    #[serde(flatten)]
    pub(super) secret: NewSecret,
    pub(super) enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trunk_id: Option<String>,
}

/// What the server makes its HA1s of, or takes as one.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NewSecret {
    #[serde(serialize_with = "reveal")]
    Password(Secret),
    Ha1(Md5),
}

#[derive(Serialize)]
pub(super) struct Md5 {
    #[serde(rename = "MD5", serialize_with = "reveal")]
    pub(super) md5: Secret,
}

fn reveal<S: serde::Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.reveal())
}

/// A row of a file: its line, and the credential or why there is none.
pub(super) type Row = (u64, Result<New, String>);

/// `sipward credential import`.
pub(super) fn csv(
    session: &Session,
    file: &Path,
    how: ImportArgs,
    trunk_id: impl Fn(Option<String>) -> Result<Option<String>, Failure>,
) -> Result<(), Failure> {
    let trunk_id = trunk_id(how.trunk.clone())?;
    let (input, progress) = open(file)?;
    let rows = SeedRows::new(input).map(move |row| {
        Ok(match row? {
            Ok(row) => {
                let secret = NewSecret::Password(row.password);
                let trunk_id = trunk_id.clone();
                (row.line, Ok(New { username: row.username, secret, enabled: row.enabled, trunk_id }))
            }
            Err(bad) => (bad.line, Err(bad.why.to_string())),
        })
    });
    run(session, file, &how, rows, &progress)
}

/// How much of a file was read.
pub(super) struct Progress {
    read: Arc<AtomicU64>,
    length: Option<u64>,
}

/// Opens a file, or standard input for `-`, counting what is read of it.
pub(super) fn open(file: &Path) -> Result<(impl BufRead + Send + use<>, Progress), Failure> {
    let read = Arc::new(AtomicU64::new(0));
    let (input, length): (Box<dyn Read + Send>, _) = if file == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let input = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
        let length = input.metadata()?.len();
        (Box::new(input), Some(length))
    };
    Ok((BufReader::new(Counted { input, read: Arc::clone(&read) }), Progress { read, length }))
}

struct Counted<R> {
    input: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[derive(Default)]
struct Report {
    made: u64,
    present: u64,
    refused: u64,
    told: Vec<(u64, String)>,
    stopped: Option<Failure>,
    drawn: Option<Instant>,
}

impl Report {
    fn refuse(&mut self, line: u64, why: String) {
        self.refused += 1;
        if self.told.len() < TOLD {
            self.told.push((line, why));
        }
    }
}

/// Makes the credentials of `rows` and reports.
pub(super) fn run(
    session: &Session,
    file: &Path,
    how: &ImportArgs,
    rows: impl Iterator<Item = io::Result<Row>> + Send,
    progress: &Progress,
) -> Result<(), Failure> {
    let path = session.client.path("credentials")?;
    let rows = Mutex::new(rows);
    let report = Mutex::new(Report::default());
    let started = Instant::now();
    let shown = !how.quiet && io::stderr().is_terminal();
    thread::scope(|scope| {
        for _ in 0..how.concurrency {
            scope.spawn(|| {
                while lock(&report).stopped.is_none() {
                    let Some(row) = lock(&rows).next() else { break };
                    let done = row.map_err(Failure::from).map(|row| (row.0, make(session, &path, row.1)));
                    let mut report = lock(&report);
                    match done {
                        Ok((_, Ok(Made::New))) => report.made += 1,
                        Ok((_, Ok(Made::Present))) => report.present += 1,
                        Ok((line, Ok(Made::Refused(why)))) => report.refuse(line, why),
                        Ok((_, Err(failure))) | Err(failure) => {
                            report.stopped.get_or_insert(failure);
                        }
                    }
                    if shown {
                        draw(&mut report, progress, started);
                    }
                }
            });
        }
    });
    let report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    if shown {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    finish(session, file, report)
}

enum Made {
    New,
    Present,
    Refused(String),
}

/// Makes one. A failure is one that the other rows would meet, too.
fn make(session: &Session, path: &str, row: Result<New, String>) -> Result<Made, Failure> {
    let new = match row {
        Ok(new) => new,
        Err(why) => return Ok(Made::Refused(why)),
    };
    let body = serde_json::to_string(&new).map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
    let body = Some(Zeroizing::new(body));
    let ask = Ask {
        caller: Caller::Account,
        method: Method::POST,
        path: path.to_owned(),
        query: vec![],
        body,
        if_match: None,
    };
    let mut tries = 0;
    loop {
        let answer = session.client.send(&ask)?;
        tries += 1;
        match answer.status {
            200..=299 => return Ok(Made::New),
            409 => return Ok(Made::Present),
            400 | 413 | 422 => return Ok(Made::Refused(answer.said().to_owned())),
            429 | 503 if tries < TRIES => wait(&answer, tries),
            status => return Err(Failure::of_status(status, answer.said(), false)),
        }
    }
}

fn wait(answer: &Answer, tries: u32) {
    thread::sleep(Duration::from_secs(answer.retry_after.unwrap_or(1).min(60) * u64::from(tries)));
}

fn draw(report: &mut Report, progress: &Progress, started: Instant) {
    if report.drawn.is_some_and(|drawn| drawn.elapsed() < Duration::from_millis(100)) {
        return;
    }
    report.drawn = Some(Instant::now());
    let done = report.made + report.present + report.refused;
    let rate = done as f64 / started.elapsed().as_secs_f64().max(0.001);
    let part = progress.length.filter(|length| *length > 0).map_or_else(String::new, |length| {
        let percent = progress.read.load(Ordering::Relaxed).min(length) * 100 / length;
        let filled = usize::try_from(percent / 5).unwrap_or(0);
        format!("[{:<20}] {percent:3} %  ", "#".repeat(filled))
    });
    let Report { made, present, refused, .. } = report;
    let _ = write!(io::stderr(), "\r{part}{made} made, {present} present, {refused} refused, {rate:.0}/s\x1b[K");
}

fn finish(session: &Session, file: &Path, mut report: Report) -> Result<(), Failure> {
    report.told.sort_unstable();
    for (line, why) in &report.told {
        note(&format!("{}:{line}: {why}", file.display()));
    }
    let more = report.refused - report.told.len() as u64;
    if more > 0 {
        note(&format!("and {more} more"));
    }
    let Report { made, present, refused, .. } = report;
    if session.json {
        let told = report.told.iter().map(|(line, why)| json!({ "line": line, "reason": why })).collect::<Vec<_>>();
        print(&format!("{}\n", json!({ "made": made, "present": present, "refused": refused, "refused_rows": told })))?;
    } else {
        print(&format!("{made} made, {present} present, {refused} refused\n"))?;
    }
    match report.stopped {
        Some(failure) => {
            Err(Failure::new(failure.code, format!("{failure}; what was made stays, repeat the command to go on")))
        }
        None if refused > 0 => {
            Err(Failure::new(Code::Invalid, format!("{refused} rows were refused; the others are in")))
        }
        None => Ok(()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
