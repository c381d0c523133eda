"""What photonet's features and a head in one step reach on a folder of photographs, and how long that takes.

    DLJOURNEY_PHOTOS=folder OMP_NUM_THREADS=2 python -m benchmarks.photographs

The folder holds train/ and val/, one subfolder a class. Nothing is kept from earlier runs.
"""

import os
import resource
import tempfile
import time
from statistics import fmean, median

import torch

from dljourney.kit.models import baseline_scores, forget_features, kept_features, probe
from dljourney.kit.pictures import Preprocess, kind_of_pictures, photos, twins_across
from dljourney.transfer import draw_examples, pretrained
from dljourney.whole_game import best_head


def timed(what, do):
    begin = time.monotonic()
    found = do()
    print(f"{what:<42} {time.monotonic() - begin:6.2f} s")
    return found


def read(model):
    wants = Preprocess.of(model)
    return photos(os.environ["DLJOURNEY_PHOTOS"], size=wants.size, channels=wants.channels,
                  interpolation=wants.interpolation)


def right(views, y, chosen, n_train, n_things):
    "How many held-out pictures a head names rightly that learned from some of the others."
    found = probe(views[:, chosen], y[chosen], n_things, best_head)
    return int((found(views[0, n_train:]).argmax(1) == y[n_train:]).sum())


def learned(model):
    "What `finetune` would do: read, look, ask the body, find the head; the number of right answers."
    data = read(model)
    views = kept_features(model, data.x, mirrored=True).features
    every = torch.arange(data.n_train)
    return data, views, right(views, data.y, every, data.n_train, len(data.classes))


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DLJOURNEY_CACHE"] = folder
        model = pretrained("photonet", 2)
        data = timed("decode", lambda: read(model))
        print(timed("kind", lambda: kind_of_pictures(data.x)))
        twins = timed("twins", lambda: twins_across(data.train[0], data.valid[0]))
        print("twins across the split:", len(twins))
        timed("features from files, one view", lambda: kept_features(model, data.files))
        forget_features()
        timed("trained, cold", lambda: learned(model))
        data, views, _ = timed("trained, warm", lambda: learned(model))
        y, n, n_things = data.y, data.n_train, len(data.classes)
        m = len(y) - n
        for count, draws in ((1, 20), (5, 20), (10, 20), (20, 20), (None, 5)):
            found = [right(views, y, draw_examples(y[:n], count, seed), n, n_things)
                     for seed in range(draws)]
            print(f"{count or 'all'} a class: mean {fmean(found) / m:.1%}, "
                  f"median {median(found):g} of {m}, {draws} draws")
        for name, measured in timed("baselines", lambda: baseline_scores(
                data.train, data.valid, n_things, best_head)).items():  # fmt: skip
            print(f"{name:<20} {measured}")
    print(f"most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MB")


if __name__ == "__main__":
    main()
