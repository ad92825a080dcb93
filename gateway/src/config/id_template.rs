use std::fmt;

/// How a socket's id is made from its connect parameters: `user_socket:{user_id}`.
#[derive(Clone, PartialEq, Eq)]
pub struct IdTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Parameter(String),
}

impl IdTemplate {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let unbalanced = || "must close each { with } after a name, as in \"user_socket:{user_id}\"".to_owned();
        if text.is_empty() || text.len() > 255 {
            return Err("must be 1 to 255 bytes long".to_owned());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').ok_or_else(unbalanced)?;
            if before.contains('}') || name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(unbalanced());
            }
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Parameter(name.to_owned()));
            rest = tail;
        }
        if rest.contains('}') {
            return Err(unbalanced());
        }
        parts.push(Part::Text(rest.to_owned()));
        if !parts.iter().any(|part| matches!(part, Part::Parameter(_))) {
            return Err("needs a placeholder such as {user_id}: else all sockets would share one id".to_owned());
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The id of one socket. `None` when a value is missing or empty: then the socket has no id, so that strangers
    /// never share one.
    pub fn render<'a>(&self, parameter: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        let mut id = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => id.push_str(text),
                Part::Parameter(name) => id.push_str(parameter(name).filter(|value| !value.is_empty())?),
            }
        }
        Some(id)
    }

    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for IdTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}
