/**
 * The import rule of the tree as a lint plugin, wired in deno.json. It knows a file by its path
 * from the root of the project, so it needs no scope analysis and no other file: in a layer
 * without I/O, the very names of clocks, timers, sockets and randomness are refused, and what is
 * needed of them comes in as an argument (src/contract).
 */

import { beginnings, catches, rejections } from "./comment_rules.ts";

type Layer = "base" | "contract" | "core" | "ffi" | "io" | "app" | "cli" | "main" | "mod";

/** Layers and packages that each layer may import besides itself; `types` only by `import type`. */
const MAY_IMPORT: Record<Layer, { layers: Layer[]; types?: Layer[]; packages: RegExp | null }> = {
  base: { layers: [], packages: null },
  contract: { layers: ["base"], packages: null },
  core: { layers: ["base", "contract"], packages: /^(npm:)?@noble\/|^dns-packet$|^node:buffer$/ },
  ffi: { layers: ["base"], types: ["contract"], packages: null },
  io: { layers: ["base", "contract", "ffi"], packages: /^node:/ },
  app: { layers: ["base", "contract", "core"], packages: null },
  cli: { layers: ["base", "contract", "core", "ffi", "io", "app"], packages: /^/ },
  main: { layers: ["cli"], packages: null },
  mod: { layers: ["base", "contract", "core", "ffi", "io", "app", "cli"], packages: null },
};

/**
 * Rooms of src/app: what each may import besides itself. Services (tun, proxy, forward, transfer) and
 * transports (hop, punch, tt, tuntox) never import each other: they meet in `system`, which may import
 * all. A room of src/core that is named as a transport is that one's.
 */
const ROOM_MAY_IMPORT: Record<string, readonly string[]> = {
  loop: [],
  net: ["loop"],
  link: ["loop", "net"],
  mux: ["loop", "net", "link"],
  hop: ["loop", "net", "link"],
  meet: ["loop", "net"],
  punch: ["loop", "net"],
  tt: ["loop", "net", "link", "hop"],
  tuntox: ["loop", "net"],
  tun: ["loop", "net"],
  proxy: ["loop", "net"],
  forward: ["loop", "net"],
  transfer: ["loop", "net"],
  status: ["loop", "net"],
  mesh: ["loop", "net", "link", "mux"],
  gateway: ["loop", "net", "link", "mux", "mesh"],
  system: [
    "loop",
    "net",
    "link",
    "mux",
    "hop",
    "meet",
    "punch",
    "tt",
    "tuntox",
    "tun",
    "proxy",
    "forward",
    "transfer",
    "status",
    "mesh",
    "gateway",
  ],
};

/** Layers that run the same anywhere: no runtime, no clock, no chance. */
const PURE: readonly (Layer | null)[] = ["base", "contract", "core", "app"];

const BANNED_NAMES = new Set([
  "Deno",
  "WebSocket",
  "crypto",
  "fetch",
  "globalThis", // a way around this very list
  "performance",
  "queueMicrotask",
  "setImmediate",
  "setInterval",
  "setTimeout",
]);

const BANNED_MEMBERS = new Set([
  "AbortSignal.timeout", // a timer as well
  "Date.now",
  "Math.random",
  "Temporal.Now",
]);

const ROOT = new URL("..", import.meta.url).pathname;

/** The path from the root of the project, or null for a file that lies elsewhere. */
function pathInProject(filename: string): string | null {
  const path = filename.startsWith("file:") ? new URL(filename).pathname : filename;
  return path.startsWith(ROOT) ? path.slice(ROOT.length) : null;
}

function layerOf(path: string): Layer | null {
  if (path === "main.ts") return "main";
  if (path === "mod.ts") return "mod";
  const name = /^(?:src\/([^/]+)|(ffi))\//.exec(path);
  const layer = name?.[1] ?? name?.[2];
  return layer !== undefined && Object.hasOwn(MAY_IMPORT, layer) ? layer as Layer : null;
}

/** The room of a file of src/app, or of a transport's protocol in src/core; "" for one in none. */
function roomOf(path: string): string {
  return /^src\/(?:app\/|core\/(?=(?:hop|link|tt)\/))([^/]+)\//.exec(path)?.[1] ?? "";
}

/** Why a file of src/app may not import another one, or null when it may. */
function roomRefusal(path: string, target: string): string | null {
  const [from, to] = [roomOf(path), roomOf(target)];
  if (from === to || ROOM_MAY_IMPORT[from]?.includes(to) === true) return null;
  return `app/${from} may not import ${layerOf(target)}/${to}`;
}

function isTest(path: string): boolean {
  return path.startsWith("tests/") || path.endsWith("_test.ts");
}

/** Why `path` may not import `specifier`, or null when it may. */
function refusal(path: string, specifier: string, typeOnly: boolean): string | null {
  const layer = layerOf(path);
  if (layer === null) return null;
  const rule = MAY_IMPORT[layer];
  if (!/^\.{0,2}\/|^file:/.test(specifier)) {
    return rule.packages?.test(specifier) ? null : `${layer} may not import ${specifier}`;
  }
  const target = pathInProject(new URL(specifier, `file://${ROOT}${path}`).href);
  if (layer === "cli" && target === "deno.json") return null; // the version is told once, there
  const to = target === null ? null : layerOf(target);
  if (to === null) return `${layer} may not import ${specifier}: it is in no layer`;
  const isOfRoom = to === "app" || roomOf(target!) !== "";
  if (layer === "app" && isOfRoom) return roomRefusal(path, target!);
  if (to === layer || rule.layers.includes(to)) return null;
  if (!rule.types?.includes(to)) return `${layer} may not import ${to}`;
  return typeOnly ? null : `${layer} may import ${to} only by \`import type\``;
}

type Import =
  | Deno.lint.ImportDeclaration
  | Deno.lint.ExportNamedDeclaration
  | Deno.lint.ExportAllDeclaration;

function isTypeOnly(node: Import): boolean {
  if (node.type !== "ImportDeclaration") return node.exportKind === "type";
  if (node.importKind === "type") return true;
  return node.specifiers.length > 0 &&
    node.specifiers.every((s) => s.type === "ImportSpecifier" && s.importKind === "type");
}

const imports: Deno.lint.Rule = {
  create(context) {
    const path = pathInProject(context.filename);
    if (path === null || isTest(path)) return {};
    const check = (node: Import) => {
      const specifier = node.source?.value;
      if (typeof specifier !== "string") return; // `export const …` names no other file
      const message = refusal(path, specifier, isTypeOnly(node));
      if (message !== null) context.report({ node, message });
    };
    return {
      Program(node) {
        const isApp = layerOf(path) === "app";
        if (isApp && !Object.hasOwn(ROOM_MAY_IMPORT, roomOf(path))) {
          context.report({
            node,
            message: "this folder is in no room of app: see tests/layers.ts",
          });
        }
        if (!path.startsWith("src/") || layerOf(path) !== null) return;
        context.report({ node, message: "this folder is in no layer: see tests/layers.ts" });
      },
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      TSImportType(node) {
        const literal = node.argument.type === "TSLiteralType" ? node.argument.literal : null;
        if (literal?.type !== "Literal" || typeof literal.value !== "string") return;
        const message = refusal(path, literal.value, true);
        if (message !== null) context.report({ node, message });
      },
      ImportExpression(node) {
        if (layerOf(path) === "cli") return;
        context.report({ node, message: "import() is for src/cli alone: import statically" });
      },
    };
  },
};

/** True if the identifier only names a part of something else, like `x` in `a.x` or `{ x: 1 }`. */
function isMemberName(node: Deno.lint.Identifier): boolean {
  const parent = node.parent;
  switch (parent.type) {
    case "MemberExpression":
      return parent.property === node && !parent.computed;
    case "Property":
      return parent.key === node && !parent.computed && !parent.shorthand;
    case "MethodDefinition":
    case "PropertyDefinition":
    case "TSMethodSignature":
    case "TSPropertySignature":
    case "TSAbstractMethodDefinition":
    case "TSAbstractPropertyDefinition":
      return parent.key === node && !parent.computed;
    case "TSQualifiedName":
      return parent.right === node;
    case "ImportSpecifier":
      return parent.imported === node;
    default:
      return false;
  }
}

const pure: Deno.lint.Rule = {
  create(context) {
    const path = pathInProject(context.filename);
    if (path === null || isTest(path) || !PURE.includes(layerOf(path))) return {};
    const refuse = (node: Deno.lint.Node, what: string) =>
      context.report({
        node,
        message: `${what} is not for ${layerOf(path)}: take it as an argument (src/contract)`,
      });
    const nameOf = (node: Deno.lint.Expression) => node.type === "Identifier" ? node.name : "";
    return {
      Identifier(node) {
        if (BANNED_NAMES.has(node.name) && !isMemberName(node)) refuse(node, node.name);
      },
      MemberExpression(node) {
        if (node.object.type !== "Identifier") return;
        const property = node.property.type === "Literal"
          ? String(node.property.value)
          : node.property.type === "Identifier"
          ? node.property.name
          : "";
        const member = `${node.object.name}.${property}`;
        if (BANNED_MEMBERS.has(member)) refuse(node, member);
      },
      VariableDeclarator(node) {
        // `const { now } = Date` would hide the member from the check above.
        const from = node.init?.type === "Identifier" ? `${node.init.name}.` : null;
        if (from === null || node.id.type !== "ObjectPattern") return;
        for (const banned of BANNED_MEMBERS) if (banned.startsWith(from)) refuse(node, banned);
      },
      NewExpression(node) {
        const isNow = nameOf(node.callee) === "Date" && node.arguments.length === 0;
        if (isNow) refuse(node, "new Date()");
      },
      CallExpression(node) {
        if (nameOf(node.callee) === "Date") refuse(node, "Date()");
      },
    };
  },
};

/** Applies a rule to files of the project that `isMeant` takes, by their path from its root. */
function only(rule: Deno.lint.Rule, isMeant: (path: string) => boolean): Deno.lint.Rule {
  return {
    create(context) {
      const path = pathInProject(context.filename);
      return path === null || !isMeant(path) ? {} : rule.create(context);
    },
  };
}

/** A checkout of an old commit, kept as it was. */
const OLD_CODE = "tests/fixture/link_1149eed/";

const plugin: Deno.lint.Plugin = {
  name: "layers",
  rules: {
    imports,
    pure,
    beginnings: only(beginnings, (path) => !path.startsWith(OLD_CODE)),
    catches: only(catches, (path) => !path.startsWith(OLD_CODE)),
    rejections: only(rejections, (path) => !isTest(path)),
  },
};
export default plugin;
