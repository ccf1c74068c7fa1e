-- Every query by name, each with a sentence. `{…}` stands for fragments that `lists.py` fills in
-- from its own fixed set, never from what a caller sent.

-- name: insert_execution
-- Record a new execution, pending or started at once.
INSERT INTO executions (
    id, team_id, agent_id, agent_version, status, created_at, updated_at, input_data, metadata,
    priority, timeout_seconds, max_steps, parent_id, attempt, fence, event_seq, started_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_metadata
-- Record one label of an execution, to filter by.
INSERT INTO execution_metadata (team_id, key, value, execution_id) VALUES (?, ?, ?, ?);

-- name: find_idempotency_key
-- The execution that a team's key stands for, and the digest of its body.
SELECT execution_id, fingerprint FROM idempotency_keys WHERE team_id = ? AND key = ?;

-- name: insert_idempotency_key
-- Tie a team's key to the execution that it created.
INSERT INTO idempotency_keys (team_id, key, fingerprint, execution_id) VALUES (?, ?, ?, ?);

-- name: get_execution
-- One execution, whatever its team.
SELECT {columns} FROM executions WHERE id = ?;

-- name: start_execution
-- A worker takes a pending execution.
UPDATE executions
SET status = :status, status_reason = :status_reason, fence = :fence, attempt = :attempt,
    started_at = :started_at, updated_at = :updated_at, event_seq = :event_seq
WHERE id = :id AND status = :from_status AND fence = :from_fence;

-- name: complete_execution
-- The run that holds the fence ended with a result.
UPDATE executions
SET status = :status, output_data = :output_data, current_step = NULL,
    completed_at = :completed_at, updated_at = :updated_at, event_seq = :event_seq
WHERE id = :id AND status = :from_status AND fence = :from_fence;

-- name: fail_execution
-- The run that holds the fence ended with an error.
UPDATE executions
SET status = :status, status_reason = :status_reason, error = :error, failed_at = :failed_at,
    updated_at = :updated_at, event_seq = :event_seq
WHERE id = :id AND status = :from_status AND fence = :from_fence;

-- name: release_execution
-- The run that holds the fence is given up; the execution waits for the next one.
UPDATE executions
SET status = :status, status_reason = :status_reason, current_step = NULL,
    updated_at = :updated_at, event_seq = :event_seq
WHERE id = :id AND status = :from_status AND fence = :from_fence;

-- name: cancel_execution
-- End an execution, whoever runs it.
UPDATE executions
SET status = :status, status_reason = :status_reason, cancelled_at = :cancelled_at,
    updated_at = :updated_at, event_seq = :event_seq
WHERE id = :id AND status = :from_status AND fence = :from_fence;

-- name: waiting_executions
-- What waits for an agent, in the order in which it is taken.
SELECT {columns} FROM executions
WHERE status = 'pending' AND agent_id = ?
ORDER BY priority DESC, id
LIMIT ?;

-- name: running_ids
-- What runs, or ran when its owner died.
SELECT id FROM executions WHERE status = 'running' ORDER BY id;

-- name: advance_events
-- Make room for more events of the run that holds the fence.
UPDATE executions SET event_seq = event_seq + ?
WHERE id = ? AND status = 'running' AND fence = ?
RETURNING event_seq, agent_id;

-- name: advance_step
-- Count a recorded step of the run that holds the fence, and its event.
UPDATE executions
SET event_seq = event_seq + 1, step_count = step_count + 1, current_step = ?, updated_at = ?
WHERE id = ? AND status = 'running' AND fence = ?
RETURNING event_seq, agent_id, step_count;

-- name: enter_step
-- Note which step of the run that holds the fence has begun, and its event.
UPDATE executions SET event_seq = event_seq + 1, current_step = ?
WHERE id = ? AND status = 'running' AND fence = ?
RETURNING event_seq, agent_id;

-- name: insert_event
-- Record an event under its number.
INSERT INTO events (execution_id, seq, type, data, created_at) VALUES (?, ?, ?, ?, ?);

-- name: list_events
-- The events behind a number.
SELECT execution_id, seq, type, data, created_at FROM events
WHERE execution_id = ? AND seq > ?
ORDER BY seq
LIMIT ?;

-- name: insert_step
-- Record a finished step.
INSERT INTO steps (
    execution_id, position, id, name, status, result, error, attempt, started_at, ended_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: list_steps
-- The steps of an execution, as they were recorded.
SELECT id, name, status, result, error, attempt, started_at, ended_at FROM steps
WHERE execution_id = ?
ORDER BY position;

-- name: delete_execution
-- Remove an execution that has ended; what belongs to it goes with it.
DELETE FROM executions
WHERE id = ? AND status IN ('completed', 'failed', 'cancelled');

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
    max_concurrency, fingerprint, created_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (agent_id, version) DO UPDATE
SET description = excluded.description, timeout_seconds = excluded.timeout_seconds,
    max_concurrency = excluded.max_concurrency, fingerprint = excluded.fingerprint;

-- name: get_agent_version
-- One version of an agent.
SELECT agent_id, version, description, input_schema, output_schema, timeout_seconds,
    max_concurrency, fingerprint, created_at
FROM agent_versions WHERE agent_id = ? AND version = ?;

-- name: list_agent_versions
-- An agent's versions, newest first.
SELECT agent_id, version, description, input_schema, output_schema, timeout_seconds,
    max_concurrency, fingerprint, created_at
FROM agent_versions WHERE agent_id = ?
ORDER BY created_at DESC, version DESC;

-- name: get_agent
-- One agent, with its newest version.
SELECT a.created_at, a.updated_at, v.agent_id, v.version, v.description, v.input_schema,
    v.output_schema, v.timeout_seconds, v.max_concurrency, v.fingerprint, v.created_at
FROM agents AS a
JOIN agent_versions AS v ON v.agent_id = a.id AND v.version = a.newest_version
WHERE a.id = ?;

-- name: list_agents
-- A page of agents by name, each with its newest version.
SELECT a.created_at, a.updated_at, v.agent_id, v.version, v.description, v.input_schema,
    v.output_schema, v.timeout_seconds, v.max_concurrency, v.fingerprint, v.created_at
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
