// Validates values by a schema: {schema, values} on standard input, and for each value on
// standard output the places of its errors, as package config writes them.
import Ajv from "ajv/dist/2020.js";
import { readFileSync } from "node:fs";

const { schema, values } = JSON.parse(readFileSync(0, "utf8"));
const ajv = new Ajv({ strict: true, strictTypes: true, strictTuples: true, allErrors: true });
const validate = ajv.compile(schema);

function place(value, pointer, key) {
  let path = "";
  const parts = pointer.split("/").slice(1).map((p) => p.replaceAll("~1", "/").replaceAll("~0", "~"));
  if (key !== undefined) parts.push(key);
  for (const part of parts) {
    path += Array.isArray(value) ? `[${part}]` : path === "" ? part : `.${part}`;
    value = value?.[part];
  }
  return path;
}

const result = values.map((value) => {
  if (validate(value)) return [];
  return validate.errors
    .filter((e) => e.propertyName === undefined)
    .map((e) => ({ path: place(value, e.instancePath, e.params.additionalProperty ?? e.params.propertyName), text: e.message }));
});
process.stdout.write(JSON.stringify(result));
