"""Draw one real frame of the program given as arguments, step once, quit: `draw_one_frame.py backprop-tui`.

Prints the frame. The exit status is 0 only if something was drawn, the step changed it, and the terminal
was given back.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.terminal import LEAVE_ALTERNATE, Terminal


def main() -> int:
    with Terminal(command=sys.argv[1:], columns=120, rows=36) as terminal:
        frame = terminal.wait_for("  stopped  ", "linear1", "zero_grad", seconds=60)
        print(frame)
        terminal.press(" ")
        terminal.wait(lambda text: text != frame)
        terminal.press("q")
        status = terminal.wait_for_exit()
    assert LEAVE_ALTERNATE in terminal.raw, "the alternate screen was not left"
    return status


if __name__ == "__main__":
    sys.exit(main())
