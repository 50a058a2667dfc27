//! Lists: `{"meta": {"limit", "offset", "total"}, "objects": […]}`.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Serialize;
use uuid::Uuid;

use super::error::ApiError;

const DEFAULT_LIMIT: u64 = 20;
const MAX_LIMIT: u64 = 100;

/// Which part of a list is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Page {
    limit: u64,
    offset: u64,
}

/// What the query says. Unknown keys are ignored, as the clients need.
#[derive(Debug)]
pub(super) struct ListQuery(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query: Result<Query<Vec<(String, String)>>, QueryRejection> = Query::from_request_parts(parts, state).await;
        query.map(|Query(pairs)| Self(pairs)).map_err(|_| ApiError::bad_request("The query string cannot be read"))
    }
}

impl ListQuery {
    /// `limit` and `offset`.
    pub(super) fn page(&self) -> Result<Page, ApiError> {
        let limit = self.number("limit", 1)?.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
        Ok(Page { limit, offset: self.number("offset", 0)?.unwrap_or(0) })
    }

    /// `limit` and `offset`, or `page` (from 1) and `size`, which one client sends for trunks.
    pub(super) fn page_or_numbered(&self) -> Result<Page, ApiError> {
        let (size, number) = (self.number("size", 1)?, self.number("page", 1)?);
        let Page { limit, offset } = self.page()?;
        let limit = if self.value("limit").is_some() { limit } else { size.unwrap_or(limit).min(MAX_LIMIT) };
        let offset = match number {
            Some(number) if self.value("offset").is_none() => (number - 1).saturating_mul(limit),
            _ => offset,
        };
        Ok(Page { limit, offset })
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, least: u64) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.parse() {
            Ok(number) if number >= least => Ok(Some(number)),
            _ => Err(ApiError::bad_request(format!("{name} must be a number of at least {least}"))),
        }
    }
}

/// A part of a list.
#[derive(Serialize)]
pub(super) struct List<T> {
    meta: Meta,
    objects: Vec<T>,
}

#[derive(Serialize)]
struct Meta {
    limit: u64,
    offset: u64,
    total: usize,
}

impl Page {
    /// Sorts by age, newest first, and shows what is asked for. `age` gives when a record was made, and its id.
    pub(super) fn of<R, T>(self, mut records: Vec<R>, age: fn(&R) -> (u64, Uuid), show: impl FnMut(R) -> T) -> List<T> {
        records.sort_unstable_by_key(|record| std::cmp::Reverse(age(record)));
        let meta = Meta { limit: self.limit, offset: self.offset, total: records.len() };
        let skipped = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        List { meta, objects: records.into_iter().skip(skipped).take(limit).map(show).collect() }
    }
}

/// ISO 8601 in UTC with six digits after the second, from microseconds since the Unix epoch.
pub(super) fn timestamp(micros: u64) -> String {
    let time = i64::try_from(micros).ok().and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    format!("{:.6}", time.unwrap_or(jiff::Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &[(&str, &str)]) -> ListQuery {
        ListQuery(text.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    fn page(limit: u64, offset: u64) -> Page {
        Page { limit, offset }
    }

    #[test]
    fn a_page_is_20_from_the_start_unless_asked_otherwise_and_never_more_than_100() {
        assert_eq!(query(&[]).page().unwrap(), page(20, 0));
        assert_eq!(query(&[("limit", "5"), ("offset", "7"), ("x", "y")]).page().unwrap(), page(5, 7));
        assert_eq!(query(&[("limit", "101")]).page().unwrap(), page(100, 0));
        assert_eq!(query(&[("limit", ""), ("offset", "")]).page().unwrap(), page(20, 0));
    }

    #[test]
    fn numbers_that_are_none_are_refused_by_name() {
        for (key, value) in [("limit", "0"), ("limit", "-1"), ("limit", "x"), ("offset", "-1"), ("offset", "1e3")] {
            assert!(query(&[(key, value)]).page().unwrap_err().text().starts_with(key), "{key}={value}");
        }
        assert!(query(&[("page", "0")]).page_or_numbered().is_err());
        assert!(query(&[("size", "0")]).page_or_numbered().is_err());
    }

    #[test]
    fn numbered_pages_count_from_one_and_give_way_to_limit_and_offset() {
        assert_eq!(query(&[("page", "3"), ("size", "10")]).page_or_numbered().unwrap(), page(10, 20));
        assert_eq!(query(&[("page", "2")]).page_or_numbered().unwrap(), page(20, 20));
        assert_eq!(query(&[("size", "500"), ("page", "2")]).page_or_numbered().unwrap(), page(100, 100));
        assert_eq!(query(&[("page", "2"), ("limit", "5")]).page_or_numbered().unwrap(), page(5, 5));
        assert_eq!(query(&[("page", "2"), ("offset", "1")]).page_or_numbered().unwrap(), page(20, 1));
        assert_eq!(query(&[("page", "18446744073709551615")]).page_or_numbered().unwrap().offset, u64::MAX);
    }

    #[test]
    fn a_list_is_newest_first_and_empty_past_its_end() {
        let records = || vec![(1, Uuid::from_u128(1)), (3, Uuid::from_u128(2)), (1, Uuid::from_u128(3))];
        let list = |page: Page| page.of(records(), |record| *record, |(_, id)| id.as_u128());
        assert_eq!(list(page(20, 0)).objects, [2, 3, 1]);
        assert_eq!(list(page(1, 1)).objects, [3]);
        assert_eq!(list(page(20, 3)).objects, [0_u128; 0]);
        let past = list(page(20, u64::MAX));
        assert_eq!((past.objects.len(), past.meta.total), (0, 3));
    }

    #[test]
    fn a_time_has_six_digits_after_the_second_and_no_time_panics() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(timestamp(1_795_000_000_123_456), "2026-11-18T11:06:40.123456Z");
        assert!(timestamp(u64::MAX).ends_with('Z'));
    }
}
