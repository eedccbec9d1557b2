// Reads a network from a safetensors file and runs it. No page, no library: the same file runs in a browser and in node.
//
// A safetensors file is 8 bytes (the length of the header), a JSON header that says where each tensor lies, and the numbers.
// vaelib writes into the header's metadata which layers the network has, in order; see layers() in vaelib/weights.py.
//
//     const decode = network(await (await fetch("vae-mnist-2d.decoder.safetensors")).arrayBuffer());
//     const picture = sigmoid(decode([0.5, -1]));        // 784 pixels in [0, 1], row by row
//
// A tensor is { shape, data }: data holds the numbers row by row, the last axis fastest, as PyTorch keeps them.

const FORMAT = 1; // the same number as in vaelib/weights.py

/** All tensors and the metadata of a file, given as an ArrayBuffer. Throws an Error that says what is wrong with it. */
export function readSafetensors(buffer) {
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
    throw new Error(`weights of format ${metadata.format}, but this page reads format ${FORMAT}: build the book again`);
  }
  const needed = start + Math.max(0, ...Object.values(entries).map((entry) => entry.data_offsets[1]));
  if (needed !== buffer.byteLength) {
    throw new Error(`the file is damaged: ${buffer.byteLength} bytes came, ${needed} were expected`);
  }
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(entries)) {
    const bytes = buffer.slice(start + from, start + to); // a copy, so that typed arrays begin on their boundary
    tensors[name] = { shape, data: numbers(dtype, bytes) };
  }
  return { metadata, tensors };
}

function numbers(dtype, bytes) {
  if (dtype === "F16") return Float32Array.from(new Uint16Array(bytes), halfToNumber);
  if (dtype === "F32") return new Float32Array(bytes);
  if (dtype === "U8") return new Uint8Array(bytes);
  throw new Error(`numbers of type ${dtype} are not read here`);
}

// A half-precision number is 1 sign bit, 5 exponent bits and 10 fraction bits. (Float16Array is too new to rely on.)
function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * The network in a file, as a function from numbers to numbers. A decoder takes K codes and gives logits; an encoder takes
 * pixels in [0, 1] and gives the code, or mu and then log_var. `inputShape` is needed where the first layer is a convolution.
 */
export function network(buffer, inputShape) {
  const { metadata, tensors } = readSafetensors(buffer);
  const steps = metadata.layers.map((layer) => {
    const operation = OPERATIONS[layer.op];
    if (!operation) throw new Error(`the layer "${layer.op}" is not known here`);
    return (x) => operation(x, layer, tensors[`${layer.name}.weight`], tensors[`${layer.name}.bias`]);
  });
  return (input) => {
    let x = { shape: inputShape ?? [input.length], data: Float32Array.from(input) };
    for (const step of steps) x = step(x);
    return x.data;
  };
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

// A convolution and its transpose connect the same pairs of pixels: (row, column) of the small image with
// (row * stride + ky - padding, column * stride + kx - padding) of the large one, for every (ky, kx) of the kernel. The
// convolution reads the large image and writes the small one; the transposed one goes the other way. Both go through the
// kernel one number at a time and add that number's share to a whole channel: the inner loop is one multiplication.

function convolve(x, { stride, padding }, weight, bias) {
  const [outputs, inputs, size] = weight.shape;
  const [, height, width] = x.shape;
  const small = [height, width].map((side) => Math.floor((side + 2 * padding - size) / stride) + 1);
  const y = channels(outputs, small, bias);
  let w = 0;
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let ky = 0; ky < size; ky++) {
        const [top, bottom] = inside(ky - padding, stride, height, small[0]);
        for (let kx = 0; kx < size; kx++, w++) {
          const [left, right] = inside(kx - padding, stride, width, small[1]);
          const factor = weight.data[w];
          for (let row = top; row < bottom; row++) {
            const target = (o * small[0] + row) * small[1];
            const source = (i * height + row * stride + ky - padding) * width + kx - padding;
            for (let column = left; column < right; column++) {
              y[target + column] += factor * x.data[source + column * stride];
            }
          }
        }
      }
    }
  }
  return { shape: [outputs, ...small], data: y };
}

function convolveTransposed(x, { stride, padding }, weight, bias) {
  const [inputs, outputs, size] = weight.shape;
  const [, height, width] = x.shape;
  const large = [height, width].map((side) => (side - 1) * stride - 2 * padding + size);
  const y = channels(outputs, large, bias);
  let w = 0;
  for (let i = 0; i < inputs; i++) {
    for (let o = 0; o < outputs; o++) {
      for (let ky = 0; ky < size; ky++) {
        const [top, bottom] = inside(ky - padding, stride, large[0], height);
        for (let kx = 0; kx < size; kx++, w++) {
          const [left, right] = inside(kx - padding, stride, large[1], width);
          const factor = weight.data[w];
          for (let row = top; row < bottom; row++) {
            const source = (i * height + row) * width;
            const target = (o * large[0] + row * stride + ky - padding) * large[1] + kx - padding;
            for (let column = left; column < right; column++) {
              y[target + column * stride] += factor * x.data[source + column];
            }
          }
        }
      }
    }
  }
  return { shape: [outputs, ...large], data: y };
}

function channels(count, [height, width], bias) {
  const y = new Float32Array(count * height * width);
  for (let c = 0; c < count; c++) y.fill(bias.data[c], c * height * width, (c + 1) * height * width);
  return y;
}

// Which positions of the small side have their partner, position * stride + offset, inside the large side: [first, end).
function inside(offset, stride, large, small) {
  return [Math.max(0, Math.ceil(-offset / stride)), Math.min(small, Math.floor((large - 1 - offset) / stride) + 1)];
}
