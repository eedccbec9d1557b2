// The playground's training by itself: gradients by finite differences, chance, batches. Against PyTorch: tests/test_playground.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { batches, chance, D, K, normals, picture, product, RIGHT, Training, unpacked } from "../../vaelib/static/train.js";

const N = 5;
const random = chance(11);
const x = Float32Array.from({ length: N * D }, () => Math.max(0, 5 * random() - 4));
const epsilon = normals(random, N * K);

const MUSEUM = ["mean over pixels", "sign of the KL", "sigmoid twice", "log variance as sigma", "sigma for sigma squared, twice", "one epsilon for the batch"];
for (const change of [{}, { beta: 3 }, { noise: "fixed" }, { noise: "off" }, { likelihood: "Gaussian" }, ...MUSEUM.map((mistake) => ({ mistake }))]) {
  test(`the gradient is what the loss changes by, that of each layer, and of mu and log_var: ${JSON.stringify(change)}`, () => {
    const training = new Training(5);
    const settings = { ...RIGHT, ...change };
    training.backward(x, N, epsilon, settings);
    const gradient = Float32Array.from(training.gradient);
    const start = Float32Array.from(training.numbers);
    const parts = Object.fromEntries(["first", "mu", "log_var", "third", "last"].map((name) => [name, []]));
    let i = 0;
    for (const [layer, { weight, bias, inputs, outputs }] of training.layers.entries()) {
      for (let k = 0; k < weight.length + bias.length; k++, i++) {
        const output = k < weight.length ? Math.floor(k / inputs) : k - weight.length;
        parts[layer === 1 ? (output < outputs / 2 ? "mu" : "log_var") : ["first", "", "third", "last"][layer]].push(i);
      }
    }
    for (const [name, part] of Object.entries(parts)) {
      // Along the gradient itself the loss changes fastest: by its length.
      const length = Math.sqrt(part.reduce((sum, i) => sum + gradient[i] ** 2, 0));
      const at = (t) => {
        training.numbers.set(start);
        for (const i of part) training.numbers[i] += (t * gradient[i]) / length;
        return training.backward(x, N, epsilon, settings).loss;
      };
      if (name === "log_var" && settings.noise !== "learned") assert.equal(length, 0);
      else assert.ok(Math.abs((at(0.05) - at(-0.05)) / 0.1 / length - 1) < 5e-3, `${name}: ${(at(0.05) - at(-0.05)) / 0.1} against ${length}`);
    }
  });
}

test("rows with rows, whatever their number", () => {
  for (const [rows, columns, inner] of [[1, 1, 1], [4, 4, 3], [5, 7, 2], [3, 8, 9], [8, 2, 5], [9, 10, 3], [10, 9, 4], [15, 11, 2], [8, 12, 1]]) {
    const a = normals(random, rows * inner);
    const b = normals(random, columns * inner);
    const y = product(a, b, rows, columns, inner);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        let sum = 0;
        for (let k = 0; k < inner; k++) sum += a[r * inner + k] * b[c * inner + k];
        assert.ok(Math.abs(y[r * columns + c] - sum) < 1e-5);
      }
    }
  }
});

test("chance is mulberry32, so that a seed in an old address begins the same training: its first numbers of seed 0, as they are known", () => {
  const next = chance(0);
  for (const known of [0.26642920868471265, 0.0003297457005828619, 0.2232720274478197, 0.1462021479383111, 0.46732782293111086]) assert.equal(next(), known);
});

test("draws are Box's and Muller's of those numbers, two for each, so that a seed's training stays what it is", () => {
  const [draws, next] = [normals(chance(5), 8), chance(5)];
  for (const draw of draws) assert.equal(draw, Math.fround(Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())));
});

test("the same seed gives the same weights, another seed others", () => {
  const [one, same, other] = [2, 2, 3].map((seed) => new Training(seed).numbers);
  assert.deepEqual(one, same);
  assert.notDeepEqual(one, other);
});

test("draws are standard normal", () => {
  const draws = normals(chance(1), 20000);
  const mean = draws.reduce((sum, e) => sum + e, 0) / draws.length;
  const variance = draws.reduce((sum, e) => sum + e * e, 0) / draws.length;
  assert.ok(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.04);
});

test("each image comes once before any comes again", () => {
  const pixels = new Float32Array(6 * D).map((_, i) => Math.floor(i / D));
  const next = batches(pixels, 3, chance(4));
  for (let epoch = 0; epoch < 3; epoch++) {
    const seen = [...next(), ...next()].filter((_, i) => i % D === 0);
    assert.deepEqual(seen.sort(), [0, 1, 2, 3, 4, 5]);
  }
});

test("which image comes first is even chance in every round", () => {
  const pixels = new Float32Array(5 * D).map((_, i) => Math.floor(i / D));
  const next = batches(pixels, 5, chance(4));
  const counts = Array.from({ length: 5 }, () => new Array(5).fill(0));
  for (let round = 0; round < 500; round++) next().forEach((image, i) => i % D || counts[i / D][image]++);
  for (const place of counts) for (const count of place) assert.ok(Math.abs(count - 100) < 40, `${place}`);
});

test("a picture is the sigmoid of its logits; with a mistake what that program would show, which stays between paper and ink", () => {
  const logits = Float32Array.from([-3, -0.5, 0, 0.25, 1, 4]);
  const sigmoid = (a) => 1 / (1 + Math.exp(-a));
  const shown = (mistake, of) => picture(logits, { ...RIGHT, mistake }).forEach((p, i) => assert.ok(Math.abs(p - of(logits[i])) < 1e-6));
  shown("", sigmoid);
  shown("sigmoid twice", (a) => sigmoid(sigmoid(a)));
  shown("no sigmoid", (a) => (a < 0 ? 0 : a > 1 ? 1 : a));
  assert.deepEqual(picture(logits), picture(logits, RIGHT));
});

test("of one image each weight's gradient is its unit's times its input; of a batch it is the mean of the images' own", () => {
  const training = new Training(5);
  const sum = new Float64Array(training.gradient.length);
  for (let n = 0; n < N; n++) {
    const image = x.subarray(n * D, (n + 1) * D);
    training.backward(image, 1, epsilon.subarray(n * K, (n + 1) * K), RIGHT);
    const { encoded, decoded, z } = training.forward(image, 1, epsilon.subarray(n * K, (n + 1) * K), RIGHT);
    for (const [k, input] of [image, encoded.hidden, z, decoded.hidden].entries()) {
      const { inputs, dWeight, dBias } = training.layers[k];
      dWeight.forEach((value, w) => {
        const wanted = dBias[Math.floor(w / inputs)] * input[w % inputs];
        if (!(Math.abs(value - wanted) <= 1e-5 * Math.abs(wanted) + 1e-7)) assert.fail(`layer ${k}, weight ${w}: ${value}, not ${wanted}`);
      });
    }
    training.gradient.forEach((value, i) => (sum[i] += value / N));
  }
  training.backward(x, N, epsilon, RIGHT);
  training.gradient.forEach((value, i) => {
    if (!(Math.abs(value - sum[i]) <= 1e-4 * Math.abs(sum[i]) + 1e-5)) assert.fail(`${i}: ${value}, not ${sum[i]}`);
  });
});

test("a code is mu and as much noise as the program says; each latent's KL is that program's, in the mean over the images", () => {
  const kl = (mu, logVar) => (mu ** 2 + Math.exp(logVar) - 1 - logVar) / 2;
  const learned = (logVar) => Math.exp(logVar / 2);
  const cases = [
    [{}, learned, kl],
    [{ noise: "off" }, () => 0, () => 0],
    [{ noise: "fixed" }, () => 0.5, (mu) => kl(mu, 2 * Math.log(0.5))],
    [{ mistake: "sign of the KL" }, learned, (mu, logVar) => -kl(mu, logVar)],
    [{ mistake: "sigma for sigma squared, twice" }, learned, (mu, logVar) => kl(mu, logVar / 2)],
    [{ mistake: "log variance as sigma" }, (logVar) => logVar, kl],
    [{ mistake: "one epsilon for the batch" }, learned, kl],
  ];
  for (const [change, spread, cost] of cases) {
    const { encoded, z, kl } = new Training(5).forward(x, N, epsilon, { ...RIGHT, ...change });
    const wanted = [0, 0];
    z.forEach((value, i) => {
      const [n, k] = [i >> 1, i & 1];
      const [mu, logVar] = [encoded.posterior[4 * n + k], encoded.posterior[4 * n + 2 + k]];
      wanted[k] += cost(mu, logVar) / N;
      const e = epsilon[change.mistake === "one epsilon for the batch" ? k : i];
      assert.ok(Math.abs(value - mu - spread(logVar) * e) < 1e-6, JSON.stringify(change));
    });
    kl.forEach((nats, k) => assert.ok(Math.abs(nats - wanted[k]) < 1e-6, `${JSON.stringify(change)}: ${nats}, not ${wanted[k]}`));
  }
});

test("a step of Adam is that of the paper, by its own means of gradients and of their squares", () => {
  const training = new Training(2);
  const numbers = Float64Array.from(training.numbers.subarray(0, 4));
  let [mean, square] = [[0, 0, 0, 0], [0, 0, 0, 0]];
  for (let step = 1; step <= 12; step++) {
    const g = [1, -2, 0.01 * step, step % 2];
    training.gradient.fill(0);
    training.gradient.set(g);
    training.adam(0.05);
    mean = mean.map((m, i) => 0.9 * m + 0.1 * Math.fround(g[i]));
    square = square.map((s, i) => 0.999 * s + 0.001 * Math.fround(g[i]) ** 2);
    for (let i = 0; i < 4; i++) {
      numbers[i] -= (0.05 * (mean[i] / (1 - 0.9 ** step))) / (Math.sqrt(square[i] / (1 - 0.999 ** step)) + 1e-8);
      assert.ok(Math.abs(training.numbers[i] - numbers[i]) < 1e-6, `${step}: ${training.numbers[i]}, not ${numbers[i]}`);
    }
  }
  assert.equal(training.numbers[4], new Training(2).numbers[4], "where there is no gradient nothing moves");
});

test("warm-up charges the KL by and by", () => {
  const settings = { ...RIGHT, warm_up: 10 };
  const training = new Training(1);
  const shares = Array.from({ length: 12 }, () => {
    const { loss, reconstruction, kl } = training.step(x, N, epsilon, settings);
    return (loss - reconstruction) / (kl[0] + kl[1]);
  });
  assert.deepEqual(shares.map((share) => Math.round(10 * share)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10]);
});

test("two rows of pixels lie in one row of bytes", () => {
  const bytes = new Uint8Array(392);
  bytes[0] = 0xf3;
  bytes[28 + 5] = 0x05;
  const pixels = unpacked(bytes);
  assert.equal(pixels[0], 1);
  assert.ok(Math.abs(pixels[28] - 0.2) < 1e-6);
  assert.ok(Math.abs(pixels[3 * 28 + 5] - 1 / 3) < 1e-6);
  const levels = Uint8Array.from({ length: 2 * D }, (_, i) => (3 * i + 7 * Math.floor(i / 28) ** 2) % 16);
  const packed = Uint8Array.from({ length: D }, (_, i) => 16 * levels[28 * Math.floor(i / 28) + i] + levels[28 * Math.floor(i / 28) + 28 + i]);
  assert.deepEqual(Array.from(unpacked(packed), (p) => Math.round(15 * p)), Array.from(levels));
});

test("ink at each pixel reaches the hidden units by that pixel's own weights, the first and the last too", () => {
  const training = new Training(3);
  const [{ weight, bias }] = training.layers;
  for (const i of [0, 1, 28, 400, D - 1]) {
    const { a } = training.encode(Float32Array.from({ length: D }, (_, k) => (k === i ? 0.5 : 0)), 1);
    a.forEach((value, h) => assert.ok(Math.abs(value - bias[h] - weight[h * D + i] / 2) < 1e-6));
  }
});

test("a Bernoulli decoder's cost is the cross-entropy, summed over the pixels or in their mean, without overflow", () => {
  const cost = (change) => new Training(3).forward(x, N, new Float32Array(N * K), { ...RIGHT, noise: "off", ...change });
  const { decoded, reconstruction } = cost({});
  const nats = decoded.logits.reduce((sum, logit, i) => {
    const p = 1 / (1 + Math.exp(-logit));
    return sum - x[i] * Math.log(p) - (1 - x[i]) * Math.log(1 - p);
  }, 0);
  assert.ok(Math.abs(reconstruction - nats / N) < 1e-4);
  for (const change of [{ reduction: "mean" }, { mistake: "mean over pixels" }]) assert.ok(Math.abs(cost(change).reconstruction - nats / N / D) < 1e-6);
  const extreme = new Training(3);
  extreme.layers[3].bias.forEach((_, i, bias) => (bias[i] = i % 2 ? 1000 : -1000));
  const far = extreme.forward(new Float32Array(D), 1, [0, 0], { ...RIGHT, noise: "off" });
  assert.ok(Math.abs(far.reconstruction / (1000 * D / 2) - 1) < 0.01);
});

test("of a picture its own ink counts, whatever was read before: once, in the code and in the gradient", () => {
  const training = new Training(3);
  const [{ weight, bias, dWeight, dBias }] = training.layers;
  const [full, half] = [new Float32Array(D).fill(0.25), Float32Array.from({ length: D }, (_, i) => (i < 100 || i === 101 ? 0.5 : 0))];
  training.backward(full, 1, [0, 0], RIGHT);
  training.encode(half, 1).a.forEach((value, h) => {
    const sum = half.reduce((sum, pixel, i) => sum + pixel * weight[h * D + i], bias[h]);
    assert.ok(Math.abs(value - sum) < 1e-6);
  });
  training.backward(full, 1, [0, 0], RIGHT);
  training.backward(half, 1, [0, 0], RIGHT);
  for (const i of [0, 99, 100, 101, 102]) dBias.forEach((value, h) => assert.ok(Math.abs(dWeight[h * D + i] - value * half[i]) < 1e-7));
});

test("weights and biases of all layers are all the numbers that there are", () => {
  const { numbers, layers } = new Training(3);
  assert.equal(numbers.length, layers.reduce((sum, { weight, bias }) => sum + weight.length + bias.length, 0));
  for (const [k, [inputs, outputs]] of [[D, 128], [128, 2 * K], [K, 128], [128, D]].entries()) {
    assert.deepEqual([layers[k].weight.length, layers[k].bias.length], [inputs * outputs, outputs]);
    const largest = Math.max(...layers[k].weight.map(Math.abs));
    assert.ok(largest <= 1 / Math.sqrt(inputs) && largest > 0.95 / Math.sqrt(inputs), "even in ±1 / √inputs");
  }
});

test("a Gaussian decoder's cost is minus its log density, its constant too", () => {
  for (const sigma of [0.2, 1]) {
    const training = new Training(3);
    const settings = { ...RIGHT, noise: "off", likelihood: "Gaussian", sigma };
    const { decoded, reconstruction } = training.forward(x.subarray(0, D), 1, new Float32Array(K), settings);
    const density = (value, mean) => Math.exp(-(((value - mean) / sigma) ** 2) / 2) / (sigma * Math.sqrt(2 * Math.PI));
    const nats = decoded.logits.reduce((sum, logit, i) => sum - Math.log(density(x[i], 1 / (1 + Math.exp(-logit)))), 0);
    assert.ok(Math.abs(reconstruction - nats) < 1e-3 * Math.abs(nats) + 1e-3, `${reconstruction} is not ${nats}`);
  }
});
