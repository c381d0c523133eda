// torch's dice: the same seed throws the same numbers as `torch.Generator().manual_seed(seed)`, so
// that a page starts with the very weights, points and orders that Python starts with.

// torch.linspace
export function evenly(low, high, n) {
  const step = Math.fround((high - low) / (n - 1));
  return Float32Array.from({ length: n }, (_, i) =>
    (i < Math.floor(n / 2) ? low + step * i : high - step * (n - 1 - i)));
}

// The Mersenne twister: whole numbers of 32 bits.
function twister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) {
    const last = state[i - 1] ^ (state[i - 1] >>> 30);
    state[i] = Math.imul(1812433253, last) + i;
  }
  let at = 624;
  function turn() {
    for (let i = 0; i < 624; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
      state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    at = 0;
  }
  return () => {
    if (at === 624) turn();
    let y = state[at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

export function diceOf(seed) {
  const next = twister(seed);
  // torch.rand, or a parameter's first values between two numbers
  const uniform = (n, low = 0, high = 1) => {
    const [from, to] = [low, high].map(Math.fround);
    const one = () => (next() & (2 ** 24 - 1)) * 2 ** -24;
    return Float32Array.from({ length: n }, () => one() * Math.fround(to - from) + from);
  };
  // Sixteen at a time: eight sizes and eight angles become eight pairs.
  function toNormal(values, at) {
    for (let i = at; i < at + 8; i++) {
      const size = Math.sqrt(-2 * Math.log(1 - values[i]));
      const angle = 2 * Math.PI * values[i + 8];
      values[i] = size * Math.cos(angle);
      values[i + 8] = size * Math.sin(angle);
    }
  }
  // torch.randn of sixteen numbers or more; the last ones are thrown anew with those before them
  function normal(n) {
    const values = uniform(n);
    for (let i = 0; i + 16 <= n; i += 16) toNormal(values, i);
    if (n % 16) {
      values.set(uniform(16), n - 16);
      toNormal(values, n - 16);
    }
    return values;
  }
  // torch.randperm
  function order(n) {
    const places = Array.from({ length: n }, (_, i) => i);
    for (let i = 0; i < n - 1; i++) {
      const other = i + (next() % (n - i));
      [places[i], places[other]] = [places[other], places[i]];
    }
    return places;
  }
  return { uniform, normal, order };
}
