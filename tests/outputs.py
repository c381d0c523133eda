"What the cells of an executed notebook show and say; a cell is a dict, as in the file."
import re


def outputs(cells):
    "The outputs of each cell, by its place."
    return {i: c.get("outputs") or [] for i, c in enumerate(cells) if c["cell_type"] == "code"}


def pictures(cells):
    "Of cells that show pictures, the kinds: place -> MIME types."
    found = {i: {kind for o in told for kind in o.get("data", {}) if kind.startswith("image/")}
             for i, told in outputs(cells).items()}
    return {i: kinds for i, kinds in found.items() if kinds}


def texts(cells):
    "What cells show in plain words."
    shown = [o["data"].get("text/plain", "") for told in outputs(cells).values() for o in told
             if "data" in o]
    return ["".join(text) for text in shown]


def asked(cells):
    "The questions and predictions that a reader without a kernel sees."
    return [text for text in texts(cells) if re.match(r"(Prediction|Question) · ", text)]


def printed(cells, name="stdout"):
    "What cells print, or with `stderr` warn of."
    return ["".join(o["text"]) for told in outputs(cells).values() for o in told
            if o["output_type"] == "stream" and o["name"] == name]
