// The standard normal distribution's CDF and its inverse; JavaScript has neither.

/** Phi(x), off by at most 1e-7 (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.17). */
export function cdf(x) {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const terms = [1.330274429, -1.821255978, 1.781477937, -0.356563782, 0.31938153];
  const polynomial = t * terms.reduce((sum, term) => sum * t + term, 0);
  const tail = (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * polynomial;
  return x < 0 ? tail : 1 - tail;
}

/** The x with Phi(x) = share, by halving the interval; shares below 1e-4 or above 1 - 1e-4 are cut to that. */
export function quantile(share) {
  const target = Math.min(1 - 1e-4, Math.max(1e-4, share));
  let [low, high] = [-4, 4];
  while (high - low > 1e-6) {
    const middle = (low + high) / 2;
    if (cdf(middle) < target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
