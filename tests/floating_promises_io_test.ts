import { deepEqual, match } from "node:assert/strict";
import { type Finding, floatingPromises } from "./floating_promises.ts";

const PARTS = `export declare function send(): Promise<number>;
export declare function trySend(): void | Promise<void>;
export declare function handle(error?: unknown): void;
export declare function onEvent(run: () => void): void;
export declare function onReady(run: () => boolean | void): void;
export declare function inTurn(run: () => Promise<void>): Promise<void>;
export declare const list: string[];
export declare const stream: AsyncDisposable & { close?(): Promise<void> };
`;

const WRONG = [
  "send();",
  "trySend();",
  "(send());",
  "send()!;",
  "(send() as Promise<unknown>);",
  "send().then(handle);",
  "send().then(handle, undefined);",
  "send().catch();",
  "send().catch(null);",
  "send().catch(handle).then(handle);",
  "send().finally(handle);",
  "stream[Symbol.asyncDispose]();",
  "stream.close?.();",
  "list.length > 0 ? send() : handle();",
  "list.length > 0 && send();",
  "handle(), send();",
  "Promise.all([send()]);",
  "list.map(() => send());",
  "new Promise<void>(handle);",
  "(async () => await send())();",
  "if (list.length > 0) trySend();",
  "class A { async run(): Promise<void> {} begin(): void { this.run(); } } new A();",
  "void send();",
  'void send().then(() => "// the string is no reason");',
  "handle(); // This is of another statement.\nvoid send();",
  "void send(); // deno-lint-ignore no-explicit-any",
  "void send(); //",
  "void send();\n// Comes too late.",
  "onEvent(() => void trySend());",
  "onEvent(() => send());",
  "onEvent(async () => await handle());",
  "onEvent(send);",
  "onReady(async () => { await send(); });",
  "list.forEach(async () => { await send(); });",
  "export const events: { ended(): void } = { ended: () => trySend() };",
];

const RIGHT = [
  "await send();",
  "await trySend();",
  "send().catch(handle);",
  "send().then(handle, handle);",
  "send().then(handle).catch(handle);",
  "send().catch(handle).finally(handle);",
  "stream.close?.().catch(handle);",
  "handle();",
  "export const kept = send();",
  "let later: Promise<number> | null = null; later = send(); later ??= send(); await later;",
  "await Promise.all(list.map(() => send()));",
  "list.map((name) => name.length);",
  "void send(); // nobody waits: the next call tells",
  "// Nobody waits: the next call tells.\nvoid send();",
  "/*\n * Nobody waits: the next call tells.\n */\nvoid send();",
  "void send().then(() => {\n  handle();\n}); // never rejects: errors are values",
  "// Never rejects.\nonEvent(() => void trySend());",
  "void send().catch(handle);",
  "void handle();",
  "onEvent(() => send().catch(handle));",
  "onEvent(handle);",
  "await inTurn(async () => { await send(); });",
  "await inTurn(trySend as () => Promise<void>);",
];

let findings: Promise<Map<string, Finding[]>> | null = null;

/** Checks all the lines at once, each as a file of its own behind PARTS. */
function check(): Promise<Map<string, Finding[]>> {
  return findings ??= (async () => {
    const lines = [...WRONG, ...RIGHT];
    const texts = Object.fromEntries(lines.map((line, i) => [`/fixture/${i}.ts`, PARTS + line]));
    const found = await floatingPromises(Object.keys(texts), texts);
    return Map.groupBy(found, ({ path }) => texts[path]!.slice(PARTS.length));
  })();
}

for (const line of WRONG) {
  Deno.test(`floating promises: refuses ${line}`, async () => {
    const found = (await check()).get(line) ?? [];
    const at = line.split("\n").findIndex((text) => !text.startsWith("handle(); //"));
    deepEqual(found.map((finding) => finding.line), [PARTS.split("\n").length + at]);
  });
}

for (const line of RIGHT) {
  Deno.test(`floating promises: allows ${line}`, async () => {
    deepEqual((await check()).get(line) ?? [], []);
  });
}

Deno.test("floating promises: says what to do", async () => {
  const message = async (line: string) => (await check()).get(line)?.[0]?.message ?? "";
  match(await message("send();"), /await it, or handle its rejection/);
  match(await message("void send();"), /needs a reason/);
  match(await message("onEvent(send);"), /handle the rejection inside/);
});
