// What the playground says of what has happened, and its addresses. In a browser: tests/book/test_playground.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromAddress, spreads, toAddress, typical } from "../../vaelib/static/playground.js";

const VAE = { beta: 1, noise: "learned", likelihood: "Bernoulli", sigma: 0.3, reduction: "sum", lr: 0.006, warm_up: 0, mistake: "", seed: 1 };
const MUSEUM = [{ name: "first" }, { name: "second" }];

/** A look at 200 codes of the given spread and sigma. */
function look(own, { right = own, spread = 1, sigma = 0.1, steps = 500 } = {}) {
  const posterior = Float32Array.from({ length: 800 }, (_, i) => (i % 4 < 2 ? (i % 8 < 4 ? spread : -spread) : 2 * Math.log(sigma)));
  return { steps, own, right, posterior };
}

test("spread and sigma are those of the codes", () => {
  const [width, sigma] = spreads(look([0, 0, 0], { spread: 3, sigma: 0.2 }).posterior);
  assert.ok(Math.abs(width - 3) < 1e-5 && Math.abs(sigma - 0.2) < 1e-5);
  const { posterior } = look([0, 0, 0], { spread: 3 });
  const aside = posterior.map((value, i) => (i % 4 === 0 ? value + 5 : value));
  assert.ok(Math.abs(spreads(aside)[0] - 3) < 1e-5, "wherever their middle is");
});

test("each thing that typically happens has its sentence and its chapter", () => {
  const says = (seen, settings = {}) => typical(seen, { ...VAE, ...settings });
  assert.equal(says(look([160, 2, 2])), null, "a VAE that trains well needs no sentence");
  assert.equal(says(look([500, 0, 0], { steps: 5 })), null, "nor does one that has hardly begun");
  assert.equal(says(look([160, 0.1, -0.4], { right: [160, 1, 1] })), null, "an estimate of nearly 0 may come out below");
  const cases = [
    [look([160, 0.1, -0.8], { right: [160, 1, 1] }), {}, /never below 0/],
    [look([NaN, NaN, NaN], { steps: 5 }), {}, /no longer a number/],
    [look([5000, 3, 3]), {}, /too large/],
    [look([160, -9, -9], { right: [160, 9, 9] }), {}, /never below 0/],
    [look([205, 0.001, 0.001]), {}, /^Collapse/],
    [look([180, 0.001, 3]), {}, /gone dark/],
    [look([160, 15, 15], { spread: 3, sigma: 0.01 }), { beta: 0 }, /1\/300 of/],
    [look([160, 15, 15], { spread: 9 }), { beta: 0, noise: "fixed" }, /spread to 9.0, 18 times/],
    [look([160, 0, 0], { spread: 9 }), { beta: 0, noise: "off" }, /Nothing holds/],
  ];
  for (const [seen, settings, sentence] of cases) {
    const [text, page] = says(seen, settings);
    assert.match(text, sentence);
    assert.match(page, /^\d\d-/);
  }
});

test("an address gives back the settings it was made of, and does not name the mistake", () => {
  const settings = { ...VAE, beta: 4, noise: "fixed", seed: 12, mistake: "second" };
  const address = toAddress(settings, VAE, MUSEUM);
  assert.ok(!address.includes("second"));
  assert.deepEqual({ ...VAE, ...fromAddress(`#${address}`, MUSEUM) }, settings);
  assert.equal(toAddress(VAE, VAE, MUSEUM), "");
});

test("of an address only what may be is taken", () => {
  assert.deepEqual(fromAddress("#beta=11&beta=&lr=nan&noise=toString&seed=1.4&exhibit=0&museum=1", MUSEUM), { seed: 1 });
  assert.deepEqual(fromAddress("#some-heading", MUSEUM), {});
});
