-- Every query by name, each with a sentence. `{…}` stands for fragments that this package fills in
-- from its own fixed set, never from what a caller sent; `{rows}` for as many rows of parameters as
-- there are to write.

-- name: insert_executions
-- Record new executions, pending or started at once.
INSERT INTO executions (
    id, team_id, agent_id, agent_version, status, created_at, updated_at, metadata, input_data,
    retry, step_count, attempt, priority, timeout_seconds, max_steps, concurrency_key, parent_id, parent_step,
    forked_from, run_at, deadline_at, worker_id, fence, event_seq, started_at
) VALUES {rows};

-- name: update_executions
-- Write executions as they are now, unless they are no longer as they were.
UPDATE executions
SET agent_version = new.agent_version, status = new.status, updated_at = new.updated_at,
    output_data = new.output_data, error = new.error, status_reason = new.status_reason,
    blocked_on = new.blocked_on, in_flight = new.in_flight, step_count = new.step_count,
    attempt = new.attempt, retries = new.retries, child_count = new.child_count,
    run_at = new.run_at, deadline_at = new.deadline_at, worker_id = new.worker_id,
    fence = new.fence, event_seq = new.event_seq, started_at = new.started_at,
    paused_at = new.paused_at, completed_at = new.completed_at, failed_at = new.failed_at,
    cancelled_at = new.cancelled_at
FROM (
    SELECT column1 AS id, column2 AS from_status, column3 AS from_fence, column4 AS from_seq,
        column5 AS agent_version, column6 AS status, column7 AS updated_at,
        column8 AS output_data, column9 AS error, column10 AS status_reason,
        column11 AS blocked_on, column12 AS in_flight, column13 AS step_count,
        column14 AS attempt, column15 AS retries, column16 AS child_count, column17 AS run_at,
        column18 AS deadline_at, column19 AS worker_id, column20 AS fence,
        column21 AS event_seq, column22 AS started_at, column23 AS paused_at,
        column24 AS completed_at, column25 AS failed_at, column26 AS cancelled_at
    FROM (VALUES {rows})
) AS new
WHERE executions.id = new.id AND executions.status = new.from_status
    AND executions.fence = new.from_fence AND executions.event_seq = new.from_seq;

-- name: insert_metadata
-- Record labels, to filter by.
INSERT INTO execution_metadata (team_id, key, value, execution_id) VALUES {rows};

-- name: insert_idempotency_keys
-- Tie keys to the executions that they created.
INSERT INTO idempotency_keys (team_id, key, fingerprint, execution_id) VALUES {rows};

-- name: insert_events
-- Record events under their numbers.
INSERT INTO events (execution_id, seq, type, data, place, created_at) VALUES {rows};

-- name: write_steps
-- Record journal entries, new or with what came of them; never one that has its outcome.
INSERT INTO steps (
    execution_id, id, kind, name, status, position, fingerprint, effects, result, error, attempt,
    tries, started_at, ended_at, wait, shared
) VALUES {rows}
ON CONFLICT (execution_id, id) DO UPDATE
SET status = excluded.status, position = excluded.position, result = excluded.result,
    error = excluded.error, attempt = excluded.attempt, tries = excluded.tries,
    started_at = excluded.started_at, ended_at = excluded.ended_at, wait = excluded.wait;

-- name: insert_blobs
-- Record results that are too large to lie among the steps.
INSERT INTO blobs (execution_id, step_id, data) VALUES {rows};

-- name: delete_step
-- Remove a journal entry, so that its step runs again.
DELETE FROM steps WHERE execution_id = ? AND id = ?;

-- name: delete_blob
-- Remove its result.
DELETE FROM blobs WHERE execution_id = ? AND step_id = ?;

-- name: copy_steps
-- Share the recorded entries before a position with a fork.
INSERT INTO steps (
    execution_id, id, kind, name, status, position, fingerprint, effects, result, error, attempt,
    tries, started_at, ended_at, wait, shared
)
SELECT ?, id, kind, name, status, position, fingerprint, effects, result, error, attempt,
    tries, started_at, ended_at, wait, 1
FROM steps WHERE execution_id = ? AND position < ?;

-- name: copy_blobs
-- Share their large results.
INSERT INTO blobs (execution_id, step_id, data)
SELECT ?, step_id, data FROM blobs
WHERE execution_id = ? AND step_id IN (SELECT id FROM steps WHERE execution_id = ?);

-- name: write_rates
-- Note how far the starts of agents have come.
INSERT INTO rates (agent_id, arrival) VALUES {rows}
ON CONFLICT (agent_id) DO UPDATE SET arrival = excluded.arrival;

-- name: find_idempotency_key
-- The digest of the body that came with a team's key, and the execution that it stands for.
SELECT k.fingerprint, {columns} FROM idempotency_keys AS k
JOIN executions AS e ON e.id = k.execution_id
WHERE k.team_id = ? AND k.key = ?;

-- name: get_execution
-- One execution, whatever its team.
SELECT {columns} FROM executions WHERE id = ?;

-- name: claimable
-- What may start of an agent, in the order in which it is taken: what has not begun, and what has
-- begun under a version that can run here.
SELECT {columns} FROM executions
WHERE status = 'pending' AND run_at IS NULL AND agent_id = ?
    AND (attempt = 0 OR agent_version IN ({versions}))
    AND (concurrency_key IS NULL OR concurrency_key NOT IN ({keys}))
ORDER BY priority DESC, id
LIMIT ?;

-- name: running_by_key
-- How many executions of an agent run, by concurrency key.
SELECT concurrency_key, count(*) FROM executions
WHERE status = 'running' AND agent_id = ? AND concurrency_key IS NOT NULL
GROUP BY concurrency_key;

-- name: running_ids
-- What runs, or ran when its owner died.
SELECT id FROM executions WHERE status = 'running' ORDER BY id;

-- name: lapsed_ids
-- What runs on workers whose leases have ended.
SELECT id FROM executions
WHERE status = 'running' AND worker_id IN (SELECT id FROM workers WHERE expires_at <= ?)
ORDER BY id;

-- name: child_ids
-- An execution's children that have not ended.
SELECT id FROM executions
WHERE parent_id = ? AND status IN ('pending', 'running', 'paused')
ORDER BY id;

-- name: due_ids
-- What waits for a time that has come.
SELECT id FROM executions WHERE run_at <= ? ORDER BY run_at LIMIT ?;

-- name: overdue_ids
-- What is pending, and out of time.
SELECT id FROM executions
WHERE status = 'pending' AND deadline_at IS NOT NULL AND deadline_at <= ?
ORDER BY deadline_at LIMIT ?;

-- name: next_run_at
-- When the next wait for a time ends.
SELECT min(run_at) FROM executions WHERE run_at > ?;

-- name: next_deadline
-- When the next pending execution is out of time.
SELECT min(deadline_at) FROM executions
WHERE status = 'pending' AND deadline_at IS NOT NULL AND deadline_at > ?;

-- name: get_arrival
-- How far the starts of an agent have come.
SELECT arrival FROM rates WHERE agent_id = ?;

-- name: beat
-- Renew a worker's lease.
INSERT INTO workers (id, seen_at, expires_at) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, expires_at = excluded.expires_at;

-- name: silent_since
-- When a worker whose lease has ended was last heard of.
SELECT seen_at FROM workers WHERE id = ? AND expires_at <= ?;

-- name: forget_workers
-- Forget workers that have been silent for long and run nothing.
DELETE FROM workers WHERE expires_at <= ?
    AND id NOT IN (SELECT worker_id FROM executions WHERE status = 'running');

-- name: list_events
-- The events behind a number.
SELECT execution_id, seq, type, data, created_at FROM events
WHERE execution_id = ? AND seq > ?
ORDER BY seq
LIMIT ?;

-- name: list_places
-- The places in the agent's code whose events are on record.
SELECT place FROM events WHERE execution_id = ? AND place IS NOT NULL;

-- name: get_step
-- One journal entry.
SELECT {steps} WHERE s.execution_id = ? AND s.id = ?;

-- name: list_waits
-- What an execution waits for.
SELECT {steps} WHERE s.execution_id = ? AND s.status = 'waiting' ORDER BY s.id;

-- name: list_steps
-- The journal: what is recorded, in that order, then what has begun or waits.
SELECT {steps} WHERE s.execution_id = ? ORDER BY s.position IS NULL, s.position, s.id;

-- name: delete_execution
-- Remove an execution that has ended; what belongs to it goes with it.
DELETE FROM executions
WHERE id = ? AND status IN ('completed', 'failed', 'cancelled');

-- name: prunable_ids
-- Executions of a team that ended before a time.
SELECT id FROM executions INDEXED BY executions_by_updated
WHERE team_id = ? AND updated_at < ? AND status IN ('completed', 'failed', 'cancelled')
LIMIT ?;

-- name: next_team
-- The team that follows another one by name.
SELECT min(team_id) FROM executions WHERE team_id > ?;

-- name: list_executions
-- A page of executions: found in an index first, then fetched.
SELECT {columns} FROM executions
WHERE id IN (SELECT id FROM executions {index} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?)
ORDER BY {order};

-- name: count_executions
-- How many executions match.
SELECT count(*) FROM executions {index} WHERE {where};

-- name: count_by_status
-- How many executions there are, by status.
SELECT status, count(*) FROM executions GROUP BY status;

-- name: upsert_agent
-- Record an agent, or that it has a newer version.
INSERT INTO agents (id, newest_version, created_at, updated_at) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE
SET newest_version = excluded.newest_version, updated_at = excluded.updated_at
WHERE newest_version <> excluded.newest_version;

-- name: upsert_agent_version
-- Record a version of an agent; of a known one, only what does not change its schemas.
INSERT INTO agent_versions (
    agent_id, version, description, input_schema, output_schema, timeout_seconds,
    max_concurrency, limits, fingerprint, created_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (agent_id, version) DO UPDATE
SET description = excluded.description, timeout_seconds = excluded.timeout_seconds,
    max_concurrency = excluded.max_concurrency, limits = excluded.limits,
    fingerprint = excluded.fingerprint;

-- name: get_agent_version
-- One version of an agent.
SELECT agent_id, version, description, input_schema, output_schema, timeout_seconds,
    max_concurrency, limits, fingerprint, created_at
FROM agent_versions WHERE agent_id = ? AND version = ?;

-- name: list_agent_versions
-- An agent's versions, newest first.
SELECT agent_id, version, description, input_schema, output_schema, timeout_seconds,
    max_concurrency, limits, fingerprint, created_at
FROM agent_versions WHERE agent_id = ?
ORDER BY created_at DESC, version DESC;

-- name: get_agent
-- One agent, with its newest version.
SELECT a.created_at, a.updated_at, v.agent_id, v.version, v.description, v.input_schema,
    v.output_schema, v.timeout_seconds, v.max_concurrency, v.limits, v.fingerprint, v.created_at
FROM agents AS a
JOIN agent_versions AS v ON v.agent_id = a.id AND v.version = a.newest_version
WHERE a.id = ?;

-- name: list_agents
-- A page of agents by name, each with its newest version.
SELECT a.created_at, a.updated_at, v.agent_id, v.version, v.description, v.input_schema,
    v.output_schema, v.timeout_seconds, v.max_concurrency, v.limits, v.fingerprint, v.created_at
FROM agents AS a
JOIN agent_versions AS v ON v.agent_id = a.id AND v.version = a.newest_version
ORDER BY a.id
LIMIT ? OFFSET ?;

-- name: count_agents
-- How many agents there are.
SELECT count(*) FROM agents;

-- name: insert_key
-- Record a key under the digest of its secret.
INSERT INTO api_keys (id, name, team_id, prefix, created_at, digest) VALUES (?, ?, ?, ?, ?, ?);

-- name: find_key
-- The key with this digest.
SELECT id, name, team_id, prefix, created_at, revoked_at, last_used_at FROM api_keys
WHERE digest = ?;

-- name: list_keys
-- All keys, oldest first.
SELECT id, name, team_id, prefix, created_at, revoked_at, last_used_at FROM api_keys
ORDER BY created_at, id;

-- name: revoke_key
-- Revoke a key, unless it is revoked already.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?
RETURNING id, name, team_id, prefix, created_at, revoked_at, last_used_at;

-- name: touch_key
-- Note when a key was used last.
UPDATE api_keys SET last_used_at = ? WHERE id = ?;

-- name: probe
-- A real write of no consequence, to find out whether writes succeed.
INSERT INTO probes (id, probed_at) VALUES (1, ?)
ON CONFLICT (id) DO UPDATE SET probed_at = excluded.probed_at;
