"A chapter as a learner gets it, made ready to be run once for both: the copy and the full text."
import ast
import json
import re
from pathlib import Path

from dljourney.kit.course import learners_copy

# What the text says of a cell, or of a whole section in its heading: it may be left out.
MAY = re.compile(r"\b(?:may|can) (?:be skipped|skip)\b|\bskip (?:it|this|the next cell)\b", re.I)


def source(cell):
    return "".join(cell["source"])


def read(path):
    return json.loads(Path(path).read_text("utf-8"))


def code(cells):
    return [cell for cell in cells if cell["cell_type"] == "code"]


def without_marks(text):
    return "\n".join(x for x in text.splitlines() if not x.startswith("#|")).strip("\n")


def left_out(full, copied):
    "Cells of the full text that the copy changes or lacks, but those that no automatic run takes."
    there = {cell["id"]: source(cell) for cell in copied["cells"]}
    return [cell for cell in code(full["cells"])
            if there.get(cell["id"]) != without_marks(source(cell))
            and not re.search(r"^#\|\s*(eval:\s*false|slow)\s*$", source(cell), re.M)]


def walk_of(full):
    """The copy, top to bottom, and after it in the same kernel what is only in the full text.

    So one execution shows that the copy runs without what it lacks, and that this runs, too.
    """
    copied = learners_copy(full)
    rest = [cell | {"id": f"full-{cell['id']}"[:64]} for cell in left_out(full, copied)]
    return {**copied, "cells": [*copied["cells"], *rest]}


def in_full(full, walked):
    "The full text, as nbformat's NotebookNode, with the outputs of its walk."
    made = {cell.id: cell for cell in walked.cells}
    for cell in full.cells:
        if cell.cell_type == "code":
            by = made.get(cell.id) or made.get(f"full-{cell.id}")
            cell.outputs = by.outputs if by else []
            cell.execution_count = by.execution_count if by else None
    return full


def skippable(cells):
    "Code cells that the text says may be skipped: the next one, or all below such a heading."
    found, level, is_next = [], 0, False
    for cell in cells:
        if cell["cell_type"] == "code":
            if level or is_next: found.append(cell)
            is_next = False
            continue
        for line in source(cell).splitlines():
            heading = re.match(r"(#+) ", line)
            if heading and level and len(heading[1]) <= level: level = 0
            if heading and MAY.search(line): level = len(heading[1])
        words = [x for x in source(cell).splitlines() if not x.startswith("#")]
        is_next = bool(MAY.search(" ".join(words)))
    return found


def parsed(text):
    lines = ["" if x.startswith(("%", "!")) else x for x in text.splitlines()]
    return ast.parse("\n".join(lines))


def bound(text):
    "Names that a cell binds for those after it; where an import does so, what is imported."
    scopes = ast.FunctionDef | ast.ClassDef | ast.Lambda
    scopes |= ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

    def walk(node):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            yield from ((a.asname or a.name.split(".")[0], (module, a.name)) for a in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, None
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, None
        if not isinstance(node, scopes):
            for child in ast.iter_child_nodes(node): yield from walk(child)

    return [*walk(parsed(text))]


def used(text):
    return {n.id for n in ast.walk(parsed(text)) if isinstance(n, ast.Name)}
