// Runs weights files of vaelib in node. On stdin a JSON list of jobs { file, shape, inputs }, on stdout the list of outputs.
import { readFileSync } from "node:fs";
import { network } from "../../vaelib/static/engine.js";

const jobs = JSON.parse(readFileSync(0, "utf8"));
const outputs = jobs.map(({ file, shape, inputs }) => {
  const bytes = readFileSync(file);
  const run = network(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), shape ?? undefined);
  return inputs.map((input) => Array.from(run(input)));
});
process.stdout.write(JSON.stringify(outputs));
