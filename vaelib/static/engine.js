// Reads a network from a safetensors file and runs it. No page, no library: the same file runs in a browser and in node.
//
// A safetensors file is 8 bytes (the length of the header), a JSON header that says where each tensor lies, and the numbers.
// vaelib writes into the header's metadata which layers the network has, in order; see layers() in vaelib/weights.py.
//
//     const decode = network(await (await fetch("vae-mnist-2d.decoder.safetensors")).arrayBuffer());
//     const picture = sigmoid(decode([0.5, -1]));        // 784 pixels in [0, 1], row by row
//
// A tensor is { shape, data }: data holds the numbers row by row, the last axis fastest, as PyTorch keeps them.

// The same number as in vaelib/weights.py.
const FORMAT = 1;

/** All tensors and the metadata of a file, given as an ArrayBuffer. Throws an Error that says what is wrong with it. */
export function readSafetensors(buffer) {
  return told(() => parsed(buffer));
}

// Whatever reading a damaged file leads to is told in words, and in few: what such a file holds may be long.
function told(work) {
  try {
    return work();
  } catch (error) {
    if (error.name === "Error" && error.message.length < 300) throw error;
    throw new Error(`the file is damaged: ${error.message.slice(0, 200)}`);
  }
}

function parsed(buffer) {
  let header, start;
  try {
    const length = Number(new DataView(buffer).getBigUint64(0, true));
    start = 8 + length;
    header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  } catch {
    throw new Error(`not a safetensors file, or cut off in its header (${buffer.byteLength} bytes)`);
  }
  const { __metadata__: texts = {}, ...entries } = header;
  const metadata = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, JSON.parse(text)]));
  if (metadata.format !== FORMAT) {
    const came = typeof metadata.format === "number" ? metadata.format : "unknown";
    throw new Error(`weights of format ${came}, but this page reads format ${FORMAT}: build the book again`);
  }
  const needed = start + Math.max(0, ...Object.values(entries).map((entry) => entry.data_offsets[1]));
  if (needed !== buffer.byteLength) {
    throw new Error(`the file is damaged: ${buffer.byteLength} bytes came, ${needed} were expected`);
  }
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(entries)) {
    if (!Object.hasOwn(TYPES, dtype)) throw new Error(`numbers of type ${dtype} are not read here`);
    const [size, read] = TYPES[dtype];
    const fits = from >= 0 && Number.isInteger(from) && shape.every((side) => side >= 0 && Number.isInteger(side));
    if (!fits || to - from !== shape.reduce((product, side) => product * side, size)) {
      throw new Error(`the file is damaged: ${name} has not its place in it`);
    }
    // A copy, so that typed arrays begin on their boundary.
    tensors[name] = { shape, data: read(buffer.slice(start + from, start + to)) };
  }
  return { metadata, tensors };
}

// How many bytes a number takes, and how they are read.
const TYPES = {
  F16: [2, (bytes) => halvesToNumbers(new Uint16Array(bytes))],
  F32: [4, (bytes) => new Float32Array(bytes)],
  U8: [1, (bytes) => new Uint8Array(bytes)],
};

// By index and from a table of powers: in a page's first second this is most of what an explorer costs, and Float32Array.from
// with a function, and ** for each number, take six times as long.
const POWERS = Array.from({ length: 31 }, (_, exponent) => 2 ** (exponent - 15));

function halvesToNumbers(halves) {
  const numbers = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) numbers[i] = halfToNumber(halves[i]);
  return numbers;
}

// A half-precision number is 1 sign bit, 5 exponent bits and 10 fraction bits. (Float16Array is too new to rely on.)
function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * POWERS[exponent];
}

/**
 * The network in a file, as a function from numbers to numbers. A decoder takes K codes and gives logits; an encoder takes
 * pixels in [0, 1] and gives the code, or mu and then log_var. `inputShape` is needed where the first layer is a convolution.
 */
export function network(buffer, inputShape) {
  const steps = told(() => stepsOf(parsed(buffer)));
  return (input) => {
    const data = Float32Array.from(input ?? [NaN]); // nothing is no number
    let x = { shape: inputShape ?? [data.length], data };
    if (!x.data.every(Number.isFinite)) throw new Error("a network is given finite numbers");
    told(() => {
      for (const step of steps) x = step(x);
    });
    return x.data;
  };
}

function stepsOf({ metadata, tensors }) {
  for (const [name, { data }] of Object.entries(tensors)) {
    if (!data.every(Number.isFinite)) throw new Error(`the file is damaged: ${name} has numbers that are not finite`);
  }
  return metadata.layers.map((layer) => {
    if (!Object.hasOwn(OPERATIONS, layer.op)) throw new Error(`the layer "${layer.op}" is not known here`);
    const [weight, bias] = ["weight", "bias"].map((part) => tensors[`${layer.name}.${part}`]);
    if (/^(linear|conv)/.test(layer.op)) {
      // The outputs, of which each has a bias, are the transposed convolution's second axis.
      const outputs = weight.shape[Number(layer.op === "conv_transpose")];
      const fits = weight.shape.length === (layer.op === "linear" ? 2 : 4) && bias.data.length === outputs;
      if (!fits) throw new Error(`the file is damaged: ${layer.name} is no ${layer.op} layer`);
    }
    return (x) => OPERATIONS[layer.op](x, layer, weight, bias);
  });
}

/** The posterior of an encoder's answer with two latents, mu and then log sigma squared: { mu, sigma }, two numbers each. */
export function posterior([mu1, mu2, logVar1, logVar2]) {
  return { mu: [mu1, mu2], sigma: [Math.exp(logVar1 / 2), Math.exp(logVar2 / 2)] };
}

export function sigmoid(logits) {
  return logits.map((a) => 1 / (1 + Math.exp(-a)));
}

const OPERATIONS = {
  linear,
  conv: convolve,
  conv_transpose: convolveTransposed,
  relu: (x) => ({ ...x, data: x.data.map((a) => Math.max(a, 0)) }),
  silu: (x) => ({ ...x, data: x.data.map((a) => a / (1 + Math.exp(-a))) }),
  flatten: (x) => ({ ...x, shape: [x.data.length] }),
  unflatten: (x, { shape }) => ({ ...x, shape }),
};

// y[o] = bias[o] + sum over i of weight[o, i] x[i]
function linear(x, _, weight, bias) {
  const [outputs, inputs] = weight.shape;
  if (x.data.length !== inputs) throw new Error(`a linear layer of ${inputs} inputs was given ${x.data.length} numbers`);
  const y = new Float32Array(outputs);
  for (let o = 0, w = 0; o < outputs; o++) {
    let sum = bias.data[o];
    for (let i = 0; i < inputs; i++, w++) sum += weight.data[w] * x.data[i];
    y[o] = sum;
  }
  return { shape: [outputs], data: y };
}

/** A linear layer on N rows of numbers at once, one after the other: N x inputs -> N x outputs. */
export function dense(x, count, weight, bias) {
  const [outputs, inputs] = weight.shape;
  weight.panels ??= panels(weight.data, inputs, outputs, 1, inputs);
  const y = product(panels(x, inputs, count, 1, inputs), weight.panels, inputs, count, outputs);
  return y.map((sum, i) => sum + bias.data[i % outputs]);
}

// A convolution is a matrix product: each row of `patches` holds what one number of the kernel meets at every place where the
// kernel is laid. The transposed convolution goes the other way: its product says what each number of the kernel adds at every
// place, and the patches are laid over each other. For both, `pixels` says where on the large image each entry of the patches lies.

function convolve(x, layer, weight, bias) {
  const [outputs, inputs, size] = weight.shape;
  const small = x.shape.slice(1).map((side) => Math.floor((side + 2 * layer.padding - size) / layer.stride) + 1);
  const [rows, places] = [inputs * size * size, small[0] * small[1]];
  weight.pixels ??= pixelsOf(inputs, size, layer, x.shape.slice(1), small);
  weight.panels ??= panels(weight.data, rows, outputs, 1, rows);
  const patches = new Float32Array(rows * places);
  for (let i = 0; i < patches.length; i++) if (weight.pixels[i] >= 0) patches[i] = x.data[weight.pixels[i]];
  const y = product(weight.panels, panels(patches, rows, places, places, 1), rows, outputs, places);
  for (let i = 0; i < y.length; i++) y[i] += bias.data[Math.floor(i / places)];
  return { shape: [outputs, ...small], data: y };
}

function convolveTransposed(x, layer, weight, bias) {
  const [inputs, outputs, size] = weight.shape;
  const [small, large] = [x.shape.slice(1), x.shape.slice(1).map((side) => (side - 1) * layer.stride - 2 * layer.padding + size)];
  const [rows, places, area] = [outputs * size * size, small[0] * small[1], large[0] * large[1]];
  weight.pixels ??= pixelsOf(outputs, size, layer, large, small);
  weight.panels ??= panels(weight.data, inputs, rows, rows, 1);
  const patches = product(weight.panels, panels(x.data, inputs, places, places, 1), inputs, rows, places);
  const y = new Float32Array(outputs * area);
  for (let o = 0; o < outputs; o++) y.fill(bias.data[o], o * area, (o + 1) * area);
  for (let i = 0; i < patches.length; i++) if (weight.pixels[i] >= 0) y[weight.pixels[i]] += patches[i];
  return { shape: [outputs, ...large], data: y };
}

// For every number of the kernel and every place of the small image: the pixel of the large image where they meet, or -1 outside.
function pixelsOf(channels, size, { stride, padding }, [height, width], [rows, columns]) {
  const pixels = new Int32Array(channels * size * size * rows * columns);
  for (let i = 0; i < pixels.length; i++) {
    const [place, kernel] = [i % (rows * columns), Math.floor(i / (rows * columns))];
    const x = (place % columns) * stride + (kernel % size) - padding;
    const y = Math.floor(place / columns) * stride + (Math.floor(kernel / size) % size) - padding;
    const inside = x >= 0 && x < width && y >= 0 && y < height;
    pixels[i] = inside ? (Math.floor(kernel / size ** 2) * height + y) * width + x : -1;
  }
  return pixels;
}

// The product a' b of a (inner x rows) and b (inner x columns), both in panels: (rows x columns). Most of a picture's time is
// spent here. Sixteen sums are kept at once, so that four numbers of each side serve sixteen multiplications.
function product(a, b, inner, rows, columns) {
  const y = new Float32Array(rows * columns);
  const sums = new Float64Array(16);
  for (let row = 0; row < rows; row += 4) {
    for (let column = 0; column < columns; column += 4) {
      sixteen(a, row * inner, b, column * inner, inner, sums);
      for (let r = 0; r < 4 && row + r < rows; r++) {
        for (let c = 0; c < 4 && column + c < columns; c++) y[(row + r) * columns + column + c] = sums[4 * r + c];
      }
    }
  }
  return y;
}

function sixteen(a, i, b, j, inner, sums) {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
  let s8 = 0, s9 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0, s14 = 0, s15 = 0;
  for (const end = i + 4 * inner; i < end; i += 4, j += 4) {
    const a0 = a[i], a1 = a[i + 1], a2 = a[i + 2], a3 = a[i + 3];
    const b0 = b[j], b1 = b[j + 1], b2 = b[j + 2], b3 = b[j + 3];
    s0 += a0 * b0; s1 += a0 * b1; s2 += a0 * b2; s3 += a0 * b3;
    s4 += a1 * b0; s5 += a1 * b1; s6 += a1 * b2; s7 += a1 * b3;
    s8 += a2 * b0; s9 += a2 * b1; s10 += a2 * b2; s11 += a2 * b3;
    s12 += a3 * b0; s13 += a3 * b1; s14 += a3 * b2; s15 += a3 * b3;
  }
  sums[0] = s0; sums[1] = s1; sums[2] = s2; sums[3] = s3;
  sums[4] = s4; sums[5] = s5; sums[6] = s6; sums[7] = s7;
  sums[8] = s8; sums[9] = s9; sums[10] = s10; sums[11] = s11;
  sums[12] = s12; sums[13] = s13; sums[14] = s14; sums[15] = s15;
}

// A matrix (inner x n) with four columns beside each other in memory, then the next four; zeros fill the last four. Its entry
// (i, k) is the number i * down + k * across of `data`.
function panels(data, inner, n, down, across) {
  const packed = new Float64Array(4 * Math.ceil(n / 4) * inner);
  for (let k = 0; k < n; k++) {
    for (let i = 0, to = (k >> 2) * 4 * inner + (k & 3); i < inner; i++, to += 4) packed[to] = data[i * down + k * across];
  }
  return packed;
}
