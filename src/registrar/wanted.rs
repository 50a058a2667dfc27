//! The contacts that a REGISTER names.

use smallvec::SmallVec;

use crate::message::{Address, Name, Request, Uri, lex};

use super::{Rejection, Settings};

/// A contact longer than this is refused; it is kept in memory and on disk and sent in every 200.
const LONGEST_URI: usize = 512;

/// A Call-ID longer than this is refused; it is kept with each binding. Those of phones have some 20 to 80 bytes.
const LONGEST_CALL_ID: usize = 256;

/// One contact with its wishes.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its URI.
    pub uri: Uri<'a>,
    /// Its own `expires`, in seconds.
    pub expires_s: Option<u32>,
    /// Its `q`, in thousandths.
    pub q: u16,
}

/// What a REGISTER asks for.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack of one call; a box would allocate for every REGISTER"
)]
pub enum WantedContacts<'a> {
    /// No Contact: it only asks what is bound.
    None,
    /// `Contact: *`: remove all.
    All,
    /// These.
    Some(SmallVec<[Wanted<'a>; 2]>),
}

impl<'a> WantedContacts<'a> {
    /// Reads the Contact fields, no further than to the first contact too many.
    ///
    /// # Errors
    /// 400 where one of them cannot be read, `*` does not stand alone, or the Call-ID is too long to be kept; 403 where they are more than `settings` allows
    /// for one address of record, or more than that and as many removals.
    pub fn parse(request: &Request<'a>, settings: &Settings) -> Result<Self, Rejection> {
        let header_expires = request.head.get(Name::Expires).and_then(expires);
        let mut contacts = SmallVec::new();
        let mut star = false;
        let mut kept = 0;
        if request.call_id.len() > LONGEST_CALL_ID {
            return Err(Rejection::bad("Call-ID Too Long"));
        }
        for item in request.head.items(Name::Contact) {
            if item == b"*" {
                star = true;
                continue;
            }
            let address = Address::parse(item).ok_or(Rejection::bad("Bad Contact"))?;
            if !address.uri.is_sip() {
                return Err(Rejection::bad("Contact Is No SIP URI"));
            }
            if address.uri.raw.len() > LONGEST_URI {
                return Err(Rejection::bad("Contact Too Long"));
            }
            let expires_s = address.params.get(b"expires").and_then(expires);
            let q = address.params.get(b"q").and_then(thousandths).unwrap_or(1000);
            contacts.push(Wanted { uri: address.uri, expires_s, q });
            kept += usize::from(expires_s.or(header_expires) != Some(0));
            if kept > settings.max_contacts || contacts.len() > settings.most_named() {
                return Err(Rejection::TOO_MANY);
            }
        }
        match (star, contacts.is_empty()) {
            (true, true) => Ok(Self::All),
            (true, false) => Err(Rejection::bad("Contact * Beside Others")),
            (false, true) if request.head.first(Name::Contact).is_some() => Err(Rejection::bad("Bad Contact")),
            (false, true) => Ok(Self::None),
            (false, false) => Ok(Self::Some(contacts)),
        }
    }
}

/// Seconds of an Expires value or parameter. A number too large for 32 bits is as long as can be; what is no number is
/// no wish (RFC 3261 §20.19: malformed values are equivalent to the default).
pub(super) fn expires(value: &[u8]) -> Option<u32> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(lex::decimal(value).and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(u32::MAX))
}

/// A q-value in thousandths (RFC 3261 §25.1); `None` for one that is not.
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole] => (whole, b"".as_slice()),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let mut digits = *b"000";
    digits.get_mut(..fraction.len())?.copy_from_slice(fraction);
    let thousandths = lex::decimal(&digits)? + 1000 * lex::decimal(&[*whole])?;
    u16::try_from(thousandths).ok().filter(|&q| q <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_values_are_thousandths_and_nonsense_is_none() {
        for (text, q) in
            [("1", Some(1000)), ("0.5", Some(500)), ("0.", Some(0)), ("1.000", Some(1000)), ("0.123", Some(123))]
        {
            assert_eq!(thousandths(text.as_bytes()), q, "{text}");
        }
        for bad in ["", "2", "1.001", "0.1234", "-1", "0.x"] {
            assert_eq!(thousandths(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn odd_expires_are_the_longest_or_none() {
        assert_eq!(expires(b"0"), Some(0));
        assert_eq!(expires(b"4294967295"), Some(u32::MAX));
        assert_eq!(expires(b"4294967296"), Some(u32::MAX));
        assert_eq!(expires(b"100000000000000000000000000"), Some(u32::MAX));
        for bad in [b"".as_slice(), b"-1", b"1 2", b"soon"] {
            assert_eq!(expires(bad), None);
        }
    }
}
