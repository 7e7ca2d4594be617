// node configure.mjs DECIDED CONFIGURATION
//
// The configuration is the customer's: OpenClaw rewrites it, and so may its owner. Before each start, what the operator
// decides ("managed" in DECIDED) is laid over it, and what is only a first value ("initial") is filled in where nothing
// stands. A list is one value: the operator's replaces the customer's. The file is replaced in one step, and only when it
// changes. Exits 78, which is permanent, when what is there cannot be read.

import { closeSync, fsyncSync, openSync, readFileSync, realpathSync, renameSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";

const PERMANENT = 78;

const [decidedPath, path] = process.argv.slice(2);
const decided = JSON.parse(readFileSync(decidedPath, "utf8"));
const before = textOf(path);
const configuration = before === null ? {} : parse(before);
const after = JSON.stringify(over(over(decided.initial, configuration), decided.managed), null, 2) + "\n";
if (after !== before) replace(path, after);

function textOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return null;
    return giveUp(`cannot be read: ${error.code}`);
  }
}

function parse(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    try {
      value = json5().parse(text);
    } catch (error) {
      return giveUp(`is neither JSON nor JSON5: ${error.message.split("\n")[0]}`);
    }
  }
  return isObject(value) ? value : giveUp("is not an object");
}

// OpenClaw's own reader of JSON5: beside its program, wherever the image has that.
function json5() {
  const programs = process.env.PATH.split(delimiter).map((folder) => join(folder, "openclaw"));
  for (const base of [join(process.cwd(), "package.json"), ...programs]) {
    try {
      return createRequire(realpathSync(base))("json5");
    } catch {
      continue;
    }
  }
  throw new Error("it is not JSON, and this image has no reader of JSON5");
}

// The upper value laid over the lower one: objects key by key, anything else replaced.
function over(lower, upper) {
  if (!isObject(lower) || !isObject(upper)) return upper;
  const merged = new Map(Object.entries(lower));
  for (const [key, value] of Object.entries(upper)) {
    merged.set(key, merged.has(key) ? over(merged.get(key), value) : value);
  }
  return Object.fromEntries(merged);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function replace(path, text) {
  const fresh = `${path}.launchpad`;
  const file = openSync(fresh, "w", 0o600);
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
  renameSync(fresh, path);
}

function giveUp(why) {
  console.error(`configure: ${path} ${why}`);
  process.exit(PERMANENT);
}
