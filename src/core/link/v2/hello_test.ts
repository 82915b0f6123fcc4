import assert from "node:assert/strict";
import fc from "fast-check";
import { flips } from "../../../../tests/fake/link_session.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { concat, readU32, writeU32 } from "../../../base/bytes.ts";
import {
  clientHello,
  HELLO_SIZE,
  HelloReader,
  readClientHello,
  readServerHello,
  serverHello,
  timeUnits,
} from "./hello.ts";
import { derive } from "./secrets.ts";

fc.configureGlobal({ seed: 2 });

const S = seededRng(1)(32);
const NOW = 1_800_000_002_500; // within a unit of 4 s
const nc = clientHello(S, seededRng(2)(8), 9, NOW);
const ns = serverHello(S, nc, seededRng(3)(8), NOW);
const fresh = { padding: 9, skewSeconds: 0, isStale: false };

Deno.test("a hello says its padding and its time to who has the secret", () => {
  const anyTime = fc.integer({ min: 0, max: 2 ** 42 });
  fc.assert(fc.property(fc.nat(255), anyTime, fc.integer(), (padding, now, seed) => {
    const random = seededRng(seed)(8);
    const hello = clientHello(S, random, padding, now);
    assert.equal(hello.length, HELLO_SIZE);
    assert.deepEqual(hello.subarray(0, 8), random);
    assert.deepEqual(readClientHello(S, hello, now), { padding, skewSeconds: 0, isStale: false });
    const answer = serverHello(S, hello, random, now);
    assert.deepEqual(readServerHello(S, hello, answer, now), {
      padding: 0,
      skewSeconds: 0,
      isStale: false,
    });
  }));
});

Deno.test("every bit of a hello counts, in both directions", () => {
  assert.deepEqual(readClientHello(S, nc, NOW), fresh);
  for (const { bytes, bit } of flips(nc)) {
    assert.equal(readClientHello(S, bytes, NOW), null, `bit ${bit} of Nc`);
    assert.equal(readServerHello(S, bytes, ns, NOW), null, `bit ${bit} of Nc, seen in Ns`);
  }
  for (const { bytes, bit } of flips(ns)) {
    assert.equal(readServerHello(S, nc, bytes, NOW), null, `bit ${bit} of Ns`);
  }
  for (const { bytes } of flips(S)) {
    assert.equal(readClientHello(bytes, nc, NOW), null);
    assert.equal(readServerHello(bytes, nc, ns, NOW), null);
  }
});

Deno.test("a hello of the other direction, or of another try, is none", () => {
  const other = clientHello(S, seededRng(4)(8), 9, NOW);
  assert.equal(readClientHello(S, ns, NOW), null);
  assert.equal(readServerHello(S, nc, nc, NOW), null);
  assert.equal(readServerHello(S, other, ns, NOW), null);
  assert.equal(readServerHello(S, nc, other, NOW), null);
});

Deno.test("less than 16 bytes are no hello", () => {
  for (let size = 0; size < HELLO_SIZE; size++) {
    assert.equal(readClientHello(S, nc.subarray(0, size), NOW), null, `${size} bytes`);
    assert.equal(readServerHello(S, nc, ns.subarray(0, size), NOW), null, `${size} bytes`);
  }
});

Deno.test("a hello is fresh up to 30 units of time either way, and stale from 31 on", () => {
  for (let units = -200; units <= 200; units++) {
    const hello = clientHello(S, seededRng(5)(8), 0, NOW + 4000 * units);
    assert.deepEqual(readClientHello(S, hello, NOW), {
      padding: 0,
      skewSeconds: 4 * units,
      isStale: Math.abs(units) > 30,
    });
    const answer = serverHello(S, nc, seededRng(5)(8), NOW + 4000 * units);
    assert.equal(readServerHello(S, nc, answer, NOW)!.skewSeconds, 4 * units);
    assert.equal(readServerHello(S, nc, answer, NOW)!.isStale, Math.abs(units) > 30);
  }
});

Deno.test("time goes on where its 24 bits wrap", () => {
  const wrap = 4000 * 0x100_0000;
  assert.equal(timeUnits(wrap - 1), 0xff_ffff);
  assert.equal(timeUnits(wrap), 0);
  for (let ms = -100_000; ms <= 100_000; ms += 20_000) {
    const hello = clientHello(S, seededRng(6)(8), 255, wrap + ms);
    const found = readClientHello(S, hello, wrap - ms)!;
    assert.equal(found.padding, 255);
    assert.equal(found.skewSeconds, Math.floor(ms / 4000) * 4 - Math.floor(-ms / 4000) * 4);
    assert.equal(found.isStale, Math.abs(found.skewSeconds) > 120);
  }
});

Deno.test("a clock half of all time away is stale, whichever way it is counted", () => {
  for (const units of [0x7f_ffff, 0x80_0000, 0x80_0001]) {
    const hello = clientHello(S, seededRng(7)(8), 0, NOW + 4000 * units);
    assert.equal(readClientHello(S, hello, NOW)!.isStale, true);
  }
});

Deno.test("a server's hello that speaks of padding is read all the same", () => {
  const random = seededRng(8)(8);
  const x = ((200 << 24) | timeUnits(NOW)) >>> 0;
  const e = new Uint8Array(4);
  writeU32(e, 0, (x ^ readU32(derive(S, "time s", nc, random), 0)) >>> 0);
  const t = derive(S, "hello s", nc, concat(random, e)).subarray(0, 4);
  const hello = readServerHello(S, nc, concat(random, e, t), NOW);
  assert.deepEqual(hello, { padding: 200, skewSeconds: 0, isStale: false });
});

Deno.test("hellos of one key and one moment have nothing in common but what was random", () => {
  const seen = new Set<number>();
  for (let i = 0; i < 2000; i++) {
    const hello = clientHello(S, seededRng(100 + i)(8), 0, NOW);
    seen.add(readU32(hello, 8));
  }
  assert(seen.size > 1990, "time and padding are masked anew each time");
});

Deno.test("a reader for many hellos judges each as it is judged alone", () => {
  const reader = new HelloReader(S);
  for (let i = 0; i < 50; i++) {
    const s = i % 2 === 0 ? S : seededRng(500 + i)(32);
    const hello = clientHello(s, seededRng(i)(8), i, NOW + 4000 * (i - 25));
    assert.deepEqual(reader.read(hello, NOW), readClientHello(S, hello, NOW));
    assert.equal(reader.read(hello, NOW) === null, s !== S);
  }
});
