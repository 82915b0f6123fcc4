import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { makePureCipher } from "../../core/cipher/pure_cipher.ts";
import { keepLine, knownCosts, parseCosts } from "./cipher_costs.ts";

const CIPHERS = {
  factory: makePureCipher,
  name: "pure",
  detail: "@noble/ciphers",
  [Symbol.dispose]: () => {},
} as const;

const LABEL = "a processor, 2.9.6, pure, @noble/ciphers";

test("costs are those of the last right line of this processor and these versions", () => {
  const text = `other\t1\t2\n${LABEL}\t1\t2\n${LABEL}\t11\t22\n${LABEL}\t11\n${LABEL}\tx\t1\n`;
  assert.equal(parseCosts(text, LABEL), undefined); // the last one is not right
  const good = parseCosts(text.split("\n").slice(0, 3).join("\n"), LABEL);
  assert.deepEqual(good, { "chacha20-poly1305": 11, "aes-256-gcm": 22 });
  for (const bad of ["", "\n", LABEL, `${LABEL}\t0\t1`, `${LABEL}\t1.5\t1`, `${LABEL}x\t1\t1`]) {
    assert.equal(parseCosts(bad, LABEL), undefined, bad);
  }
});

test({
  name: "costs that a full disk does not take are lost, and nothing else",
  ignore: Deno.build.os !== "linux",
  fn() {
    using full = Deno.openSync("/dev/full", { write: true });
    assert.throws(() => full.writeSync(new Uint8Array(1)), /No space left/);
    keepLine(full, `${LABEL}\t1\t2`);
  },
});

test("ciphers are measured some seconds after the first handshake asks, once, and then read", async () => {
  const directory = await Deno.makeTempDir();
  const before = Deno.env.get("STATE_DIRECTORY");
  Deno.env.set("STATE_DIRECTORY", `${directory}/state`);
  try {
    const clock = new FakeClock();
    using first = knownCosts(CIPHERS, clock);
    await clock.advance(60_000);
    assert.equal(clock.pending, 0);
    assert.equal(first.costs(), undefined);
    await clock.advance(4_999);
    assert.equal(first.costs(), undefined);
    await clock.advance(1);
    const costs = first.costs()!;
    assert.deepEqual(Object.keys(costs), ["chacha20-poly1305", "aes-256-gcm"]);
    assert.ok(Object.values(costs).every((cost) => cost > 1000), "nanoseconds");
    using second = knownCosts(CIPHERS, clock);
    assert.deepEqual(second.costs(), costs);
    assert.equal(clock.pending, 0);
    using other = knownCosts({ ...CIPHERS, detail: "another version" }, clock);
    assert.equal(other.costs(), undefined);
  } finally {
    if (before === undefined) Deno.env.delete("STATE_DIRECTORY");
    else Deno.env.set("STATE_DIRECTORY", before);
    await Deno.remove(directory, { recursive: true });
  }
});
