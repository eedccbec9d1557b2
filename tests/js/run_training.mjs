// Runs the playground's training in node. On stdin { seed, settings, x (N x D), epsilons: [(N x K) …], held }: a step for each
// epsilon. On stdout the weights it began with, the terms and gradient of the first step, and the loss of every step. The weights
// and their gradient are the bytes of float32 in base64: as numbers in JSON they took longer than all the work.
import { readFileSync } from "node:fs";
import { RIGHT, Training, picture } from "../../vaelib/static/train.js";

const { seed, settings, x, epsilons } = JSON.parse(readFileSync(0, "utf8"));
const bytes = (floats) => Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength).toString("base64");
const all = { ...RIGHT, ...settings };
const training = new Training(seed);
const start = bytes(training.numbers);
const pixels = Float32Array.from(x.flat());
const first = training.backward(pixels, x.length, epsilons[0].flat(), all);
const gradient = bytes(training.gradient);
const logits = training.decode(Float32Array.from(epsilons[0].flat()), x.length).logits;
const losses = epsilons.map((epsilon) => training.step(pixels, x.length, epsilon.flat(), all).loss);
const answer = { start, terms: { ...first, kl: Array.from(first.kl) }, gradient, picture: Array.from(picture(logits, all)), losses };
process.stdout.write(JSON.stringify(answer));
