"The detective's exercises: each with its solution, two other right answers and typical wrong ones."
import math

import pytest
import torch
from exercise_cases import Cases, tests_of
from torch.nn import functional as F

from dljourney.exercises import detective


def rate_by_pairs(rates, losses):
    best = 0
    for before, after in zip(range(len(losses)), range(1, len(losses))):
        if losses[after] < losses[before]: best = after
        else: break
    return rates[best]


def rate_by_recursion(rates, losses):
    if len(rates) < 2 or not losses[1] < losses[0]: return rates[0]
    return rate_by_recursion(rates[1:], losses[1:])


def shuffle_in_pairs(x, y, order):
    pairs = [*zip(x, y)]
    return tuple(list(part) for part in zip(*(pairs[i] for i in order)))


def shuffle_tensors(x, y, order):
    order = torch.as_tensor(order)
    return torch.as_tensor(x)[order], torch.as_tensor(y)[order]


def rate_if_worse(rate, before, after):
    if math.isnan(after) or after > before: return rate / 3
    return rate


def rate_by_product(rate, before, after):
    return rate * (1 if after <= before else 1 / 3)


def weights_uniform(n_in, n_out):
    return (torch.rand(n_in, n_out) * 2 - 1) / n_in**0.5


def weights_as_lists(n_in, n_out):
    return (torch.randn(n_in, n_out) / n_in**0.5).tolist()


def ask_and_put_back(model, x):
    was = model.training
    scores = model.train(False)(x)
    model.train(was)
    return scores


def ask_inference(model, x):
    model.eval()
    try:
        with torch.inference_mode(): return model(x).clone()
    finally: model.train()


def ask_and_stay(model, x):
    return model.eval()(x)


def ask_awake(model, x):
    with torch.no_grad(): return model(x)


def ask_for_labels(model, x):
    model.eval()
    said = model(x).argmax(1)
    model.train()
    return said


def loss_by_hand(scores, labels):
    scores = torch.as_tensor(scores)
    return -scores.log_softmax(1)[range(len(labels)), torch.as_tensor(labels)].mean()


def loss_in_two(scores, labels):
    return F.nll_loss(torch.as_tensor(scores).log_softmax(1), torch.as_tensor(labels))


def weights_by_mean(labels, n_classes):
    counts = [list(labels).count(c) for c in range(n_classes)]
    mean = sum(counts) / n_classes
    return [mean / count for count in counts]


def weights_by_torch(labels, n_classes):
    labels = torch.as_tensor(labels)
    return len(labels) / (n_classes * torch.bincount(labels, minlength=n_classes))


def step_after(model, batch, loss_func, opt):
    x, y = batch
    loss = loss_func(model(x), y)
    loss.backward()
    opt.step()
    opt.zero_grad()
    return loss


def step_by_setting(model, batch, loss_func, opt):
    for p in model.parameters(): p.grad = None
    *inputs, labels = batch
    loss_func(model(*inputs), labels).backward()
    opt.step()


def step_uphill(model, batch, loss_func, opt):
    opt.zero_grad()
    (-loss_func(model(batch[0]), batch[1])).backward()
    opt.step()


def divide_by_loop(items, n_valid, copies):
    train, valid = [], []
    for i, item in enumerate(items):
        if i < n_valid: valid.append(item)
        else: train.extend(copies(item))
    return train, valid


def many(items, copies): return [copy for item in items for copy in copies(item)]


CASES = {
    "good_rate": Cases([rate_by_pairs, rate_by_recursion], [
        ("Return the rate", lambda rates, losses: losses[
            rates.index(rate_by_pairs(rates, losses))]),
        ("that is luck", lambda rates, losses: rates[losses.index(min(losses))]),
        ("explodes", lambda rates, losses: rates[-1])]),
    "shuffle": Cases([shuffle_in_pairs, shuffle_tensors], [
        ("case 2", lambda x, y, order: ([x[i] for i in order], y)),
        ("pictures stayed", lambda x, y, order: (x, [y[i] for i in order])),
        ("Nothing moved", lambda x, y, order: (x, y))]),
    "next_rate": Cases([rate_if_worse, rate_by_product], [
        ("upside down", lambda rate, a, b: rate / 3 if b <= a else rate),
        ("is false for it", lambda rate, a, b: rate / 3 if b > a else rate),
        ("Only slow down", lambda rate, a, b: rate / 3)]),
    "first_weights": Cases([weights_uniform, weights_as_lists], [
        ("case 4", lambda n_in, n_out: torch.rand(n_in, n_out) - 1),
        ("too large", lambda n_in, n_out: torch.randn(n_in, n_out)),
        ("All weights are equal", lambda n_in, n_out: torch.zeros(n_in, n_out)),
        ("too small", lambda n_in, n_out: torch.randn(n_in, n_out) / n_in),
        ("half of the weights", lambda n_in, n_out: torch.rand(n_in, n_out) / n_in**0.5),
        ("One weight for each", lambda n_in, n_out: torch.randn(n_out, n_in) / n_in**0.5)]),
    "ask": Cases([ask_and_put_back, ask_inference], [
        ("case 5", ask_awake), ("left the model at rest", ask_and_stay),
        ("not the model's scores", ask_for_labels)]),
    "loss": Cases([loss_by_hand, loss_in_two], [
        ("case 6", lambda scores, labels: F.cross_entropy(scores.softmax(1), labels)),
        ("not the sum", lambda scores, labels: F.cross_entropy(scores, labels, reduction="sum")),
        ("wrong answers", lambda scores, labels: -F.cross_entropy(scores, labels))]),
    "class_weights": Cases([weights_by_mean, weights_by_torch], [
        ("count *more*", lambda labels, n: [list(labels).count(c) / len(labels)
                                            for c in range(n)]),
        ("number of classes too", lambda labels, n: [len(labels) / list(labels).count(c)
                                                     for c in range(n)]),
        ("change nothing", lambda labels, n: [1.0] * n)]),
    "step": Cases([step_after, step_by_setting], [
        ("case 8", detective._step_kept), ("did not move", detective._step_too_late),
        ("uphill", step_uphill)]),
    "prepare": Cases([lambda pixels: [p * (1 / 255) for p in pixels],
                      lambda pixels: torch.as_tensor(pixels) / 255], [
        ("case 9", lambda pixels: pixels), ("not 256", lambda pixels: [p / 256 for p in pixels]),
        ("*this* picture", lambda pixels: [p / max(pixels) for p in pixels])]),
    "divide": Cases([divide_by_loop,
                     lambda items, n, copies: (many(items[n:], copies), items[:n])], [
        ("case 10", lambda items, n, copies: (many(items, copies)[n:], many(items, copies)[:n])),
        ("real ones come", lambda items, n, copies: (many(items[n:], copies),
                                                   many(items[:n], copies))),
        ("That is the leak", lambda items, n, copies: (many(items, copies), items[:n]))]),
}  # fmt: skip
test_exercises = tests_of(detective, CASES)



def test_a_culprit_is_known_by_other_names_and_a_stranger_is_told_the_list():
    quiz = detective.quiz
    for word in ("labels", " Shuffled  Labels", "wrong labels"):
        assert quiz.case_2(word).outcome == "correct"
    assert quiz.case_8("forgotten zero_grad").outcome == "correct"
    assert "Close!" in quiz.case_8("learning rate too high").message
    stranger = quiz.case_2("the butler")
    assert stranger.outcome == "unchecked" and "dead units" in stranger.message


@pytest.mark.parametrize("case", range(1, 11))
def test_every_culprit_did_it_once_and_everybody_else_has_an_alibi(case):
    from dljourney.kit.exercises import items

    question = items(detective.quiz)[f"case_{case}"]
    assert len(question.tempting) == (3 if question.kind == "choice" else 9)
