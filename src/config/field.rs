//! What a key needs of the field that it fills: to be filled, and to be written again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::syntax::Refusal;
use super::syntax::policy_word;
use super::{LogFormat, Secret};
use crate::api::OperatorToken;
use crate::engine::Alias;
use crate::transport::{AdvertisedAddress, ListenAddress};
use crate::trunk::AuthPolicy;

/// A field that holds a whole number. Ranges in the table keep the number within the field's type.
pub(super) trait Number {
    fn put(&mut self, number: u64);
    fn get(&self) -> u64;
}

macro_rules! number {
    ($($type:ty),+) => {$(
        impl Number for $type {
            fn put(&mut self, number: u64) {
                *self = <$type>::try_from(number).unwrap_or(<$type>::MAX);
            }

            fn get(&self) -> u64 {
                u64::try_from(*self).unwrap_or(u64::MAX)
            }
        }
    )+};
}

number!(u32, usize);

impl Number for u64 {
    fn put(&mut self, number: u64) {
        *self = number;
    }

    fn get(&self) -> u64 {
        *self
    }
}

/// Whole seconds.
impl Number for Duration {
    fn put(&mut self, number: u64) {
        *self = Self::from_secs(number);
    }

    fn get(&self) -> u64 {
        self.as_secs()
    }
}

/// A value as it is written in the file, without quotes.
pub(super) trait Written {
    fn written(&self) -> String;
}

macro_rules! written_as_displayed {
    ($($type:ty),+) => {$(
        impl Written for $type {
            fn written(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

written_as_displayed!(String, SocketAddr, ListenAddress, AdvertisedAddress, Alias);

impl Written for PathBuf {
    fn written(&self) -> String {
        self.display().to_string()
    }
}

impl Written for Option<PathBuf> {
    fn written(&self) -> String {
        self.as_ref().map(Written::written).unwrap_or_default()
    }
}

impl Written for IpNet {
    fn written(&self) -> String {
        if self.prefix_len() == self.max_prefix_len() { self.addr().to_string() } else { self.to_string() }
    }
}

impl Written for AuthPolicy {
    fn written(&self) -> String {
        policy_word(*self).to_owned()
    }
}

impl Written for LogFormat {
    fn written(&self) -> String {
        match self {
            Self::Human => "human",
            Self::Json => "json",
        }
        .to_owned()
    }
}

/// A secret is written only as a mark that there is one.
impl Written for Option<Secret> {
    fn written(&self) -> String {
        self.as_ref().map(|_| "*".to_owned()).unwrap_or_default()
    }
}

/// A secret is written only as a mark that there is one.
impl Written for Option<OperatorToken> {
    fn written(&self) -> String {
        self.as_ref().map(|_| "*".to_owned()).unwrap_or_default()
    }
}

/// A secret is written only as a mark that there is one.
impl Written for Option<[u8; 32]> {
    fn written(&self) -> String {
        self.as_ref().map(|_| "*".to_owned()).unwrap_or_default()
    }
}

/// Reads each item into `field`; what is refused, or stands in the list twice, is returned with the reason.
pub(super) fn fill<T: PartialEq>(
    field: &mut Vec<T>,
    items: &[String],
    read: fn(&str) -> Result<T, Refusal>,
) -> Vec<(String, Refusal)> {
    let mut refused = Vec::new();
    field.clear();
    for item in items {
        match read(item) {
            Ok(value) if field.contains(&value) => refused.push((item.clone(), Refusal::hint("it stands there twice"))),
            Ok(value) => field.push(value),
            Err(refusal) => refused.push((item.clone(), refusal)),
        }
    }
    refused
}
