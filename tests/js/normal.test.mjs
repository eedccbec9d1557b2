// The normal CDF and its inverse, against values from tables, and the small helpers of the map.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cdf, quantile } from "../../vaelib/static/normal.js";
import { median, PlaneMap, ticks } from "../../vaelib/static/plane.js";

const near = (a, b, tolerance) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not within ${tolerance} of ${b}`);

test("the CDF has the values of the tables", () => {
  for (const [x, share] of [[0, 0.5], [1, 0.8413447461], [-1.96, 0.0249978951], [3, 0.9986501020], [-5, 2.866516e-7]]) {
    near(cdf(x), share, 1e-7);
  }
});

test("the quantile undoes the CDF, and is finite at 0 and 1", () => {
  for (let x = -3.5; x <= 3.5; x += 0.25) near(quantile(cdf(x)), x, 1e-3);
  near(quantile(0.975), 1.959964, 1e-5);
  for (const [share, x] of [[0, -3.7190165], [1e-5, -3.7190165], [1, 3.7190165], [1 - 1e-4, 3.7190165]]) near(quantile(share), x, 1e-3);
});

test("ticks are round numbers inside the limits", () => {
  assert.deepEqual(ticks(-3, 5, 4), [-2, 0, 2, 4]);
  assert.deepEqual(ticks(0, 1, 5).map((value) => value.toFixed(1)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
  assert.deepEqual(ticks(-36, 12, 3), [-20, 0]);
  assert.deepEqual(ticks(0, 6, 6), [0, 1, 2, 3, 4, 5, 6]);
});

test("the median is the middle one", () => assert.equal(median([5, -1, 3]), 3));

test("from the plane to the screen and back, raw and through the CDF, and never beyond the edge", () => {
  const map = new PlaneMap({ getContext: () => ({}) }, { box: [-6, 4, -5, 5], colours: [] });
  Object.assign(map, { side: 300, high: 300, type: 1 });
  for (const uniform of [false, true]) {
    map.uniform = uniform;
    for (const z of [[0, 0], [1.5, -2], [-3, 2.5]]) {
      const back = map.toPlane(...map.toScreen(z));
      near(back[0], z[0], 1e-3);
      near(back[1], z[1], 1e-3);
    }
  }
  map.uniform = false;
  assert.deepEqual(map.toPlane(-50, 1000), [-6, -5]);
  assert.deepEqual(map.toPlane(1000, -50), [4, 5]);
  const [, above] = map.toScreen([0, 1]);
  const [, below] = map.toScreen([0, -1]);
  assert.ok(above < below, "z2 grows upwards");
});
