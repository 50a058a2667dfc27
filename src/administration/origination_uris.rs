//! Origination URIs: where a trunk's calls go.
#![allow(clippy::disallowed_methods, reason = "the shell draws the identities of what is made")]

use uuid::Uuid;

use crate::message::{Scheme, Uri};
use crate::storage::{Changes, OriginationUriRecord, TrunkTransport};
use crate::trunk::TrunkId;

use super::error::Error;
use super::{Administration, Draft, rules};

const KIND: &str = "Origination URI";
const MAX_URI: usize = 255;
const DEFAULT_WEIGHT: u32 = 10;
const MAX_NUMBER: u32 = 65_535;

/// Values for an origination URI; `None` leaves a value as it is.
#[derive(Clone, Debug, Default)]
pub struct OriginationUriFields {
    /// `sip:` or `sips:` URI; required to make one.
    pub uri: Option<String>,
    /// The lowest comes first.
    pub priority: Option<u32>,
    /// Its share among those of one priority.
    pub weight: Option<u32>,
    /// Whether it is used.
    pub enabled: Option<bool>,
    /// What carries the requests; without it what the URI says, else UDP.
    pub transport: Option<TrunkTransport>,
    /// Free text.
    pub description: Option<String>,
    /// The one trunk that it is for; `Some(None)` makes it one of the whole account.
    pub trunk: Option<Option<TrunkId>>,
}

impl Administration {
    /// Makes an origination URI.
    pub fn create_origination_uri(
        &self,
        auth_id: &str,
        fields: OriginationUriFields,
    ) -> Result<OriginationUriRecord, Error> {
        if fields.uri.is_none() {
            return Err(Error::invalid("uri", "uri is required"));
        }
        let _among_others = self.among_others();
        let now = self.micros();
        let mut record = OriginationUriRecord {
            id: Uuid::now_v7(),
            auth_id: auth_id.to_owned(),
            uri: String::new(),
            priority: 0,
            weight: DEFAULT_WEIGHT,
            enabled: true,
            transport: TrunkTransport::Udp,
            description: String::new(),
            trunk: None,
            created_at: now,
            updated_at: now,
        };
        self.fill_uri(&mut record, fields)?;
        let mut changes = Changes::new();
        changes.create_origination_uri(&record)?;
        self.store.commit(changes)?;
        Ok(record)
    }

    /// Changes an origination URI.
    pub fn update_origination_uri(
        &self,
        auth_id: &str,
        id: Uuid,
        fields: OriginationUriFields,
    ) -> Result<OriginationUriRecord, Error> {
        let _alone = self.alone();
        let mut record = self.origination_uri(auth_id, id)?;
        self.fill_uri(&mut record, fields)?;
        record.updated_at = self.later(record.updated_at);
        let mut changes = Changes::new();
        changes.update_origination_uri(&record)?;
        self.store.commit(changes)?;
        Ok(record)
    }

    /// Deletes an origination URI, and takes it off the trunks that name it.
    pub fn delete_origination_uri(&self, auth_id: &str, id: Uuid) -> Result<(), Error> {
        self.configure(auth_id, |draft: &mut Draft| {
            self.origination_uri(auth_id, id)?;
            draft.changes.delete_origination_uri(id);
            for trunk in &mut draft.trunks {
                let named = [&mut trunk.primary_uri_uuid, &mut trunk.fallback_uri_uuid];
                let taken = named.into_iter().filter_map(|named| named.take_if(|named| *named == id)).count();
                if taken > 0 {
                    trunk.updated_at = self.later(trunk.updated_at);
                    draft.changes.update_trunk(trunk)?;
                }
            }
            Ok(())
        })
    }

    /// The origination URI `id` of the account.
    pub fn origination_uri(&self, auth_id: &str, id: Uuid) -> Result<OriginationUriRecord, Error> {
        let record = self.store.origination_uri(id)?.filter(|record| record.auth_id == auth_id);
        record.ok_or(Error::NotFound(KIND))
    }

    fn fill_uri(&self, record: &mut OriginationUriRecord, fields: OriginationUriFields) -> Result<(), Error> {
        let OriginationUriFields { uri, priority, weight, enabled, transport, description, trunk } = fields;
        if let Some(uri) = uri {
            let uri = uri.trim().to_owned();
            record.transport = check_uri(&uri)?;
            record.uri = uri;
        }
        for (field, value) in [("priority", priority), ("weight", weight)] {
            if value.is_some_and(|value| value > MAX_NUMBER) {
                return Err(Error::invalid(field, format!("{field} must be at most {MAX_NUMBER}")));
            }
        }
        if let Some(description) = description {
            rules::description(&description)?;
            record.description = description;
        }
        if let Some(trunk) = trunk {
            self.check_scope(&record.auth_id, trunk)?;
            record.trunk = trunk;
        }
        record.priority = priority.unwrap_or(record.priority);
        record.weight = weight.unwrap_or(record.weight);
        record.enabled = enabled.unwrap_or(record.enabled);
        record.transport = transport.unwrap_or(record.transport);
        Ok(())
    }
}

/// Whether calls can be sent there, and by what transport as far as the URI says.
fn check_uri(text: &str) -> Result<TrunkTransport, Error> {
    let invalid = || Error::invalid("uri", "Invalid SIP URI format. Expected: sip:user@host:port");
    let plain = text.len() <= MAX_URI && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte));
    let uri = Uri::parse(text.as_bytes()).filter(|uri| plain && !uri.host.is_empty()).ok_or_else(invalid)?;
    // A method or header fields in a URI are for buttons on web pages, not for a Request-URI (RFC 3261 §19.1.1).
    if text.contains('?') || uri.params.get(b"method").is_some() || uri.port == Some(0) {
        return Err(invalid());
    }
    let named = match uri.params.get(b"transport") {
        None => None,
        Some(token) if token.eq_ignore_ascii_case(b"udp") => Some(TrunkTransport::Udp),
        Some(token) if token.eq_ignore_ascii_case(b"tcp") => Some(TrunkTransport::Tcp),
        Some(token) if token.eq_ignore_ascii_case(b"tls") => Some(TrunkTransport::Tls),
        Some(_) => return Err(invalid()),
    };
    match uri.scheme {
        Scheme::Sip => Ok(named.unwrap_or(TrunkTransport::Udp)),
        Scheme::Sips => Ok(TrunkTransport::Tls),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transport_comes_from_the_uri() {
        for (uri, transport) in [
            ("sip:pbx.example.com", TrunkTransport::Udp),
            ("sip:user@192.0.2.1:5070", TrunkTransport::Udp),
            ("SIP:[2001:db8::1]:5060;transport=TCP", TrunkTransport::Tcp),
            ("sip:pbx.example.com;transport=tls", TrunkTransport::Tls),
            ("sips:pbx.example.com", TrunkTransport::Tls),
        ] {
            assert_eq!(check_uri(uri), Ok(transport), "{uri}");
        }
    }

    #[test]
    fn what_is_no_sip_uri_is_refused() {
        for uri in [
            "",
            "pbx.example.com",
            "tel:+911",
            "http://example.com",
            "sip:",
            "sip:@",
            "sip:a b@host",
            "sip:host:port",
            "sip:host:0",
            "sip:host:99999",
            "<sip:host>",
            "sip:host\r\nX: y",
            "sip:host;transport=sctp",
            "sip:host?Subject=x",
        ] {
            assert!(check_uri(uri).is_err(), "{uri:?}");
        }
        assert!(check_uri(&format!("sip:{}@h", "x".repeat(300))).is_err());
    }
}
