import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, toHex } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import { CIPHER_NAMES } from "../../src/contract/cipher.ts";
import { packEcho, packRekey, readFrames } from "../../src/core/link/v2/frames.ts";
import { ServerHandshake } from "../../src/core/link/v2/server_handshake.ts";
import type { ClientHandshake } from "../../src/core/link/v2/client_handshake.ts";
import type { LinkSession } from "../../src/core/link/v2/handshake.ts";
import { HELLO_SIZE, readClientHello } from "../../src/core/link/v2/hello.ts";
import { sealText } from "../../src/core/link/v2/key_schedule.ts";
import {
  RECORD_HEADER,
  RECORD_TAG,
  type RecordOpener,
  type RecordSealer,
} from "../../src/core/link/v2/record.ts";
import { clientLink, converse, NOW, SECRET, serverLink } from "../fake/link_session.ts";

fc.configureGlobal({ seed: 3 });

/** All of `bytes`, cut where `cuts` say. */
function pieces(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

const anyCuts = fc.array(fc.nat(), { maxLength: 12 });
const byteByByte = Array.from({ length: 8192 }, (_, i) => i);

/** A peer's records: echoes, and a change of keys where one is null. */
const someRecords = fc.array(fc.option(fc.uint8Array({ minLength: 8, maxLength: 8 })), {
  maxLength: 6,
});

function seal(sealer: RecordSealer, records: (Uint8Array | null)[]): Uint8Array {
  return concat(...records.map((data) => {
    const record = sealText(sealer, data === null ? packRekey() : packEcho("ping", data));
    if (data === null) sealer.rekey();
    return record;
  }));
}

/** Reads a session's bytes, which come in pieces. */
class Reading {
  readonly found: string[] = [];
  readonly #opener: RecordOpener;
  #held: Uint8Array = new Uint8Array();

  constructor(opener: RecordOpener) {
    this.#opener = opener;
  }

  add(chunk: Uint8Array): void {
    this.#held = concat(this.#held, chunk);
    for (;;) {
      const size = this.#opener.sizeAt(this.#held, 0, this.#held.length);
      if (size === null || size > this.#held.length) return;
      this.#opener.open(this.#held, 0, size);
      for (const frame of readFrames(this.#held, RECORD_HEADER, size - RECORD_TAG)) {
        this.found.push(frame.kind === "ping" ? toHex(frame.data) : frame.kind);
        if (frame.kind === "rekey") this.#opener.rekey();
      }
      this.#held = this.#held.slice(size);
    }
  }
}

/** Feeds pieces, then the session's. What was said, and what was read; all else throws. */
function feedAll(end: ClientHandshake | ServerHandshake, parts: Uint8Array[]) {
  const said: string[] = [];
  let reading: Reading | null = null;
  let session: LinkSession | null = null;
  for (const part of parts) {
    if (reading !== null) {
      reading.add(part);
      continue;
    }
    const chunk = part.slice();
    const found = end.feed(chunk);
    chunk.fill(0xee); // it was only lent
    for (const step of Array.isArray(found) ? found : []) {
      assert.notEqual(step.kind, "stranger");
      if (step.kind === "send") said.push(toHex(step.bytes));
      if (step.kind === "done") session = step.session;
    }
    if (end instanceof ServerHandshake && found !== null) {
      const accepted = end.accept({});
      said.push(toHex(accepted.bytes));
      session = accepted.session;
    }
    if (session !== null) {
      reading = new Reading(session.opener);
      reading.add(session.rest);
    }
  }
  const transcript = session === null ? null : toHex(session.transcript);
  session?.[Symbol.dispose]();
  return { said, found: reading?.found ?? null, transcript };
}

const anyEnds = fc.record({
  cipher: fc.constantFrom(...CIPHER_NAMES),
  pads: fc.boolean(),
  padding: fc.integer({ min: 5, max: 250 }),
});

Deno.test("however the bytes are cut, both ends come to the same session", () => {
  let rekeys = 0;
  fc.assert(fc.property(anyEnds, someRecords, anyCuts, ({ cipher, ...c }, records, cuts) => {
    const ciphers = [cipher];
    using all = converse({ ...c, ciphers }, { padding: c.padding });
    const up = concat(all.padding, all.rc, all.setup, seal(all.near.sealer, records));
    const down = concat(all.ns, all.rs, all.serverSetup, seal(all.far.sealer, records));
    const flight1 = concat(all.nc, all.padding);
    const expected = records.map((data) => data === null ? "rekey" : toHex(data));
    rekeys += records.filter((data) => data === null).length;
    const runs = [[], cuts, byteByByte].map((at) => {
      using server = serverLink(flight1, { padding: c.padding });
      using client = clientLink({ ...c, ciphers });
      return [feedAll(server, pieces(up, at)), feedAll(client, pieces(down, at))] as const;
    });
    for (const [atServer, atClient] of runs) {
      assert.deepEqual(atServer, {
        said: [toHex(all.serverSetup)],
        found: expected,
        transcript: toHex(all.near.transcript),
      });
      assert.deepEqual(atClient, {
        said: [toHex(concat(all.rc, all.setup))],
        found: expected,
        transcript: toHex(all.far.transcript),
      });
    }
  }));
  assert(rekeys > 20);
});

/** Feeds pieces until a refusal. Whether there was one; anything but our own error is a failure. */
function isRefused(end: ClientHandshake | ServerHandshake, parts: Uint8Array[]): boolean {
  try {
    for (const part of parts) {
      const found = end.feed(part);
      if (!Array.isArray(found)) assert.equal(found, null, "garbage proved the key");
      else for (const { kind } of found) assert.equal(kind, "send", "garbage proved the key");
    }
    return false;
  } catch (error) {
    assert(error instanceof TtunError, String(error));
    assert(error.kind === "protocol" || error.kind === "auth", error.kind);
    return true;
  }
}

const garbage = fc.uint8Array({ maxLength: 600, size: "max" });

Deno.test("garbage is no hello, whatever its length", () => {
  fc.assert(
    fc.property(garbage, anyCuts, (bytes, cuts) => {
      assert.equal(readClientHello(SECRET, bytes, NOW), null);
      assert.equal(readClientHello(SECRET, bytes.subarray(0, HELLO_SIZE), NOW), null);
      using client = clientLink();
      const steps = pieces(bytes, cuts).reduce<string[]>(
        (kinds, part) => kinds.length > 0 ? kinds : client.feed(part).map(({ kind }) => kind),
        [],
      );
      assert.deepEqual(steps, bytes.length < HELLO_SIZE ? [] : ["stranger"]);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("garbage behind any right beginning proves no key, and most is refused at once", () => {
  using all = converse({ pads: true, padding: 9 }, { padding: 9 });
  const up = concat(all.padding, all.rc, all.setup);
  const down = concat(all.ns, all.rs, all.serverSetup);
  let refused = 0;
  fc.assert(
    fc.property(garbage, fc.nat(), anyCuts, (bytes, place, cuts) => {
      const server = () => serverLink(concat(all.nc, all.padding), { padding: 9 });
      const client = () => clientLink({ pads: true, padding: 9 });
      for (const [make, right] of [[server, up], [client, down]] as const) {
        const kept = right.subarray(0, place % right.length);
        if (make === client && kept.length < HELLO_SIZE) continue; // a stranger: see above
        if (bytes[0] === right[kept.length]) continue;
        using end = make();
        if (isRefused(end, pieces(concat(kept, bytes), cuts))) refused++;
      }
    }),
    { numRuns: 1000 },
  );
  assert(refused > 500, `${refused}`);
});

Deno.test("a right conversation with any damage done to it is refused, or waited for", () => {
  using all = converse({ pads: true, padding: 9 }, { padding: 9 });
  const up = concat(all.padding, all.rc, all.setup);
  const down = concat(all.rs, all.serverSetup);
  const damage = fc.record({
    at: fc.nat(),
    remove: fc.nat(5),
    insert: fc.uint8Array({ maxLength: 5 }),
  });
  fc.assert(
    fc.property(damage, anyCuts, fc.boolean(), ({ at: place, remove, insert }, cuts, isServer) => {
      const right = isServer ? up : down;
      const at = place % right.length;
      const bytes = concat(right.subarray(0, at), insert, right.subarray(at + remove));
      fc.pre(toHex(bytes.subarray(0, right.length)) !== toHex(right));
      using server = serverLink(concat(all.nc, all.padding), { padding: 9 });
      using client = clientLink({ pads: true, padding: 9 });
      if (!isServer) client.feed(all.ns);
      const behind = new Uint8Array(8300); // enough for any two lengths
      const parts = [...pieces(bytes, cuts), behind];
      const isCutShort = toHex(right.subarray(0, bytes.length)) === toHex(bytes);
      assert(isRefused(isServer ? server : client, parts) || isCutShort);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("a session refuses any damage to its records, and what came before it stands", () => {
  const damage = fc.record({
    at: fc.nat(),
    remove: fc.nat(40),
    insert: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(someRecords, damage, anyCuts, (records, { at: place, remove, insert }, cuts) => {
      fc.pre(records.length > 0);
      using all = converse();
      const sealed = records.map((data) => seal(all.near.sealer, [data]));
      const right = concat(...sealed);
      const at = place % right.length;
      const bytes = concat(right.subarray(0, at), insert, right.subarray(at + remove));
      const firstWrong = right.findIndex((b, i) => b !== bytes[i]);
      const reading = new Reading(all.far.opener);
      let error: unknown = null;
      try {
        for (const part of [...pieces(bytes, cuts), new Uint8Array(65_600)]) reading.add(part);
      } catch (thrown) {
        error = thrown;
      }
      assert(error instanceof TtunError && error.kind === "protocol", String(error));
      let end = 0;
      const sound = sealed.filter((one) => (end += one.length) <= firstWrong || firstWrong < 0);
      assert.equal(reading.found.length, sound.length);
    }),
    { numRuns: 300 },
  );
});
