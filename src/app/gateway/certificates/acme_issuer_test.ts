import assert from "node:assert/strict";
import { AcmeAuthority } from "../../../../tests/fake/acme_authority.ts";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import type { AcmeAnswer } from "../../../contract/issuer.ts";
import { IssuerError } from "../../../core/acme/messages.ts";
import { ecdsaSigner } from "../../../io/crypto/ecdsa.ts";
import { AcmeIssuer } from "./acme_issuer.ts";
import { readFirst } from "./require_ordered.ts";

const NAMES = ["example.net", "*.example.net"];
const START = Date.UTC(2026, 0, 1);

class World {
  readonly clock = new FakeClock();
  readonly now = () => START + this.clock.now();
  readonly authority = new AcmeAuthority(this.now);
  /** Texts in DNS by name. */
  readonly texts = new Map<string, string[]>();
  readonly stop = new AbortController();
  readonly issuer = new AcmeIssuer({
    ...{ transport: this.authority, directory: "https://ca.test/dir", email: "a@example.net" },
    ...{ external: null, clock: this.clock, rng: seededRng(1), now: this.now },
    ...{ signerOf: ecdsaSigner, visibleMs: 1000 },
  });

  constructor() {
    this.authority.texts = (name) => Promise.resolve(this.texts.get(name) ?? []);
  }

  async issue(o: { replaces?: string; lies?: boolean } = {}) {
    const { signal } = this.stop;
    const account = await this.issuer.register(seededRng(2)(32), signal);
    return await this.clock.until(this.issuer.issue(
      {
        names: NAMES,
        replaces: o.replaces ?? null,
        prove: (name, text) => {
          const texts = this.texts.get(name) ?? [];
          if (o.lies !== true) this.texts.set(name, [...texts, text]);
          return Promise.resolve({
            [Symbol.asyncDispose]: () => {
              this.texts.delete(name);
              return Promise.resolve();
            },
          });
        },
      },
      account,
      signal,
    ));
  }

  /** Changes a field of the answers that have it. */
  changes(field: string, to: unknown): void {
    this.authority.tamper = (_url, answer) => {
      if (!answer.text.startsWith("{")) return null;
      const value = JSON.parse(answer.text);
      if (value[field] === undefined) return null;
      return { ...answer, text: JSON.stringify({ ...value, [field]: to }) };
    };
  }
}

Deno.test("ACME: a certificate for two names of one domain, whose proofs are told at once", async () => {
  const world = new World();
  world.authority.staleNonces = 3;
  const { chain, seed } = await world.issue();
  const read = readFirst(chain);
  assert.deepEqual(read.dnsNames, NAMES);
  assert.equal(read.publicKey?.join(), ecdsaSigner(seed).publicKey.join());
  assert.equal(world.texts.size, 0, "the texts are gone");
  assert.equal(world.authority.accounts.length, 1);
  await world.issue();
  assert.equal(world.authority.accounts.length, 1);
  assert(world.clock.pending === 0);
});

Deno.test("ACME: a proof that is not found is told in the authority's words, on one line", async () => {
  const world = new World();
  await assert.rejects(world.issue({ lies: true }), (error: Error) => {
    assert(error instanceof IssuerError);
    assert.equal(error.reason, "unauthorized");
    return /does not find the proof for example\.net in DNS: no text there$/.test(error.message);
  });
});

Deno.test("ACME: a renewal names what it takes the place of, unless the authority does not want it", async () => {
  const world = new World();
  world.authority.renewal = { start: "2026-02-01T00:00:00Z", end: "2026-02-03T00:00:00Z" };
  await world.issue({ replaces: "a.b" });
  assert.equal(world.authority.orders[0]!.replaces, "a.b");
  let isFirst = true;
  world.authority.tamper = (url, answer) => {
    if (!url.endsWith("/order") || !isFirst) return null;
    isFirst = false;
    return {
      ...answer,
      status: 409,
      text: '{"type":"urn:ietf:params:acme:error:alreadyReplaced"}',
    };
  };
  await world.issue({ replaces: "a.b" });
  assert.deepEqual(await world.issuer.renewalWindow("a.b", world.stop.signal), {
    start: Date.UTC(2026, 1, 1),
    end: Date.UTC(2026, 1, 3),
    againMs: 6 * 3600_000,
  });
  world.changes("suggestedWindow", { start: "2026-02-03T00:00:00Z", end: "2026-02-01T00:00:00Z" });
  await assert.rejects(world.issuer.renewalWindow("a.b", world.stop.signal), /cannot be read/);
});

Deno.test("ACME: a refusal says when to come again", async () => {
  const world = new World();
  world.authority.tamper = (url, answer) =>
    url.endsWith("/order")
      ? {
        status: 429,
        fields: { ...answer.fields, "retry-after": "7200" },
        text: '{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many"}',
      }
      : null;
  await assert.rejects(world.issue(), (error: Error) => {
    assert(error instanceof IssuerError);
    assert.deepEqual([error.reason, error.againMs], ["rateLimited", 7200_000]);
    return /refuses a certificate for example\.net: too many/.test(error.message);
  });
});

Deno.test("ACME: an authority that lies gets nothing, and no certificate of its is taken", async () => {
  const lies: [string, (world: World) => void, RegExp][] = [
    [
      "an address without TLS",
      (w) => w.changes("newOrder", "http://ca.test/order"),
      /cannot be read/,
    ],
    ["a file", (w) => w.changes("finalize", "file:///etc/passwd"), /cannot be read/],
    [
      "thousands of proofs",
      (w) => w.changes("authorizations", Array(9999).fill("https://ca.test/a")),
      /cannot be read/,
    ],
    [
      "a proof for another name",
      (w) => w.changes("identifier", { type: "dns", value: "bank.test" }),
      /no proof in DNS/,
    ],
    ["no proof in DNS", (w) => w.changes("challenges", []), /no proof in DNS/],
    [
      "a text that is none",
      (w) => w.changes("challenges", [{ type: "dns-01", url: "https://ca.test/a", token: "x y" }]),
      /read/,
    ],
    ["a status that is none", (w) => w.changes("status", "perhaps"), /cannot be read/],
    ["no JSON", (w) => w.authority.tamper = (_, answer) => ({ ...answer, text: "[" }), /read/],
    ["no nonces", (w) => w.authority.tamper = (_, answer) => ({ ...answer, fields: {} }), /nonce/],
    ["one nonce for ever", (w) => w.authority.staleNonces = 1e9, /refuses/],
    ["a certificate that ended", (w) => w.authority.lifetimeMs = -1000, /its time is over/],
    ["no certificate", (w) => {
      w.authority.tamper = (url, answer) =>
        url.includes("/certificate/") ? { ...answer, text: "-----BEGIN NOTHING-----" } : null;
    }, /cannot be read/],
    ["one with other names", (w) => {
      w.authority.tamper = (url) => {
        if (url.includes("/challenge/")) w.authority.orders[0]!.names.length = 1;
        return null;
      };
    }, /not for all names/],
  ];
  for (const [what, lie, words] of lies) {
    const world = new World();
    lie(world);
    await assert.rejects(world.issue(), (error: Error) => words.test(error.message), what);
    assert.equal(world.texts.size, 0, what);
  }
});

Deno.test("ACME: one that never comes to an end is asked ever more seldom, until it is given up", async () => {
  const world = new World();
  world.authority.tamper = (url, answer): AcmeAnswer | null => {
    if (!url.includes("/authorization/")) return null;
    const fields = { ...answer.fields, "retry-after": "999999999" };
    return { ...answer, fields, text: answer.text.replace('"valid"', '"pending"') };
  };
  world.clock.after(300_000, () => world.stop.abort(new Error("given up")));
  await assert.rejects(world.issue(), /given up/);
  assert(world.authority.requests.length < 100, `${world.authority.requests.length}`);
  assert.equal(world.clock.pending, 0);
});
