"""Schemathesis reads `/openapi.json` and tries everything that it can think of."""

import subprocess
from pathlib import Path

from tests.support.environments import ROOT, environment

from moderately.testing import ServiceProcess

AGENTS = Path(__file__).parents[1] / "support/agents.py"


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    options = ["--max-wait", "1", "--log-level", "error"]
    with ServiceProcess([AGENTS], data=tmp_path / "data", args=options) as service:
        command = [
            str(environment("schemathesis") / "schemathesis"),
            "--config-file",
            str(ROOT / "schemathesis.toml"),
            "run",
            f"{service.base_url}/openapi.json",
            "--header",
            f"Authorization: Bearer {service.api_key}",
        ]
        found = subprocess.run(
            command, cwd=tmp_path, env=service.env, capture_output=True, text=True, timeout=300
        )
        assert found.returncode == 0, found.stdout[-20_000:] + found.stderr
        assert "Traceback" not in service.output()
