"""The vendor's published client, unmodified, drives the service."""

import subprocess
from pathlib import Path

import pytest
from tests.support.environments import environment

from moderately.testing import ServiceProcess

SCRIPTS = Path(__file__).parent / "vendor"


@pytest.mark.parametrize("script", ["drive_sync.py", "drive_async.py"])
def test_the_published_client_drives_the_service(service: ServiceProcess, script: str) -> None:
    env = service.env | {
        "MODERATELY_BASE_URL": service.base_url,
        "MODERATELY_API_KEY": service.api_key,
        "MODERATELY_TEAM_ID": "team-1",
    }
    command = [environment("vendor") / "python", SCRIPTS / script]
    found = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.strip() == "driven"
