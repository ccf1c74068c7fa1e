-- SQLite's own queries, by name, each with a sentence. `{…}` stands for fragments that this package
-- fills in from its own fixed set, never from what a caller sent; `{rows}` for as many rows of
-- parameters as there are to write.

-- name: insert_executions
-- Record new executions, pending or started at once.
INSERT INTO executions (
    id, team_id, agent_id, agent_version, status, created_at, updated_at, metadata, input_data,
    retry, step_count, attempt, priority, timeout_seconds, max_steps, concurrency_key, parent_id, parent_step,
    forked_from, run_at, deadline_at, worker_id, fence, event_seq, started_at, usage
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
    cancelled_at = new.cancelled_at, usage = new.usage
FROM (
    SELECT column1 AS id, column2 AS from_status, column3 AS from_fence, column4 AS from_seq,
        column5 AS agent_version, column6 AS status, column7 AS updated_at,
        column8 AS output_data, column9 AS error, column10 AS status_reason,
        column11 AS blocked_on, column12 AS in_flight, column13 AS step_count,
        column14 AS attempt, column15 AS retries, column16 AS child_count, column17 AS run_at,
        column18 AS deadline_at, column19 AS worker_id, column20 AS fence,
        column21 AS event_seq, column22 AS started_at, column23 AS paused_at,
        column24 AS completed_at, column25 AS failed_at, column26 AS cancelled_at,
        column27 AS usage
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

-- name: insert_commit
-- Enter what this transaction did into the log.
INSERT INTO commits (created_at, changes) VALUES (?, ?);

-- name: list_commits
-- The commits behind a number, in order.
SELECT number, created_at, changes FROM commits WHERE number > ? ORDER BY number LIMIT ?;

-- name: newest_commit
-- The newest commit.
SELECT number, created_at, changes FROM commits ORDER BY number DESC LIMIT 1;

-- name: events_between
-- Some events in a row.
SELECT execution_id, seq, type, data, created_at FROM events
WHERE execution_id = ? AND seq BETWEEN ? AND ?
ORDER BY seq;

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

-- name: write_rates
-- Note how far the starts of agents have come.
INSERT INTO rates (agent_id, arrival) VALUES {rows}
ON CONFLICT (agent_id) DO UPDATE SET arrival = excluded.arrival;

-- name: next_waiting_team
-- The team behind another one, by name, that has an execution of an agent waiting.
SELECT team_id FROM executions
WHERE status = 'pending' AND run_at IS NULL AND agent_id = ? AND team_id > ?
ORDER BY team_id LIMIT 1;

-- name: waiting
-- What waits of a team and an agent in a lane, in the order in which it is taken.
SELECT id, team_id, agent_id, lane, priority, concurrency_key FROM executions
WHERE status = 'pending' AND run_at IS NULL AND agent_id = ? AND team_id = ? AND lane = ?
ORDER BY priority DESC, id
LIMIT ?;

-- name: waiting_with_key
-- The same, of what has this concurrency key.
SELECT id, team_id, agent_id, lane, priority, concurrency_key FROM executions
WHERE status = 'pending' AND run_at IS NULL AND agent_id = ? AND team_id = ? AND lane = ?
    AND concurrency_key = ?
ORDER BY priority DESC, id
LIMIT ?;

-- name: next_waiting_key
-- The concurrency key behind another one, by name, in a lane of a team and an agent.
SELECT concurrency_key FROM executions
WHERE status = 'pending' AND run_at IS NULL AND agent_id = ? AND team_id = ? AND lane = ?
    AND concurrency_key > ?
ORDER BY concurrency_key LIMIT 1;

-- name: running_ids
-- What runs, or ran when its owner died.
SELECT id FROM executions WHERE status = 'running' ORDER BY id;

-- name: lapsed_ids
-- What runs on workers whose leases have ended.
SELECT id FROM executions
WHERE status = 'running' AND worker_id IN (SELECT id FROM workers WHERE expires_at <= ?)
ORDER BY id;

-- name: due_ids
-- What waits for a time that has come.
SELECT id FROM executions WHERE run_at <= ? ORDER BY run_at LIMIT ?;

-- name: overdue_ids
-- What is pending, and out of time.
SELECT id FROM executions
WHERE status = 'pending' AND deadline_at IS NOT NULL AND deadline_at <= ?
ORDER BY deadline_at LIMIT ?;

-- name: beat
-- Renew a worker's lease.
INSERT INTO workers (id, seen_at, expires_at, serves) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE
SET seen_at = excluded.seen_at, expires_at = excluded.expires_at, serves = excluded.serves;

-- name: list_workers
-- The workers that are known, and whether their leases last.
SELECT id, seen_at, expires_at > ?, serves FROM workers ORDER BY id;

-- name: retire
-- Forget a worker that has stopped.
DELETE FROM workers WHERE id = ?;

-- name: forget_workers
-- Forget workers that have been silent for long and run nothing.
DELETE FROM workers WHERE expires_at <= ?
    AND id NOT IN (SELECT worker_id FROM executions WHERE status = 'running');

-- name: delete_execution
-- Remove an execution that has ended; what belongs to it goes with it.
DELETE FROM executions
WHERE id = ? AND status IN ('completed', 'failed', 'cancelled');

-- name: prunable_ids
-- Executions of a team that ended before a time.
SELECT id FROM executions INDEXED BY executions_by_updated
WHERE team_id = ? AND updated_at < ? AND status IN ('completed', 'failed', 'cancelled')
LIMIT ?;

-- name: probe
-- A real write of no consequence, to find out whether writes succeed.
INSERT INTO probes (id, probed_at) VALUES (1, ?)
ON CONFLICT (id) DO UPDATE SET probed_at = excluded.probed_at;

-- name: sample_spans
-- How long some of the executions took that ended in a slot of time.
SELECT (updated_at - created_at) / 1e6 FROM executions INDEXED BY executions_by_updated
WHERE team_id = ? AND updated_at >= ? AND updated_at < ? AND status IN ('completed', 'failed')
ORDER BY updated_at DESC
LIMIT ?;

-- name: database_size
-- How much room the database takes, without its log, in bytes.
SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size();

-- name: good_keys
-- Those of some keys that are there and not revoked.
SELECT id FROM api_keys WHERE id IN (SELECT value FROM json_each(?)) AND revoked_at IS NULL;
