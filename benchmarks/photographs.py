"""What photonet's features and a head in one step reach on photographs, and how long that takes.

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
    begin, worked = time.monotonic(), time.process_time()
    found = do()
    wall, work = time.monotonic() - begin, time.process_time() - worked
    print(f"{what:<42} {wall:6.2f} s, {work:6.2f} s of processors")
    return found


def read(model):
    wants = Preprocess.of(model)
    return photos(os.environ["DLJOURNEY_PHOTOS"], size=wants.size, channels=wants.channels,
                  interpolation=wants.interpolation)


def right(data, views, held, chosen):
    "How many held-out pictures a head names rightly that learned from some of the others."
    found = probe(views[:, chosen], data.train[1][chosen], len(data.classes), best_head)
    return int((found(held).argmax(1) == data.valid[1]).sum())


def learned(model):
    "Read, ask the body about both parts, find the head: what `finetune` would do."
    data = read(model)
    views = kept_features(model, data.train[0], mirrored=True).features
    held = kept_features(model, data.valid[0]).features[0]
    right(data, views, held, torch.arange(data.n_train))
    return data, views, held


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
        data, views, held = timed("trained, warm", lambda: learned(model))
        y, m = data.train[1], len(held)
        for count, draws in ((1, 20), (5, 20), (10, 20), (20, 20), (None, 5)):
            found = [right(data, views, held, draw_examples(y, count, s)) for s in range(draws)]
            print(f"{count or 'all'} a class: mean {fmean(found) / m:.1%}, "
                  f"median {median(found):g} of {m}, {draws} draws")
        for name, measured in timed("baselines", lambda: baseline_scores(
                data.train, data.valid, len(data.classes), best_head)).items():  # fmt: skip
            print(f"{name:<20} {measured}")
    print(f"most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MB")


if __name__ == "__main__":
    main()
