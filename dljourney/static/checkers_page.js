// What CheckersMachine does in Python: a machine that plays on the board, and says why it moves.
// The rules and the machine are in checkers.js; `boardView` is the board's own front end.

const PAUSE = 500; // milliseconds before a reply, so that the eye can follow
const MOST_REASONS = 8;
const SLIDERS = ["ADV", "BACK", "CENT", "DENY", "EXPOS", "KCENT", "MOB", "THRET"];

// The weights of the machine on the board: {term: coefficient}.
function machineOf(live) {
  const name = live.get("opponent");
  if (name !== "mine") return live.kept.machines[name];
  const set = SLIDERS.filter((term) => live.get(term));
  return Object.fromEntries(set.map((term) => [term, live.get(term) / 100 * 2 * PIECE]));
}

// The game on the board: its positions, the moves between them, what the machine said of its own.
function gameOf(live) {
  const { positions, history, told, depth, flipped } = live.kept;
  const model = standInModel({ fen: "", moves: [], history: [], status: "", error: "", _last: "",
    flipped, size: live.get("size") }, { said });
  const fen = () => positions.at(-1);
  const isBlack = () => fen()[0] === "B";

  function show(last = "") {
    const legal = legalMoves(positionOf(fen())).map(([move]) => move);
    const [name, winner] = isBlack() ? ["Black", "White"] : ["White", "Black"];
    told.length = Math.min(told.length, Math.floor((history.length + isBlack()) / 2));
    const shown = { fen: fen(), history: [...history], _last: last, error: "",
      moves: isBlack() ? legal : [],
      status: legal.length ? `${name} to move` : `${name} can't move: ${winner} wins` };
    for (const [key, value] of Object.entries(shown)) model.put(key, value);
    if (legal.length && !isBlack()) setTimeout(answer, PAUSE, fen());
  }
  function play(move) {
    positions.push(afterMove(fen(), move));
    history.push(move);
    show(move);
    live.draw();
  }
  function answer(asked) {
    if (asked !== fen()) return; // the game went elsewhere meanwhile
    const weights = machineOf(live);
    const move = chosenMove(asked, weights, depth);
    told.push([move, reasonsOf(asked, move, weights)]);
    play(move);
  }
  function undo() {
    if (positions.length > 1) positions.pop();
    while (positions.length > 1 && !isBlack()) positions.pop();
  }
  function said({ press, move }) {
    if (move) {
      if (model.get("moves").includes(move)) play(move);
      return;
    }
    if (press === "undo") undo();
    else positions.length = 1;
    history.length = positions.length - 1;
    show();
    live.draw();
  }
  show(history.at(-1));
  return { model, said: () => told.at(-1) || ["", []] };
}

export const acts = {
  begin(live) {
    live.game = gameOf(live);
    const el = make("div", { class: "dlj-page-board" });
    document.getElementById("demo").before(el);
    boardView({ model: live.game.model, el });
  },
  chosenMove, reasonsOf, // for tests and the curious
  draw(live) {
    const [move, all] = live.game.said();
    const said = all.slice(0, MOST_REASONS);
    const marks = [
      barsMark(said.map((_, i) => i), said.map(([, part]) => part), {
        colour: said.map(([, part]) => (part > 0 ? "blue" : "orange")),
      }),
      ruleMark({ y: 0, dash: false }),
    ];
    return { games: [], score: { "it played": move || "-" },
      reasons: said.length ? { marks, xticks: said.map(([name], i) => [i, name]) } : [] };
  },
};
