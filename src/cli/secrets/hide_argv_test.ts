import assert from "node:assert/strict";
import { argvRange, hideArgv, maskArgs } from "./hide_argv.ts";

function area(...args: string[]): Uint8Array {
  return new TextEncoder().encode(args.map((arg) => `${arg}\0`).join(""));
}

function shown(bytes: Uint8Array): string[] {
  return new TextDecoder().decode(bytes).split("\0").slice(0, -1);
}

Deno.test("a secret is overwritten where it stands, and nowhere else", () => {
  const args = ["server", "-k", "server", "--key=ünlock", "-mtu", "1400", ""];
  const block = area("deno", "run", "main.ts", ...args);
  assert.ok(maskArgs(block, args, [{ index: 2, start: 0 }, { index: 3, start: 6 }]));
  assert.deepEqual(
    shown(block),
    ["deno", "run", "main.ts", "server", "-k", "xxxxxx", "--key=xxxxxxx", "-mtu", "1400", ""],
  );
});

Deno.test("a block that holds other arguments is left as it is", () => {
  for (const block of [area("deno", "-k", "other"), area("secret"), new Uint8Array(0)]) {
    const before = block.slice();
    assert.equal(maskArgs(block, ["-k", "secret"], [{ index: 1, start: 0 }]), false);
    assert.deepEqual(block, before);
  }
});

Deno.test("the range of the arguments is found behind a name with spaces and parentheses", () => {
  const numbers = Array.from({ length: 50 }, (_, i) => String(i + 3));
  numbers[48 - 3] = "140726461745824";
  numbers[49 - 3] = "140726461745859";
  assert.deepEqual(argvRange(`4366 (a ) (b) R) ${numbers.join(" ")}\n`), {
    start: 140726461745824n,
    end: 140726461745859n,
  });
});

Deno.test("a range that is kept secret or is none is not used", () => {
  const zeros = Array.from({ length: 50 }, () => "0").join(" ");
  for (const stat of ["", "1 (x)", `1 (x) ${zeros}`]) assert.equal(argvRange(stat), undefined);
});

Deno.test("without secrets nothing is touched, and nothing is visible", () => {
  assert.equal(hideArgv("ttun", ["server"], []), true);
});
