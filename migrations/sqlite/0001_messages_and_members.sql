-- Messages that were stored before they were broadcast.
CREATE TABLE gateway_messages (
    -- A UUID of version 7 in text form: it sorts by time.
    id TEXT NOT NULL PRIMARY KEY,
    topic TEXT NOT NULL,
    event TEXT NOT NULL,
    -- The JSON object as it was sent.
    payload TEXT NOT NULL,
    -- Whether a client or a back end sent it.
    source TEXT NOT NULL CHECK (source IN ('client', 'backend')),
    -- The `sub` of the client's token. Null: a client without one, or a back end.
    sender TEXT,
    -- What its sender calls it, so that a repetition is noticed: `client_message_id`, or `idempotency_key` of a back end.
    sender_message_id TEXT,
    -- Microseconds since 1970.
    inserted_at INTEGER NOT NULL
);
CREATE INDEX gateway_messages_by_topic ON gateway_messages (topic, id);
CREATE UNIQUE INDEX gateway_messages_once
ON gateway_messages (topic, source, coalesce(sender, ''), sender_message_id)
WHERE sender_message_id IS NOT NULL;

-- Who may join the topics of patterns with `join = "member"`.
CREATE TABLE gateway_members (
    topic TEXT NOT NULL,
    -- The `sub` of the user's tokens.
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    -- Microseconds since 1970.
    inserted_at INTEGER NOT NULL,
    PRIMARY KEY (topic, user_id)
) WITHOUT ROWID;
