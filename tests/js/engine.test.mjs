// The engine on networks small enough to work out by hand. Against PyTorch: tests/test_explore.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dense, network, posterior, readSafetensors, sigmoid } from "../../vaelib/static/engine.js";

/** A safetensors file, as an ArrayBuffer, of float32 tensors { name: [shape, numbers] }. */
function file(layers, tensors, { format = 1 } = {}) {
  const header = { __metadata__: { format: JSON.stringify(format), layers: JSON.stringify(layers) } };
  const numbers = [];
  for (const [name, [shape, values]] of Object.entries(tensors)) {
    const from = numbers.length * 4;
    numbers.push(...values);
    header[name] = { dtype: "F32", shape, data_offsets: [from, numbers.length * 4] };
  }
  return assemble(header, new Uint8Array(Float32Array.from(numbers).buffer));
}

function assemble(header, payload) {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + payload.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(payload, 8 + text.length);
  return bytes.buffer;
}

const LINEAR = [{ op: "linear", name: "0" }];
const IDENTITY = { "0.weight": [[2, 2], [1, 0, 0, 1]], "0.bias": [[2], [0, 0]] };

test("half-precision numbers are read exactly, whatever their alignment", () => {
  const bits = [0x0000, 0x8000, 0x3c00, 0xc000, 0x3555, 0x7bff, 0x0001, 0x03ff, 0x0400, 0x7c00, 0xfc00, 0x7e00];
  for (const padding of ["", " ", "  ", "   "]) {
    const header = { __metadata__: { format: `1${padding}` }, a: { dtype: "F16", shape: [12], data_offsets: [0, 24] } };
    const { tensors } = readSafetensors(assemble(header, new Uint8Array(Uint16Array.from(bits).buffer)));
    assert.deepEqual(Array.from(tensors.a.data), [
      0, -0, 1, -2, 0.333251953125, 65504, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, Infinity, -Infinity, NaN,
    ]);
  }
});

test("a linear layer is the sum it says it is", () => {
  const run = network(file(LINEAR, { "0.weight": [[2, 3], [1, 2, 3, 4, 5, 6]], "0.bias": [[2], [10, 20]] }));
  assert.deepEqual(Array.from(run([1, 0, -1])), [8, 18]);
});

test("relu, silu and sigmoid at values known by heart", () => {
  const layers = (op) => network(file([{ op: "linear", name: "0" }, { op }], IDENTITY));
  assert.deepEqual(Array.from(layers("relu")([-3, 3])), [0, 3]);
  const [below, above] = layers("silu")([-1, 1]);
  assert.ok(Math.abs(above - 0.7310586) < 1e-6 && Math.abs(below + 0.2689414) < 1e-6);
  assert.deepEqual(Array.from(sigmoid(Float32Array.of(0, 1000, -1000))), [0.5, 1, 0]);
});

test("a convolution whose kernel has a single 1 shifts the picture", () => {
  const layers = [{ op: "conv", name: "0", stride: 1, padding: 1 }];
  const kernel = [0, 0, 0, 0, 0, 1, 0, 0, 0]; // reads the right-hand neighbour
  const run = network(file(layers, { "0.weight": [[1, 1, 3, 3], kernel], "0.bias": [[1], [0]] }), [1, 2, 3]);
  assert.deepEqual(Array.from(run([1, 2, 3, 4, 5, 6])), [2, 3, 0, 5, 6, 0]);
});

test("a convolution is the sum over its kernel, whatever the number of places and of outputs", () => {
  const values = (n, seed) => Array.from({ length: n }, (_, i) => Math.sin(seed + 7 * i));
  for (const [outputs, inputs, height, width, stride] of [[1, 1, 5, 5, 1], [3, 2, 5, 7, 1], [5, 1, 7, 3, 2], [2, 3, 6, 9, 2], [6, 2, 3, 2, 1]]) {
    const [weight, bias, x] = [values(outputs * inputs * 9, 1), values(outputs, 2), values(inputs * height * width, 3)];
    const layers = [{ op: "conv", name: "0", stride, padding: 1 }];
    const run = network(file(layers, { "0.weight": [[outputs, inputs, 3, 3], weight], "0.bias": [[outputs], bias] }), [inputs, height, width]);
    const [down, across] = [height, width].map((side) => Math.floor((side - 1) / stride) + 1);
    const y = run(x);
    assert.equal(y.length, outputs * down * across);
    y.forEach((got, n) => {
      const [o, row, column] = [Math.floor(n / (down * across)), Math.floor(n / across) % down, n % across];
      let sum = bias[o];
      for (let k = 0; k < inputs * 9; k++) {
        const [i, r, c] = [Math.floor(k / 9), row * stride + (Math.floor(k / 3) % 3) - 1, column * stride + (k % 3) - 1];
        if (r >= 0 && r < height && c >= 0 && c < width) sum += weight[o * inputs * 9 + k] * x[(i * height + r) * width + c];
      }
      assert.ok(Math.abs(got - sum) < 1e-5, `${got} is not ${sum}`);
    });
  }
});

test("the transposed convolution is the transpose: <conv(x), y> = <x, conv_transpose(y)>", () => {
  const values = (n, seed) => Array.from({ length: n }, (_, i) => Math.sin(seed + 7 * i));
  const weight = values(3 * 2 * 4 * 4, 1); // conv: 2 -> 3 channels; the transpose reads the same numbers as 3 -> 2
  const make = (op, outputs, shape) =>
    network(
      file([{ op, name: "0", stride: 2, padding: 1 }], {
        "0.weight": [[3, 2, 4, 4], weight],
        "0.bias": [[outputs], Array(outputs).fill(0)],
      }),
      shape,
    );
  const x = values(2 * 6 * 8, 2);
  const y = values(3 * 3 * 4, 3);
  const forwards = make("conv", 3, [2, 6, 8])(x);
  const backwards = make("conv_transpose", 2, [3, 3, 4])(y);
  assert.equal(forwards.length, y.length);
  assert.equal(backwards.length, x.length);
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  assert.ok(Math.abs(dot(forwards, y) - dot(backwards, x)) < 1e-4);
});

test("the bias of a transposed convolution is added to each place of its own output", () => {
  const tensors = { "0.weight": [[1, 3, 4, 4], Array(48).fill(0)], "0.bias": [[3], [1, -2, 5]] };
  const y = network(file([{ op: "conv_transpose", name: "0", stride: 2, padding: 1 }], tensors), [1, 2, 3])(Array(6).fill(1));
  assert.deepEqual(Array.from(y), [1, -2, 5].flatMap((bias) => Array(24).fill(bias)));
});

test("a damaged file says what came and what was expected", () => {
  const good = file(LINEAR, IDENTITY);
  assert.throws(() => readSafetensors(good.slice(0, -5)), /damaged: \d+ bytes came, \d+ were expected/);
  assert.throws(() => readSafetensors(good.slice(0, 40)), /cut off in its header \(40 bytes\)/);
  assert.throws(() => readSafetensors(new ArrayBuffer(0)), /not a safetensors file/);
  assert.throws(() => readSafetensors(new TextEncoder().encode("<html>not found</html>").buffer), /not a safetensors/);
});

test("a file may hold no tensors, or one without numbers", () => {
  const metadata = { format: "1", words: '"said"' };
  assert.deepEqual(readSafetensors(assemble({ __metadata__: metadata }, new Uint8Array(0))), { metadata: { format: 1, words: "said" }, tensors: {} });
  const { tensors } = readSafetensors(assemble({ __metadata__: metadata, a: { dtype: "U8", shape: [3, 0], data_offsets: [0, 0] }, b: { dtype: "U8", shape: [2], data_offsets: [0, 2] } }, Uint8Array.of(7, 9)));
  assert.deepEqual([tensors.a.shape, ...tensors.a.data, ...tensors.b.data], [[3, 0], 7, 9]);
});

test("a posterior is mu and the root of the variance; many rows at once are each row by itself", () => {
  const { mu, sigma } = posterior([1, -2, 2 * Math.log(3), 2 * Math.log(0.5)]);
  assert.deepEqual(mu, [1, -2]);
  assert.ok(Math.abs(sigma[0] - 3) < 1e-12 && Math.abs(sigma[1] - 0.5) < 1e-12);
  const values = (n, seed) => Array.from({ length: n }, (_, i) => Math.sin(seed + 7 * i));
  for (const [count, inputs, outputs] of [[1, 3, 2], [5, 4, 7], [9, 2, 5], [4, 6, 8]]) {
    const [weight, bias, x] = [values(outputs * inputs, 1), values(outputs, 2), values(count * inputs, 3)];
    const run = network(file(LINEAR, { "0.weight": [[outputs, inputs], weight], "0.bias": [[outputs], bias] }));
    const y = dense(Float32Array.from(x), count, { shape: [outputs, inputs], data: weight }, { data: bias });
    assert.equal(y.length, count * outputs);
    for (let n = 0; n < count; n++) run(x.slice(n * inputs, (n + 1) * inputs)).forEach((value, o) => assert.ok(Math.abs(y[n * outputs + o] - value) < 1e-6));
  }
});

test("weights of another format, an unknown layer and a wrong input are refused in words", () => {
  assert.throws(() => network(file(LINEAR, IDENTITY, { format: 2 })), /format 2, but this page reads format 1/);
  assert.throws(() => network(file(LINEAR, IDENTITY, { format: "one" })), /format unknown, but this page/);
  assert.throws(() => network(file([{ op: "dropout" }], {})), /layer "dropout" is not known/);
  assert.throws(() => network(file(LINEAR, IDENTITY))([1, 2, 3]), /2 inputs was given 3 numbers/);
});

// --- Files that are damaged, or are something else --------------------------------------------------------------------

/** What is said of a file, which must be said in the engine's own words and in few of them. */
function refused(buffer, ...code) {
  try {
    network(buffer)(code);
  } catch (error) {
    assert.equal(error.name, "Error", `${error.name}: ${error.message}`);
    assert.ok(error.message.length > 0 && error.message.length <= 500);
    assert.match(error.message, /\w\W*$/, "what is wrong follows");
    assert.doesNotMatch(error.message, /: $/);
    return error.message;
  }
  assert.fail("it was taken for good");
}

const deep = (n) => "[".repeat(n) + "]".repeat(n);
const TEXTS = ["[]", "[1]", "3", "null", '"x"', "{}", "true", "", "NaN", deep(100_000), "9".repeat(100_000), JSON.stringify("x".repeat(1e6))];
const raw = (text, payload = new Uint8Array(24)) => {
  const bytes = new Uint8Array(8 + text.length + payload.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(new TextEncoder().encode(text), 8);
  return bytes.buffer;
};

test("a header of an absurd length, or that is no header, is refused in few words", () => {
  for (const length of [0n, 1n, 2n ** 31n, 2n ** 60n, 2n ** 64n - 1n]) {
    const buffer = file(LINEAR, IDENTITY);
    new DataView(buffer).setBigUint64(0, length, true);
    refused(buffer, 1, 2);
  }
  for (const text of TEXTS) refused(raw(text), 1, 2);
});

test("metadata, layers and entries that are anything are refused in few words", () => {
  const good = () => ({ __metadata__: { format: "1", layers: JSON.stringify(LINEAR) }, "0.weight": { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] }, "0.bias": { dtype: "F32", shape: [2], data_offsets: [16, 24] } });
  assert.deepEqual(Array.from(network(raw(JSON.stringify(good())))([1, 2])), [0, 0]);
  for (const text of TEXTS) {
    const header = good();
    header.__metadata__.layers = text;
    if (text !== "[]") refused(raw(JSON.stringify(header)), 1, 2); // no layers: a network that gives back what it is given
    header.__metadata__ = { ...good().__metadata__, format: text };
    if (text !== "1") refused(raw(JSON.stringify(header)), 1, 2);
  }
  const odd = [null, 3, "x", [], {}, [-1, -1], [2 ** 60, 4], [1.5], "F16", "constructor", [0, 2 ** 60], [-8, 8], [8, 0], [0.5, 16.5]];
  for (const name of ["0.weight", "0.bias"]) {
    for (const value of odd) {
      refused(raw(JSON.stringify({ ...good(), [name]: value })), 1, 2);
      for (const field of ["dtype", "shape", "data_offsets"]) {
        const header = good();
        header[name][field] = value;
        refused(raw(JSON.stringify(header)), 1, 2);
      }
    }
  }
  for (const layer of [null, 3, {}, { op: "linear" }, { op: "linear", name: "9" }, { op: "toString", name: "0" }, { op: "conv", name: "0" }]) {
    const header = good();
    header.__metadata__.layers = JSON.stringify([layer]);
    refused(raw(JSON.stringify(header)), 1, 2);
  }
});

test("what a file holds is said in full up to 299 letters, of a longer message the first 200", () => {
  const said = (length) => {
    const message = (name) => `the layer "${name}" is not known here`;
    const op = "x".repeat(length - message("").length);
    return [refused(file([{ op }], {})), message(op)];
  };
  const [short, whole] = said(299);
  assert.equal(short, whole);
  const [cut, long] = said(300);
  assert.equal(cut, `the file is damaged: ${long.slice(0, 200)}`);
});

test("numbers that are not finite, in a file or in a code, are refused", () => {
  for (const value of [NaN, Infinity]) {
    assert.match(refused(file(LINEAR, { ...IDENTITY, "0.bias": [[2], [0, value]] }), 1, 2), /0\.bias .*not finite/);
    assert.match(refused(file(LINEAR, IDENTITY), 1, value), /finite numbers/);
  }
});

test("where there is no code at all the network says what it is given", () => {
  const decode = network(file(LINEAR, IDENTITY));
  for (const nothing of [null, undefined]) assert.throws(() => decode(nothing), /a network is given finite numbers/);
});

test("2,000 files with a few bytes of the header changed are read, or refused in few words", () => {
  let seed = 20261125;
  const below = (n) => {
    seed = (seed * 48271) % 2147483647;
    return seed % n;
  };
  for (let round = 0; round < 2000; round++) {
    const buffer = file(LINEAR, IDENTITY);
    const bytes = new Uint8Array(buffer);
    for (let i = 0; i <= below(3); i++) bytes[below(bytes.length - 24)] ^= 1 << below(8);
    let run;
    try {
      run = network(buffer)([1, 2]);
    } catch (error) {
      assert.ok(error.name === "Error" && error.message.length <= 500, `${error.name}: ${error.message}`);
      continue;
    }
    assert.ok(run.every(Number.isFinite));
  }
});
