// Opens pages in Firefox and tells what was seen. On stdin JSON { puppeteer, firefox, urls }, on stdout for each page
// { errors, outside, sliders: [[label, whether its pictures moved] …], readouts, pictures, trained }.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { puppeteer, firefox, urls, handles, drawn } = JSON.parse(readFileSync(0, "utf8"));
const { launch } = await import(pathToFileURL(puppeteer));
const browser = await launch({ browser: "firefox", executablePath: firefox, headless: true });

// Two frames: one in which the change is painted, one after it; first, what is loading.
const settle = async (page, view) => {
  await page.waitForFunction((e) => !e.querySelector("[aria-busy=true]"), { polling: 50 }, view);
  await page.evaluate(() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go))));
};

async function look(url) {
  const page = await browser.newPage();
  const [errors, outside] = [[], []];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("requestfailed", (request) => errors.push(request.url()));
  page.on("response", (response) => response.status() >= 400 && errors.push(response.url()));
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin === "null" ? "file:" : new URL(url).origin) && !/^(data|blob):/.test(request.url())) outside.push(request.url());
  });
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(url);
  const view = await page.waitForSelector(".cell_output:has(.vaelib-still), .cell_output:has(.vaelib-explorer)");
  await view.evaluate((e) => e.scrollIntoView());
  await page.waitForFunction((e, canvases) => e.querySelector(canvases), { polling: 50 }, view, drawn);
  await settle(page, view);
  const drawings = () => view.$$eval(drawn, (all) => all.map((canvas) => canvas.toDataURL()).join());
  const sliders = [];
  for (const handle of await view.$$(handles)) {
    const before = await drawings();
    await handle.focus();
    await handle.press(await handle.evaluate(({ value, min, max }) => (2 * value < Number(min) + Number(max) ? "ArrowRight" : "ArrowLeft")));
    await settle(page, view);
    sliders.push([await handle.evaluate((e) => e.getAttribute("aria-label")), (await drawings()) !== before]);
  }
  const readouts = await view.$$eval(".widget-readout", (all) => all.map((e) => e.value ?? e.textContent));
  const pictures = await view.$$eval(".vaelib-picture", (all) =>
    all.map((canvas) => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]),
  );
  const trained = (await view.$(".vaelib-play-slider")) && (await train(page, view));
  await page.close();
  return { errors, outside, sliders, readouts, pictures, trained };
}

async function train(page, view) {
  const says = () => view.$eval(".vaelib-sum", (e) => e.textContent);
  const before = await says();
  await view.evaluate((e) => [...e.querySelectorAll("button")].find((one) => one.textContent === "Play").click());
  await page.waitForFunction((e) => Number(e.querySelector(".vaelib-sum").textContent.match(/[\d,]+/)[0].replace(",", "")) >= 60, { polling: 50 }, view);
  return [before, await says()];
}

const seen = {};
for (const url of urls) seen[url] = await look(url);
await browser.close();
process.stdout.write(JSON.stringify(seen));
