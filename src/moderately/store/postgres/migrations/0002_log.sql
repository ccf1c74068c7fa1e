-- phase: expand
-- The log: a row for each transaction that recorded events. A number is drawn once what the
-- transaction changes is locked, so that for one execution their order is that of the events.

CREATE TABLE commits (
    number     bigint PRIMARY KEY,
    created_at bigint NOT NULL,
    -- As JSON: of each execution the team, the agent, its id, the numbers of the first and the last
    -- event, and the status.
    changes    text NOT NULL
);

-- Not one number is kept back for later: whoever reads concludes from a number that all smaller ones
-- were drawn before.
CREATE SEQUENCE commits_number CACHE 1 OWNED BY commits.number;

-- What an execution's steps have used so far.
ALTER TABLE executions ADD COLUMN usage text;
