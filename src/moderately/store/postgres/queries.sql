-- PostgreSQL's own queries, by name, each with a sentence. `{…}` stands for fragments that this
-- package fills in from its own fixed set, never from what a caller sent; `?` for a parameter.
-- Rows to write travel as one parameter, a JSON array of objects, so that one text serves any
-- number of them.

-- name: insert_executions
-- Record new executions, pending or started at once.
inserted AS (
    INSERT INTO executions (
        id, team_id, agent_id, agent_version, status, created_at, updated_at, metadata,
        input_data, retry, step_count, attempt, priority, timeout_seconds, max_steps,
        concurrency_key, parent_id, parent_step, forked_from, run_at, deadline_at, worker_id,
        fence, event_seq, started_at, usage
    )
    SELECT * FROM json_to_recordset(?::json) AS new (
        id text, team_id text, agent_id text, agent_version text, status text,
        created_at bigint, updated_at bigint, metadata text, input_data text, retry text,
        step_count bigint, attempt bigint, priority bigint, timeout_seconds double precision,
        max_steps bigint, concurrency_key text, parent_id text, parent_step text,
        forked_from text, run_at bigint, deadline_at bigint, worker_id text, fence bigint,
        event_seq bigint, started_at bigint, usage text
    )
)

-- name: update_executions
-- Write executions as they are now, unless they are no longer as they were. The rows are locked in
-- the order of their ids, as everywhere, so that writers cannot lock each other out.
updated AS (
    UPDATE executions AS old
    SET agent_version = new.agent_version, status = new.status, updated_at = new.updated_at,
        output_data = new.output_data, error = new.error, status_reason = new.status_reason,
        blocked_on = new.blocked_on, in_flight = new.in_flight, step_count = new.step_count,
        attempt = new.attempt, retries = new.retries, child_count = new.child_count,
        run_at = new.run_at, deadline_at = new.deadline_at, worker_id = new.worker_id,
        fence = new.fence, event_seq = new.event_seq, started_at = new.started_at,
        paused_at = new.paused_at, completed_at = new.completed_at, failed_at = new.failed_at,
        cancelled_at = new.cancelled_at, usage = new.usage
    FROM (
        SELECT wanted.* FROM json_to_recordset(?::json) AS wanted (
            id text, from_status text, from_fence bigint, from_seq bigint, agent_version text,
            status text, updated_at bigint, output_data text, error text, status_reason text,
            blocked_on text, in_flight text, step_count bigint, attempt bigint, retries bigint,
            child_count bigint, run_at bigint, deadline_at bigint, worker_id text, fence bigint,
            event_seq bigint, started_at bigint, paused_at bigint, completed_at bigint,
            failed_at bigint, cancelled_at bigint, usage text
        )
        JOIN executions AS held ON held.id = wanted.id
        ORDER BY held.id
        FOR UPDATE OF held
    ) AS new
    WHERE old.id = new.id AND old.status = new.from_status AND old.fence = new.from_fence
        AND old.event_seq = new.from_seq
    RETURNING 1
)

-- name: insert_metadata
-- Record labels, to filter by.
labelled AS (
    INSERT INTO execution_metadata (team_id, key, value, execution_id)
    SELECT * FROM json_to_recordset(?::json) AS new (
        team_id text, key text, value text, execution_id text
    )
)

-- name: insert_idempotency_keys
-- Tie keys to the executions that they created.
keyed AS (
    INSERT INTO idempotency_keys (team_id, key, fingerprint, execution_id)
    SELECT * FROM json_to_recordset(?::json) AS new (
        team_id text, key text, fingerprint text, execution_id text
    )
    ORDER BY team_id, key
)

-- name: insert_events
-- Record events under their numbers.
told AS (
    INSERT INTO events (execution_id, seq, type, data, place, created_at)
    SELECT * FROM json_to_recordset(?::json) AS new (
        execution_id text, seq bigint, type text, data text, place text, created_at bigint
    )
)

-- name: write_steps
-- Record journal entries, new or with what came of them; never one that has its outcome.
recorded AS (
    INSERT INTO steps (
        execution_id, id, kind, name, status, position, fingerprint, effects, result, error,
        attempt, tries, started_at, ended_at, wait, shared
    )
    SELECT * FROM json_to_recordset(?::json) AS new (
        execution_id text, id text, kind text, name text, status text, position bigint,
        fingerprint text, effects text, result text, error text, attempt bigint, tries bigint,
        started_at bigint, ended_at bigint, wait text, shared bigint
    )
    ON CONFLICT (execution_id, id) DO UPDATE
    SET status = excluded.status, position = excluded.position, result = excluded.result,
        error = excluded.error, attempt = excluded.attempt, tries = excluded.tries,
        started_at = excluded.started_at, ended_at = excluded.ended_at, wait = excluded.wait
)

-- name: insert_blobs
-- Record results that are too large to lie among the steps.
stored AS (
    INSERT INTO blobs (execution_id, step_id, data)
    SELECT * FROM json_to_recordset(?::json) AS new (
        execution_id text, step_id text, data text
    )
)

-- name: write_rates
-- Note how far the starts of agents have come.
rated AS (
    INSERT INTO rates (agent_id, arrival)
    SELECT * FROM json_to_recordset(?::json) AS new (agent_id text, arrival bigint)
    ON CONFLICT (agent_id) DO UPDATE SET arrival = excluded.arrival
)

-- name: insert_commit
-- Enter what this transaction did into the log. The count comes first, and with it the locks of all
-- that is updated: only then is the number drawn. So none is wasted where the write is refused.
logged AS (
    INSERT INTO commits (number, created_at, changes)
    SELECT nextval('commits_number'), ?::bigint, ?::text
    WHERE (SELECT count(*) FROM updated) = ?::bigint
)

-- name: insert_first_commit
-- The same where nothing is updated.
logged AS (
    INSERT INTO commits (number, created_at, changes)
    SELECT nextval('commits_number'), ?::bigint, ?::text
)

-- name: list_commits
-- The commits behind a number, up to another one.
SELECT number, created_at, changes FROM commits
WHERE number > ? AND number <= ?
ORDER BY number LIMIT ?;

-- name: newest_commit
-- The newest commit up to a number.
SELECT number, created_at, changes FROM commits
WHERE number <= ?
ORDER BY number DESC LIMIT 1;

-- name: visible_commits
-- The numbers behind one, so many of them, and the newest of all.
(SELECT number FROM commits WHERE number > ? ORDER BY number LIMIT ?)
UNION ALL
(SELECT number FROM commits ORDER BY number DESC LIMIT 1);

-- name: commit_holders
-- The open transactions that may have drawn a number: to write to the log they hold this lock, from
-- before they draw one until they have ended.
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'commits'::regclass AND mode = 'RowExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND granted;

-- name: events_between
-- Some events in a row of each of some executions.
SELECT e.execution_id, e.seq, e.type, e.data, e.created_at
FROM unnest(?::text[], ?::bigint[], ?::bigint[])
    WITH ORDINALITY AS wanted (execution_id, first, last, place)
JOIN events AS e
    ON e.execution_id = wanted.execution_id AND e.seq BETWEEN wanted.first AND wanted.last
ORDER BY wanted.place, e.seq;

-- name: has_event
-- Whether just this event is on record: by it a transaction is known whose end was not heard of.
SELECT 1 FROM events WHERE execution_id = ? AND seq = ? AND type = ? AND created_at = ?;

-- name: get_executions
-- Some executions, whatever their teams.
SELECT {columns} FROM executions WHERE id = ANY(?);

-- name: lock_executions
-- The same, locked.
SELECT {columns} FROM executions WHERE id = ANY(?) ORDER BY id FOR UPDATE;

-- name: glance
-- How some executions stand.
SELECT id, agent_id, status, fence, event_seq FROM executions WHERE id = ANY(?);

-- name: hold_agents
-- Let nobody else claim of some agents until this transaction ends.
SELECT pg_advisory_xact_lock(1836020837, hashtext(agent_id))
FROM (SELECT unnest(?::text[]) AS agent_id ORDER BY 1) AS wanted;

-- name: running_by_agent
-- How many executions of some agents run, by agent and concurrency key.
SELECT agent_id, concurrency_key, count(*) FROM executions
WHERE status = 'running' AND agent_id = ANY(?)
GROUP BY agent_id, concurrency_key;

-- name: list_arrivals
-- How far the starts of some agents have come.
SELECT agent_id, arrival FROM rates WHERE agent_id = ANY(?);

-- name: waiting
-- What waits of an agent: of each team and lane some, in the order in which it is taken; a row
-- without an execution where there is none. The teams are found one after the other by the index,
-- without a look at all that waits.
WITH RECURSIVE teams (team_id, number) AS (
    (
        SELECT team_id, 1 FROM executions
        WHERE status = 'pending' AND run_at IS NULL AND agent_id = ? AND team_id > ?
        ORDER BY team_id LIMIT 1
    )
    UNION ALL
    SELECT next.team_id, teams.number + 1 FROM teams CROSS JOIN LATERAL (
        SELECT team_id FROM executions
        WHERE status = 'pending' AND run_at IS NULL AND agent_id = ?
            AND team_id > teams.team_id
        ORDER BY team_id LIMIT 1
    ) AS next
    WHERE teams.number < ?
)
SELECT teams.team_id, found.* FROM teams
CROSS JOIN unnest(?::text[]) AS wanted (lane)
LEFT JOIN LATERAL (
    SELECT id, team_id, agent_id, lane, priority, concurrency_key FROM executions
    WHERE status = 'pending' AND run_at IS NULL AND agent_id = ? AND team_id = teams.team_id
        AND lane = wanted.lane
    ORDER BY priority DESC, id
    LIMIT (SELECT ceil(?::double precision / count(*)) FROM teams)
) AS found ON true;

-- name: waiting_by_key
-- The same of an agent with a limit for each concurrency key: of each key as many as may run. The
-- keys, too, are found one after the other; those that are full are passed over.
WITH RECURSIVE teams (team_id, number) AS (
    (
        SELECT team_id, 1 FROM executions
        WHERE status = 'pending' AND run_at IS NULL AND agent_id = ? AND team_id > ?
        ORDER BY team_id LIMIT 1
    )
    UNION ALL
    SELECT next.team_id, teams.number + 1 FROM teams CROSS JOIN LATERAL (
        SELECT team_id FROM executions
        WHERE status = 'pending' AND run_at IS NULL AND agent_id = ?
            AND team_id > teams.team_id
        ORDER BY team_id LIMIT 1
    ) AS next
    WHERE teams.number < ?
), keys (team_id, lane, key, number, is_wanted) AS (
    SELECT teams.team_id, wanted.lane, ?::text COLLATE "C", 0, false
    FROM teams CROSS JOIN unnest(?::text[]) AS wanted (lane)
    UNION ALL
    SELECT keys.team_id, keys.lane, next.key,
        keys.number + next.is_wanted::integer, next.is_wanted
    FROM keys CROSS JOIN LATERAL (
        SELECT concurrency_key AS key, concurrency_key <> ALL(?::text[]) AS is_wanted
        FROM executions
        WHERE status = 'pending' AND run_at IS NULL AND agent_id = ?
            AND team_id = keys.team_id AND lane = keys.lane AND concurrency_key > keys.key
        ORDER BY concurrency_key LIMIT 1
    ) AS next
    WHERE keys.number < ?
)
SELECT keys.team_id, found.* FROM keys CROSS JOIN LATERAL (
    SELECT id, team_id, agent_id, lane, priority, concurrency_key FROM executions
    WHERE status = 'pending' AND run_at IS NULL AND agent_id = ? AND team_id = keys.team_id
        AND lane = keys.lane AND concurrency_key = keys.key
    ORDER BY priority DESC, id
    LIMIT ?
) AS found
WHERE keys.is_wanted;

-- name: take_next
-- Lock what is next in some lanes, so much of each, but for what others have locked.
SELECT {columns} FROM json_to_recordset(?::json) AS wanted (
    agent_id text, team_id text, lane text, number bigint
)
CROSS JOIN LATERAL (
    SELECT * FROM executions
    WHERE status = 'pending' AND run_at IS NULL AND agent_id = wanted.agent_id
        AND team_id = wanted.team_id AND lane = wanted.lane
    ORDER BY priority DESC, id
    LIMIT wanted.number
    FOR UPDATE SKIP LOCKED
) AS e;

-- name: take_these
-- Lock some executions that wait, but for what others have locked.
SELECT {columns} FROM executions
WHERE id = ANY(?) AND status = 'pending' AND run_at IS NULL
ORDER BY id
FOR UPDATE SKIP LOCKED;

-- name: orphan_ids
-- What runs on no worker that is known.
SELECT id FROM executions
WHERE status = 'running'
    AND NOT EXISTS (SELECT 1 FROM workers WHERE workers.id = executions.worker_id)
ORDER BY id
FOR UPDATE SKIP LOCKED;

-- name: lapsed_ids
-- What runs on some workers.
SELECT id FROM executions
WHERE status = 'running' AND worker_id = ANY(?)
ORDER BY id
LIMIT ?
FOR UPDATE SKIP LOCKED;

-- name: due_ids
-- What waits for a time that has come, but for what others have locked.
SELECT id FROM executions WHERE run_at <= ? ORDER BY run_at LIMIT ? FOR UPDATE SKIP LOCKED;

-- name: overdue_ids
-- What is pending, and out of time.
SELECT id FROM executions
WHERE status = 'pending' AND deadline_at IS NOT NULL AND deadline_at <= ?
ORDER BY deadline_at LIMIT ? FOR UPDATE SKIP LOCKED;

-- name: beat
-- Renew a worker's lease, by the database's own clock.
INSERT INTO workers (id, seen_at, expires_at, serves, session)
SELECT ?, now.at, now.at + ?::bigint, ?, ?
FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now (at)
ON CONFLICT (id) DO UPDATE
SET seen_at = excluded.seen_at, expires_at = excluded.expires_at, serves = excluded.serves,
    session = excluded.session;

-- name: list_workers
-- The workers that are known, and whether their leases last.
SELECT id, seen_at, expires_at > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, serves
FROM workers ORDER BY id;

-- name: silent_workers
-- The workers whose leases have ended (true), or whose sessions have (false).
SELECT w.id, w.expires_at <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
FROM workers AS w
WHERE w.expires_at <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    OR (w.session IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.classid = 1836020836 AND l.objid = w.session::oid
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ));

-- name: retire
-- Forget a worker that has stopped. While it runs something by the record, it is found dead instead.
DELETE FROM workers WHERE id = ? AND NOT EXISTS (
    SELECT 1 FROM executions WHERE status = 'running' AND worker_id = workers.id
);

-- name: forget_workers
-- Forget workers that have been silent for long and run nothing.
DELETE FROM workers
WHERE expires_at <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - ?::bigint
    AND NOT EXISTS (
        SELECT 1 FROM executions WHERE status = 'running' AND worker_id = workers.id
    );

-- name: delete_executions
-- Remove executions that have ended, and all that belongs to them; gives how many.
WITH gone AS (
    DELETE FROM executions
    WHERE id = ANY(?) AND status IN ('completed', 'failed', 'cancelled')
    RETURNING id
), labels AS (
    DELETE FROM execution_metadata WHERE execution_id IN (SELECT id FROM gone)
), keys AS (
    DELETE FROM idempotency_keys WHERE execution_id IN (SELECT id FROM gone)
), told AS (
    DELETE FROM events WHERE execution_id IN (SELECT id FROM gone)
), recorded AS (
    DELETE FROM steps WHERE execution_id IN (SELECT id FROM gone)
), stored AS (
    DELETE FROM blobs WHERE execution_id IN (SELECT id FROM gone)
)
SELECT count(*) FROM gone;

-- name: prunable_ids
-- Executions of a team that ended before a time.
SELECT id FROM executions
WHERE team_id = ? AND updated_at < ? AND status IN ('completed', 'failed', 'cancelled')
ORDER BY updated_at
LIMIT ?
FOR UPDATE SKIP LOCKED;

-- name: add_agent
-- Record an agent.
INSERT INTO agents (id, newest_version, created_at, updated_at) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING;

-- name: lock_session
-- Hold a lock for as long as this session lasts.
SELECT pg_try_advisory_lock(1836020836, ?::integer);

-- name: move_session
-- Say which lock shows from now on that a worker lives.
UPDATE workers SET session = ? WHERE session = ?;

-- name: send
-- Notify the other processes.
SELECT pg_notify('moderately', word) FROM unnest(?::text[]) AS words (word);

-- name: probe
-- A real write of no consequence, to find out whether writes succeed.
INSERT INTO probes (id, probed_at)
SELECT 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
ON CONFLICT (id) DO UPDATE SET probed_at = excluded.probed_at;

-- name: is_read_only
-- Whether the database takes no writes.
SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean;

-- name: server_uptime
-- For how long the server has been up, in seconds.
SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::double precision;

-- name: server_time
-- The database's time, in microseconds.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

-- name: sample_spans
-- How long some of the executions took that ended, by slot of time.
SELECT slots.number, found.seconds FROM generate_series(0, ?::integer - 1) AS slots (number)
CROSS JOIN LATERAL (
    SELECT (updated_at - created_at) / 1e6::double precision AS seconds FROM executions
    WHERE team_id = ? AND updated_at >= ?::bigint + slots.number * ?::bigint
        AND updated_at < ?::bigint + (slots.number + 1) * ?::bigint
        AND status IN ('completed', 'failed')
    ORDER BY updated_at DESC
    LIMIT ?
) AS found;

-- name: database_size
-- The server's version, and how much room the database takes, in bytes.
SELECT current_setting('server_version'), pg_database_size(current_database());

-- name: good_keys
-- Those of some keys that are there and not revoked.
SELECT id FROM api_keys WHERE id = ANY(?) AND revoked_at IS NULL;
