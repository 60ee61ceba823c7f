"""What every test needs: nothing of this machine in the results."""

import pytest

UNWANTED = ("NO_COLOR", "TEXTUAL", "TEXTUAL_THEME", "TEXTUAL_PRESS", "TEXTUAL_COLOR_SYSTEM", "PYTHONWARNINGS")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the developer's shell that change what Textual draws or what Python prints."""
    for name in UNWANTED:
        monkeypatch.delenv(name, raising=False)
