// What PolynomialFit does in Python beside the maths of polynomial_fit.js.
export const acts = { press: { forget(live) { live.set({ mine: [] }); } } };
