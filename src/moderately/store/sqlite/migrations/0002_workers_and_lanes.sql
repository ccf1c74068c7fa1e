-- What each worker can run; and what an execution that waits needs of one, with its team before its
-- priority, so that teams can take turns.

ALTER TABLE workers ADD COLUMN serves TEXT NOT NULL DEFAULT '{}';

ALTER TABLE executions ADD COLUMN lane TEXT NOT NULL
GENERATED ALWAYS AS (
    iif(attempt = 0, '0', '1') || iif(concurrency_key IS NULL, ':', 'k:') || agent_version
) VIRTUAL;

DROP INDEX executions_waiting;
CREATE INDEX executions_waiting ON executions (agent_id, team_id, lane, priority DESC, id)
WHERE status = 'pending' AND run_at IS NULL;
CREATE INDEX executions_waiting_by_key
ON executions (agent_id, team_id, lane, concurrency_key, priority DESC, id)
WHERE status = 'pending' AND run_at IS NULL AND concurrency_key IS NOT NULL;
