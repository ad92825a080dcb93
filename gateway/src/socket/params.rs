use std::fmt;

use serde_json::{Map, Value};

/// The deepest nesting of brackets in a query string that is read; the rest is dropped.
const MAX_DEPTH: usize = 16;

/// The connect params: the query string and the variables of the path, all strings, nested by brackets as in
/// `a[b]=1` and `a[]=1` (protocol 1.1).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params(Map<String, Value>);

impl Params {
    /// Reads a query string. Nothing in it is an error: what cannot be read is left out.
    pub fn from_query(query: &str) -> Self {
        let mut params = Map::new();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            if key.is_empty() {
                continue;
            }
            let (name, brackets) = key.split_at(key.find('[').filter(|&at| at > 0).unwrap_or(key.len()));
            let path: Vec<&str> =
                brackets.split('[').skip(1).map_while(|part| part.strip_suffix(']')).take(MAX_DEPTH).collect();
            insert(params.entry(name).or_insert(Value::Null), &path, value.into_owned());
        }
        Self(params)
    }

    /// Params as `Params::from_query` would read them from a client that sends these: numbers and the like are strings.
    pub(crate) fn of_test(params: Value) -> Self {
        fn as_text(value: Value) -> Value {
            match value {
                Value::Object(map) => map.into_iter().map(|(name, value)| (name, as_text(value))).collect(),
                Value::Array(list) => list.into_iter().map(as_text).collect(),
                Value::String(_) => value,
                other => Value::String(other.to_string()),
            }
        }
        match as_text(params) {
            Value::Object(params) => Self(params),
            _ => Self::default(),
        }
    }

    /// The value of a plain param.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// The value of a param, nested or not.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whether the connection wants broadcasts to tell their place in the history of their topic: `offsets=1`.
    pub(crate) fn asks_for_offsets(&self) -> bool {
        self.get("offsets") == Some("1")
    }

    /// Sets a plain param.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), Value::from(value));
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are often passwords and tokens (row 62).
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn insert(place: &mut Value, path: &[&str], text: String) {
    match path {
        [] => *place = Value::String(text),
        ["", rest @ ..] => {
            if !place.is_array() {
                *place = Value::Array(Vec::new());
            }
            if let Value::Array(list) = place {
                let mut item = Value::Null;
                insert(&mut item, rest, text);
                list.push(item);
            }
        }
        [name, rest @ ..] => {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            if let Value::Object(map) = place {
                insert(map.entry(*name).or_insert(Value::Null), rest, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_stock_clients_send() {
        let params =
            Params::from_query("token=t&nested%5Ba%5D=1&arr%5B0%5D=1&arr%5B1%5D=2&list[]=x&list[]=y&vsn=2.0.0&");
        assert_eq!(params.get("token"), Some("t"));
        assert_eq!(params.get("vsn"), Some("2.0.0"));
        assert_eq!(params.value("nested"), Some(&json!({ "a": "1" })));
        assert_eq!(params.value("arr"), Some(&json!({ "0": "1", "1": "2" })));
        assert_eq!(params.value("list"), Some(&json!(["x", "y"])));
        assert_eq!(params.get("nested"), None);
    }

    #[test]
    fn row_062_params_that_are_printed_show_no_values() {
        let params = Params::from_query("password=hunter2&token=s3cret&nested[token]=s3cret");
        assert_eq!(format!("{params:?}"), r#"{"nested", "password", "token"}"#);
    }

    #[test]
    fn a_variable_of_the_path_wins_over_a_param_of_its_name() {
        let mut params = Params::from_query("tenant=query&tenant[x]=1");
        params.set("tenant", "path");
        assert_eq!(params.get("tenant"), Some("path"));
    }

    #[test]
    fn offsets_are_asked_for_by_one_word_only() {
        assert!(Params::from_query("vsn=2.0.0&offsets=1").asks_for_offsets());
        for query in ["", "offsets=", "offsets=0", "offsets=true", "offsets[]=1", "offsets=1&offsets=0"] {
            assert!(!Params::from_query(query).asks_for_offsets(), "{query}");
        }
    }

    #[test]
    fn odd_queries_are_no_errors() {
        let deep = format!("a{}=1", "[x]".repeat(100_000));
        for query in ["", "&&&", "=", "a", "a[=1", "[a]=1", "a]=1", "a[b]c=1", "a=1&a[b]=2", "%ff=%fe", deep.as_str()] {
            let _params = Params::from_query(query);
        }
        assert_eq!(Params::from_query("a=1&a=2").get("a"), Some("2"));
    }
}
