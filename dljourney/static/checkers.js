// English draughts and Samuel's machine, as kit.game has them in Python: positions are words of
// bits (square 1 is the lowest bit; after each eight squares one bit stays empty, so that every
// step is a shift by 4 or 5). Of a position `fa` and `ba` are the pieces of the side to move that
// go forward (to higher squares) and backward, `fp` and `bp` those of the other side; a king is in
// both.

const WIN = 2 ** 40; // more than any judgement; the plies to the end are taken off
export const PIECE = 2 ** 20; // what a point of piece advantage is worth
const LONGEST = 20; // plies that captures are followed
const WAYS = [4n, 5n, -4n, -5n]; // a shift by a negative number goes the other way

const SQUARES = Array.from({ length: 32 }, (_, i) => i + 1);
const bitOf = (square) => 1n << BigInt(square - 1 + Math.floor((square - 1) / 8));
const maskOf = (squares) => squares.reduce((mask, s) => mask | bitOf(s), 0n);
const BOARD = maskOf(SQUARES);
const SQUARE_OF = new Map(SQUARES.map((s) => [bitOf(s), s]));
const [ROW_1, ROW_8] = [maskOf([1, 2, 3, 4]), maskOf([29, 30, 31, 32])];

function bitsIn(mask) {
  const found = [];
  for (let rest = mask; rest; rest &= rest - 1n) found.push(rest & -rest);
  return found;
}

function nBits(mask) {
  let n = 0;
  for (let half of [Number(mask & 0xffffffffn), Number(mask >> 32n)])
    for (; half; half &= half - 1) n += 1;
  return n;
}

// -- positions ------------------------------------------------------------------------------------

// From "B:W21,22:B1,K2".
export function positionOf(fen) {
  const words = { B: [0n, 0n], W: [0n, 0n] }; // what goes forward, what goes backward
  for (const part of fen.split(":").slice(1))
    for (const item of part.slice(1).split(",").filter(Boolean)) {
      const isKing = item[0] === "K";
      const bit = bitOf(Number(isKing ? item.slice(1) : item));
      if (isKing || part[0] === "B") words[part[0]][0] |= bit;
      if (isKing || part[0] === "W") words[part[0]][1] |= bit;
    }
  const black = fen[0] === "B";
  const [[fa, ba], [fp, bp]] = black ? [words.B, words.W] : [words.W, words.B];
  return { fa, ba, fp, bp, black };
}

export function fenOf({ fa, ba, fp, bp, black }) {
  const told = (forward, backward) => bitsIn(forward | backward).map((bit) =>
    `${forward & backward & bit ? "K" : ""}${SQUARE_OF.get(bit)}`).join(",");
  const [active, passive] = [told(fa, ba), told(fp, bp)];
  return black ? `B:W${passive}:B${active}` : `W:W${active}:B${passive}`;
}

// The same pieces with the other side to move.
export const turned = ({ fa, ba, fp, bp, black }) =>
  ({ fa: fp, ba: bp, fp: fa, bp: ba, black: !black });

// -- the rules ------------------------------------------------------------------------------------

const emptyIn = (p) => BOARD ^ (p.fa | p.ba | p.fp | p.bp);
const goers = (p, way) => (way > 0n ? p.fa : p.ba);
const stepsOf = (p, way) => goers(p, way) << way & emptyIn(p);
const jumpsOf = (p, way, movers = BOARD) =>
  ((goers(p, way) & movers) << way & (p.fp | p.bp)) << way & emptyIn(p);
const canStep = (p) => WAYS.some((way) => stepsOf(p, way));
const canJump = (p, movers) => WAYS.some((way) => jumpsOf(p, way, movers));

// A piece goes from `start` to `to`, and is crowned there; the same side goes on.
function hop(p, start, to, taken) {
  const forward = p.fa & start || to & ROW_1 ? to : 0n;
  const backward = p.ba & start || to & ROW_8 ? to : 0n;
  return { ...p, fa: p.fa & ~start | forward, ba: p.ba & ~start | backward, fp: p.fp & ~taken,
    bp: p.bp & ~taken };
}

// All captures that `movers` begin; one goes on as long as it can, but not after a crowning.
function captures(p, movers, path, found) {
  for (const way of WAYS) for (const to of bitsIn(jumpsOf(p, way, movers))) {
    const start = to << -2n * way;
    const now = hop(p, start, to, to << -way);
    const been = [...path.length ? path : [start], to];
    const isCrowned = to & (ROW_1 | ROW_8) && !(p.fa & p.ba & start);
    if (isCrowned || !canJump(now, to)) found.push({ after: turned(now), path: been });
    else captures(now, to, been, found);
  }
  return found;
}

// Every complete legal move: { after, path }.
function movesIn(p) {
  if (canJump(p)) return captures(p, BOARD, [], []);
  return WAYS.flatMap((way) => bitsIn(stepsOf(p, way)).map((to) => {
    const start = to << -way;
    return { after: turned(hop(p, start, to, 0n)), path: [start, to] };
  }));
}

// The same by name, "11-15" or "22x15x8", in the order of their squares: [[name, after], ...].
export function legalMoves(p) {
  const sign = canJump(p) ? "x" : "-";
  const inOrder = (a, b) => a.map((s, i) => s - (b[i] ?? 0)).find(Boolean) ?? a.length - b.length;
  return movesIn(p)
    .map(({ after, path }) => ({ after, squares: path.map((bit) => SQUARE_OF.get(bit)) }))
    .toSorted((one, other) => inOrder(one.squares, other.squares))
    .map(({ after, squares }) => [squares.join(sign), after]);
}

// -- what the machine sees ------------------------------------------------------------------------

const CENTRE = maskOf([10, 11, 14, 15, 18, 19, 22, 23]);
const [LOW, HIGH] = [maskOf(SQUARES.slice(8, 16)), maskOf(SQUARES.slice(16, 24))];
const DOUBLE_CORNERS = maskOf([1, 5, 28, 32]);
const MOVE_SYSTEM = maskOf(SQUARES.filter((s) => Math.floor((s - 1) / 4) % 2 === 0));
// Squares so far from the two long diagonals between the double corners.
const DIAGONALS = [0, 1, 2].map((far) => maskOf(SQUARES.filter((square) => {
  const [column, row] = [(square - 1) % 4, Math.floor((square - 1) / 4)];
  return Math.abs(2 * column + (row + 1) % 2 - row) === 2 * far + 1;
})));
const edge = (way) => BOARD & ~(BOARD << -way); // squares with no neighbour in that direction
const around = (x) => WAYS.map((way) => x << way);
const threeOf = ([a, b, c, d]) => a & b & (c | d) | c & d & (a | b);
const pointsOf = (forward, backward) => 2 * nBits(forward | backward) + nBits(forward & backward);

// A position, and what follows from it: the side to move is active, the other has just moved.
export function lookAt(p) {
  const { fa, ba, fp, bp } = p;
  const [active, passive, empty] = [fa | ba, fp | bp, emptyIn(p)];
  const [up, down] = [stepsOf(p, 4n) | stepsOf(p, 5n), stepsOf(p, -4n) | stepsOf(p, -5n)];
  const reach = up | down;
  // squares on which active could capture whatever stood there
  const again = fa << 4n & empty >> 4n | fa << 5n & empty >> 5n | ba >> 4n & empty << 4n
    | ba >> 5n & empty << 5n;
  // squares to which active can step and be captured; where the taker may land is given
  function taken(landing, left) {
    const there = fp << 4n & landing >> 4n | fp << 5n & landing >> 5n | bp >> 4n & landing << 4n
      | bp >> 5n & landing << 5n;
    const [f, b] = [fa & left, ba & left]; // the taker may also land on the square that was left
    const back = f << 4n & bp >> 4n | f << 5n & bp >> 5n | b >> 4n & fp << 4n | b >> 5n & fp << 5n;
    return reach & there | back & empty;
  }
  const denied = taken(empty & ~again, ~again);
  const home = (black, white) => maskOf(p.black ? white : black); // as the passive side sees it
  const holds = (black, white) => !(home(black, white) & ~passive);
  return { ...p, active, passive, empty, up, down, reach, denied, home, holds,
    exchange: taken(empty & again, again) & ~denied,
    kings: fa & ba, passiveKings: fp & bp, nActive: pointsOf(fa, ba), nPassive: pointsOf(fp, bp),
    bridge: holds([1, 3], [30, 32]), oreo: holds([2, 3, 7], [26, 30, 31]) };
}

const when = (holds, weight = 1) => [[weight, holds ? 1n : 0n]];

// Each parameter as [weight, mask] pairs: so much for every bit of the mask.
const PARAMETERS = {
  ADV({ fp, bp }) {
    const [black, white] = [fp & ~bp, bp & ~fp];
    return [[1, black & HIGH | white & LOW], [-1, black & LOW | white & HIGH]];
  },
  APEX(p) {
    const apex = maskOf([7, 26]);
    return when(p.active & apex && !(p.kings | p.passiveKings | p.passive & apex), -1);
  },
  BACK: (p) => when(!p.kings && p.bridge),
  CENT: (p) => [[1, p.passive & ~p.passiveKings & CENTRE]],
  CNTR: (p) => [[1, (p.active | p.reach) & CENTRE]],
  CORN: (p) => when(p.nActive < 7 && p.nActive < p.nPassive && p.reach & DOUBLE_CORNERS),
  CRAMP: (p) => when(p.passive & p.home([13], [20]) && p.passive & p.home([9, 14], [19, 24])
    && !(p.home([17, 21, 22, 25], [8, 11, 12, 16]) & ~p.active), 2),
  DENY: (p) => [[1, p.denied]],
  DIA: (p) => [[1, p.passive & DIAGONALS[0]]],
  DIAV: (p) => DIAGONALS.map((mask, far) => [0.5 * (3 - far), p.passive & mask]),
  DYKE: ({ passive: q }) => [[1, q & q << 4n & q << 8n], [1, q & q << 5n & q << 10n]],
  EXCH: (p) => [[1, p.exchange]],
  EXPOS(p) {
    const [a, b, c, d] = around(p.empty);
    return [[1, p.passive & (a & c | b & d)]];
  },
  FORK({ passive: q, empty: e, up, down }) {
    const above = up & q >> 4n & q >> 5n & e >> 8n & e >> 10n;
    return [[1, above | down & q << 4n & q << 5n & e << 8n & e << 10n]];
  },
  GAP({ passive: q, empty }) {
    const [a, b] = [4n, 5n].map((way) =>
      q << way & (q >> way | edge(way)) | q >> way & edge(-way));
    return [[1, (a | b) & empty]];
  },
  GUARD: (p) => when(!p.kings && (p.bridge || p.oreo)),
  HOLE: (p) => [[1, p.empty & threeOf(around(p.passive))]],
  KCENT: (p) => [[1, p.passiveKings & CENTRE]],
  MOB: (p) => [[1, p.reach]],
  MOBIL: (p) => [[1, p.reach & ~p.denied]],
  MOVE: (p) => when(nBits(p.active) === nBits(p.passive) && p.nActive + p.nPassive < 24
    && nBits((p.active | p.passive) & MOVE_SYSTEM) % 2),
  NODE: (p) => [[1, p.passive & threeOf(around(p.empty))]],
  OREO: (p) => when(!p.passiveKings && p.oreo),
  POLE: (p) => [[1, around(p.empty).reduce((a, b) => a & b, p.passive & ~p.passiveKings)]],
  RECAP: (p) => [[1, p.exchange]],
  THRET({ kings: k, passive: q, empty: e, up, down }) {
    const [above, below] = [(k >> 4n | k >> 5n) & e, (k << 4n | k << 5n) & e];
    return [[1, (up | above) & (q >> 4n & e >> 8n | q >> 5n & e >> 10n)
      | (down | below) & (q << 4n & e << 8n | q << 5n & e << 10n)]];
  },
};

// What each connective is made of: its two parameters, and whether each must have grown.
const MADE_OF = Object.fromEntries([
  ["DENY", "MOB", ["DEMO", "DEMMO", "DDEMO", "DDMM"]],
  ["MOBIL", "DENY", ["MODE1", "MODE2", "MODE3", "MODE4"]],
  ["MOBIL", "CENT", ["MOC1", "MOC3", "MOC2", "MOC4"]],
].flatMap(([a, b, names]) => names.map((name, way) => [name, [a, b, way < 2, way % 2 === 0]])));

const parameter = (look, name) =>
  PARAMETERS[name](look).reduce((sum, [weight, mask]) => sum + weight * nBits(mask), 0);

// What the last move changed, for the side that made it: a function of a term's name.
export function changes(now, before) {
  const change = (name) => parameter(now, name) - parameter(before, name);
  return (name) => {
    if (!MADE_OF[name]) return change(name);
    const [a, b, withA, withB] = MADE_OF[name];
    return Number(change(a) > 0 === withA && change(b) > 0 === withB);
  };
}

// Men count 2, kings 3; the difference weighs more the fewer pieces are left.
export function pieceAdvantage({ fa, ba, fp, bp }) {
  const [mine, yours] = [pointsOf(fp, bp), pointsOf(fa, ba)];
  return (mine - yours) * Math.max(96 - mine - yours, 48) * (PIECE / 48);
}

// -- looking ahead --------------------------------------------------------------------------------

// Minimax for the side to move, `ply` plies below the root; captures are followed beyond the depth.
function bestScore(p, ply, depth, weights) {
  let before = null;
  function judged(after) {
    if (!canJump(after) && !canStep(after)) return WIN - (ply + 1);
    before ||= lookAt(turned(p));
    const change = changes(lookAt(after), before);
    return weights.reduce((sum, [name, weight]) => sum + weight * change(name),
      pieceAdvantage(after));
  }
  let best = -(WIN - ply);
  for (const { after } of movesIn(p)) {
    const goesOn = ply + 1 < depth || ply + 1 < LONGEST && canJump(after);
    const score = goesOn ? -bestScore(after, ply + 1, depth, weights) : judged(after);
    best = Math.max(best, score);
  }
  return best;
}

// The machine's move: the first of those after which the other side's best is worst.
export function chosenMove(fen, weights, depth) {
  const used = Object.entries(weights).map(([name, weight]) => [name, Math.fround(weight)]);
  let [best, least] = ["", Infinity];
  for (const [move, after] of legalMoves(positionOf(fen))) {
    const score = bestScore(after, 0, Math.max(depth - 1, 1), used);
    if (score < least) [best, least] = [move, score];
  }
  return best;
}

export const afterMove = (fen, move) => fenOf(new Map(legalMoves(positionOf(fen))).get(move));

// What the machine sees in its move, in men: [["pieces", 0], [term, part], ...], the largest first.
export function reasonsOf(fen, move, weights) {
  const [now, before] = [positionOf(afterMove(fen, move)), positionOf(fen)];
  const change = changes(lookAt(now), lookAt(turned(before)));
  const parts = Object.entries(weights).map(([name, weight]) =>
    [name, weight * change(name) / (2 * PIECE)]);
  const largest = parts.filter(([, part]) => part).toSorted((a, b) =>
    Math.abs(b[1]) - Math.abs(a[1]));
  return [["pieces", pieceAdvantage(now) / (2 * PIECE)], ...largest];
}
