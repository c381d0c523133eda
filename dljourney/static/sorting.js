// What is said of piles by a last layer: the answers, doubts and verdict of `Sorter` in kit.models.
const FEW = 5; // pictures on each pile, below which nobody can tell how good it is
const QUANTILE = 1.9599639845400536; // of the normal distribution, at 97.5 %

// Probabilities out of scores.
function shared(scores) {
  const most = Math.max(...scores);
  const grown = Array.from(scores, (v) => Math.exp(v - most));
  const sum = grown.reduce((a, b) => a + b, 0);
  return grown.map((v) => v / sum);
}

export const answerBy = (rows, features) => shared(rows.map(({ weight, bias }) =>
  weight.reduce((sum, w, i) => sum + w * features[i], bias)));

// The pile of each picture, what it was taken for and how surely; the worst come first.
export function doubtsOf(leftOut, y) {
  const doubts = leftOut.map((scores, i) => {
    const said = scores.indexOf(Math.max(...scores));
    const parts = shared(scores);
    return { at: i, label: y[i], said, share: parts[said], loss: -Math.log(parts[y[i]]) };
  });
  return doubts.toSorted((a, b) => b.loss - a.loss);
}

// Wilson's interval of a share, as kit.intervals has it.
function wilson(right, n) {
  const z = QUANTILE;
  const [share, shrink] = [right / n, 1 / (1 + z ** 2 / n)];
  const middle = (share + z ** 2 / (2 * n)) * shrink;
  const half = z * Math.sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2)) * shrink;
  return [right ? Math.max(0, middle - half) : 0, right < n ? Math.min(1, middle + half) : 1];
}

// Per cent with one digit, and halves to the even one, as Python writes them.
export function perCent(share) {
  const v = 100 * share;
  return `${((4 * v) % 2 === 1 ? Math.round(5 * v) / 5 : v).toFixed(1)}%`;
}

// How good it is, with what chance may have done, or why nobody can tell.
export function verdictOf(names, counts, doubts) {
  const n = Math.min(...counts);
  if (n < FEW) {
    const few = names[counts.indexOf(n)];
    return `Too few to judge: ${few} has ${n} picture${n === 1 ? "" : "s"}, and it takes ${FEW} ` +
      "on each pile.";
  }
  const right = doubts.filter(({ label, said }) => label === said).length;
  const [low, high] = wilson(right, doubts.length).map(perCent);
  return `${right} of ${doubts.length} right, each picture asked before it was learned from: ` +
    `${perCent(right / doubts.length)} (95% interval: ${low} to ${high}).`;
}
