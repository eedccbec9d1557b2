// A map's axes: their numbers are written out, and each has room, long ones too.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PlaneMap, ticks, written } from "../../vaelib/static/plane.js";

const LETTER = 6; // pixels, as wide as every letter is here

/** What a map of so many pixels writes: [text, its left end, its right end]. */
function textsOf(side, options) {
  const texts = [];
  const nothing = () => {};
  const g = new Proxy({ measureText: (text) => ({ width: LETTER * text.length }) }, { get: (target, name) => target[name] ?? nothing });
  g.fillText = (text, x) => {
    const width = LETTER * text.length;
    const left = { left: x, center: x - width / 2, right: x - width }[g.textAlign];
    texts.push([text, left, left + width]);
  };
  const canvas = () => ({ clientWidth: side, clientHeight: side, getContext: () => g });
  globalThis.document = { createElement: canvas };
  globalThis.getComputedStyle = () => ({ fontSize: "16px" });
  const map = new PlaneMap(canvas(), { colours: [], ...options });
  map.codes = { z: [], labels: [] };
  map.draw(null);
  return texts;
}

test("no number of an axis is cut off, however long it is", () => {
  for (const box of [[-4, 4, -4, 4], [-20000, 20000, -20000, 20000], [0.001, 0.002, -0.0015, 0]]) {
    const texts = textsOf(300, { box });
    assert.ok(texts.length >= 6);
    for (const [text, left, right] of texts) assert.ok(left >= 0 && right <= 300, `${text} from ${left} to ${right}`);
    assert.equal(new Set(texts.map(([text]) => text)).size >= 3, true);
  }
});

test("an axis may have marks of its own", () => {
  const across = [[0, "1"], [3, "1,000"]];
  const texts = textsOf(300, { box: [0, 3, -4, 4], across }).map(([text]) => text);
  assert.deepEqual(texts.slice(0, 2), ["1", "1,000"]);
  assert.equal(texts.includes("2.5"), false);
});

test("numbers are written as in a text, and neighbours differ", () => {
  assert.deepEqual([10000, -0.5, 0, 0.0015].map(written), ["10,000", "−0.5", "0", "0.0015"]);
  assert.deepEqual([999, 1000, -1000, 0.12346, 1234.56789].map(written), ["999", "1,000", "−1,000", "0.1235", "1,234.5679"]);
  const texts = ticks(0.27, 0.28, 6).map(written);
  assert.equal(new Set(texts).size, texts.length);
});

test("only a number with thousands asks the browser how a language writes it, and nothing is written as minus zero", () => {
  const [{ toLocaleString }, asked] = [Number.prototype, []];
  Number.prototype.toLocaleString = function (...ways) {
    asked.push(Number(this));
    return toLocaleString.apply(this, ways);
  };
  const texts = [...ticks(-4, 4, 6), -0.00001, -1234.5].map(written);
  Number.prototype.toLocaleString = toLocaleString;
  assert.deepEqual(asked, [-1234.5]);
  assert.deepEqual(texts, ["−4", "−2", "0", "2", "4", "0", "−1,234.5"]);
});
