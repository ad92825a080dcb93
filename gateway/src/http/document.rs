use axum::Router;
use axum::routing::get;
use http::header::CONTENT_TYPE;

/// Where the document is.
pub(super) const PATH: &str = "/api/v1/openapi.json";

/// The API as an OpenAPI 3.1 document.
pub(super) const TEXT: &str = include_str!("openapi.json");

/// `GET /api/v1/openapi.json`, without a key: it says what this program can do and nothing of what it does.
pub(super) fn routes() -> Router {
    Router::new().route(PATH, get(|| async { ([(CONTENT_TYPE, "application/json")], TEXT) }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::internal::{BASE, resources};
    use super::*;

    #[test]
    fn every_route_and_method_is_in_the_document_and_no_other() {
        let document: Value = serde_json::from_str(TEXT).unwrap();
        let documented: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
                methods.map(|method| (path.clone(), method.to_uppercase()))
            })
            .collect();
        let api = resources().into_iter().map(|resource| (format!("{BASE}{}", resource.path), resource.method));
        let others = [PATH, "/livez", "/readyz", "/metrics"].map(|path| (path.to_owned(), http::Method::GET));
        let served = api.chain(others).map(|(path, method)| (path, method.to_string())).collect();
        assert_eq!(documented, served);
    }

    #[test]
    fn the_document_has_the_version_of_the_program() {
        let document: Value = serde_json::from_str(TEXT).unwrap();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    }
}
