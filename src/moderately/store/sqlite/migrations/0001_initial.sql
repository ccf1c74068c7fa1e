-- Executions, their events, steps and labels; agents and keys. Times are microseconds, UTC.

CREATE TABLE agents (
    id             TEXT PRIMARY KEY,
    newest_version TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_versions (
    agent_id        TEXT NOT NULL REFERENCES agents (id) DEFERRABLE INITIALLY DEFERRED,
    version         TEXT NOT NULL,
    description     TEXT NOT NULL,
    input_schema    TEXT NOT NULL CHECK (json_valid(input_schema)),
    output_schema   TEXT NOT NULL CHECK (json_valid(output_schema)),
    timeout_seconds REAL CHECK (timeout_seconds > 0),
    max_concurrency INTEGER CHECK (max_concurrency > 0),
    limits          TEXT NOT NULL,
    fingerprint     TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (agent_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE executions (
    id              TEXT PRIMARY KEY,
    team_id         TEXT NOT NULL,
    agent_id        TEXT NOT NULL,
    agent_version   TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (
        status IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')
    ),
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL CHECK (updated_at >= created_at),
    metadata        TEXT NOT NULL,
    input_data      TEXT,
    output_data     TEXT,
    error           TEXT,
    status_reason   TEXT,
    blocked_on      TEXT,
    in_flight       TEXT,
    retry           TEXT,
    step_count      INTEGER NOT NULL DEFAULT 0 CHECK (step_count >= 0),
    attempt         INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    retries         INTEGER NOT NULL DEFAULT 0 CHECK (retries >= 0),
    child_count     INTEGER NOT NULL DEFAULT 0 CHECK (child_count >= 0),
    priority        INTEGER NOT NULL,
    timeout_seconds REAL CHECK (timeout_seconds > 0),
    max_steps       INTEGER CHECK (max_steps > 0),
    concurrency_key TEXT,
    parent_id       TEXT,
    parent_step     TEXT,
    forked_from     TEXT,
    run_at          INTEGER,
    deadline_at     INTEGER,
    worker_id       TEXT,
    fence           INTEGER NOT NULL DEFAULT 0 CHECK (fence >= 0),
    event_seq       INTEGER NOT NULL CHECK (event_seq > 0),
    started_at      INTEGER,
    paused_at       INTEGER,
    completed_at    INTEGER,
    failed_at       INTEGER,
    cancelled_at    INTEGER,
    -- Each end has its own time, and no other status has it.
    CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
    CHECK ((status = 'failed') = (failed_at IS NOT NULL)),
    CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    CHECK ((status = 'completed') = (output_data IS NOT NULL)),
    CHECK ((status = 'failed') = (error IS NOT NULL)),
    CHECK ((status = 'paused') = (paused_at IS NOT NULL)),
    -- Only what waits has a time to go on.
    CHECK (run_at IS NULL OR status IN ('pending', 'paused')),
    -- Nothing runs that was not claimed.
    CHECK (status <> 'running' OR (fence > 0 AND started_at IS NOT NULL))
) STRICT;

-- The lifecycle's table once more, as the last line of defence.
CREATE TRIGGER executions_lifecycle
BEFORE UPDATE OF status ON executions
WHEN NOT (
    (OLD.status = NEW.status AND OLD.status IN ('pending', 'running', 'paused'))
    OR (OLD.status = 'pending' AND NEW.status IN ('running', 'failed', 'cancelled'))
    OR (OLD.status = 'running'
        AND NEW.status IN ('completed', 'failed', 'cancelled', 'pending', 'paused'))
    OR (OLD.status = 'paused' AND NEW.status IN ('pending', 'cancelled'))
)
BEGIN
    SELECT RAISE(ABORT, 'the lifecycle has no such transition');
END;

-- Lists: each order has an index of its own that also holds what lists filter by, so that a page
-- is found, and its total counted, without a look at the rows.
CREATE INDEX executions_by_created ON executions (team_id, created_at, id, status, agent_id);
CREATE INDEX executions_by_updated ON executions (team_id, updated_at, id, status, agent_id);
CREATE INDEX executions_by_started ON executions (team_id, started_at, id, status, agent_id);
CREATE INDEX executions_by_completed ON executions (team_id, completed_at, id, status, agent_id);
CREATE INDEX executions_by_priority ON executions (team_id, priority, id, status, agent_id);
CREATE INDEX executions_by_status ON executions (team_id, status, id, agent_id);
CREATE INDEX executions_by_agent ON executions (team_id, agent_id, created_at, id, status);

-- Claims: what waits, in the order in which it is taken; what waits for a time; what runs.
CREATE INDEX executions_waiting ON executions (agent_id, priority DESC, id)
WHERE status = 'pending' AND run_at IS NULL;
CREATE INDEX executions_due ON executions (run_at) WHERE run_at IS NOT NULL;
CREATE INDEX executions_deadline ON executions (deadline_at)
WHERE status = 'pending' AND deadline_at IS NOT NULL;
CREATE INDEX executions_running ON executions (agent_id, concurrency_key)
WHERE status = 'running';
CREATE INDEX executions_by_parent ON executions (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE execution_metadata (
    team_id      TEXT NOT NULL,
    key          TEXT NOT NULL,
    value        TEXT NOT NULL,
    execution_id TEXT NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    PRIMARY KEY (team_id, key, value, execution_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX execution_metadata_by_execution ON execution_metadata (execution_id);

CREATE TABLE idempotency_keys (
    team_id      TEXT NOT NULL,
    key          TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    execution_id TEXT NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    PRIMARY KEY (team_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_execution ON idempotency_keys (execution_id);

CREATE TABLE events (
    execution_id TEXT NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    seq          INTEGER NOT NULL CHECK (seq > 0),
    type         TEXT NOT NULL,
    data         TEXT NOT NULL,
    place        TEXT,
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (execution_id, seq)
) STRICT, WITHOUT ROWID;

-- The journal. An entry has a position once it has its outcome, and never changes from then on.
CREATE TABLE steps (
    execution_id TEXT NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    id           TEXT NOT NULL,
    kind         TEXT NOT NULL,
    name         TEXT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('started', 'waiting', 'completed', 'failed')),
    position     INTEGER CHECK (position > 0),
    fingerprint  TEXT NOT NULL,
    effects      TEXT NOT NULL CHECK (effects IN ('pure', 'idempotent', 'unsafe')),
    result       TEXT,
    error        TEXT,
    attempt      INTEGER NOT NULL,
    tries        INTEGER NOT NULL,
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    wait         TEXT,
    shared       INTEGER NOT NULL,
    PRIMARY KEY (execution_id, id),
    CHECK ((status IN ('completed', 'failed')) = (position IS NOT NULL)),
    CHECK ((status = 'failed') = (error IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX steps_by_position ON steps (execution_id, position)
WHERE position IS NOT NULL;

CREATE TRIGGER steps_once
BEFORE UPDATE ON steps
WHEN OLD.position IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a recorded step never changes');
END;

-- Results too large to lie among the steps.
CREATE TABLE blobs (
    execution_id TEXT NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    step_id      TEXT NOT NULL,
    data         TEXT NOT NULL,
    PRIMARY KEY (execution_id, step_id)
) STRICT;

-- Who runs executions, and until when it is sure to.
CREATE TABLE workers (
    id         TEXT PRIMARY KEY,
    seen_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far the starts of an agent with a rate limit have come.
CREATE TABLE rates (
    agent_id TEXT PRIMARY KEY,
    arrival  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    team_id      TEXT NOT NULL,
    prefix       TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    revoked_at   INTEGER,
    last_used_at INTEGER,
    digest       TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

-- One row, written to find out whether writes succeed.
CREATE TABLE probes (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    probed_at INTEGER NOT NULL
) STRICT;
