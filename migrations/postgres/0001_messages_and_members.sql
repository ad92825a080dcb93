-- Messages that were stored before they were broadcast.
CREATE TABLE gateway_messages (
    -- A UUID of version 7: it sorts by time.
    id uuid NOT NULL PRIMARY KEY,
    topic text NOT NULL,
    event text NOT NULL,
    -- The object as it was sent; not jsonb, which refuses some JSON.
    payload json NOT NULL,
    -- Whether a client or a back end sent it.
    source text NOT NULL CHECK (source IN ('client', 'backend')),
    -- The `sub` of the client's token. Null: a client without one, or a back end.
    sender text,
    -- What its sender calls it, so that a repetition is noticed: `client_message_id`, or `idempotency_key` of a back end.
    sender_message_id text,
    inserted_at timestamptz NOT NULL
);
CREATE INDEX gateway_messages_by_topic ON gateway_messages (topic, id);
CREATE UNIQUE INDEX gateway_messages_once
ON gateway_messages (topic, source, coalesce(sender, ''), sender_message_id)
WHERE sender_message_id IS NOT NULL;

-- Who may join the topics of patterns with `join = "member"`. Byte order, as in SQLite, whatever the database sorts by.
CREATE TABLE gateway_members (
    topic text NOT NULL,
    -- The `sub` of the user's tokens.
    user_id text COLLATE "C" NOT NULL,
    role text NOT NULL,
    inserted_at timestamptz NOT NULL,
    PRIMARY KEY (topic, user_id)
);
