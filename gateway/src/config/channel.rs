use std::str::FromStr;

use thiserror::Error;

use super::environment::Environment;
use super::error::ConfigError;
use super::events::{ClientEvents, LONGEST_NAME, check_event};
use super::history::History;
use super::print::Printer;
use super::section::{Section, kind};
use super::webhook::Webhook;

pub(super) const KEYS: &[&str] =
    &["topic", "join", "client_events", "broadcast_to", "presence", "history", "archive", "webhook"];

/// One `[[channel]]`: what clients may do on the topics that match. The first match wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Which topics. Required.
    pub topic: TopicPattern,
    /// Who may join. Required: nothing is open by omission.
    pub join: Join,
    /// Which events clients may broadcast. Default all (`["*"]`).
    pub client_events: ClientEvents,
    /// Whether the sender gets its own broadcasts. Default `all`.
    pub broadcast_to: Recipients,
    /// Whether members see who is there. Default no.
    pub presence: bool,
    /// What is kept for clients that come back, so that they miss nothing. Default nothing.
    pub history: Option<History>,
    /// Which events are stored before they are broadcast. Default none. Needs `database.url`.
    pub archive: ClientEvents,
    /// The back end that decides about joins (`join = "webhook"`) and about the events it names. Default none.
    pub webhook: Option<Webhook>,
}

/// Who may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Everybody.
    Open,
    /// Whom the back end of `webhook` lets in.
    Webhook,
    /// Who connected with a token.
    Authenticated,
    /// Who has a grant for the topic in its token (the claim `channels`).
    Granted,
    /// Who has connected with a token and stands in the table of members with the topic.
    Member,
}

impl Join {
    /// Whether it asks for what only a token says.
    pub fn needs_token(self) -> bool {
        match self {
            Self::Open | Self::Webhook => false,
            Self::Authenticated | Self::Granted | Self::Member => true,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Webhook => "webhook",
            Self::Authenticated => "authenticated",
            Self::Granted => "granted",
            Self::Member => "member",
        }
    }
}

/// Who gets a client's broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipients {
    /// All members of the topic, the sender included.
    All,
    /// All but the sender.
    Others,
}

/// Which topics: one name, or all that begin with a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicPattern {
    /// Exactly this topic.
    Exact(String),
    /// All topics that begin so; empty for `*`.
    Prefix(String),
}

/// Why a text is no topic pattern: a sentence that reads on after the name of the setting.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a topic pattern {0}")]
pub struct InvalidPattern(&'static str);

impl FromStr for TopicPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        if text.is_empty() || text.len() > LONGEST_NAME {
            return Err(InvalidPattern("must be 1 to 255 bytes long"));
        }
        let (stem, pattern): (&str, fn(String) -> Self) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, Self::Prefix),
            None => (text, Self::Exact),
        };
        if stem.contains('*') {
            return Err(InvalidPattern("may have * only at its end, as in \"room:*\""));
        }
        Ok(pattern(stem.to_owned()))
    }
}

impl TopicPattern {
    /// Whether `topic` is one of these.
    pub fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == topic,
            Self::Prefix(prefix) => topic.starts_with(prefix.as_str()),
        }
    }

    /// The pattern as the file writes it.
    pub fn text(&self) -> String {
        match self {
            Self::Exact(exact) => exact.clone(),
            Self::Prefix(prefix) => format!("{prefix}*"),
        }
    }
}

impl Channel {
    /// What `gateway dev` serves when the file has no channel.
    pub(super) fn open_to_all() -> Self {
        Self {
            topic: TopicPattern::Prefix(String::new()),
            join: Join::Open,
            client_events: ClientEvents::All,
            broadcast_to: Recipients::All,
            presence: true,
            history: None,
            archive: ClientEvents::Only(Vec::new()),
            webhook: None,
        }
    }

    pub(super) fn read(section: &Section, environment: &Environment) -> Result<Self, ConfigError> {
        let topic = section.text_as("topic", |text| text.parse().map_err(|InvalidPattern(why)| why.to_owned()))?;
        let join = section.text_as("join", parse_join)?;
        let events = section.list_as("client_events", check_event)?;
        let recipients = section.text_as("broadcast_to", |text| match text {
            "all" => Ok(Recipients::All),
            "others" => Ok(Recipients::Others),
            _ => Err("must be \"all\" or \"others\"".to_owned()),
        })?;
        let presence = section.value_as("presence", |value| {
            value.as_bool().ok_or_else(|| format!("must be true or false, not {}", kind(value)))
        })?;
        let history = section.value_as("history", History::parse)?;
        let archive = section.list_as("archive", check_event)?;
        let webhook = section.value_as("webhook", |value| Webhook::parse(value, environment))?;
        if join == Some(Join::Webhook) && webhook.is_none() {
            let hint =
                "`join = \"webhook\"` asks a back end: say which, as in { url = \"https://…\", secret = \"env:NAME\" }";
            return Err(section.missing("webhook", hint));
        }
        Ok(Self {
            topic: topic.ok_or_else(|| section.missing("topic", "say which topics, such as \"room:*\""))?,
            join: join.ok_or_else(|| section.missing("join", "say who may join: \"open\" lets everybody in"))?,
            client_events: events.map_or(ClientEvents::All, ClientEvents::of),
            broadcast_to: recipients.unwrap_or(Recipients::All),
            presence: presence.unwrap_or(false),
            history,
            archive: ClientEvents::of(archive.unwrap_or_default()),
            webhook,
        })
    }

    /// Whether it has to do with a database.
    pub(super) fn needs_database(&self) -> bool {
        self.join == Join::Member || !self.archive.is_empty()
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[[channel]]");
        out.text("topic", &self.topic.text());
        out.text("join", self.join.as_str());
        out.list("client_events", self.client_events.entries().into_iter());
        out.text(
            "broadcast_to",
            match self.broadcast_to {
                Recipients::All => "all",
                Recipients::Others => "others",
            },
        );
        out.bool("presence", self.presence);
        match self.history {
            Some(history) => out.inline("history", history.table()),
            None => out.comment("history is not set"),
        }
        out.list("archive", self.archive.entries().into_iter());
        match &self.webhook {
            Some(webhook) => out.inline("webhook", webhook.redacted()),
            None => out.comment("webhook is not set"),
        }
    }
}

fn parse_join(text: &str) -> Result<Join, String> {
    match text {
        "open" => Ok(Join::Open),
        "authenticated" => Ok(Join::Authenticated),
        "granted" => Ok(Join::Granted),
        "webhook" => Ok(Join::Webhook),
        "member" => Ok(Join::Member),
        _ => Err("must be \"open\", \"authenticated\", \"granted\", \"member\" or \"webhook\"".to_owned()),
    }
}
