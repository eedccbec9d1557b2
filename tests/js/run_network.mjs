// Runs a weights file of vaelib in node: `node run_network.mjs FILE '[28,28]|null'`, inputs as JSON on stdin, outputs as JSON.
import { readFileSync } from "node:fs";
import { network } from "../../vaelib/static/engine.js";

const [file, shape] = process.argv.slice(2);
const bytes = readFileSync(file);
const run = network(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), JSON.parse(shape) ?? undefined);
const inputs = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(inputs.map((input) => Array.from(run(input)))));
