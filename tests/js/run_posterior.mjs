// The exact posterior in node, for PyTorch to check. On stdin JSON { decoder, images: [{ x, mu, sigma }], ks }, on stdout for
// each image { logEvidence, mean, elbo, bounds }.
import { readFileSync } from "node:fs";
import { network } from "../../vaelib/static/engine.js";
import { boundsOf, coarsePlane, elbo, exactPosterior, weighed } from "../../vaelib/static/evidence.js";

const { decoder, images, ks } = JSON.parse(readFileSync(0, "utf8"));
const bytes = readFileSync(decoder);
const decode = network(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const plane = await coarsePlane(decode);
const outputs = [];
for (const { x, mu, sigma } of images) {
  const { cells, logEvidence } = await exactPosterior(decode, plane, x);
  const share = cells.map(({ log, size }) => size ** 2 * Math.exp(log - logEvidence));
  const mean = [0, 1].map((axis) => cells.reduce((sum, { z }, i) => sum + share[i] * z[axis], 0));
  const grid = await weighed(decode, x, { mu, sigma });
  const { bounds } = await boundsOf(grid, ks);
  outputs.push({ logEvidence, mean, elbo: elbo(grid), bounds });
}
process.stdout.write(JSON.stringify(outputs));
