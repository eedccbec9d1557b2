// A flow in node, for PyTorch to check. On stdin JSON { flow, x, told, steps }: where each of the points x goes after the steps;
// on stdout { velocity, ways }.
import { readFileSync } from "node:fs";
import { flowIn, midpoint } from "../../vaelib/static/flow.js";

const { flow, x, told, steps } = JSON.parse(readFileSync(0, "utf8"));
const bytes = readFileSync(flow);
const { velocity } = flowIn(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
let points = Float32Array.from(x.flat());
const way = [Array.from(points)];
for (let step = 0; step < steps; step++) {
  points = midpoint((z, t) => velocity(z, t, told), points, step / steps, 1 / steps);
  way.push(Array.from(points));
}
const first = velocity(Float32Array.from(x.flat()), 0.3, told);
process.stdout.write(JSON.stringify({ velocity: Array.from(first), way }));
