import { deepEqual, equal } from "node:assert/strict";
import layers from "./layers.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** The messages of the plugin for a file of this text at `path`. */
function lint(path: string, source: string): string[] {
  return Deno.lint.runPlugin(layers, ROOT + path, source).map((found) => found.message);
}

const WRONG: [path: string, source: string][] = [
  // Imports against the layers and rooms.
  ["src/base/a.ts", `import { x } from "../contract/x.ts";`],
  ["src/contract/a.ts", `import type { X } from "../core/x.ts";`],
  ["src/contract/a.ts", `import { x } from "@noble/hashes/blake2.js";`],
  ["src/core/a.ts", `import { x } from "../app/x.ts";`],
  ["src/core/v1/a.ts", `export { x } from "../../io/x.ts";`],
  ["src/core/v1/a.ts", `export * from "../../../ffi/x.ts";`],
  ["src/core/a.ts", `import x from "lodash";`],
  ["src/core/a.ts", `import x from "node:fs";`],
  ["src/app/net/a.ts", `import packet from "dns-packet";`],
  ["src/core/a.ts", `import { randomBytes } from "node:crypto";`],
  ["src/app/net/a.ts", `import "../../io/x.ts";`],
  ["src/app/net/a.ts", `import { setTimeout as later } from "node:timers";`],
  ["src/app/net/a.ts", `import { x } from "@noble/hashes/blake2.js";`],
  ["src/app/net/a.ts", `import type { X } from "../../cli/x.ts";`],
  ["src/app/net/a.ts", `export type X = import("../../io/x.ts").X;`],
  ["src/app/a.ts", `export const x = 1;`],
  ["src/app/other/a.ts", `export const x = 1;`],
  ["src/app/net/a.ts", `import { x } from "../link/x.ts";`],
  ["src/app/tt/a.ts", `import type { X } from "../proxy/x.ts";`],
  ["src/app/tun/a.ts", `import { x } from "../link/x.ts";`],
  ["src/app/proxy/a.ts", `export * from "../tt/x.ts";`],
  ["src/app/forward/a.ts", `import { x } from "../proxy/x.ts";`],
  ["src/app/net/a.ts", `import { x } from "../../core/tt/x.ts";`],
  ["src/app/tun/a.ts", `import type { X } from "../../core/link/v2/x.ts";`],
  ["src/app/link/a.ts", `import { x } from "../system/x.ts";`],
  ["src/io/a.ts", `import { x } from "../app/x.ts";`],
  ["src/io/a.ts", `import { x } from "../core/x.ts";`],
  ["src/io/a.ts", `import { x } from "../../tests/x.ts";`],
  ["ffi/a.ts", `import { x } from "../src/contract/x.ts";`],
  ["ffi/a.ts", `import { type X, y } from "../src/contract/x.ts";`],
  ["ffi/a.ts", `import { x } from "../src/io/x.ts";`],
  ["ffi/a.ts", `import { x } from "node:fs";`],
  ["main.ts", `import { x } from "./src/app/x.ts";`],
  ["main.ts", `import "./mod.ts";`],
  ["mod.ts", `export { x } from "./build.ts";`],
  ["mod.ts", `export { x } from "./tests/x.ts";`],
  ["mod.ts", `export { x } from "@noble/hashes/blake2.js";`],
  ["src/cli/a.ts", `import "../../mod.ts";`],
  ["src/core/a.ts", `import manifest from "../../deno.json" with { type: "json" };`],
  ["src/utils/a.ts", `export const x = 1;`],
  // import() outside cli.
  ["src/io/a.ts", `export const x = await import("./b.ts");`],
  ["ffi/a.ts", `export const x = () => import("./b.ts");`],
  ["src/core/a.ts", `export const x = import("./b.ts");`],
  // Names that layers without I/O may not use.
  ["src/core/a.ts", `export const x = Deno.pid;`],
  ["src/core/a.ts", `export type X = Deno.Conn;`],
  ["src/core/a.ts", `const { pid } = Deno; export { pid };`],
  ["src/core/a.ts", `export const x = globalThis.Deno.pid;`],
  ["src/base/a.ts", `export const x = Date.now();`],
  ["src/base/a.ts", `export const x = Date["now"]();`],
  ["src/base/a.ts", `const { now } = Date; export { now };`],
  ["src/base/a.ts", `export const x = new Date();`],
  ["src/base/a.ts", `export const x = Date();`],
  ["src/contract/a.ts", `export const x = performance.now();`],
  ["src/app/net/a.ts", `setTimeout(() => {}, 1);`],
  ["src/app/net/a.ts", `setInterval(() => {}, 1);`],
  ["src/app/net/a.ts", `setImmediate(() => {});`],
  ["src/app/net/a.ts", `queueMicrotask(() => {});`],
  ["src/app/net/a.ts", `export const x = { setTimeout };`],
  ["src/app/net/a.ts", `export const x = (later = setTimeout) => later;`],
  ["src/app/net/a.ts", `export const x = AbortSignal.timeout(5);`],
  ["src/core/a.ts", `export const x = Math.random();`],
  ["src/core/a.ts", `export const x = crypto.getRandomValues(new Uint8Array(1));`],
  ["src/core/a.ts", `export const x = crypto.subtle;`],
  ["src/app/net/a.ts", `export const x = fetch("http://192.0.2.1");`],
  ["src/app/net/a.ts", `export const x = new WebSocket("ws://192.0.2.1");`],
  // Comments that do not stand by themselves.
  ["ffi/a.ts", `/** Whether it is. */ export const x = 1;`],
  ["ffi/a.ts", `/**\n * What it is.\n */\nexport const x = 1;`],
  ["ffi/a.ts", `/* Who asks. */ export const x = 1;`],
  ["ffi/a.ts", `// So it is.\nexport const x = 1;`],
  ["ffi/a.ts", `export const x = 1; // as it is\n// That one.\n`],
  ["ffi/a.ts", `export const x = 1; // The same for y.`],
  ["ffi/a.ts", `/** @param x y */\n// As above.\n`],
  // Errors that are dropped without a word.
  ["src/io/a.ts", `try { f(); } catch {}`],
  ["src/io/a.ts", `try { f(); } catch (_error) { /* As above, again. */ }`],
  ["src/io/a.ts", `try { f(); } catch {\n  // Ignored.\n}`],
  ["tests/suite/a.ts", `try { f(); } catch {}`],
  ["src/io/a.ts", `f().catch(() => {});`],
  ["src/io/a.ts", `// Two lines before it.\n\nf().catch(() => {});`],
  ["src/io/a.ts", `f()\n  .catch((_error) => {}).then(g);`],
];

const RIGHT: [path: string, source: string][] = [
  ["src/base/a.ts", `import { x } from "./b.ts"; export const y = new Date(x).getTime();`],
  ["src/contract/a.ts", `import type { X } from "../base/x.ts"; export type Y = X;`],
  [
    "src/core/v1/a.ts",
    `import { x } from "@noble/ciphers/chacha.js"; import "../../base/x.ts"; x();`,
  ],
  ["src/core/a.ts", `import packet from "dns-packet"; import { Buffer } from "node:buffer";`],
  ["src/core/a.ts", `export * from "../contract/x.ts"; export const y = 1;`],
  ["src/core/a.ts", `export const x = (o: { fetch: () => void }) => o.fetch();`],
  ["src/core/a.ts", `export interface Host { setTimeout(ms: number): void; crypto: string }`],
  ["src/core/a.ts", `export class A { fetch() { return Math.max(1, 2); } performance = 1; }`],
  ["src/core/a.ts", `export const x = { crypto: "Deno" };`],
  ["ffi/a.ts", `import type { X } from "../src/contract/x.ts"; export type Y = X;`],
  ["ffi/a.ts", `import { type X } from "../src/contract/x.ts"; export type Y = X;`],
  ["ffi/a.ts", `export type { X } from "../src/contract/x.ts";`],
  ["ffi/a.ts", `export type X = import("../src/contract/x.ts").X;`],
  ["ffi/a.ts", `import { x } from "../src/base/x.ts"; x(Deno.pid);`],
  ["src/io/a.ts", `import { setImmediate } from "node:timers"; setImmediate(() => Date.now());`],
  ["src/io/a.ts", `import { x } from "../../ffi/x.ts"; x(); setTimeout(x, 1);`],
  ["src/app/net/a.ts", `import { x } from "../../core/x.ts"; import "../../contract/y.ts"; x();`],
  ["src/app/tt/a.ts", `import "../link/x.ts"; import "./b.ts"; import "../net/y.ts";`],
  ["src/app/tt/a.ts", `import { x } from "../../core/tt/x.ts"; import "../../core/hop/y.ts"; x();`],
  ["src/app/system/a.ts", `import "../tt/x.ts"; import "../proxy/y.ts"; import "../tun/z.ts";`],
  ["src/cli/a.ts", `import "../io/x.ts"; import "../app/x.ts"; import "node:util";`],
  ["src/cli/a.ts", `export const x = await import("../io/x.ts");`],
  ["src/cli/a.ts", `import manifest from "../../deno.json" with { type: "json" }; manifest;`],
  ["main.ts", `import { run } from "./src/cli/run.ts"; Deno.exit(await run(Deno.args));`],
  ["mod.ts", `export { x } from "./src/core/x.ts"; export { y } from "./ffi/y.ts";`],
  ["ffi/a.ts", `/** True if it is. */ export const x = 1; // one; so it is`],
  ["ffi/a.ts", `// Lines of one text:\n// So it goes on.\n// As here.\nexport const x = 1;`],
  ["ffi/a.ts", `/** Assigned, and somewhat wholesome. */ export const x = "// So";`],
  ["tests/fixture/link_1149eed/a.ts", `// So it was.\ntry { f(); } catch {}`],
  ["src/io/a.ts", `try { f(); } catch {\n  // It was removed meanwhile.\n}`],
  ["src/io/a.ts", `try { f(); } catch { g(); }`],
  ["src/io/a.ts", `f().catch(() => {}); // told by the next call`],
  ["src/io/a.ts", `// The next call tells.\nf().catch(() => {});`],
  ["src/io/a.ts", `f().catch(() => { g(); }); f().catch(() => null);`],
  ["src/io/a_test.ts", `f().catch(() => {});`],
  // Tests may import and name anything.
  ["src/core/a_test.ts", `import "../io/x.ts"; Deno.test("x", () => {}); await import("./b.ts");`],
  ["tests/suite/a.ts", `import "../../src/io/x.ts"; setTimeout(() => {}, 1);`],
];

for (const [path, source] of WRONG) {
  Deno.test(`layers: refuses in ${path}: ${source}`, () => {
    equal(lint(path, source).length > 0, true);
  });
}

for (const [path, source] of RIGHT) {
  Deno.test(`layers: allows in ${path}: ${source}`, () => {
    deepEqual(lint(path, source), []);
  });
}

Deno.test("layers: names the layers and the way out", () => {
  deepEqual(lint("src/app/net/a.ts", `import { x } from "../../io/x.ts"; x(Date.now());`), [
    "app may not import io",
    "Date.now is not for app: take it as an argument (src/contract)",
  ]);
  deepEqual(lint("ffi/a.ts", `import { x } from "../src/contract/x.ts";`), [
    "ffi may import contract only by `import type`",
  ]);
});
