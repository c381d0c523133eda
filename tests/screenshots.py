"""Every demo in a real JupyterLab, light and dark, wide and narrow.

`python -m tests.screenshots OUT [NAME...]`
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from browser import Front

DEMOS = {
    "RollDownhill": """from dljourney.demos import RollDownhill
RollDownhill(landscape='ravine', lr=0.3)""",
    "RollDownhillRace": """from dljourney.demos import RollDownhill
RollDownhill(landscape='two dips', lr=0.1, race=True, arrows=True, steps=40)""",
    "ThreeScores": """from dljourney.demos import ThreeScores
ThreeScores(three=1.0, eight=2.0, nine=-1.0)""",
    "BeTheOptimiser": "from dljourney.demos import BeTheOptimiser\nBeTheOptimiser()",
    "Playground": """from dljourney.demos import Playground
d = Playground(dataset='spiral', units=8, layers=2); d.step(600); d""",
    "PlaygroundCode": """from dljourney.demos import Playground
d = Playground(dataset='circles'); d.step(100); d.show_code(); d""",
    "DrawACurve": "from dljourney.demos import DrawACurve\nd = DrawACurve(); d.step(150); d",
    "PolynomialFit": "from dljourney.demos import PolynomialFit\nPolynomialFit()",
    "ShuffledLabels": """from dljourney.demos import ShuffledLabels
d = ShuffledLabels(); d.step(30); d""",
    "DoubleDescent": "from dljourney.demos import DoubleDescent\nDoubleDescent()",
    "Cures": "from dljourney.demos import Cures\nd = Cures(dropout=0.8); d.step(25); d",
    "FewExamples": "from dljourney.demos import FewExamples\nd = FewExamples(); d.step(8); d",
    "Studio": "from dljourney.demos import Studio\nStudio()",
    "Upload": """from dljourney.demos import Upload
from dljourney.demos import TeachMe
from dljourney.kit.pictures import doodles
t = TeachMe(doodles(['smile', 'star'])); t.teach(); d = Upload(t.program)
more = doodles(['smile', 'star'], 2, 5).items()
d.ask([(f'{n} {i}.png', x.image) for n, f in more for i, x in enumerate(f)]); d""",
    "TeachMe": """from dljourney.demos import TeachMe
from dljourney.kit.pictures import doodles
t = TeachMe(doodles(['smile', 'frown', 'star', 'house'], n=3)); t.teach()
for name, found in doodles(t.things, n=3, seed=1).items():
    for drawing in found: t.keep(name, drawing)
t.strokes = doodles(['smile'], n=1, seed=7)['smile'][0].strokes; t""",
    "TeachMeRival": """from dljourney.demos import TeachMe
from dljourney.kit.pictures import doodles
t = TeachMe(doodles(['smile', 'frown', 'star', 'house'], n=3), rival=True); t.teach()
for name, found in doodles(t.things, n=3, seed=1).items():
    for drawing in found: t.keep(name, drawing)
t.step(11); t.strokes = doodles(['smile'], n=1, seed=7)['smile'][0].strokes; t""",
    "TeachMeEmpty": "from dljourney.demos import TeachMe\nTeachMe()",
    "DrawingPad": """from dljourney.kit.live.pad import DrawingPad
from dljourney.kit.pictures import doodles
DrawingPad(doodles(['house'])['house'][0].strokes, label='A house')""",
    "Board": """from dljourney.kit.game.board import Board
from dljourney.kit.game import legal_moves
b = Board(legal_moves)
for m in ('11-15', '23-19', '8-11'): b.play(m)
b""",
    "CheckersMachine": "from dljourney.demos import CheckersMachine\nCheckersMachine()",
    "SamuelsMachine": """from dljourney.demos import SamuelsMachine
d = SamuelsMachine()
for _ in range(5): d.board.play(d.board.legal[0])
d""",
    "BeTheMechanism": "from dljourney.demos import BeTheMechanism\nBeTheMechanism()",
    "ThreeWeights": """from dljourney.demos import BeTheMechanism
BeTheMechanism(only=['upper_left', 'lower_left', 'head_start'])""",
    "BlindSearch": """from dljourney.demos import BlindSearch
d = BlindSearch()
for n in (250, 1000, 4000, 10_000): d.n = n
d""",
}
SIZES = {"wide": (1280, 1100), "narrow": (560, 2600)}


def main(out, *names):
    names = names or list(DEMOS)
    out, front = Path(out), Front()
    out.mkdir(parents=True, exist_ok=True)
    try:
        page = front.open(*(DEMOS[name] for name in names), height=1100)
        cells = [page.locator(f".jp-Notebook .jp-Cell >> nth={n}") for n in range(len(names))]
        for cell in cells:  # until each is there
            cell.locator(".dlj, .widget-upload").first.wait_for()
        for theme in ("Light", "Dark"):
            page.evaluate("""async theme => {
              await window.jupyterapp.commands.execute("apputils:change-theme", { theme });
            }""", f"JupyterLab {theme}")
            for size, (width, height) in SIZES.items():
                page.set_viewport_size(dict(width=width, height=height))
                page.wait_for_timeout(1200)  # JupyterLab's splash screen fades
                for cell, name in zip(cells, names):
                    node = cell.locator(".jp-OutputArea").first
                    node.scroll_into_view_if_needed()
                    page.wait_for_timeout(200)
                    node.screenshot(path=out / f"{name}-{theme.lower()}-{size}.png")
        print(*page.problems or ["no errors in the console"], sep="\n")
        front.shut(page)
    finally:
        front.close()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
