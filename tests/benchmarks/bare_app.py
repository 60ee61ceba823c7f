"""The least that a Textual app can be: the floor for the time of the first frame."""

from textual.app import App, ComposeResult
from textual.widgets import Footer, Static


class BareApp(App[None]):
    BINDINGS = [("q", "quit", "Quit")]

    def compose(self) -> ComposeResult:
        yield Static("bare frame")
        yield Footer()


if __name__ == "__main__":
    BareApp().run()
