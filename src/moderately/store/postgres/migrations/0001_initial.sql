-- phase: expand
-- Executions, their events, steps and labels; agents, workers and keys. Times are microseconds, UTC.
-- Payloads are JSON text, so that every valid JSON string is kept. There are no foreign keys: each
-- would cost a look-up and a lock for every event and step, and whoever deletes an execution
-- deletes what belongs to it in the same statement.

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_ARGV[0];
END $$;

-- Fails the transaction unless as many rows were written as were to be.
CREATE FUNCTION expect_rows(written bigint, expected bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    IF written <> expected THEN
        RAISE EXCEPTION USING ERRCODE = 'MD001',
            MESSAGE = format('%s of %s rows written', written, expected);
    END IF;
    RETURN written;
END $$;

CREATE TABLE agents (
    id             text COLLATE "C" PRIMARY KEY,
    newest_version text NOT NULL,
    created_at     bigint NOT NULL,
    updated_at     bigint NOT NULL
);

CREATE TABLE agent_versions (
    agent_id        text COLLATE "C" NOT NULL,
    version         text COLLATE "C" NOT NULL,
    description     text NOT NULL,
    input_schema    text NOT NULL,
    output_schema   text NOT NULL,
    timeout_seconds double precision CHECK (timeout_seconds > 0),
    max_concurrency bigint CHECK (max_concurrency > 0),
    limits          text NOT NULL,
    fingerprint     text NOT NULL,
    created_at      bigint NOT NULL,
    PRIMARY KEY (agent_id, version)
);

CREATE TABLE executions (
    id              text COLLATE "C" PRIMARY KEY,
    team_id         text COLLATE "C" NOT NULL,
    agent_id        text COLLATE "C" NOT NULL,
    agent_version   text COLLATE "C" NOT NULL,
    status          text COLLATE "C" NOT NULL CHECK (
        status IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')
    ),
    created_at      bigint NOT NULL,
    updated_at      bigint NOT NULL CHECK (updated_at >= created_at),
    metadata        text NOT NULL,
    input_data      text,
    output_data     text,
    error           text,
    status_reason   text,
    blocked_on      text,
    in_flight       text,
    retry           text,
    step_count      bigint NOT NULL DEFAULT 0 CHECK (step_count >= 0),
    attempt         bigint NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    retries         bigint NOT NULL DEFAULT 0 CHECK (retries >= 0),
    child_count     bigint NOT NULL DEFAULT 0 CHECK (child_count >= 0),
    priority        bigint NOT NULL,
    timeout_seconds double precision CHECK (timeout_seconds > 0),
    max_steps       bigint CHECK (max_steps > 0),
    concurrency_key text COLLATE "C",
    parent_id       text COLLATE "C",
    parent_step     text COLLATE "C",
    forked_from     text COLLATE "C",
    run_at          bigint,
    deadline_at     bigint,
    worker_id       text COLLATE "C",
    fence           bigint NOT NULL DEFAULT 0 CHECK (fence >= 0),
    event_seq       bigint NOT NULL CHECK (event_seq > 0),
    started_at      bigint,
    paused_at       bigint,
    completed_at    bigint,
    failed_at       bigint,
    cancelled_at    bigint,
    -- What an execution that waits needs of a worker: `1:VERSION` once it has begun, else `0:…`;
    -- with a concurrency key `1k:…` and `0k:…`.
    lane            text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        CASE WHEN attempt = 0 THEN '0' ELSE '1' END
        || CASE WHEN concurrency_key IS NULL THEN ':' ELSE 'k:' END || agent_version
    ) STORED,
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
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- The lifecycle's table once more, as the last line of defence.
CREATE TRIGGER executions_lifecycle
BEFORE UPDATE OF status ON executions
FOR EACH ROW WHEN (NOT (
    (OLD.status = NEW.status AND OLD.status IN ('pending', 'running', 'paused'))
    OR (OLD.status = 'pending' AND NEW.status IN ('running', 'failed', 'cancelled'))
    OR (OLD.status = 'running'
        AND NEW.status IN ('completed', 'failed', 'cancelled', 'pending', 'paused'))
    OR (OLD.status = 'paused' AND NEW.status IN ('pending', 'cancelled'))
))
EXECUTE FUNCTION refuse('the lifecycle has no such transition');

-- Lists, each in its order.
CREATE INDEX executions_by_created ON executions (team_id, created_at, id);
CREATE INDEX executions_by_updated ON executions (team_id, updated_at, id);
CREATE INDEX executions_by_started ON executions (team_id, started_at NULLS FIRST, id);
CREATE INDEX executions_by_completed ON executions (team_id, completed_at NULLS FIRST, id);
CREATE INDEX executions_by_priority ON executions (team_id, priority, id);
CREATE INDEX executions_by_status ON executions (team_id, status, id);
CREATE INDEX executions_by_agent ON executions (team_id, agent_id, created_at, id);

-- Claims: what waits, so that teams can take turns; what waits for a time; what runs, and where.
CREATE INDEX executions_waiting
ON executions (agent_id, team_id, lane, priority DESC, id)
WHERE status = 'pending' AND run_at IS NULL;
CREATE INDEX executions_waiting_by_key
ON executions (agent_id, team_id, lane, concurrency_key, priority DESC, id)
WHERE status = 'pending' AND run_at IS NULL AND concurrency_key IS NOT NULL;
CREATE INDEX executions_due ON executions (run_at) WHERE run_at IS NOT NULL;
CREATE INDEX executions_deadline ON executions (deadline_at)
WHERE status = 'pending' AND deadline_at IS NOT NULL;
CREATE INDEX executions_running ON executions (agent_id, concurrency_key)
WHERE status = 'running';
CREATE INDEX executions_by_worker ON executions (worker_id) WHERE status = 'running';
CREATE INDEX executions_by_parent ON executions (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE execution_metadata (
    team_id      text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    value        text COLLATE "C" NOT NULL,
    execution_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (team_id, key, value, execution_id)
);
CREATE INDEX execution_metadata_by_execution ON execution_metadata (execution_id);

CREATE TABLE idempotency_keys (
    team_id      text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    fingerprint  text NOT NULL,
    execution_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (team_id, key)
);
CREATE INDEX idempotency_keys_by_execution ON idempotency_keys (execution_id);

CREATE TABLE events (
    execution_id text COLLATE "C" NOT NULL,
    seq          bigint NOT NULL CHECK (seq > 0),
    type         text NOT NULL,
    data         text NOT NULL,
    place        text,
    created_at   bigint NOT NULL,
    PRIMARY KEY (execution_id, seq)
);

-- The journal. An entry has a position once it has its outcome, and never changes from then on.
CREATE TABLE steps (
    execution_id text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL,
    kind         text NOT NULL,
    name         text NOT NULL,
    status       text NOT NULL CHECK (status IN ('started', 'waiting', 'completed', 'failed')),
    position     bigint CHECK (position > 0),
    fingerprint  text NOT NULL,
    effects      text NOT NULL CHECK (effects IN ('pure', 'idempotent', 'unsafe')),
    result       text,
    error        text,
    attempt      bigint NOT NULL,
    tries        bigint NOT NULL,
    started_at   bigint NOT NULL,
    ended_at     bigint,
    wait         text,
    shared       bigint NOT NULL,
    PRIMARY KEY (execution_id, id),
    CHECK ((status IN ('completed', 'failed')) = (position IS NOT NULL)),
    CHECK ((status = 'failed') = (error IS NOT NULL))
);
CREATE UNIQUE INDEX steps_by_position ON steps (execution_id, position)
WHERE position IS NOT NULL;

CREATE TRIGGER steps_once
BEFORE UPDATE ON steps
FOR EACH ROW WHEN (OLD.position IS NOT NULL)
EXECUTE FUNCTION refuse('a recorded step never changes');

-- Results too large to lie among the steps.
CREATE TABLE blobs (
    execution_id text COLLATE "C" NOT NULL,
    step_id      text COLLATE "C" NOT NULL,
    data         text NOT NULL,
    PRIMARY KEY (execution_id, step_id)
);

-- Who runs executions, until when it is sure to, what it can run, and the lock that its session
-- holds for as long as it is connected.
CREATE TABLE workers (
    id         text COLLATE "C" PRIMARY KEY,
    seen_at    bigint NOT NULL,
    expires_at bigint NOT NULL,
    serves     text NOT NULL,
    session    bigint
);

-- How far the starts of an agent with a rate limit have come.
CREATE TABLE rates (
    agent_id text COLLATE "C" PRIMARY KEY,
    arrival  bigint NOT NULL
);

-- One row, written to find out whether writes succeed.
CREATE TABLE probes (
    id        integer PRIMARY KEY CHECK (id = 1),
    probed_at bigint NOT NULL
);

CREATE TABLE api_keys (
    id           text COLLATE "C" PRIMARY KEY,
    name         text NOT NULL,
    team_id      text NOT NULL,
    prefix       text NOT NULL,
    created_at   bigint NOT NULL,
    revoked_at   bigint,
    last_used_at bigint,
    digest       text NOT NULL UNIQUE
);
