-- The log: a row for each transaction that recorded events, in the order of the commits. A number is
-- never given twice, since the newest row is never removed.

CREATE TABLE commits (
    number     INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL,
    -- As JSON: of each execution the team, the agent, its id, the numbers of the first and the last
    -- event, and the status.
    changes    TEXT NOT NULL
) STRICT;

-- What an execution's steps have used so far.
ALTER TABLE executions ADD COLUMN usage TEXT;
