"""The client's decisions, and how light it is."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import moderately
from moderately.client.config import find_config
from moderately.client.decisions import retry_delay, should_retry, wait_seconds
from moderately.client.errors import ModeratelyError
from moderately.protocol.credentials import Credentials, find_credentials, save_credentials


@given(st.integers(1, 50), st.none() | st.floats(0, 1e6), st.floats(0, 1))
def test_a_retry_waits_a_bounded_time(tries: int, told: float | None, chance: float) -> None:
    assert 0 <= retry_delay(tries, told, chance) <= 60


@given(st.sampled_from([None, 200, 400, 404, 409, 429, 500, 503]), st.integers(1, 9))
def test_only_what_may_help_is_sent_again(status: int | None, tries: int) -> None:
    again = should_retry(status, tries, 2)
    assert again == (tries <= 2 and status in (None, 429, 503))


@given(st.floats(allow_nan=False))
def test_a_hold_is_within_what_is_left(left: float) -> None:
    assert 0 <= wait_seconds(left) <= max(0.0, min(left, 60.0))


def test_importing_and_making_a_client_loads_nothing_heavy() -> None:
    program = (
        "import sys; from moderately import ModeratelyAI; ModeratelyAI(api_key='k');"
        "print(*(m for m in ('httpx2', 'pydantic', 'starlette', 'typer', 'rich', 'asyncio')"
        " if m in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(found.stdout.split()) - {"asyncio"}
    assert (found.returncode, loaded) == (0, set()), found.stderr


def test_arguments_go_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    save_credentials(Credentials("http://127.0.0.1:1", "filed", "team"), path=file)
    env = {"MODERATELY_CREDENTIALS_FILE": str(file)}
    found = find_config(None, None, None, env)
    assert (found.base_url, found.api_key, found.team_id) == ("http://127.0.0.1:1", "filed", "team")
    env["MODERATELY_API_KEY"] = "env"
    assert find_config(None, None, None, env).api_key == "env"
    assert find_config(None, "given", None, env).api_key == "given"


def test_a_filed_key_goes_to_its_own_service_only(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    save_credentials(Credentials("http://127.0.0.1:1", "filed", "team"), path=file)
    env = {"MODERATELY_CREDENTIALS_FILE": str(file)}
    assert find_config("http://elsewhere.example", None, None, env).api_key is None


def test_a_damaged_credentials_file_is_as_none(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    for content in ("", "[]", '{"current": 1}', '{"current": "u", "services": {"u": []}}'):
        file.write_text(content)
        assert find_credentials(path=file) is None


@pytest.mark.parametrize("url", ["localhost:8787", "ftp://x", "/path"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ModeratelyError, match="http"):
        find_config(url, "k", None, {})


def test_every_public_name_is_there() -> None:
    for name in moderately.__all__:
        assert getattr(moderately, name) is not None
