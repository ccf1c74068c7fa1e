"""How the client finds its service, and how light it is."""

import subprocess
import sys
from pathlib import Path

import pytest

import moderately
from moderately.client.config import find_config
from moderately.client.errors import ModeratelyError
from moderately.protocol.credentials import Credentials, find_credentials, save_credentials


def test_importing_and_making_a_client_loads_nothing_heavy() -> None:
    program = (
        "import sys; from moderately import ModeratelyAI; ModeratelyAI(api_key='k');"
        "heavy = 'httpx2', 'pydantic', 'starlette', 'typer', 'rich', 'asyncio', 'logging';"
        "print(*(m for m in heavy if m in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (found.returncode, found.stdout.split()) == (0, []), found.stderr


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


@pytest.mark.parametrize(
    "url", ["localhost:8787", "ftp://x", "/path", "http://x/?team=1", "http://x/#there"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ModeratelyError, match="base_url"):
        find_config(url, "k", None, {})


@pytest.mark.parametrize("url", ["http://me:s3cret@x", "ftp://me:s3cret@x"])
def test_a_password_in_an_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ModeratelyError, match="base_url") as caught:
        find_config(url, "k", None, {})
    assert "s3cret" not in str(caught.value)


def test_every_public_name_is_there() -> None:
    for name in moderately.__all__:
        assert getattr(moderately, name) is not None
