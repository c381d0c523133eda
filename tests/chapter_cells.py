"A chapter's cells as Python, and the demo that they show after a learner has changed one of them."
import ast
import json
from pathlib import Path

NBS = Path(__file__).parent.parent / "nbs"


def code_cells(path):
    "The Python of a notebook, cell by cell, without magics."
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            yield "\n".join(line for line in lines if not line.startswith(("%", "!")))


def demo_of(chapter, demo, old="", new=""):
    "What a chapter's cell shows, with `old` replaced by `new` in what the chapter exports."
    cells = list(code_cells(NBS / f"{chapter}.ipynb"))
    exported = [s for s in cells if s.startswith("#| export")]
    if old: assert sum(s.count(old) for s in exported) == 1, f"{old} is not in one place"
    namespace = {"__name__": "__main__"}
    for source in exported: exec(source.replace(old, new) if old else source, namespace)
    *_, shown = [s for s in cells if f"\n{demo}(" in s]  # the last: it takes what the reader wrote
    *body, last = ast.parse(shown).body
    exec(compile(ast.Module(body, []), "cell", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)
