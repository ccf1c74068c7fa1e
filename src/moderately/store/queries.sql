-- Queries that all stores share, by name, each with a sentence. `{…}` stands for fragments that the
-- stores fill in from their own fixed sets, never from what a caller sent; `?` for a parameter.

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

-- name: find_idempotency_key
-- The digest of the body that came with a team's key, and the execution that it stands for.
SELECT k.fingerprint, {columns} FROM idempotency_keys AS k
JOIN executions AS e ON e.id = k.execution_id
WHERE k.team_id = ? AND k.key = ?;

-- name: get_execution
-- One execution, whatever its team.
SELECT {columns} FROM executions WHERE id = ?;

-- name: running_by_key
-- How many executions of an agent run, by concurrency key.
SELECT concurrency_key, count(*) FROM executions
WHERE status = 'running' AND agent_id = ?
GROUP BY concurrency_key;

-- name: running_on
-- What a worker runs, by the record.
SELECT id, fence FROM executions WHERE status = 'running' AND worker_id = ?;

-- name: child_ids
-- An execution's children that have not ended.
SELECT id FROM executions
WHERE parent_id = ? AND status IN ('pending', 'running', 'paused')
ORDER BY id;

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

-- name: list_events
-- The events behind a number.
SELECT execution_id, seq, type, data, created_at FROM events
WHERE execution_id = ? AND seq > ?
ORDER BY seq
LIMIT ?;

-- name: get_commit
-- One commit.
SELECT number, created_at, changes FROM commits WHERE number = ?;

-- name: forget_commits
-- Remove the oldest commits, as far as they are from before a time: so many at most, and never the
-- newest of all.
DELETE FROM commits WHERE number IN (
    SELECT oldest.number FROM (
        SELECT number, created_at FROM commits ORDER BY number LIMIT ?
    ) AS oldest
    WHERE oldest.created_at < ? AND oldest.number < (SELECT max(number) FROM commits)
);

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
WHERE agents.newest_version <> excluded.newest_version;

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
-- Record a key under the digest of its secret, unless another process just has.
INSERT INTO api_keys (id, name, team_id, prefix, created_at, digest) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (digest) DO NOTHING;

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

-- name: count_matching_by_status
-- How many executions match, by status.
SELECT status, count(*) FROM executions {index} WHERE {where} GROUP BY status;

-- name: pending_by_agent
-- How many executions of a team are pending, by agent.
SELECT agent_id, count(*) FROM executions
WHERE team_id = ? AND status = 'pending'
GROUP BY agent_id ORDER BY agent_id;

-- name: waiting_by_agent
-- How many of them wait for nothing but a worker, and the oldest: ids sort by creation.
SELECT agent_id, count(*), min(id) FROM executions
WHERE team_id = ? AND status = 'pending' AND run_at IS NULL
GROUP BY agent_id;

-- name: running_by_worker
-- How many executions of a team run, by worker and agent.
SELECT worker_id, agent_id, count(*) FROM executions
WHERE team_id = ? AND status = 'running'
GROUP BY worker_id, agent_id ORDER BY worker_id, agent_id;

-- name: ends_by_slot
-- How many executions of a team ended, by slot of time and status: what completed by its own index,
-- since it is the most; the others by when they were updated, since what has ended is not any more.
SELECT (completed_at - ?) / ?, 'completed', count(*) FROM executions {completed}
WHERE team_id = ? AND completed_at >= ? AND completed_at < ?
GROUP BY 1
UNION ALL
SELECT (updated_at - ?) / ?, status, count(*) FROM executions {updated}
WHERE team_id = ? AND updated_at >= ? AND updated_at < ? AND status IN ('failed', 'cancelled')
GROUP BY 1, 2;

-- name: recent_runs
-- How an agent's newest executions went.
SELECT id, status, created_at, started_at, coalesce(completed_at, failed_at, cancelled_at), usage
FROM executions WHERE team_id = ? AND agent_id = ?
ORDER BY created_at DESC, id DESC LIMIT ?;
