// A VAE and its training, written out: forward, backward and Adam. No library, no page: a Web Worker runs it (worker.js),
// and so does node, where tests compare every gradient with PyTorch's.
//
// Letters as in the book: N images, D = 784 pixels, H = 128 hidden units, K = 2 latents. A matrix is a Float32Array, row by
// row. Losses are one number per image, in nats; only the gradient averages over the batch.

export const [D, H, K] = [784, 128, 2];

// Inputs, outputs. The encoder ends in mu and log_var, K of each; the decoder ends in logits. Weights lie as PyTorch keeps
// them, (outputs, inputs).
const LAYERS = [[D, H], [H, 2 * K], [K, H], [H, D]];

/**
 * The switchboard, and where each switch stands for the book's VAE. noise: "off", the code is mu; "fixed", every sigma is
 * NOISE; "learned", the encoder says log_var. likelihood: "Bernoulli", or "Gaussian" with `sigma` for each pixel.
 * reduction: "sum" or "mean", over the pixels. warm_up: steps over which beta rises from 0. mistake: a name of
 * MUSEUM in vaelib/explorers/museum.py, or "" for none.
 */
export const RIGHT = {
  beta: 1, noise: "learned", likelihood: "Bernoulli", sigma: 0.3, reduction: "sum", lr: 0.006, warm_up: 0, mistake: "",
};
export const NOISE = 0.5;

// --- chance -------------------------------------------------------------------------------------------------------------

/** Numbers in [0, 1) that depend on the seed alone (mulberry32). */
export function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` draws from N(0, 1) (Box and Muller). */
export function normals(random, count) {
  const draw = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Float32Array.from({ length: count }, draw);
}

// --- matrices -----------------------------------------------------------------------------------------------------------

/** y[r, c] = sum over k of a[r, k] b[c, k]: rows with rows. Most of the time is spent here. */
export function product(a, b, rows, columns, inner) {
  const y = new Float32Array(rows * columns);
  const [whole, across] = [rows & ~3, columns & ~3];
  for (let r = 0; r < rows; r++) {
    const blocks = r < whole;
    if (blocks && r % 4 === 0) for (let c = 0; c < across; c += 4) sixteen(a, b, y, r, c, columns, inner);
    for (let c = blocks ? across : 0; c < columns; c++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += a[r * inner + k] * b[c * inner + k];
      y[r * columns + c] = sum;
    }
  }
  return y;
}

// Four rows with four rows: eight numbers that are read serve sixteen multiplications.
function sixteen(a, b, y, r, c, columns, inner) {
  const i0 = r * inner, i1 = i0 + inner, i2 = i1 + inner, i3 = i2 + inner;
  const j0 = c * inner, j1 = j0 + inner, j2 = j1 + inner, j3 = j2 + inner;
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
  let s8 = 0, s9 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0, s14 = 0, s15 = 0;
  for (let k = 0; k < inner; k++) {
    const a0 = a[i0 + k], a1 = a[i1 + k], a2 = a[i2 + k], a3 = a[i3 + k];
    const b0 = b[j0 + k], b1 = b[j1 + k], b2 = b[j2 + k], b3 = b[j3 + k];
    s0 += a0 * b0; s1 += a0 * b1; s2 += a0 * b2; s3 += a0 * b3;
    s4 += a1 * b0; s5 += a1 * b1; s6 += a1 * b2; s7 += a1 * b3;
    s8 += a2 * b0; s9 += a2 * b1; s10 += a2 * b2; s11 += a2 * b3;
    s12 += a3 * b0; s13 += a3 * b1; s14 += a3 * b2; s15 += a3 * b3;
  }
  let to = r * columns + c;
  y[to] = s0; y[to + 1] = s1; y[to + 2] = s2; y[to + 3] = s3; to += columns;
  y[to] = s4; y[to + 1] = s5; y[to + 2] = s6; y[to + 3] = s7; to += columns;
  y[to] = s8; y[to + 1] = s9; y[to + 2] = s10; y[to + 3] = s11; to += columns;
  y[to] = s12; y[to + 1] = s13; y[to + 2] = s14; y[to + 3] = s15;
}

function transposed(a, rows, columns) {
  const y = new Float32Array(a.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) y[c * rows + r] = a[r * columns + c];
  return y;
}

/** y = x weight' + bias, (N, inputs) -> (N, outputs). */
function linear(x, { weight, bias, inputs, outputs }, N) {
  const y = inputs === D ? inked(x, weight, N) : product(x, weight, N, outputs, inputs);
  for (let i = 0; i < y.length; i++) y[i] += bias[i % outputs];
  return y;
}

/** From the gradient at a layer's y: adds that at its weight and bias. Of the first layer no more is wanted. */
function numbersBackward(dy, x, { inputs, outputs, dWeight, dBias }, N) {
  for (let i = 0; i < dy.length; i++) dBias[i % outputs] += dy[i];
  if (inputs === D) inkedBackward(dy, x, dWeight, N);
  else dWeight.set(product(transposed(dy, N, outputs), transposed(x, N, inputs), outputs, inputs, N));
}

/** The same, and returns the gradient at the layer's x. */
function linearBackward(dy, x, layer, N) {
  numbersBackward(dy, x, layer, N);
  return product(dy, transposed(layer.weight, layer.outputs, layer.inputs), N, layer.inputs, layer.outputs);
}

// The first layer reads pictures, and four of five pixels are paper, 0: only those with ink are multiplied.
function inked(x, weight, N) {
  const y = new Float32Array(N * H);
  for (let n = 0; n < N; n++) {
    const [where, count] = ink(x, n);
    for (let h = 0; h < H; h += 4) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (let k = 0; k < count; k++) {
        const i = where[k], pixel = x[n * D + i], w = h * D + i;
        s0 += pixel * weight[w]; s1 += pixel * weight[w + D]; s2 += pixel * weight[w + 2 * D]; s3 += pixel * weight[w + 3 * D];
      }
      const to = n * H + h;
      y[to] = s0; y[to + 1] = s1; y[to + 2] = s2; y[to + 3] = s3;
    }
  }
  return y;
}

function inkedBackward(dy, x, dWeight, N) {
  for (let n = 0; n < N; n++) {
    const [where, count] = ink(x, n);
    for (let h = 0; h < H; h += 4) {
      const d0 = dy[n * H + h], d1 = dy[n * H + h + 1], d2 = dy[n * H + h + 2], d3 = dy[n * H + h + 3];
      for (let k = 0; k < count; k++) {
        const i = where[k], pixel = x[n * D + i], w = h * D + i;
        dWeight[w] += d0 * pixel; dWeight[w + D] += d1 * pixel; dWeight[w + 2 * D] += d2 * pixel; dWeight[w + 3 * D] += d3 * pixel;
      }
    }
  }
}

const found = new Int32Array(D);
function ink(x, n) {
  let count = 0;
  for (let i = 0; i < D; i++) if (x[n * D + i] > 0) found[count++] = i;
  return [found, count];
}

const sigmoid = (a) => 1 / (1 + Math.exp(-a));

// SiLU, a sigmoid(a), between the two layers of encoder and decoder.
const silu = (a) => a.map((value) => value * sigmoid(value));

function siluBackward(dy, a) {
  return dy.map((d, i) => {
    const s = sigmoid(a[i]);
    return d * s * (1 + a[i] * (1 - s));
  });
}

// --- the four places where a program is right or wrong -------------------------------------------------------------------

/** What a picture costs, and the gradient at its logits: [nats of image n, written into `d` at n]. */
function reconstruction(logits, x, n, { likelihood, sigma, reduction, mistake }, d) {
  const share = reduction === "mean" || mistake === "mean over pixels" ? 1 / D : 1;
  const constant = Math.log(sigma) + Math.log(2 * Math.PI) / 2;
  let nats = 0;
  for (let i = n * D; i < (n + 1) * D; i++) {
    const inner = sigmoid(logits[i]);
    const twice = mistake === "sigmoid twice";
    const a = twice ? inner : logits[i];
    const p = twice ? sigmoid(inner) : inner;
    let slope;
    if (likelihood === "Gaussian") {
      nats += (x[i] - p) ** 2 / (2 * sigma ** 2) + constant;
      slope = ((p - x[i]) * p * (1 - p)) / sigma ** 2;
    } else {
      // log(1 + exp(a)) - x a, written so that nothing overflows; its gradient is p - x.
      nats += Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))) - x[i] * a;
      slope = p - x[i];
    }
    d[i] = share * slope * (twice ? inner * (1 - inner) : 1);
  }
  return share * nats;
}

/** What one latent costs, and the gradients at mu and log_var: [nats, dMu, dLogVar]. */
function klOf(mu, logVar, { mistake }) {
  const [variance, sigma] = [Math.exp(logVar), Math.exp(logVar / 2)];
  const right = [(mu ** 2 + variance - 1 - logVar) / 2, mu, (variance - 1) / 2];
  if (mistake === "sigma for sigma squared, twice") return [(mu ** 2 + sigma - 1 - logVar / 2) / 2, mu, (sigma - 1) / 4];
  if (mistake === "sign of the KL") return right.map((value) => -value);
  return right;
}

/** By what epsilon is multiplied, and where the encoder says log_var how that changes with it: [spread, slope]. */
function spreadOf(logVar, { noise, mistake }) {
  if (noise === "off") return [0];
  if (noise === "fixed") return [NOISE];
  if (mistake === "log variance as sigma") return [logVar, 1];
  return [Math.exp(logVar / 2), Math.exp(logVar / 2) / 2];
}

/** Logits made into a picture in [0, 1]. */
export function picture(logits, { mistake } = RIGHT) {
  if (mistake === "no sigmoid") return logits.map((a) => Math.min(1, Math.max(0, a)));
  return logits.map(mistake === "sigmoid twice" ? (a) => sigmoid(sigmoid(a)) : sigmoid);
}

// --- the network and its training ----------------------------------------------------------------------------------------

export class Training {
  /** New weights from a seed, as PyTorch draws them: even in +-1 / sqrt(inputs). */
  constructor(seed) {
    const size = LAYERS.reduce((sum, [inputs, outputs]) => sum + (inputs + 1) * outputs, 0);
    // All weights and biases in one array, so that Adam is one loop; the layers are views of it.
    [this.numbers, this.gradient] = [new Float32Array(size), new Float32Array(size)];
    // In double precision, for squares of small gradients are too small for single, and slow.
    [this.mean, this.square] = [new Float64Array(size), new Float64Array(size)];
    this.random = chance(seed);
    this.steps = 0;
    let at = 0;
    this.layers = LAYERS.map(([inputs, outputs]) => {
      const [from, middle, to] = [at, at + inputs * outputs, at + (inputs + 1) * outputs];
      for (; at < to; at++) this.numbers[at] = (2 * this.random() - 1) / Math.sqrt(inputs);
      const [weight, bias] = [this.numbers.subarray(from, middle), this.numbers.subarray(middle, to)];
      const [dWeight, dBias] = [this.gradient.subarray(from, middle), this.gradient.subarray(middle, to)];
      return { inputs, outputs, weight, bias, dWeight, dBias };
    });
  }

  /** The posteriors of N images: mu, then log_var, in one row of 2 K each. */
  encode(x, N) {
    const [first, second] = this.layers;
    const a = linear(x, first, N);
    const hidden = silu(a);
    return { a, hidden, posterior: linear(hidden, second, N) };
  }

  /** The logits of N codes. */
  decode(z, N) {
    const [, , first, second] = this.layers;
    const a = linear(z, first, N);
    const hidden = silu(a);
    return { a, hidden, logits: linear(hidden, second, N) };
  }

  /** What N images cost by this program, each and in the mean; epsilon: N x K draws from N(0, 1). */
  forward(x, N, epsilon, settings) {
    const encoded = this.encode(x, N);
    const z = new Float32Array(N * K);
    const kl = new Float64Array(K);
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) {
        const [mu, logVar] = this.posteriorOf(encoded.posterior, n, k, settings);
        const e = epsilon[settings.mistake === "one epsilon for the batch" ? k : n * K + k];
        z[n * K + k] = mu + spreadOf(logVar, settings)[0] * e;
        if (settings.noise !== "off") kl[k] += klOf(mu, logVar, settings)[0] / N;
      }
    }
    const decoded = this.decode(z, N);
    let nats = 0;
    const dLogits = new Float32Array(N * D);
    for (let n = 0; n < N; n++) nats += reconstruction(decoded.logits, x, n, settings, dLogits) / N;
    return { encoded, z, decoded, dLogits, reconstruction: nats, kl };
  }

  posteriorOf(posterior, n, k, { noise }) {
    const logVar = noise === "learned" ? posterior[n * 2 * K + K + k] : 2 * Math.log(NOISE);
    return [posterior[n * 2 * K + k], logVar];
  }

  /** Fill `gradient` with that of the batch's mean loss, reconstruction + beta KL; returns the loss and what it is made of. */
  backward(x, N, epsilon, settings, beta = settings.beta) {
    const { encoded, z, decoded, dLogits, ...terms } = this.forward(x, N, epsilon, settings);
    const [e1, e2, d1, d2] = this.layers;
    this.gradient.fill(0);
    for (let i = 0; i < dLogits.length; i++) dLogits[i] /= N;
    const dHidden = linearBackward(dLogits, decoded.hidden, d2, N);
    const dZ = linearBackward(siluBackward(dHidden, decoded.a), z, d1, N);
    // z = mu + spread epsilon: the gradient at z reaches mu as it is, and log_var by way of the spread; the KL adds its own.
    const dPosterior = new Float32Array(N * 2 * K);
    const price = settings.noise === "off" ? 0 : beta / N;
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) {
        const [mu, logVar] = this.posteriorOf(encoded.posterior, n, k, settings);
        const e = epsilon[settings.mistake === "one epsilon for the batch" ? k : n * K + k];
        const [, dMu, dLogVar] = klOf(mu, logVar, settings);
        const at = n * 2 * K + k;
        dPosterior[at] = dZ[n * K + k] + price * dMu;
        if (settings.noise !== "learned") continue;
        dPosterior[at + K] = dZ[n * K + k] * spreadOf(logVar, settings)[1] * e + price * dLogVar;
      }
    }
    const dCode = linearBackward(dPosterior, encoded.hidden, e2, N);
    numbersBackward(siluBackward(dCode, encoded.a), x, e1, N);
    return { ...terms, loss: terms.reconstruction + beta * (terms.kl[0] + terms.kl[1]) };
  }

  /** One step of training on N images. */
  step(x, N, epsilon, settings) {
    const warm = settings.warm_up ? Math.min(1, this.steps / settings.warm_up) : 1;
    const terms = this.backward(x, N, epsilon, settings, settings.beta * warm);
    this.adam(settings.lr);
    return terms;
  }

  /** Adam (Kingma and Ba, 2015): a mean of gradients over the root of a mean of their squares, both freed of their start at 0. */
  adam(lr) {
    this.steps++;
    const [b1, b2] = [0.9, 0.999];
    const [rate, scale] = [lr / (1 - b1 ** this.steps), 1 / (1 - b2 ** this.steps)];
    const { numbers, gradient, mean, square } = this;
    for (let i = 0; i < numbers.length; i++) {
      const g = gradient[i];
      mean[i] = b1 * mean[i] + (1 - b1) * g;
      square[i] = b2 * square[i] + (1 - b2) * g * g;
      numbers[i] -= (rate * mean[i]) / (Math.sqrt(square[i] * scale) + 1e-8);
    }
  }
}

/** Batches of images chosen by chance, each image once before any comes again: next() gives their pixels. pixels: (images, D). */
export function batches(pixels, N, random) {
  const count = pixels.length / D;
  const order = Int32Array.from({ length: count }, (_, i) => i);
  let at = count;
  return () => {
    const x = new Float32Array(N * D);
    for (let n = 0; n < N; n++) {
      if (at >= count) at = 0;
      // The next of the order is drawn among those that are left (Fisher and Yates).
      const other = at + Math.floor(random() * (count - at));
      [order[at], order[other]] = [order[other], order[at]];
      x.set(pixels.subarray(order[at] * D, (order[at] + 1) * D), n * D);
      at++;
    }
    return x;
  };
}

/** 4-bit pixels as tools/codes.py packs them, two rows of a picture in one row of bytes: numbers in [0, 1], (images, D). */
export function unpacked(bytes) {
  const pixels = new Float32Array(2 * bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    const [pair, column] = [Math.floor(i / 28), i % 28];
    pixels[2 * pair * 28 + column] = (bytes[i] >> 4) / 15;
    pixels[(2 * pair + 1) * 28 + column] = (bytes[i] & 15) / 15;
  }
  return pixels;
}
