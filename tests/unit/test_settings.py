"""Settings: arguments, then the environment, then the defaults; what will not do is named."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderately.settings import SETTINGS, Setting, Settings, SettingsError, load_settings

DOCS = Path(__file__).parents[2] / "docs/settings.md"


def test_each_setting_is_a_field_and_each_field_a_setting() -> None:
    assert {s.name for s in SETTINGS} == {f.name for f in fields(Settings)}


def test_every_setting_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for setting in SETTINGS:
        assert f"`{setting.variable}`" in text
        assert setting.option is None or f"`{setting.option}`" in text


def test_arguments_go_before_the_environment() -> None:
    environ = {"MODERATELY_PORT": "1", "MODERATELY_GRACE": "2.5"}
    settings = load_settings({"port": "0", "grace": None}, environ)
    assert (settings.port, settings.grace) == (0, 2.5)


@given(st.sampled_from(SETTINGS), st.text(st.characters(exclude_characters="\0"), min_size=1))
def test_any_text_is_taken_or_refused_by_its_variable(setting: Setting, text: str) -> None:
    variable = setting.variable
    refusal = ""
    try:
        load_settings({}, {variable: text})
    except SettingsError as error:
        refusal = str(error)
    assert not refusal or variable in refusal or variable == "MODERATELY_NO_AUTH"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.org"])  # noqa: S104
def test_no_auth_is_refused_off_the_loopback(host: str) -> None:
    with pytest.raises(SettingsError, match="loopback"):
        load_settings({"auth": False, "host": host}, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_no_auth_is_taken_on_the_loopback(host: str) -> None:
    assert load_settings({"host": host}, {"MODERATELY_NO_AUTH": "1"}).auth is False


def test_the_bootstrap_key_is_in_no_error_and_no_repr() -> None:
    settings = load_settings({}, {"MODERATELY_BOOTSTRAP_API_KEY": "s3cret-s3cret-s3cret"})
    assert "s3cret" not in repr(settings)
