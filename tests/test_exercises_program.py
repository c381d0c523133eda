"Chapter 09's exercises, each with right and wrong answers."
import math

from exercise_cases import Cases, tests_of

from dljourney.exercises import program


def softmax_by_torch(scores):
    import torch

    return torch.tensor(scores, dtype=torch.float64).softmax(0).tolist()


def softmax_by_loop(scores):
    top, powers = max(scores), []
    for s in scores:
        powers.append(math.e ** (s - top))
    total = sum(powers)
    return [p / total for p in powers]


def named_by_probability(probabilities, labels):
    by = dict(zip(probabilities, labels))
    return {by[p]: p for p in sorted(by, reverse=True)}


def named_by_index(probabilities, labels):
    order = sorted(range(len(labels)), key=probabilities.__getitem__, reverse=True)
    return {labels[i]: probabilities[i] for i in order}


def named_by_pop(probabilities, labels):
    left, found = dict(zip(labels, probabilities)), {}
    while left:
        best = max(left, key=left.get)
        found[best] = left.pop(best)
    return found


def prepared_by_tensor(pixels, mean, std):
    import torch

    return ((torch.tensor(pixels) / 255 - mean) / std).tolist()


def prepared_in_one_go(pixels, mean, std):
    return [p / (255 * std) - mean / std for p in pixels]


def square_by_case(width, height):
    if width > height:
        return ((width - height) / 2, 0, (width + height) / 2, height)
    return (0, (height - width) / 2, width, (height + width) / 2)


def square_by_middle(width, height):
    half = min(width, height) / 2
    return width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half


def square_by_whole_pixels(width, height):
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def all_by_function(files, read):
    def tried(file):
        try:
            return read(file), None
        except ValueError as e:
            return None, e.args[0]

    results = {file: tried(file) for file in files}
    good = {f: a for f, (a, e) in results.items() if e is None}
    return good, {f: e for f, (a, e) in results.items() if e is not None}


def all_by_continue(files, read):
    good, bad = {}, {}
    for file in files:
        try:
            answer = read(file)
        except ValueError as e:
            bad[file] = f"{e}"
            continue
        good[file] = answer
    return good, bad


def stops(files, read):
    good, bad = {}, {}
    try:
        for file in files:
            good[file] = read(file)
    except ValueError as e:
        bad[file] = str(e)
    return good, bad


def fills_by_loop(shapes, n_bytes):
    for shape in shapes:
        n = 4
        for side in shape:
            n *= side
        n_bytes -= n
    return n_bytes == 0


def strange_by_min(feature, known, limit):
    return min(math.dist(feature, k) for k in known) > limit


def strange_by_loop(feature, known, limit):
    for k in known:
        if sum((a - b) ** 2 for a, b in zip(feature, k)) ** 0.5 <= limit:
            return False
    return True


CASES = {
    "softmax": Cases(
        right=[softmax_by_torch, softmax_by_loop],
        wrong=[
            ("Take e to their power first", lambda s: [v / sum(s) if sum(s) else 0.0 for v in s]),
            ("do not add up to 1", lambda s: [math.exp(min(v, 700)) for v in s]),
            ("by the largest", lambda s: [math.exp(v - max(s)) for v in s]),
        ],
    ),
    "named": Cases(
        right=[named_by_index, named_by_pop],
        wrong=[
            ("in the order of the labels", lambda p, labels: dict(zip(labels, p))),
            ("one of them is lost", named_by_probability),
            ("swapped keys", lambda p, labels: dict(zip(p, labels))),
            ("Only the likeliest", lambda p, labels: {labels[p.index(max(p))]: max(p)}),
        ],
    ),
    "prepare_pixels": Cases(
        right=[prepared_by_tensor, prepared_in_one_go],
        wrong=[
            ("divide them by 255", lambda x, m, s: [(p - m) / s for p in x]),
            ("mean and std are missing", lambda x, m, s: [p / 255 for p in x]),
            ("before taking the mean away", lambda x, m, s: [p / 255 / s - m for p in x]),
        ],
    ),
    "middle_square": Cases(
        right=[square_by_case, square_by_middle, square_by_whole_pixels],
        wrong=[
            ("upper left", lambda w, h: (0, 0, min(w, h), min(w, h))),
            ("right and bottom", lambda w, h: (*square_by_case(w, h)[:2], min(w, h), min(w, h))),
            (
                "larger than the picture",
                lambda w, h: (
                    (w - max(w, h)) / 2,
                    (h - max(w, h)) / 2,
                    (w + max(w, h)) / 2,
                    (h + max(w, h)) / 2,
                ),
            ),
        ],
    ),
    "answer_all": Cases(
        right=[all_by_function, all_by_continue],
        wrong=[
            ("inside the loop", stops),
            ("without a word", lambda files, read: (all_by_continue(files, read)[0], {})),
            (
                "error's text",
                lambda files, read: (
                    all_by_continue(files, read)[0],
                    dict.fromkeys(all_by_continue(files, read)[1], True),
                ),
            ),
        ],
    ),
    "fills_file": Cases(
        right=[fills_by_loop, lambda shapes, n: n == 4 * sum(math.prod(s) for s in shapes)],
        wrong=[
            ("not bytes", lambda s, n: sum(math.prod(v) for v in s) == n),
            ("added up the sides", lambda s, n: sum(4 * sum(v) for v in s) == n),
            ("do not round", lambda s, n: sum(math.prod(v) for v in s) == n // 4),
            ("must be equal", lambda s, n: sum(4 * math.prod(v) for v in s) <= n),
        ],
    ),
    "looks_strange": Cases(
        right=[strange_by_min, strange_by_loop],
        wrong=[
            ("One near neighbour", lambda f, k, v: any(math.dist(f, row) > v for row in k)),
            ("opposite", lambda f, k, v: any(math.dist(f, row) <= v for row in k)),
            ("Exactly at the limit", lambda f, k, v: min(math.dist(f, row) for row in k) >= v),
            ("first known", lambda f, k, v: math.dist(f, k[0]) > v),
        ],
    ),
}
test_exercises = tests_of(program, CASES)
