import assert from "node:assert/strict";
import type { Manifest } from "../../core/transfer/manifest.ts";
import type { Entry } from "../../core/transfer/entry.ts";
import { agree, type AgreeOptions } from "./agree.ts";
import { offerOf, offerText } from "./offer.ts";

function manifest(...names: string[]): Manifest {
  const entries = names.map((name): Entry => ({
    kind: name.endsWith("/") ? "folder" : "file",
    name: name.replace(/\/$/, ""),
    size: name.endsWith("/") ? 0 : 1000,
    mode: 0o644,
    modified: { seconds: 0, nanoseconds: 0 },
  }));
  const files = entries.filter(({ kind }) => kind === "file").length;
  return { entries, files, bytes: files * 1000 };
}

async function answer(
  offered: Manifest,
  keys: string,
  { yes = false, hidden = false }: Partial<AgreeOptions> = {},
  isTerminal = true,
) {
  const words: string[] = [];
  let at = 0;
  const terminal = {
    isTerminal: () => isTerminal,
    setRaw: () => {},
    read: (into: Uint8Array) => {
      assert.ok(at < keys.length, "there is no more question");
      into[0] = keys.charCodeAt(at++);
      return Promise.resolve(1);
    },
    write: (text: string) => void words.push(text),
  };
  const { signal } = new AbortController();
  const offer = offerOf(offered, "192.0.2.7");
  const { isAccepted, declined } = await agree(offer, { yes, hidden }, terminal, signal);
  assert.equal(at, keys.length);
  return { isAccepted, declined: [...declined], words: words.join("") };
}

Deno.test("the user sees the sender, names and the size, and is asked", async () => {
  const offered = manifest("d/", "d/a", "b\x1b[2J");
  const { isAccepted, words } = await answer(offered, "y");
  assert.equal(isAccepted, true);
  const shown =
    "192.0.2.7 sends 2 files and 1 folder, 2.0 kB:\r\n  d\r\n  b\\u{1b}[2J\r\nTake this?";
  assert.ok(words.startsWith(shown), words);
  assert.equal((await answer(offered, "n")).isAccepted, false);
  assert.equal((await answer(offered, "", { yes: true })).words, "");
});

Deno.test("names with a dot at the top are asked for by themselves, also with --yes", async () => {
  const offered = manifest(".ssh/", ".ssh/a", "d/", "d/.b", ".profile");
  const { declined, words } = await answer(offered, "yny");
  assert.deepEqual(declined, [".ssh"]);
  assert.match(words, /\.profile begins with a dot/);
  assert.deepEqual((await answer(offered, "yn", { yes: true })).declined, [".profile"]);
  assert.deepEqual((await answer(offered, "", { yes: true, hidden: true })).declined, []);
  const refused = { kind: "usage", message: /\.ssh without a question.*--hidden/ };
  await assert.rejects(answer(offered, "", { yes: true }, false), refused);
  const many = manifest(...Array.from({ length: 30 }, (_, i) => `.${i}`));
  await assert.rejects(answer(many, "y"), { kind: "usage", message: /--hidden/ });
});

Deno.test("without a terminal nothing is taken unless --yes says so", async () => {
  await assert.rejects(answer(manifest("a"), "", {}, false), { kind: "usage", message: /--yes/ });
  assert.equal((await answer(manifest("a"), "", { yes: true }, false)).isAccepted, true);
});

Deno.test("many names are cut short", () => {
  const offer = offerOf(manifest(...Array.from({ length: 15 }, (_, i) => `${i}`)), "x");
  assert.deepEqual(offerText(offer).slice(-2), ["  11", "  and 3 more"]);
});
