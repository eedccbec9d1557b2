// The KL playground's mathematics: closed form against the integral, gradient against differences.
import assert from "node:assert/strict";
import { test } from "node:test";
import { contour, densities, divergence, limits, onTheAxes } from "../../vaelib/static/kl.js";

const near = (a, b, tolerance) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not within ${tolerance} of ${b}`);
const POINTS = [[0, 0], [1, -1], [-3, -6], [2.5, 1.5], [0.3, 3]];

test("the closed form is the integral of the integrand, and both densities integrate to 1", () => {
  for (const q of POINTS) {
    const sums = [0, 0, 0];
    const width = 0.002;
    for (let z = -40; z < 40; z += width) densities(z, q).forEach((value, k) => (sums[k] += value * width));
    near(sums[0], 1, 1e-6);
    near(sums[1], 1, 1e-6);
    near(sums[2], divergence(q)[0], 1e-5);
  }
});

test("the gradient is the slope of the value", () => {
  const step = 1e-4;
  for (const [mu, logVar] of POINTS) {
    const [, gradient] = divergence([mu, logVar]);
    near(gradient[0], (divergence([mu + step, logVar])[0] - divergence([mu - step, logVar])[0]) / (2 * step), 1e-6);
    near(gradient[1], (divergence([mu, logVar + step])[0] - divergence([mu, logVar - step])[0]) / (2 * step), 1e-6);
  }
});

test("a contour has its nats everywhere, and goes all around", () => {
  for (const nats of [0.1, 0.5, 1, 2, 4, 8]) {
    const places = contour(nats);
    for (const place of places) near(divergence(place)[0], nats, 1e-9);
    assert.deepEqual(places.at(-1), places[0]);
    assert.ok(Math.min(...places.map(([mu]) => mu)) < -0.4 && Math.max(...places.map(([mu]) => mu)) > 0.4);
    // Down to -7, below the map, and up to where mu is 0.
    const heights = places.map(([, logVar]) => logVar);
    if (nats > 3) near(Math.min(...heights), -7, 1e-9);
    else near(divergence([0, Math.min(...heights)])[0], nats, 0.01);
    assert.ok(divergence([0, Math.max(...heights) + 0.01])[0] > nats);
    for (let i = 1; i < places.length; i++) assert.ok(Math.abs(heights[i] - heights[i - 1]) < 0.0101 || heights[i] === heights[0]);
  }
});

test("an address can say what the map shows, in steps of .05", () => {
  assert.deepEqual(limits({ get: () => [-3, 2, -6, 4] }), { mu: [-3, 2, 0.05], log_var: [-6, 4, 0.05] });
});

test("of a q that lies on the axes all is in sight; of a wide one, or a peak, what is cut off is missing", () => {
  near(onTheAxes([1, -1]), divergence([1, -1])[0], 1e-3);
  near(onTheAxes([0, 0]), 0, 1e-3);
  for (const q of [[3, 3], [0, -6]]) assert.ok(onTheAxes(q) < 0.8 * divergence(q)[0], `${q}`);
});

test("what is in sight is the integrand over the axes, cut off at their top", () => {
  const [low, high, top, count] = [-7, 7, 1.4, 200001];
  for (const q of [[0, 0], [3, 3], [-3, 3], [3, -6], [-2, 1]]) {
    // Trapezia, fifty times as fine.
    let sum = 0;
    for (let i = 0; i < count; i++) sum += (Math.min(top, densities(low + (i / (count - 1)) * (high - low), q)[2]) * (i % (count - 1) ? 1 : 0.5) * (high - low)) / (count - 1);
    near(onTheAxes(q), sum, 5e-4);
  }
});
