"Chapter 10's exercises: the solution, two other right answers, three or more typical wrong ones."

import torch
from exercise_cases import Cases, tests_of
from torch.nn import functional as F

from dljourney.exercises import pretraining


def rate_with_min(progress, warmup, highest):
    return highest * min(progress / warmup, (1 - progress) / (1 - warmup))


def rate_by_lines(progress, warmup, highest):
    up = progress / warmup
    down = 1 - (progress - warmup) / (1 - warmup)
    return (up if up < 1 else down) * highest


def nearest_in_a_loop(queries, examples):
    found = []
    for q in queries:
        cosines = [float(F.cosine_similarity(q, e, dim=0)) for e in examples]
        found.append(cosines.index(max(cosines)))
    return torch.tensor(found)


def nearest_of_lengthless(queries, examples):
    return (queries @ (examples / examples.norm(dim=1, keepdim=True)).T).argmax(1)


def cosines(queries, examples):
    return F.normalize(queries, dim=1) @ F.normalize(examples, dim=1).T


CASES = {
    "pen_stroke": Cases(
        right=[lambda d, r: ~(d > r), lambda d, r: r >= d],
        wrong=[
            ("stroke white", lambda d, r: d > r),
            ("half of it", lambda d, r: d <= r / 2),
            ("twice that", lambda d, r: d <= r * 2),
            ("exactly at the radius", lambda d, r: d < r),
            ("True or False", lambda d, r: r - d),
        ],
    ),
    "learning_rate": Cases(
        right=[rate_with_min, rate_by_lines],
        wrong=[
            ("jumps", lambda p, w, h: h * p / w if p < w else h * (1 - p)),
            ("rise is missing", lambda p, w, h: h * (1 - p)),
            ("fall to 0", lambda p, w, h: h * min(1.0, p / w)),
            ("height", lambda p, w, h: min(p / w, (1 - p) / (1 - w))),
        ],
    ),
    "nearest_example": Cases(
        right=[nearest_in_a_loop, nearest_of_lengthless],
        wrong=[
            ("length 1 first", lambda q, e: (q @ e.T).argmax(1)),
            ("farthest", lambda q, e: cosines(q, e).argmin(1)),
            ("Answer for each query", lambda q, e: cosines(q, e).argmax(0)),
            ("only directions count", lambda q, e: torch.cdist(q, e).argmin(1)),
            ("Those are the cosines", cosines),
        ],
    ),
}
test_exercises = tests_of(pretraining, CASES)
