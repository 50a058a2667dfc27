//! Numbers that others keep.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::encode::plain;

/// What kind of number it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only grows; its name gets the suffix `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A number at the moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading {
    /// Its name, without `sipward_` and without `_total`; with its unit at the end, if it has one.
    pub name: Cow<'static, str>,
    /// What it is, in a sentence.
    pub help: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// The number.
    pub value: u64,
}

impl Reading {
    /// A number that only grows.
    pub fn counter(name: impl Into<Cow<'static, str>>, help: &'static str, value: u64) -> Self {
        Self { name: name.into(), help, kind: Kind::Counter, value }
    }

    /// A number that goes up and down.
    pub fn gauge(name: impl Into<Cow<'static, str>>, help: &'static str, value: u64) -> Self {
        Self { name: name.into(), help, kind: Kind::Gauge, value }
    }
}

type Read = Box<dyn Fn() -> Vec<Reading> + Send + Sync>;

pub(super) struct Watch(Read);

impl Watch {
    pub(super) fn new(read: impl Fn() -> Vec<Reading> + Send + Sync + 'static) -> Self {
        Self(Box::new(read))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Collector for Watch {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for reading in (self.0)() {
            let described = (&*reading.name, reading.help);
            match reading.kind {
                Kind::Counter => plain(&mut encoder, described, &ConstCounter::new(reading.value))?,
                Kind::Gauge => plain(&mut encoder, described, &ConstGauge::new(reading.value))?,
            }
        }
        Ok(())
    }
}
