import { deepEqual } from "node:assert/strict";
import { test } from "./check.ts";

const ROOT = new URL("..", import.meta.url);

/** The parts of `deno info --json` that are read here. */
interface ModuleGraph {
  modules: {
    specifier: string;
    error?: string;
    dependencies?: { code?: { specifier?: string }; type?: { specifier?: string } }[];
  }[];
}

type Graph = Map<string, string[]>;

/** All of the product's files, by what they import (types as well), as paths from the root. */
async function importGraph(): Promise<Graph> {
  const sources = (await Promise.all(["src/", "ffi/"].map((path) => listSources(path)))).flat();
  const folder = await Deno.makeTempDir({ prefix: "ttun-cycles-" });
  try {
    const entry = `${folder}/entry.ts`; // `deno info` takes one file: this one imports them all
    const lines = sources.map((path) => `import ${JSON.stringify(new URL(path, ROOT).href)};\n`);
    await Deno.writeTextFile(entry, lines.join(""));
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", new URL("deno.json", ROOT).pathname, entry],
    }).output();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
    return toGraph(JSON.parse(new TextDecoder().decode(stdout)) as ModuleGraph);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function listSources(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
    if (isDirectory) found.push(...await listSources(`${folder}${name}/`));
    else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) found.push(folder + name);
  }
  return found;
}

function toGraph(info: ModuleGraph): Graph {
  const graph: Graph = new Map();
  for (const { specifier, error, dependencies } of info.modules) {
    if (error !== undefined) throw new Error(error);
    if (!specifier.startsWith(ROOT.href)) continue;
    const targets = (dependencies ?? []).flatMap((d) => [d.code?.specifier, d.type?.specifier]);
    const own = targets.filter((target) => target?.startsWith(ROOT.href));
    graph.set(pathOf(specifier), [...new Set(own.map((target) => pathOf(target!)))]);
  }
  return graph;
}

function pathOf(specifier: string): string {
  return specifier.slice(ROOT.href.length);
}

/** Each cycle once, as `a → b → a`: a walk in depth that comes upon its own path. */
function findCycles(graph: Graph): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string) => {
    const at = path.indexOf(file);
    if (at >= 0) cycles.push([...path.slice(at), file].join(" → "));
    if (at >= 0 || done.has(file)) return;
    path.push(file);
    for (const target of graph.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return cycles;
}

test("cycles: a planted cycle is found", () => {
  const graph = new Map([["a", ["b", "d"]], ["b", ["c"]], ["c", ["a"]], ["d", ["b"]]]);
  deepEqual(findCycles(graph), ["a → b → c → a"]);
  deepEqual(findCycles(new Map([["a", ["a"]]])), ["a → a"]);
  deepEqual(findCycles(new Map([["a", ["b", "c"]], ["b", ["c"]]])), []);
});

test("cycles: no file of the product imports itself by way of others", async () => {
  const graph = await importGraph();
  deepEqual([graph.has("src/base/errors.ts"), graph.has("ffi/linux/libc.ts")], [true, true]);
  deepEqual(findCycles(graph), []);
});
