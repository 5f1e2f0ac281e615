import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync, writeFileSync } from "node:fs";
const [modules, input, output] = process.argv.slice(2);
const require = createRequire(pathToFileURL(modules + "/x.js"));
const { parse } = await import(pathToFileURL(require.resolve("@bytecodealliance/jco")));
const out = [];
for (const text of JSON.parse(readFileSync(input))) {
  try { out.push({ wasm: Buffer.from(await parse(text)).toString("base64") }); }
  catch (e) { out.push({ error: String(e.message ?? e) }); }
}
writeFileSync(output, JSON.stringify(out));
