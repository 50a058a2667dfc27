//! Lists: `{"meta": {"limit", "offset", "total"}, "objects": […]}`.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::storage::{self, Window};
use crate::trunk::TrunkId;

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
    #[cfg(test)]
    pub(super) fn of(text: &[(&str, &str)]) -> Self {
        Self(text.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

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

    /// `page` (from 1) and `per_page`, which lists of numbers have.
    pub(super) fn page_of_items(&self) -> Result<Page, ApiError> {
        let limit = self.number("per_page", 1)?.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
        let number = self.number("page", 1)?.unwrap_or(1);
        Ok(Page { limit, offset: (number - 1).saturating_mul(limit) })
    }

    /// `?trunk_id=`.
    pub(super) fn trunk(&self) -> Result<Option<TrunkId>, ApiError> {
        let Some(value) = self.value("trunk_id") else { return Ok(None) };
        let id = Uuid::try_parse(value).map_err(|_| ApiError::bad_request("trunk_id must be a UUID"))?;
        Ok(Some(TrunkId(id)))
    }

    /// Whether `?view=full` asks for what the contract does not have.
    pub(super) fn is_full(&self) -> bool {
        self.value("view").is_some_and(|view| view.eq_ignore_ascii_case("full"))
    }

    /// A boolean, as JSON or Python writes it.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(value) if value.eq_ignore_ascii_case("true") || value == "1" => Ok(Some(true)),
            Some(value) if value.eq_ignore_ascii_case("false") || value == "0" => Ok(Some(false)),
            Some(_) => Err(ApiError::bad_request(format!("{name} must be true or false"))),
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
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

/// A part of a list of numbers.
#[derive(Serialize, ToSchema)]
pub(super) struct Items<T> {
    items: Vec<T>,
    page: u64,
    per_page: u64,
    total: usize,
}

/// A part of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct List<T> {
    meta: Meta,
    objects: Vec<T>,
}

#[derive(Serialize, ToSchema)]
struct Meta {
    limit: u64,
    offset: u64,
    total: usize,
}

impl Page {
    /// The part of a stored list that is asked for.
    pub(super) fn window(self) -> Window {
        let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Window { offset: number(self.offset), limit: number(self.limit) }
    }

    /// The answer with the records of that part.
    pub(super) fn list<R, T>(self, page: storage::Page<R>, show: impl FnMut(R) -> T) -> List<T> {
        let meta = Meta { limit: self.limit, offset: self.offset, total: page.total };
        List { meta, objects: page.records.into_iter().map(show).collect() }
    }

    /// As [`Page::list`], in the form of lists of numbers.
    pub(super) fn items<R, T>(self, page: storage::Page<R>, show: impl FnMut(R) -> T) -> Items<T> {
        Items {
            items: page.records.into_iter().map(show).collect(),
            page: self.offset / self.limit.max(1) + 1,
            per_page: self.limit,
            total: page.total,
        }
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
        ListQuery::of(text)
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
    fn a_list_that_was_read_whole_is_cut_like_one_that_was_not() {
        let list = |page: Page| {
            let all = storage::Page { total: 9, records: (0..9).collect() };
            page.list(all.only(|n| n % 2 == 0).cut(page.window()), |n| n)
        };
        assert_eq!(list(page(2, 1)).objects, [2, 4]);
        let past = list(page(20, u64::MAX));
        assert_eq!((past.objects.len(), past.meta.total), (0, 5));
    }

    #[test]
    fn booleans_come_from_json_and_from_python() {
        let query = query(&[("a", "True"), ("b", "false"), ("c", "yes"), ("view", "Full")]);
        assert_eq!(query.boolean("a").unwrap(), Some(true));
        assert_eq!(query.boolean("b").unwrap(), Some(false));
        assert_eq!(query.boolean("z").unwrap(), None);
        assert!(query.boolean("c").is_err() && query.is_full());
    }

    #[test]
    fn a_time_has_six_digits_after_the_second_and_no_time_panics() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(timestamp(1_795_000_000_123_456), "2026-11-18T11:06:40.123456Z");
        assert!(timestamp(u64::MAX).ends_with('Z'));
    }
}
