"""Drives the service with the vendor's published client, unmodified. Runs in its environment."""

import sys
import uuid

from moderatelyai_sdk import ModeratelyAI

client = ModeratelyAI()
made = client.agent_executions.create(agent_id="echo", input_data={"q": 1})
done = client.agent_executions.wait_for_completion(made["id"], timeout=20, poll_interval=0.05)
assert done["status"] == "completed", done
assert done["output_data"] == {"q": 1}, done
assert client.agent_executions.retrieve(made["id"])["id"] == made["id"]

key = uuid.uuid4().hex
one = client.agent_executions.create(agent_id="noop", idempotency_key=key)
two = client.agent_executions.create(agent_id="noop", idempotency_key=key)
assert one["id"] == two["id"]

page = client.agent_executions.list(agent_id="echo", status="completed", page=1, page_size=1)
assert len(page["items"]) == 1, page
assert page["pagination"]["page_size"] == 1, page
everything = client.agent_executions.list(order_by="created_at", order_direction="asc")
ids = [item["id"] for item in everything["items"]]
assert ids == sorted(ids), ids

sleeper = client.agent_executions.create(agent_id="sleeper")
cancelled = client.agent_executions.cancel(sleeper["id"])
assert cancelled["status"] == "cancelled", cancelled

try:
    client.agent_executions.create(agent_id="typed", input_data={"point": 1})
except Exception as error:
    assert type(error).__name__ == "ValidationError", repr(error)
    assert "point" in str(error), error
else:
    sys.exit("a bad input was taken")
try:
    client.agent_executions.retrieve("exec_none")
except Exception as error:
    assert "no execution" in str(error), error
else:
    sys.exit("an unknown execution was found")
print("driven")
