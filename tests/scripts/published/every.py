"""All the worked examples, one after the other."""

import runpy
from pathlib import Path

for name in ("mazur", "hmkcode", "circuits", "micrograd", "descents"):
    runpy.run_path(str(Path(__file__).with_name(f"{name}.py")))
