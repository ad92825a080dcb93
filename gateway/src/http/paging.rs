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

/// After how many bytes a page ends: it is held in memory whole, here and by who reads it.
const MAX_BYTES: usize = 1024 * 1024;

/// One row more than a page has was asked for: whether it is there tells whether there is a next page.
pub(super) fn cut<T>(rows: &mut Vec<T>, size: u32) -> bool {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    more
}

/// Ends a page early when its rows are long; it keeps one at least. Whether rows were taken away.
pub(super) fn cut_long<T>(rows: &mut Vec<T>, bytes: impl Fn(&T) -> usize) -> bool {
    let mut sum = 0_usize;
    let fitting = rows.iter().take_while(|row| {
        sum = sum.saturating_add(bytes(row));
        sum <= MAX_BYTES
    });
    let kept = fitting.count().max(1);
    let more = rows.len() > kept;
    rows.truncate(kept);
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rows_end_a_page_early_and_one_is_always_there() {
        let cases: [(&[usize], usize); 5] =
            [(&[], 0), (&[MAX_BYTES + 1], 1), (&[MAX_BYTES, 0, 1], 2), (&[1, MAX_BYTES], 1), (&[1, 2, 3], 3)];
        for (sizes, kept) in cases {
            let mut rows = sizes.to_vec();
            assert_eq!((cut_long(&mut rows, |size| *size), rows.len()), (kept < sizes.len(), kept), "{sizes:?}");
        }
    }
}
