// A demo whose front end needs nobody: there is nothing to press, and no work.
export const acts = {};
