// A demo whose front end needs nobody: there is nothing to press, and no work.
const acts = {};
