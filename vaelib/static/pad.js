// A square to draw a digit in: strokes of mouse, pen or finger, made into a picture as MNIST's were.
import { centred, fitted } from "./mnist.js";
import { brush, DIGIT, element, oncePerFrame, paintPicture } from "./page.js";

// Pixels of the drawing.
const SIDE = 280;
const PEN = 22;

/**
 * The square and its buttons: { pad, undo, wipe, show }. show(pixels) puts an image there, which the first stroke replaces.
 * drawn(pixels) hears of every change that the reader makes, at most once a frame: 28 x 28 in [0, 1], null where all is clear.
 */
export function drawingPad(drawn) {
  const pad = element("canvas", { class: "vaelib-pad", width: SIDE, height: SIDE, role: "img", "aria-label": "Draw a digit here" });
  const [undo, wipe] = ["Undo", "Clear"].map((name) => element("button", { type: "button" }, name));
  const ink = brush(pad, { willReadFrequently: true });
  // Lists of places that the pen went through; null while an image is there.
  let strokes = null;

  function show(pixels) {
    strokes = null;
    const small = element("canvas");
    paintPicture(small, pixels, DIGIT);
    ink.drawImage(small, 0, 0, SIDE, SIDE);
  }

  const tell = () => strokes && drawn(strokes.length ? picture() : null);
  const tellSoon = oncePerFrame(tell);

  function picture() {
    const { data } = ink.getImageData(0, 0, SIDE, SIDE);
    const small = fitted(Float32Array.from({ length: SIDE * SIDE }, (_, i) => 1 - data[4 * i] / 255), SIDE);
    return small && centred(small);
  }

  function redraw(left) {
    strokes = left;
    ink.fillStyle = "#fff";
    ink.fillRect(0, 0, SIDE, SIDE);
    Object.assign(ink, { lineWidth: PEN, lineCap: "round", lineJoin: "round", strokeStyle: "#000" });
    for (const places of strokes) {
      ink.beginPath();
      ink.moveTo(...places[0]);
      for (const place of places) ink.lineTo(...place);
      ink.stroke();
    }
  }

  // A button is heard at once, a pen as often as there are frames.
  const press = (button, left) => button.addEventListener("click", () => (redraw(left(strokes ?? [])), tell()));

  const place = (event) => {
    const frame = pad.getBoundingClientRect();
    return [((event.clientX - frame.left) / frame.width) * SIDE, ((event.clientY - frame.top) / frame.height) * SIDE];
  };
  pad.addEventListener("pointerdown", (event) => {
    if (event.isPrimary === false) return;
    pad.setPointerCapture(event.pointerId);
    redraw([...(strokes ?? []), [place(event)]]);
    tellSoon();
  });
  pad.addEventListener("pointermove", (event) => {
    if (!pad.hasPointerCapture(event.pointerId) || !strokes?.length) return;
    strokes.at(-1).push(place(event));
    redraw(strokes);
    tellSoon();
  });
  press(undo, (all) => all.slice(0, -1));
  press(wipe, () => []);
  return { pad, undo, wipe, show };
}
