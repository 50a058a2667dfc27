//! The HTTP client of the commands: one request after another to the API of a running server.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use ureq::http::{Method, Request, Response};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use crate::config::Secret;

use super::failure::{Code, Failure};

/// Longest answer that is read, in bytes; a page of a hundred objects is far below.
const LONGEST: u64 = 64 * 1024 * 1024;

/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Caller {
    /// The account, with its token.
    Account,
    /// The operator of the server.
    Operator,
}

/// What to talk to, and as whom.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) api: String,
    pub(super) auth_id: Option<String>,
    pub(super) auth_token: Option<Secret>,
    pub(super) operator_token: Option<Secret>,
    pub(super) timeout: Duration,
}

/// A client of one server.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    target: Target,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) caller: Caller,
    pub(super) method: Method,
    /// Under `/api/v1`, percent-encoded.
    pub(super) path: String,
    pub(super) query: Vec<(&'a str, String)>,
    /// JSON.
    pub(super) body: Option<Zeroizing<String>>,
    /// For `If-Match`.
    pub(super) if_match: Option<&'a str>,
}

/// What a server answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The body as sent.
    pub(super) text: Zeroizing<String>,
    /// The same read; null where there is none.
    pub(super) value: Value,
    /// The `ETag` field.
    pub(super) etag: Option<String>,
    /// Seconds of `Retry-After`.
    pub(super) retry_after: Option<u64>,
}

impl Answer {
    /// What the body of an error says.
    pub(super) fn said(&self) -> &str {
        said(&self.value)
    }
}

impl Client {
    pub(super) fn new(target: Target, ca_file: Option<&Path>) -> Result<Self, Failure> {
        if !(target.api.starts_with("http://") || target.api.starts_with("https://")) {
            let api = &target.api;
            return Err(Failure::usage(format!("--api {api}: expected a URL such as http://127.0.0.1:8080")));
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(target.timeout))
            .timeout_per_read(Some(target.timeout))
            .user_agent(concat!("sipward/", env!("CARGO_PKG_VERSION")));
        if target.api.starts_with("https://") {
            // Says no only where there is a provider already, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
            config = config.tls_config(TlsConfig::builder().root_certs(roots(ca_file)?).build());
        }
        Ok(Self { agent: config.build().new_agent(), target })
    }

    /// The account, or that none was named.
    pub(super) fn auth_id(&self) -> Result<&str, Failure> {
        self.target.auth_id.as_deref().ok_or_else(|| {
            Failure::usage("which account? Set SIPWARD_AUTH_ID or --auth-id (the first start of the server showed it)")
        })
    }

    /// The path of a resource of the account.
    pub(super) fn path(&self, resource: &str) -> Result<String, Failure> {
        Ok(format!("/Account/{}/{resource}", encode(self.auth_id()?)))
    }

    /// Sends and gives back whatever the server answers.
    pub(super) fn send(&self, ask: &Ask<'_>) -> Result<Answer, Failure> {
        let response = self.exchange(ask)?;
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let etag = header("etag").map(str::to_owned);
        let retry_after = header("retry-after").and_then(|value| value.trim().parse().ok());
        let mut body = response.into_body();
        let text = body.with_config().limit(LONGEST).read_to_string().map_err(|error| self.failure(&error))?;
        let text = Zeroizing::new(text);
        let value =
            if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::Null) };
        Ok(Answer { status, text, value, etag, retry_after })
    }

    /// Sends; whatever is no success is a failure.
    pub(super) fn ask(&self, ask: &Ask<'_>) -> Result<Answer, Failure> {
        let answer = self.send(ask)?;
        match answer.status {
            200..=299 => Ok(answer),
            status => Err(Failure::of_status(status, answer.said(), ask.caller == Caller::Operator)),
        }
    }

    /// Sends; a success comes as a stream of bytes, of any length.
    pub(super) fn download(&self, ask: &Ask<'_>) -> Result<impl Read + use<>, Failure> {
        let response = self.exchange(ask)?;
        let status = response.status().as_u16();
        let body = response.into_body();
        if status == 200 {
            return Ok(body.into_reader());
        }
        let text = body.into_with_config().limit(LONGEST).read_to_string().unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        Err(Failure::of_status(status, said(&value), ask.caller == Caller::Operator))
    }

    fn exchange(&self, ask: &Ask<'_>) -> Result<Response<Body>, Failure> {
        let mut url = format!("{}/api/v1{}", self.target.api.trim_end_matches('/'), ask.path);
        for (number, (name, value)) in ask.query.iter().enumerate() {
            let separator = if number == 0 { '?' } else { '&' };
            url.push_str(&format!("{separator}{name}={}", encode(value)));
        }
        let mut request = Request::builder().method(ask.method.clone()).uri(url);
        match ask.caller {
            Caller::Operator => {
                let missing = || {
                    Failure::new(
                        Code::Refused,
                        "this needs the operator's token: set SIPWARD_OPERATOR_TOKEN, or use --operator-token-stdin",
                    )
                };
                let token = self.target.operator_token.as_ref().ok_or_else(missing)?;
                request = request.header("X-Operator-Token", token.reveal());
            }
            Caller::Account => {
                let missing = || {
                    Failure::new(
                        Code::Refused,
                        "this needs the account's token: set SIPWARD_AUTH_TOKEN, or use --auth-token-stdin",
                    )
                };
                let token = self.target.auth_token.as_ref().ok_or_else(missing)?;
                request = request.header("X-Auth-ID", self.auth_id()?).header("X-Auth-Token", token.reveal());
            }
        }
        if let Some(etag) = ask.if_match {
            request = request.header("If-Match", etag);
        }
        let unusable = |error: ureq::http::Error| Failure::usage(format!("the request cannot be made: {error}"));
        let outcome = match &ask.body {
            Some(body) => {
                let request = request.header("Content-Type", "application/json");
                self.agent.run(request.body(body.as_bytes()).map_err(unusable)?)
            }
            None => self.agent.run(request.body(()).map_err(unusable)?),
        };
        outcome.map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &ureq::Error) -> Failure {
        let api = &self.target.api;
        let advice = "is `sipward serve` running there? Set SIPWARD_API or --api to where its API listens";
        match error {
            ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                Failure::new(Code::Unreachable, format!("no server at {api}: the connection was refused; {advice}"))
            }
            ureq::Error::Timeout(_) => {
                Failure::new(Code::Unreachable, format!("{api} did not answer in time ({error}); {advice}"))
            }
            ureq::Error::HostNotFound | ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                Failure::new(Code::Unreachable, format!("{api} is no address that can be reached: {error}"))
            }
            other => Failure::new(Code::Unreachable, format!("{api} cannot be talked to: {other}; {advice}")),
        }
    }
}

fn roots(ca_file: Option<&Path>) -> Result<RootCerts, Failure> {
    let Some(path) = ca_file else { return Ok(RootCerts::PlatformVerifier) };
    let read = || -> anyhow::Result<Vec<Certificate<'static>>> {
        let pem = std::fs::read(path)?;
        let mut certificates = Vec::new();
        for item in parse_pem(&pem) {
            if let PemItem::Certificate(certificate) = item? {
                certificates.push(certificate);
            }
        }
        anyhow::ensure!(!certificates.is_empty(), "it holds no certificate");
        Ok(certificates)
    };
    let certificates = read().with_context(|| format!("cannot use the CA file {}", path.display()))?;
    Ok(RootCerts::new_with_certs(&certificates))
}

/// Where the two differ, `message` is the longer text (as for numbers).
fn said(value: &Value) -> &str {
    let text = value.get("message").or_else(|| value.get("error")).and_then(Value::as_str);
    text.unwrap_or("the server gives no reason")
}

/// Percent-encodes everything that is not unreserved (RFC 3986 §2.3).
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_and_a_slash_do_not_change_a_path() {
        assert_eq!(encode("+4930/x y~ä"), "%2B4930%2Fx%20y~%C3%A4");
    }
}
