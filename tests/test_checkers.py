"Samuel's terms against positions worked by hand and a slow twin; his rules of learning; players"
import random
from functools import partial

import numpy as np
import pytest
import torch

from dljourney.checkers import (
    HAND_SET, TERMS, Boards, boost, correlate, credit, match, moves, parameters, play, polynomial,
    powers_of_two, replace_weakest, rote, samuels_score, search, self_play, surprising, term_values,
    to_blame,
)
from dljourney.experiments import checkers as experiments
from dljourney.experiments.checkers import TemporalDifferences, hill_rows
from dljourney.kit.game import Alpha, Leaves, Rules, coefficients, swapped

# ---- a position as a person sees it: squares, neighbours, no bits

ROW = {s: (s - 1) // 4 for s in range(1, 33)}
# counted from Black's right
COLUMN = {s: 2 * ((s - 1) % 4) + (1 - ROW[s] % 2) for s in range(1, 33)}
AT = {(ROW[s], COLUMN[s]): s for s in range(1, 33)}
WAYS = [(1, -1), (1, 1), (-1, -1), (-1, 1)]
CENTRE = {10, 11, 14, 15, 18, 19, 22, 23}


def beside(s, way, steps=1):
    return AT.get((ROW[s] + way[0] * steps, COLUMN[s] + way[1] * steps))


class Seen:
    "One position: who stands where, seen by the side that has just moved"
    def __init__(self, fen):
        turn, *sides = fen.split(":")
        self.who, self.king = {}, set()
        for side in sides:
            for item in filter(None, side[1:].split(",")):
                s = int(item.lstrip("K"))
                self.who[s] = side[0]
                if item[0] == "K":
                    self.king.add(s)
        self.active, self.passive = turn, "BW"[turn == "B"]

    def pieces(self, side): return {s for s, w in self.who.items() if w == side}
    def empty(self, s): return s is not None and s not in self.who
    def goes(self, s, way, who=None):
        return s in self.king or (way[0] > 0) == ((who or self.who[s]) == "B")
    def home(self, black, white): return black if self.passive == "B" else white
    def worth(self, side): return sum(3 if s in self.king else 2 for s in self.pieces(side))

    def steps(self):
        return {(s, t) for s in self.pieces(self.active) for w in WAYS
                if self.goes(s, w) and self.empty(t := beside(s, w))}

    def reach(self): return {t for _, t in self.steps()}

    def after_step(self, s, t):
        other = Seen.__new__(Seen)
        other.active, other.passive = self.passive, self.active
        other.who, other.king = dict(self.who), set(self.king)
        other.who[t] = other.who.pop(s)
        if s in other.king:
            other.king = other.king - {s} | {t}
        return other

    def captures_of(self, target):
        "(from, to) of single jumps by the side to move over the target"
        return {(beside(target, (-w[0], -w[1])), beside(target, w)) for w in WAYS
                if (a := beside(target, (-w[0], -w[1]))) in self.pieces(self.active)
                and self.goes(a, w) and self.empty(beside(target, w))}

    def denied_or_exchanged(self):
        "Squares where a piece that steps there is lost for nothing, and where it is only exchanged"
        denied, exchanged = set(), set()
        for s, t in self.steps():
            then = self.after_step(s, t)
            for a, b in then.captures_of(t):
                last = then.after_step(a, b)
                del last.who[t]
                last.king.discard(t)
                (exchanged if last.captures_of(b) else denied).add(t)
        return denied, exchanged - denied


def around(p, s, test): return [w for w in WAYS if beside(s, w) and test(beside(s, w))]


def own(p): return p.pieces(p.passive)
def foe(p): return p.pieces(p.active)
def men(p): return own(p) - p.king
def rank(p, s): return (ROW[s] if p.passive == "B" else 7 - ROW[s]) + 1


def bridge(p): return set(p.home((1, 3), (30, 32))) <= own(p)
def oreo(p): return set(p.home((2, 3, 7), (26, 30, 31))) <= own(p)
def file_distance(s): return (abs(COLUMN[s] - ROW[s]) - 1) // 2


def fork(p):
    found = 0
    for m in p.reach():
        for up in (1, -1):
            left, right = beside(m, (up, -1)), beside(m, (up, 1))
            stepped = any(t == m and (ROW[m] - ROW[s]) == up for s, t in p.steps())
            found += (stepped and left in own(p) and right in own(p)
                      and p.empty(beside(m, (up, -1), 2)) and p.empty(beside(m, (up, 1), 2)))
    return found


def threats(p):
    found = set()
    for s, t in p.steps():
        for w in WAYS:
            if p.goes(s, w) and beside(t, w) in own(p) and p.empty(beside(t, w, 2)):
                found.add(t)
    return found


def holes(p, s): return p.empty(s) and len(around(p, s, lambda t: t in own(p))) >= 3


def gap(p, s):
    for w in ((1, -1), (1, 1)):
        a, b = beside(s, w), beside(s, (-w[0], -w[1]))
        if (a in own(p) and (b is None or b in own(p))) or (b in own(p) and a is None):
            return True
    return False


def cramp(p):
    at, near, cramped = p.home((13, (9, 14), (17, 21, 22, 25)), (20, (19, 24), (8, 11, 12, 16)))
    return at in own(p) and bool(set(near) & own(p)) and set(cramped) <= foe(p)


TWIN = {
    "ADV": lambda p: sum({3: -1, 4: -1, 5: 1, 6: 1}.get(rank(p, s), 0) for s in men(p)),
    "APEX": lambda p: -int(not p.king and bool({7, 26} & foe(p)) and not {7, 26} & men(p)),
    "BACK": lambda p: int(not p.king & foe(p) and bridge(p)),
    "CENT": lambda p: len(men(p) & CENTRE),
    "CNTR": lambda p: len((foe(p) | p.reach()) & CENTRE),
    "CORN": lambda p: int(p.worth(p.active) <= 6 and p.worth(p.passive) > p.worth(p.active)
                          and bool(p.reach() & {1, 5, 28, 32})),
    "CRAMP": lambda p: 2 * cramp(p),
    "DENY": lambda p: len(p.denied_or_exchanged()[0]),
    "DIA": lambda p: sum(file_distance(s) == 0 for s in own(p)),
    "DIAV": lambda p: sum({0: 1.5, 1: 1, 2: 0.5}.get(file_distance(s), 0) for s in own(p)),
    "DYKE": lambda p: sum(all(beside(s, w, k) in own(p) for k in (0, 1, 2)) for s in own(p)
                          for w in ((1, -1), (1, 1))),
    "EXCH": lambda p: len(p.denied_or_exchanged()[1]),
    "EXPOS": lambda p: sum(any(p.empty(beside(s, w)) and p.empty(beside(s, (-w[0], -w[1])))
                               for w in WAYS) for s in own(p)),
    "FORK": fork,
    "GAP": lambda p: sum(gap(p, s) for s in range(1, 33) if p.empty(s)),
    "GUARD": lambda p: int(not p.king & foe(p) and (bridge(p) or oreo(p))),
    "HOLE": lambda p: sum(holes(p, s) for s in range(1, 33)),
    "KCENT": lambda p: len(own(p) & p.king & CENTRE),
    "MOB": lambda p: len(p.reach()),
    "MOBIL": lambda p: len(p.reach()) - len(p.denied_or_exchanged()[0]),
    "MOVE": lambda p: int(len(own(p)) == len(foe(p)) and p.worth("B") + p.worth("W") < 24
                          and sum(ROW[s] % 2 == 0 for s in p.who) % 2 == 1),
    "NODE": lambda p: sum(len(around(p, s, p.empty)) >= 3 for s in own(p)),
    "OREO": lambda p: int(not p.king & own(p) and oreo(p)),
    "POLE": lambda p: sum(len(around(p, s, p.empty)) == 4 for s in men(p)),
    "RECAP": lambda p: len(p.denied_or_exchanged()[1]),
    "THRET": lambda p: len(threats(p)),
}


def many_positions(n, seed):
    rng, found = random.Random(seed), []
    while len(found) < n:
        side = {"W": [], "B": []}
        crowned = rng.choice([0, 0, 0.2, 0.5])
        for s in rng.sample(range(1, 33), rng.randint(2, 22)):
            who = rng.choice("WB")
            king = (who == "W" and s <= 4) or (who == "B" and s >= 29) or rng.random() < crowned
            if king and not crowned:
                continue
            side[who].append(("K" if king else "") + str(s))
        found.append(f"{rng.choice('BW')}:W{','.join(side['W'])}:B{','.join(side['B'])}")
    return found


FENS = many_positions(700, 0) + ["W:W7,25,30:B1,3,12", "W:W17,21,22,25:B1,9,13",
                                 "B:W20,19,30:B8,11,12,16",
                                  "B:W20,24,30:B8,11,12,16", "W:W29:B2,3,7"]


@pytest.mark.parametrize("name", TWIN)
def test_term_agrees_with_the_twin(name):
    values = parameters(Boards.from_fen(FENS), [name])[:, 0].tolist()
    twins = [float(TWIN[name](Seen(fen))) for fen in FENS]
    wrong = [(fen, v, t) for fen, v, t in zip(FENS, values, twins) if v != t]
    assert not wrong, f"{len(wrong)} of {len(FENS)}: {wrong[:3]}"
    assert len(set(twins)) > 1, "the positions never show this term"


# ---- two drawn positions for each term, worked out by hand (the first is drawn in the chapter)

BY_HAND = {
    # -1+1+1 ; White: 12, 14 +2, 18 -1, 30 0
    "ADV": [("W:W24,27,32:B3,14,18,22", 1), ("B:W12,14,18,30:B1", 1)],
    # the second: passive stands on 26
    "APEX": [("W:W7,25,30:B1,3,12", -1), ("W:W7,25,30:B1,3,26", 0)],
    # an active king: no credit
    "BACK": [("W:W22,26,31:B1,3,14", 1), ("B:W30,32,20:B5,9,K19", 0)],
    "CENT": [("W:W24,28,31:B5,11,14,18", 3), ("W:W24,28,31:B5,11,14,K18", 2)],
    # 22, 18, 23 ; 10 and 11 (9 is no centre)
    "CNTR": [("W:W22,26,27:B1,2,12", 3), ("B:W30:B6,7", 2)],
    # the second: passive not ahead
    "CORN": [("W:WK9,K27:BK10,K19,K24", 1), ("W:WK9,K27:BK10,K19", 0)],
    "CRAMP": [("W:W17,21,22,25:B1,9,13", 2), ("W:W17,21,22,26:B1,9,13", 0)],
    # 22-17 falls to 13x22; see below
    "DENY": [("W:W22:B11,13", 1), ("W:W18,23:B10", 1)],
    "DIA": [("W:W21,22,31:B5,6,12,15", 3), ("B:WK1,32,28:B7", 3)],
    # 1/2 + 0 + 3/2 + 1 ; 3/2 + 1 + 1/2 + 0
    "DIAV": [("W:W21,22,31:B3,4,6,11", 3), ("B:WK1,K2,K3,K4:B20", 3)],
    # four in a row hold two strings
    "DYKE": [("W:W21,28,31:B1,6,10,7", 1), ("W:W21:B1,6,10,15", 2)],
    # without 26 nobody takes back
    "EXCH": [("W:W22,26,27:B1,15", 1), ("W:W22,27:B1,15", 0)],
    # 15 by 11-18 ; 19 by 16-23 too
    "EXPOS": [("W:W25,28,32:B1,5,15", 1), ("W:W32:B15,19", 2)],
    "FORK": [("W:W26,32:B18,19,4", 1), ("W:W26,32:B18,19,15", 1)],
    # 10, and 1, 2 at the edge
    "GAP": [("W:W25,30,32:B6,14,15", 3), ("W:W32:B6", 2)],
    "GUARD": [("W:W22,26,31:B2,3,7,14", 1), ("W:W22,K26,31:B1,3", 0)],
    "HOLE": [("W:W25,30,32:B6,7,14,1", 1), ("W:W25:B6,7,1", 0)],
    "KCENT": [("W:W21,28,31:B1,K14,K19,K32", 2), ("W:W21:B14,K23", 1)],
    "MOB": [("W:W21,22,31:B1,2,9", 4), ("B:W32:B1", 2)],                   # 17 counts once; 5 and 6
    "MOBIL": [("W:W22,31:B11,13", 3), ("W:W22:B11,13", 1)],
    "MOVE": [("W:W23,32:B5,11", 1), ("W:W23,28:B5,11", 0)],                # 11 alone ; 28 and 11
    # corner and edge have too few squares
    "NODE": [("W:W25,28,32:B1,10,15", 2), ("W:W32:B4,13", 0)],
    "OREO": [("W:W22,25,K31:B2,3,7,14", 1), ("B:W26,30,31,K5:B12", 0)],
    "POLE": [("W:W25,28,32:B1,2,15", 1), ("W:W25,28,32:B1,2,K15", 0)],
    "RECAP": [("W:W22,26,27:B1,15", 1), ("W:W22,27:B1,15", 0)],
    "THRET": [("W:W26,32:B18,4", 2), ("W:W27:B18", 1)],
}


@pytest.mark.parametrize("name", BY_HAND)
def test_term_by_hand(name):
    for fen, value in BY_HAND[name]:
        assert parameters(Boards.from_fen(fen),
                          [name]).item() == value == TWIN[name](Seen(fen)), fen


def leaves_of(fens):
    before = Boards.from_fen(fens)
    found = moves(before)
    return Leaves(found.boards, before, found.parent, found.parent)


def test_a_term_is_now_less_before_with_sides_swapped():
    leaves = leaves_of(["B:W21,22,31:B1,2,9", "W:W26,32:B18,4"])
    values = term_values(leaves, ["MOB", "CENT", "DIAV"])
    for i, name in enumerate(["MOB", "CENT", "DIAV"]):
        for row in range(len(leaves.parent)):
            now = Seen(leaves.boards[row].fens()[0])
            before = Seen(swapped(leaves.before[leaves.parent[[row]]]).fens()[0])
            assert values[row, i].item() == TWIN[name](now) - TWIN[name](before)


PAIRS = {
    "DEMO": ("DENY", "MOB", 1, 1), "DEMMO": ("DENY", "MOB", 1, 0), "DDEMO": ("DENY", "MOB", 0, 1),
    "DDMM": ("DENY", "MOB", 0, 0),
    "MODE1": ("MOBIL", "DENY", 1, 1), "MODE2": ("MOBIL", "DENY", 1, 0),
    "MODE3": ("MOBIL", "DENY", 0, 1), "MODE4": ("MOBIL", "DENY", 0, 0),
    "MOC1": ("MOBIL", "CENT", 1, 1), "MOC3": ("MOBIL", "CENT", 1, 0),
    "MOC2": ("MOBIL", "CENT", 0, 1), "MOC4": ("MOBIL", "CENT", 0, 0),
}


@pytest.mark.parametrize("name", PAIRS)
def test_connective(name):
    leaves = leaves_of(many_positions(200, 3))
    a, b, with_a, with_b = PAIRS[name]
    both = term_values(leaves, [a, b])
    expected = ((both[:, 0] > 0) == bool(with_a)) & ((both[:, 1] > 0) == bool(with_b))
    found = term_values(leaves, [name])[:, 0]
    assert found.tolist() == expected.float().tolist() and 0 < found.sum() < len(found)


# Before Black's move, the move, and counts for the side that has just moved, before (sides swapped)
# and now: DENY and MOB of White's steps, MOBIL = MOB - DENY, CENT of Black's men; worked out on a
# board, move by move.
MOVES_BY_HAND = {
    # 13's only step, 9, is free now; but there 6 takes it (6x13). 14 is a centre square.
    "a step is opened, and denied": ("B:W13:B9,6", [9, 14], (0, 1), (0, 1), (0, 0), (0, 1)),
    # 12 may step to 8, where nobody takes it. 11 is a centre square.
    "a step is opened": ("B:W12:B8", [8, 11], (0, 0), (0, 1), (0, 1), (0, 1)),
    # 18 steps to 14 or 15; on 15 the man on 11 takes it (11x18, the square that 18 left).
    "a step is denied from the centre": ("B:W18:B8", [8, 11], (0, 1), (2, 2), (2, 1), (0, 1)),
    # the same on the other side: on 14 the man on 9 takes it; 9 is no centre square.
    "a step is denied": ("B:W18:B6", [6, 9], (0, 1), (2, 2), (2, 1), (0, 0)),
    # 7 steps to 2 or 3, far from 9.
    "nothing": ("B:W7:B6", [6, 9], (0, 0), (2, 2), (2, 2), (0, 0)),
    # the same, but 10 is a centre square.
    "only the centre": ("B:W7:B6", [6, 10], (0, 0), (2, 2), (2, 2), (0, 1)),
    # 15 steps to 10 or 11; 10 was covered by 6 (6x15), which has gone to 9.
    "a denial is given up": ("B:W15:B6", [6, 9], (1, 0), (2, 2), (1, 2), (0, 0)),
    # before: 15, 16; 4, 12; 2; 1, 2, six squares, nothing covered. After 3x10: 7, 15, 16; 3, 4, 12;
    # 1, 2, and 15 is covered (10x19). The man on 10 is in the centre.
    "more steps, one denied": ("B:WK11,K8,7,6:B3,13", [3, 10], (0, 1), (6, 8), (6, 7), (0, 1)),
}
CONNECTIVES_BY_HAND = {      # where each of the twelve is 1, and where it is 0
    "DEMO": ("a step is opened, and denied", "a step is denied"),
    "DEMMO": ("a step is denied", "a step is opened, and denied"),
    "DDEMO": ("a step is opened", "nothing"),
    "DDMM": ("nothing", "a step is opened"),
    "MODE1": ("more steps, one denied", "a step is opened"),
    "MODE2": ("a step is opened", "a step is denied"),
    "MODE3": ("a step is denied from the centre", "a denial is given up"),
    "MODE4": ("nothing", "a step is denied"),
    "MOC1": ("a step is opened", "a denial is given up"),
    "MOC3": ("a denial is given up", "a step is opened"),
    "MOC2": ("only the centre", "nothing"),
    "MOC4": ("nothing", "only the centre"),
}


def move_by_hand(name):
    fen, path, *_ = MOVES_BY_HAND[name]
    before = Boards.from_fen(fen)
    found = moves(before, paths=True)
    return Leaves(found.boards[found.paths.index(path)], before, torch.tensor([0]),
                  torch.tensor([0]))


@pytest.mark.parametrize("name", MOVES_BY_HAND)
def test_counts_before_and_after_a_move_by_hand(name):
    leaves, counts = move_by_hand(name), MOVES_BY_HAND[name][2:]
    four = ["DENY", "MOB", "MOBIL", "CENT"]
    assert parameters(swapped(leaves.before), four)[0].tolist() == [was for was, _ in counts]
    assert parameters(leaves.boards, four)[0].tolist() == [now for _, now in counts]


@pytest.mark.parametrize("name", PAIRS)
def test_connective_by_hand(name):
    one, zero = CONNECTIVES_BY_HAND[name]
    assert term_values(move_by_hand(one), [name]).item() == 1
    assert term_values(move_by_hand(zero), [name]).item() == 0


def test_the_table_of_terms():
    assert len(TERMS) == 38 and list(TERMS)[:26] == list(TWIN)
    assert set(list(TERMS)[26:]) == set(PAIRS)
    for name, term in TERMS.items():
        assert term.name == name and term.title and term.words
        Boards.from_fen(term.fen)
        assert all(1 <= s <= 32 for s in term.marks)
    # where each square or piece counts one, as many are framed as count
    for name in "CENT CNTR DENY DIA EXCH GAP HOLE KCENT MOB MOBIL NODE POLE RECAP THRET".split():
        assert parameters(Boards.from_fen(TERMS[name].fen),
                          [name]).item() == len(TERMS[name].marks), name


# ---- the rules of learning

# C, sign, power of two: the table printed after 42 games
PRINTED = [(.45, -1, 18), (.40, 1, 16), (.35, -1, 14), (.33, -1, 13),
           (.27, -1, 11), (.19, 1, 8), (.19, -1, 8), (.19, -1, 8),
           (.14, -1, 6), (.13, 1, 5), (.13, 1, 5), (.10, 1, 4)]


def test_powers_of_two_give_the_printed_table():
    c = torch.tensor([sign * c for c, sign, _ in PRINTED], dtype=torch.float64)
    expected = [sign * 2.0 ** power for _, sign, power in PRINTED]
    assert powers_of_two(c, torch.ones(len(c), dtype=torch.bool)).tolist() == expected


def test_correlation_by_hand():
    zero, one = torch.zeros(1), torch.ones(1)
    # a new term cannot jump to 1
    assert correlate(zero, zero, one).item() == pytest.approx(1 / 16)
    assert correlate(zero, zero + 31, -one).item() == pytest.approx(-1 / 16)
    assert correlate(zero, zero + 32, one).item() == pytest.approx(1 / 32)
    assert correlate(zero, zero + 100, one).item() == pytest.approx(1 / 64)
    assert correlate(zero, zero + 5000, one).item() == pytest.approx(1 / 256)
    assert correlate(zero + 0.5, zero, one, 2).item() == pytest.approx(0.5 + 2 * 0.5 / 16)
    assert correlate(zero + 0.5, zero, zero).item() == 0.5


# ---- the chapter's functions and what runs


@pytest.mark.parametrize("seed", range(6))
def test_the_polynomial_is_the_sum_that_the_chapter_shows(seed):
    rng = random.Random(seed)
    size = {term: rng.choice([-1, 1]) * 2.0 ** rng.uniform(0, 18) for term in TERMS}
    some = [HAND_SET, size, dict(rng.sample(sorted(size.items()), 5)), {}][seed % 4]
    leaves = leaves_of(many_positions(60, seed))
    pure, fast = samuels_score(leaves, some), polynomial(some)(leaves)
    room = 1e-6 * max(sum(abs(w) for w in some.values()) * 10, 1)      # the fast sum is of float32
    torch.testing.assert_close(fast, pure, rtol=0, atol=room)


@pytest.mark.parametrize("limit", [1, 2, 8])
def test_replacing_in_many_series_is_the_chapters_in_each(limit):
    "Correlations are drawn anew before each move, now and then two alike"
    rules = Rules(surprising, credit, boost, to_blame, correlate, powers_of_two)
    rng = random.Random(limit)
    many, names = Alpha(3, 5, rules), list(TERMS)
    books = []
    for row in range(3):
        used = {t: 0.25 for t, on in zip(names, many.active[row].tolist()) if on}
        reserve = sorted(set(names) - set(used), key=lambda t: int(many.queue[row, names.index(t)]))
        books.append((used, dict.fromkeys(used, 0), reserve))
    for _ in range(60 * limit):
        for row, (used, tally, reserve) in enumerate(books):
            for term in names:      # the first of two alike is the first in the table of terms
                if term in used:
                    used[term] = used.pop(term)
            for term in used:
                used[term] = rng.choice([-0.5, 0.25, 0.75, rng.uniform(-1, 1)])
                many.correlation[row, names.index(term)] = used[term]
            replace_weakest(used, tally, reserve, limit)
        many.replace_weakest(torch.arange(3), limit)
        for row, (used, tally, reserve) in enumerate(books):
            assert {t for t, on in zip(names, many.active[row].tolist()) if on} == set(used)
            assert {t: many.correlation[row, names.index(t)].item() for t in used} == used
            assert {t: many.tally[row, names.index(t)].item() for t in used} == tally
            queue = {t: int(many.queue[row, names.index(t)]) for t in reserve}
            assert sorted(queue, key=lambda t: queue[t]) == reserve
    assert many.replaced.min() >= 60 // 16


@pytest.mark.parametrize(
    "name", ["surprising", "credit", "boost", "to_blame", "correlate", "powers_of_two"])
def test_self_play_runs_the_chapters_own_function(name, monkeypatch):
    "A learner who edits a rule changes the machine"
    import dljourney.checkers as chapter

    asked, rule = [], getattr(chapter, name)
    monkeypatch.setattr(chapter, name, lambda *given: (asked.append(1), rule(*given))[1])
    chapter.self_play(1, 1, depth=1, series=2, max_plies=12).run()
    assert asked


def test_who_is_to_blame_by_hand():
    "The score said 10 and it is even better: the third term spoke against it, it alone may change"
    terms, weights = torch.tensor([[2.0, -1.0, 1.0, 0.0]]), torch.tensor([[4.0, -2.0, -3.0, 5.0]])
    ten, one = torch.tensor([10.0]), torch.tensor([1.0])
    assert to_blame(terms, weights, ten, one).tolist() == [[False, False, True, False]]
    assert to_blame(terms, weights, -ten, one).tolist() == [[True, True, False, False]]
    assert to_blame(terms, weights, ten, -one).all()             # an unpleasant surprise: everybody
    assert to_blame(terms, weights, ten / 1000, one).all()       # the score took no side


@pytest.fixture(scope="module")
def learned():
    return self_play(2, 2, depth=1, seed=4).run()


def test_learning_counts(learned):
    assert len(learned.games) == 4 and {g.series for g in learned.games} == {0, 1}
    assert all(g.plies <= 70 and abs(g.result) <= 1 for g in learned.games)
    assert (learned.alpha.active.sum(1) == 16).all()
    size = learned.alpha.weights[learned.alpha.weights != 0].abs()
    assert torch.equal(size, 2.0 ** size.log2().round()) and size.max() == 2.0 ** 18


def test_learning_is_iterated():
    run = self_play(1, 2, depth=1, seed=0, max_plies=20)
    steps = list(run)
    assert [s.number for s in steps] == list(range(1, len(steps) + 1))
    assert [g for s in steps for g in s.games] == run.games and len(run.games) == 2
    assert run.weights(0, "start") != run.weights(0) and set(run.weights()) <= set(TERMS)


def test_learning_repeats_and_a_run_that_was_left_goes_on(learned):
    left = self_play(2, 2, depth=1, seed=4)
    for step in left:
        if step.number == 30:
            break
    assert not left.games
    assert next(iter(left)).number == 31
    assert left.run().games == learned.games
    assert torch.equal(left.alpha.weights, learned.alpha.weights)


def test_turns_of_weights_are_counted():
    alpha = self_play(1).alpha
    alpha.correlation[alpha.active] = 0.01
    alpha.weights = powers_of_two(alpha.correlation, alpha.active)
    row, once = torch.tensor([0]), torch.ones(1)
    for delta, turned in ((1.0, 0), (-1.0, 0), (-1.0, 16), (-1.0, 16), (1.0, 16), (1.0, 32)):
        alpha.correct(row, torch.full((1, 38), delta), once)
        assert alpha.turned.tolist() == [turned]
    assert self_play(1, 1, depth=1).run().alpha.turned.item() > 0


def test_the_cure_zeroes_the_leading_term():
    cured, not_cured = (self_play(4, 1, depth=1, seed=0, cure=cure) for cure in (True, False))
    for run in (cured, not_cured):
        run.marks[:] = 2
        run.run()
    third = not_cured.marks == 3                               # the game was not won
    assert third.any() and not third.all()
    assert cured.marks.tolist() == torch.where(third, 0, 2).tolist()
    for a, b, marked in zip(cured.alpha.weights, not_cured.alpha.weights, third.tolist()):
        leader = int(b.abs().argmax())
        assert (a[leader] == 0 != b[leader]) if marked else torch.equal(a, b)


def test_hills(monkeypatch):
    monkeypatch.setattr(experiments, "self_play", partial(self_play, max_plies=20))
    rows = hill_rows(0, n_series=3, n_games=1, depth=1, openings=1)
    names = {"settled", "alone", "pushed", "strength", "pushed_v_alone"}
    assert len(rows) == 3 and all(set(row) == names for row in rows)
    for half in zip(*(row["strength"] for row in rows)):
        assert sum(half) / 3 == pytest.approx(0.5, abs=1e-4)   # what one wins another loses
    assert all(sum(row["pushed_v_alone"]) == 20 for row in rows)
    assert all(row["alone"] != row["settled"] != row["pushed"] for row in rows)
    assert rows == hill_rows(0, n_series=3, n_games=1, depth=1, openings=1)


@pytest.mark.parametrize("series", [1, 2])
def test_both_series_run(series):
    run = self_play(2, 2, 1, seed=1, series=series, recompute=False, max_plies=24).run()
    assert len(run.games) == 4


@pytest.mark.parametrize("argument", [{"series": 3}, {"depth": 0}, {"n_games": 0}, {"n_series": 0},
                                      {"max_plies": -5}])
def test_self_play_refuses(argument):
    with pytest.raises(ValueError, match=next(iter(argument))):
        self_play(**argument)


# ---- play

def rows_of(boards): return list(zip(*boards.words.tolist(), boards.black.tolist()))


def test_two_kings_beat_one_in_17_plies():
    "Backwards from the end, over all positions of two black kings and a white one: plies for Black"
    squares = range(1, 33)
    fens = [f"{side}:WK{w}:BK{a},K{b}" for side in "BW" for w in squares for a in squares
            for b in range(a + 1, 33) if w not in (a, b)]
    boards = Boards.from_fen(fens)
    found, black = moves(boards), boards.black
    known, after = rows_of(boards), rows_of(found.boards)
    number = {row: i for i, row in enumerate(known)}
    place = torch.tensor([number.get(row, len(fens)) for row in after])
    white = torch.where(found.boards.black, found.boards.passive, found.boards.active)
    never = 10**6
    outside = torch.where(white == 0, 0, never)    # no white king left, or a black one taken
    plies = torch.full((len(fens) + 1,), never)
    for _ in range(40):
        left = torch.where(place < len(fens), plies[place], outside)
        best, worst = torch.full((len(fens),), never), torch.full((len(fens),), -1)
        best.scatter_reduce_(0, found.parent, left, "amin")
        worst.scatter_reduce_(0, found.parent, left, "amax")
        before, plies = plies, plies.clone()
        plies[:-1] = (1 + torch.where(black, best, worst)).clamp_max(never)
        if torch.equal(plies, before): break
    assert plies[fens.index("B:WK1:BK14,K15")] == 17           # as the chapter says
    assert plies[fens.index("B:WK1:BK9,K10")] == 3 and plies[plies < never].max() == 34


def test_play_is_fair_and_repeats():
    weights = {"MOB": -2.0, "CENT": 3.0, "DENY": 1.0}
    a = play(weights, {}, 60, seed=2)
    assert a == play(weights, {}, 60, seed=2) and a.games == 60
    assert a != play(weights, {}, 60, seed=3)
    assert play(None, None, 40).games == 40


def test_looking_ahead_wins():
    strong = {"ADV": 1.0}
    assert play(strong, None, 60, depth=3).score > 0.8
    assert play(None, strong, 60, depth=3).score < 0.2


def test_each_player_moves_its_own_pieces():
    "White begins and takes the only man; each judge is asked about its own side's moves alone"
    def judge(black):
        def judged(leaves):
            assert leaves.before.black.all() == leaves.before.black.any() == black
            return torch.zeros(len(leaves.boards))
        return judged

    for white in (judge(False), None):
        assert play(judge(True), white, 5, opening=0, fen="W:W18:B14") == (5, 0, 5, 0)
    assert play(judge(True), judge(False), 5, opening=0, fen="B:W18:B14") == (5, 5, 0, 0)
    assert play(judge(True), judge(False), 5, fen="W:W32,28,27:B1,2,5").games == 5


def test_a_match_has_an_even_number_of_games():
    assert match({}, None, 2, depth=1).games == 2
    for n_games in (0, 1, 3):
        with pytest.raises(ValueError, match=f"n_games: expected .* got {n_games}"):
            match({}, {}, n_games, depth=1)


def test_coefficients_have_bounds_within_which_nobody_with_a_move_has_lost():
    largest = dict.fromkeys(TERMS, -1e9)
    assert play({"ADV": 1e9}, {}, 20, opening=0).games == 20
    boards = Boards.from_fen(many_positions(400, 5))
    found = moves(boards)
    values = term_values(Leaves(found.boards, boards, found.parent, found.parent))
    assert values.abs().sum(1).max() < 200          # the bound that is relied on is 400
    best = search(boards, 1, polynomial(largest))
    has_moves = torch.zeros(len(boards), dtype=torch.bool)
    has_moves[found.parent] = True
    assert torch.equal(best.lost, ~has_moves)
    score = best.score[has_moves]
    assert ((score.abs() < 2.0**39) | (score == 2.0**40 - 1)).all()
    for bad in ({"ADV": 1e13}, {"MOB": -1.1e9}):
        with pytest.raises(ValueError, match="weights.* a coefficient between -1e9 and 1e9"):
            play(bad, {}, 20, opening=0)
    told = "weights: expected coefficients between -1e9 and 1e9, got 2e.09 to"
    with pytest.raises(ValueError, match=told):
        polynomial(torch.full((2, len(TERMS)), 2e9))


def test_unknown_term():
    with pytest.raises(ValueError, match="no term is called 'MOBB'"):
        coefficients({"MOBB": 1})


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("fen", ["B:WK32:BK1", "B:WK32,K28:BK1,K5", "B:WK4,K12:BK29"])
def test_a_position_met_three_times_is_a_draw(fen, seed):
    "Kings wander at random; the positions are written down as text, and counted"
    rng, diary = torch.Generator().manual_seed(seed), []

    def wander(leaves):
        diary.extend(leaves.before.fens())
        return torch.rand(len(leaves.boards), generator=rng, dtype=torch.float64)

    ended = play(wander, wander, 1, opening=0, fen=fen, max_plies=1000)
    often = [diary[: i + 1].count(position) for i, position in enumerate(diary)]
    assert max(often) <= 2, f"{diary[often.index(3)]} was met three times and the game went on"
    if ended.draws:     # the last position was not searched any more: it is one of those met twice
        last = moves(Boards.from_fen(diary[-1])).boards.fens()
        assert any(diary.count(position) == 2 for position in last)


def test_whole_numbers_of_numpy_are_whole_numbers():
    n = np.int64
    assert play({}, None, n(4), n(1), n(1), n(2), n(20)) == play({}, None, 4, 1, 1, 2, 20)
    assert match({}, None, n(4), n(1), n(1)) == match({}, None, 4, 1, 1)
    one = self_play(n(2), n(1), n(1), n(1), max_plies=n(6)).run()
    two = self_play(2, 1, 1, 1, max_plies=6).run()
    assert one.games == two.games and torch.equal(one.alpha.weights, two.alpha.weights)
    memory = rote(n(2), n(1), n(1), opening=n(1), max_plies=n(3))
    assert len(memory) == len(rote(2, 1, 1, opening=1, max_plies=3))
    one, two = TemporalDifferences(n(4), n(2), seed=n(1)), TemporalDifferences(4, 2, seed=1)
    assert torch.equal(one.age, two.age)
    for call in (partial(play, {}, {}, 2), self_play, partial(rote, 2), TemporalDifferences):
        with pytest.raises(TypeError, match="seed: expected a whole number"): call(seed=0.5)
