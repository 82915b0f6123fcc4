import assert from "node:assert/strict";
import { AcmeAuthority } from "../../../../tests/fake/acme_authority.ts";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { makeLogger } from "../../../base/log.ts";
import { utf8 } from "../../../base/bytes.ts";
import { MeshError, type MeshStore } from "../../../contract/mesh_store.ts";
import { encodeCertificateRecord, sealRecord } from "../../../core/gateway/certificate_record.ts";
import { hostChallenge } from "../../../core/gateway/host_challenge.ts";
import { ecdsaSigner } from "../../../io/crypto/ecdsa.ts";
import { memoryStore } from "../../mesh/store/memory_store.ts";
import { AcmeIssuer } from "./acme_issuer.ts";
import { PublicCertificates } from "./public_certificates.ts";
import { readFirst } from "./require_ordered.ts";

const START = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;
const log = makeLogger(() => {}, () => 0, "error");
const AGENT = "ab".repeat(32);
const { signal: patient } = new AbortController();

interface OneNode {
  readonly certificates: PublicCertificates;
  readonly stop: AbortController;
  readonly running: Promise<unknown>;
}

/** Nodes of one cluster, whose store is in memory. */
class Cluster implements AsyncDisposable {
  readonly clock = new FakeClock();
  wallMs = START;
  readonly now = () => this.wallMs + this.clock.now();
  readonly authority = new AcmeAuthority(this.now);
  readonly store = memoryStore({ clock: this.clock, rng: seededRng(7) });
  secrets = [new Uint8Array(32).fill(1)];
  /** Names that challenges of hosts lead to. */
  readonly delegations = new Map<string, string>();
  lookups = 0;
  /** Disks of the nodes, by name of what they keep. */
  readonly disks: Map<string, Uint8Array>[] = [];
  readonly #nodes: OneNode[] = [];

  constructor() {
    this.authority.texts = async (name) => {
      const label = this.delegations.get(name)?.replace(".example.net", "") ?? "_acme-challenge";
      const { entries } = await this.store.list(`txt/${label}/`, { signal: patient, limit: 10 });
      return entries.map(({ value }) => new TextDecoder().decode(value));
    };
  }

  /** Starts a node. `store`: as it sees the cluster's. */
  node(store: MeshStore = this.store, disk = new Map<string, Uint8Array>()): OneNode {
    this.disks.push(disk);
    const stop = new AbortController();
    const { signal } = stop;
    const rng = seededRng(100 + this.#nodes.length);
    const { clock, now, authority: transport } = this;
    const issuer = new AcmeIssuer({
      ...{ transport, directory: "https://ca.test/dir", email: "a@example.net", external: null },
      ...{ clock, rng, now, signerOf: ecdsaSigner, visibleMs: 1000 },
    });
    const certificates = new PublicCertificates({
      ...{ store, clock, log, rng, now, issuer, directory: "https://ca.test/dir", signal },
      ...{ apex: "example.net", zone: "example.net", secrets: () => this.secrets },
      keyOf: (seed) => seed.join(),
      cache: {
        read: (name) => disk.get(name) ?? null,
        write: (name, sealed) => void disk.set(name, sealed),
      },
      delegationOf: (host) => {
        this.lookups++;
        const found = this.delegations.get(host);
        return Promise.resolve(found === undefined ? [] : [`${found}.`]);
      },
    });
    const running = certificates.run();
    running.catch(() => {}); // awaited when the cluster ends
    const node = { certificates, stop, running };
    this.#nodes.push(node);
    return node;
  }

  async apex({ certificates }: OneNode) {
    return await this.clock.until(certificates.ofApex(patient), 3600_000);
  }

  async host({ certificates }: OneNode, host: string) {
    return await this.clock.until(certificates.ofHost(host, AGENT, patient), 3600_000);
  }

  delegate(host: string): void {
    this.delegations.set(host, `${hostChallenge(AGENT, host)}.example.net`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { stop } of this.#nodes) stop.abort(new Error("over"));
    await this.clock.settle();
    for (const { running } of this.#nodes) await assert.rejects(running, /over/);
    await this.store[Symbol.asyncDispose]();
    assert.equal(this.clock.pending, 0);
  }
}

Deno.test("certificates: one node orders, and all have the very same, also those that start later", async () => {
  await using cluster = new Cluster();
  const nodes = [cluster.node(), cluster.node(), cluster.node()];
  const pairs = [];
  for (const node of nodes) pairs.push(await cluster.apex(node));
  pairs.push(await cluster.apex(cluster.node()));
  assert.equal(cluster.authority.orders.length, 1);
  assert.equal(new Set(pairs.map(({ key }) => key)).size, 1);
  assert.deepEqual(readFirst(pairs[0]!.certificates).dnsNames, ["example.net", "*.example.net"]);
  const raw = await cluster.store.get("cert/example.net", { signal: patient });
  assert.doesNotMatch(new TextDecoder().decode(raw!.value), /CERTIFICATE|seed/, "it is sealed");
  const texts = await cluster.store.list("txt/", { signal: patient, limit: 10 });
  assert.equal(texts.entries.length, 0);
});

Deno.test("certificates: hosts of others are ordered for the first visitor, where their DNS says so", async () => {
  await using cluster = new Cluster();
  const [one, two] = [cluster.node(), cluster.node()];
  await cluster.apex(one);
  await assert.rejects(
    cluster.host(one, "shop.test"),
    /CNAME [a-z2-7]{26}\._acme-challenge\.example/,
  );
  await assert.rejects(cluster.host(one, "shop.test"), /CNAME/);
  assert.deepEqual([cluster.lookups, cluster.authority.orders.length], [1, 1]);
  cluster.delegate("shop.test");
  cluster.delegate("blog.test");
  await cluster.clock.advance(11_000);
  const visits = [one, two, one].map(({ certificates }) =>
    certificates.ofHost("shop.test", AGENT, patient)
  );
  const pairs = await cluster.clock.until(Promise.all(visits));
  assert.equal(new Set(pairs.map(({ key }) => key)).size, 1);
  const leaves = new AbortController();
  const left = one.certificates.ofHost("blog.test", AGENT, leaves.signal);
  leaves.abort(new Error("left"));
  await assert.rejects(left, /left/);
  await cluster.host(two, "blog.test"); // the order went on
  assert.equal(cluster.authority.orders.length, 3);
});

Deno.test("certificates: a node that dies on the way is followed by another", async () => {
  await using cluster = new Cluster();
  const first = cluster.node();
  const never = Promise.withResolvers<readonly string[]>();
  const { texts } = cluster.authority;
  cluster.authority.texts = () => never.promise; // the authority looks for the proof
  await cluster.clock.advance(5_000);
  assert.equal(cluster.authority.orders.length, 1);
  const second = cluster.node();
  const visit = second.certificates.ofApex(patient);
  await cluster.clock.advance(5_000);
  assert.equal(cluster.authority.orders.length, 1, "one at a time");
  first.stop.abort(new Error("over"));
  cluster.authority.texts = texts;
  const since = cluster.clock.now();
  const { certificates } = await cluster.clock.until(visit);
  assert.equal(readFirst(certificates).dnsNames.length, 2);
  assert.equal(cluster.authority.orders.length, 2);
  assert(cluster.clock.now() - since < 30_000);
  never.resolve([]);
});

Deno.test("certificates: an order that was broken off is not looked at without a pause", async () => {
  await using cluster = new Cluster();
  const { clock, store } = cluster;
  const [key, secret] = ["cert/example.net", cluster.secrets[0]!];
  // A node has died in its third order.
  const attempt = { count: 3, until: cluster.now() + 300_000, words: null };
  const record = encodeCertificateRecord({ kept: null, attempt });
  const value = sealRecord(record, { key, secret, rng: seededRng(3) });
  await store.put(key, value, { signal: patient });
  let sessions = 0;
  const counting = new Proxy(store, {
    get: (target, name: keyof MeshStore) => {
      if (name === "session") sessions++;
      return typeof target[name] === "function" ? target[name].bind(target) : undefined;
    },
  });
  const one = cluster.node(counting);
  await assert.rejects(
    cluster.apex(one),
    /was broken off; it is ordered again at 2026-01-01T00:05/,
  );
  await clock.advance(60_000);
  assert(sessions <= 15, `${sessions} sessions in a minute`);
  assert.equal(cluster.authority.orders.length, 0);
  await clock.advance(300_000);
  await cluster.apex(one);
  assert.equal(cluster.authority.orders.length, 1);
});

Deno.test("certificates: an agent whose hosts take long leaves room for those of others", async () => {
  await using cluster = new Cluster();
  const { clock, authority, delegations } = cluster;
  const one = cluster.node();
  await cluster.apex(one);
  const { texts } = authority;
  const never = Promise.withResolvers<readonly string[]>();
  authority.texts = (name) => name.startsWith("slow") ? never.promise : texts(name);
  const other = "cd".repeat(32);
  for (const host of ["slow1.test", "slow2.test", "slow3.test"]) cluster.delegate(host);
  delegations.set("shop.test", `${hostChallenge(other, "shop.test")}.example.net`);
  const leaves = new AbortController();
  const ofHost = (host: string, agent = AGENT) =>
    one.certificates.ofHost(host, agent, leaves.signal);
  const slow = ["slow1.test", "slow2.test"].map((host) => ofHost(host));
  await assert.rejects(ofHost("slow3.test"), /others are ordered/);
  await clock.until(ofHost("shop.test", other));
  leaves.abort(new Error("left"));
  for (const visit of slow) await assert.rejects(visit, /left/);
  never.resolve([]);
});

Deno.test("certificates: they are renewed in time, and TLS gets the new one while nodes run", async () => {
  await using cluster = new Cluster();
  const [one, two] = [cluster.node(), cluster.node()];
  const before = await cluster.apex(one);
  await cluster.apex(two);
  assert.equal(await cluster.apex(one), before, "the same object as long as it is the same");
  cluster.wallMs += 50 * DAY;
  await cluster.clock.advance(120_000);
  assert.equal(await cluster.apex(one), before);
  cluster.wallMs += 12 * DAY;
  await cluster.clock.advance(120_000);
  const after = await cluster.apex(one);
  assert.notEqual(after.key, before.key);
  assert.equal((await cluster.apex(two)).key, after.key);
  assert.equal(cluster.authority.orders.length, 2);
});

Deno.test("certificates: the authority says when to renew, and is told what is replaced", async () => {
  await using cluster = new Cluster();
  const { authority } = cluster;
  authority.renewal = { start: "2026-02-01T00:00:00Z", end: "2026-02-02T00:00:00Z" };
  const asked = () => authority.requests.filter((one) => one.includes("/renewal/")).length;
  const [one, two] = [cluster.node(), cluster.node()];
  const before = await cluster.apex(one);
  await cluster.apex(two);
  await cluster.clock.advance(300_000);
  assert.equal(asked(), 1, "one node asks for all");
  cluster.wallMs += 20 * DAY;
  await cluster.clock.advance(120_000);
  assert.equal((await cluster.apex(one)).key, before.key);
  // The authority takes it back (RFC 9773 section 4.2: a window in the past means now).
  authority.renewal = { start: "2026-01-02T00:00:00Z", end: "2026-01-03T00:00:00Z" };
  cluster.wallMs += 86_400_000;
  await cluster.clock.advance(300_000);
  assert.notEqual((await cluster.apex(two)).key, before.key);
  const id = readFirst(before.certificates).renewalId;
  assert.deepEqual(authority.orders.map(({ replaces }) => replaces), [null, id]);
});

Deno.test("certificates: an authority that does not tell when to renew is in nobody's way", async () => {
  await using cluster = new Cluster();
  const { authority } = cluster;
  authority.renewal = { start: "2026-02-01T00:00:00Z", end: "2026-02-02T00:00:00Z" };
  const one = cluster.node();
  authority.tamper = (url, answer) => url.includes("/renewal/") ? { ...answer, status: 500 } : null;
  const before = await cluster.apex(one);
  await cluster.clock.advance(1800_000);
  const asked = authority.requests.filter((url) => url.includes("/renewal/")).length;
  assert(asked <= 2, `${asked} times in half an hour`);
  cluster.wallMs += 62 * DAY;
  await cluster.clock.advance(120_000);
  assert.notEqual((await cluster.apex(one)).key, before.key);
});

Deno.test("certificates: a clock that is months ahead has no order made after the other", async () => {
  await using cluster = new Cluster();
  const behind = cluster.wallMs;
  cluster.authority.renewal = { start: "2025-02-01T00:00:00Z", end: "2025-02-02T00:00:00Z" };
  cluster.wallMs += 80 * DAY;
  cluster.authority.nowMs = () => behind;
  await cluster.apex(cluster.node());
  await cluster.clock.advance(3600_000);
  assert.equal(cluster.authority.orders.length, 1);
});

Deno.test("certificates: a failure is known to all nodes, which wait ever longer", async () => {
  await using cluster = new Cluster();
  cluster.authority.texts = () => Promise.resolve([]);
  const [one, two] = [cluster.node(), cluster.node()];
  await assert.rejects(cluster.apex(one), /does not find the proof for example\.net/);
  await assert.rejects(cluster.apex(two), /does not find the proof/);
  const orders = () => cluster.authority.orders.length;
  assert.equal(orders(), 1);
  await cluster.clock.advance(3600_000);
  assert(orders() >= 3 && orders() <= 6, `${orders()} orders in an hour`);
  const text = JSON.stringify(one.certificates.measures());
  assert.match(text, /"certificate_failures".*"example\.net":[3-6]/);
});

Deno.test("certificates: one that is good serves while no new one can be had, and not beyond its end", async () => {
  await using cluster = new Cluster();
  const one = cluster.node();
  const before = await cluster.apex(one);
  cluster.authority.tamper = () => ({ status: 503, fields: {}, text: "down" });
  cluster.wallMs += 80 * DAY;
  await cluster.clock.advance(600_000);
  assert.equal(await cluster.apex(one), before);
  cluster.wallMs += 20 * DAY;
  await assert.rejects(cluster.apex(one), /refuses|HTTP 503/);
});

Deno.test("certificates: a store that takes nothing costs no order", async () => {
  await using cluster = new Cluster();
  const { store } = cluster;
  const full = new Proxy(store, {
    get: (target, name: keyof MeshStore) => {
      if (name !== "put") return typeof target[name] === "function" ? target[name].bind(target) : 0;
      return () => Promise.reject(new MeshError("limit", "The disk is full"));
    },
  });
  const one = cluster.node(full);
  await assert.rejects(cluster.apex(one), /disk is full/);
  await cluster.clock.advance(600_000);
  assert.equal(cluster.authority.orders.length, 0);
});

Deno.test("certificates: a secret that is replaced takes certificates and account along", async () => {
  await using cluster = new Cluster();
  const one = cluster.node();
  const before = await cluster.apex(one);
  const next = new Uint8Array(32).fill(2);
  cluster.secrets = [next, ...cluster.secrets];
  await cluster.clock.advance(130_000);
  cluster.secrets = [next];
  const two = cluster.node();
  assert.equal((await cluster.apex(two)).key, before.key);
  cluster.wallMs += 70 * DAY;
  await cluster.clock.advance(130_000);
  assert.notEqual((await cluster.apex(two)).key, before.key);
  assert.equal(cluster.authority.accounts.length, 1);
});

Deno.test("certificates: an account that the authority has forgotten is made again", async () => {
  await using cluster = new Cluster();
  const one = cluster.node();
  await cluster.apex(one);
  const path = "urn:ietf:params:acme:error:accountDoesNotExist";
  let isKnown = false;
  cluster.authority.tamper = (url, answer) => {
    if (url.endsWith("/account")) isKnown = true;
    if (!url.endsWith("/order") || isKnown) return null;
    return { ...answer, status: 400, text: JSON.stringify({ type: path }) };
  };
  cluster.wallMs += 70 * DAY;
  const before = cluster.authority.orders.length;
  await cluster.clock.advance(130_000);
  assert(isKnown);
  assert(cluster.authority.orders.length > before);
});

Deno.test("certificates: a node that starts while the core is away has what it had", async () => {
  await using cluster = new Cluster();
  const before = await cluster.apex(cluster.node());
  const [disk] = cluster.disks;
  assert.doesNotMatch(new TextDecoder().decode(disk!.get("example.net")), /CERTIFICATE/);
  let isAway = true;
  const store = new Proxy(cluster.store, {
    get: (target, name: keyof MeshStore) => {
      if (typeof target[name] !== "function") return undefined;
      if (!isAway || name === "watch") return target[name].bind(target);
      return () => Promise.reject(new MeshError("unavailable", "The core is away"));
    },
  });
  const again = cluster.node(store, disk);
  assert.equal((await cluster.apex(again)).key, before.key);
  await assert.rejects(cluster.apex(cluster.node(store)), /core is away/);
  cluster.wallMs += 91 * DAY;
  await assert.rejects(cluster.apex(again), /core is away/);
  isAway = false;
  await cluster.clock.advance(10_000);
  assert.notEqual((await cluster.apex(again)).key, before.key);
});

Deno.test("certificates: an authority that never comes to an end is left after five minutes", async () => {
  await using cluster = new Cluster();
  const never = Promise.withResolvers<readonly string[]>();
  cluster.authority.texts = () => never.promise;
  const one = cluster.node();
  await assert.rejects(cluster.apex(one), /did not come to an end in time/);
  assert.equal(cluster.clock.now(), 300_000);
  assert.equal(cluster.authority.orders.length, 1);
});

Deno.test("certificates: hosts of others use up no more orders than the apex can spare", async () => {
  await using cluster = new Cluster();
  const one = cluster.node();
  await cluster.apex(one);
  const hour = Math.floor(cluster.now() / 3600_000);
  await cluster.store.put("acme/orders", utf8(`${hour} 49`), { signal: patient });
  for (const host of ["a.test", "b.test"]) cluster.delegate(host);
  await cluster.host(one, "a.test");
  await assert.rejects(cluster.host(one, "b.test"), /Too many certificates for hosts/);
  assert.equal(cluster.authority.orders.length, 2);
  await cluster.clock.advance(3600_000);
  await cluster.host(one, "b.test");
});

Deno.test("certificates: one agent's hosts use up no more orders than others can spare", async () => {
  await using cluster = new Cluster();
  const { store, delegations, authority } = cluster;
  const one = cluster.node();
  await cluster.apex(one);
  const hour = Math.floor(cluster.now() / 3600_000);
  await store.put(`acme/orders/${AGENT}`, utf8(`${hour} 19`), { signal: patient });
  for (const host of ["a.test", "b.test"]) cluster.delegate(host);
  await cluster.host(one, "a.test");
  await assert.rejects(cluster.host(one, "b.test"), /Too many certificates for hosts/);
  const other = "cd".repeat(32);
  delegations.set("c.test", `${hostChallenge(other, "c.test")}.example.net`);
  await cluster.clock.until(one.certificates.ofHost("c.test", other, patient));
  assert.equal(authority.orders.length, 3);
});

Deno.test("certificates: a record that is of no use is replaced", async () => {
  await using cluster = new Cluster();
  await cluster.store.put("cert/example.net", utf8("of another program"), { signal: patient });
  await cluster.apex(cluster.node());
  assert.equal(cluster.authority.orders.length, 1);
});
