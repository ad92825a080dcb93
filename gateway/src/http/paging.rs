use axum::extract::rejection::QueryRejection;

use super::problem::Problem;

/// How many rows a page can have.
const MAX_PAGE: u32 = 200;

/// How many rows a page has unless the request says it.
const USUAL: u32 = 50;

/// How many rows the page of a request is to have.
///
/// # Errors
/// When a page cannot have so many.
pub(super) fn page_size(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(USUAL) {
        limit @ 1..=MAX_PAGE => Ok(limit),
        _ => Err(Problem::bad_request(format!("`limit` must be 1 to {MAX_PAGE}"))),
    }
}

/// A query that could not be read.
impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text().replace(['\r', '\n'], " "))
    }
}

/// One row more than a page has was asked for: whether it is there tells whether there is a next page.
pub(super) fn cut<T>(rows: &mut Vec<T>, size: u32) -> bool {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    more
}
