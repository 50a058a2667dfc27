//! A configuration while it is being read.

use super::problem::{Place, Problem};
use super::value::{Given, Key};
use super::{Config, ConfigErrors};

/// What has been read so far, and everything that was wrong with it.
#[derive(Default)]
pub(super) struct Draft {
    config: Config,
    pub(super) problems: Vec<Problem>,
}

impl Draft {
    /// Sets a key, or notes why not.
    pub(super) fn set(&mut self, key: &'static Key, place: Place, given: &Given) {
        match key.set(&mut self.config, given) {
            Ok(()) => {
                self.config.origins.insert((key.section, key.name), place);
            }
            Err(faults) => self.problems.extend(faults.into_iter().map(|fault| Problem::BadValue {
                place: place.clone(),
                key: key.title(),
                found: fault.found,
                expected: fault.expected,
                hint: fault.hint,
            })),
        }
    }

    /// The configuration, if nothing is wrong with it or with how its values go together.
    pub(super) fn finish(mut self) -> Result<Config, ConfigErrors> {
        let contradictions = [self.expires_out_of_order(), self.half_a_certificate(), self.exposed_api()];
        self.problems.extend(contradictions.into_iter().flatten());
        if self.problems.is_empty() { Ok(self.config) } else { Err(ConfigErrors(self.problems)) }
    }

    fn expires_out_of_order(&self) -> Option<Problem> {
        let settings = &self.config.registrar;
        let named = |name, seconds| self.named(name, seconds);
        let (least, usual, most) = (settings.min_expires_s, settings.default_expires_s, settings.max_expires_s);
        let pairs = [
            ("min_expires", least, "default_expires", usual),
            ("default_expires", usual, "max_expires", most),
            ("min_expires", least, "max_expires", most),
        ];
        let wrong = pairs.into_iter().find(|(_, smaller, _, greater)| smaller > greater);
        wrong.map(|(name, smaller, other, greater)| Problem::ExpiresOrder {
            smaller: named(name, smaller),
            greater: named(other, greater),
        })
    }

    fn half_a_certificate(&self) -> Option<Problem> {
        let api = &self.config.api;
        match (&api.tls_cert, &api.tls_key) {
            (Some(_), None) => Some(Problem::HalfACertificate { given: "tls_cert", missing: "tls_key" }),
            (None, Some(_)) => Some(Problem::HalfACertificate { given: "tls_key", missing: "tls_cert" }),
            _ => None,
        }
    }

    fn exposed_api(&self) -> Option<Problem> {
        let api = &self.config.api;
        let protected = api.listen.ip().is_loopback() || api.behind_proxy || api.tls_cert.is_some();
        let origin = self.config.origins.get(&("api", "listen"));
        let origin = origin.map_or_else(|| "the default".to_owned(), ToString::to_string);
        (!protected).then_some(Problem::ExposedApi { listen: api.listen, origin })
    }

    fn named(&self, name: &'static str, seconds: u32) -> String {
        let origin = self.config.origins.get(&("registrar", name));
        let origin = origin.map_or_else(|| "the default".to_owned(), ToString::to_string);
        format!("[registrar] {name} = {seconds} ({origin})")
    }
}
