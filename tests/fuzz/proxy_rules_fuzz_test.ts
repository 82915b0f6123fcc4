import assert from "node:assert/strict";
import fc from "fast-check";
import { formatIp, parseIp } from "../../src/base/addr.ts";
import { concat } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import { BypassRules } from "../../src/core/proxy/bypass_rules.ts";
import { mostTelling } from "../../src/core/proxy/failure.ts";
import { type EyeballStep, HappyEyeballs } from "../../src/core/net/happy_eyeballs.ts";
import { Acl } from "../../src/core/acl/acl.ts";
import { specialUse } from "../../src/core/acl/special_use.ts";
import { makeTarget, parseAuthority, parseConnectTarget } from "../../src/base/target.ts";

/** Bits of an address as text: the slow, clear twin of prefixes. */
function bits(ip: Uint8Array): string {
  return Array.from(ip, (byte) => byte.toString(2).padStart(8, "0")).join("");
}

/** Few different bytes, so that addresses and networks meet. */
const byte = fc.constantFrom(0, 1, 10, 127, 128, 255);
const ipv4 = fc.array(byte, { minLength: 4, maxLength: 4 }).map((b) => Uint8Array.from(b));
const cidr4 = fc.tuple(ipv4, fc.nat(32)).map(([bytes, prefix]) => ({
  family: 4 as const,
  bytes,
  prefix,
}));
const lists = fc.record({
  allow: fc.array(cidr4, { maxLength: 6 }),
  deny: fc.array(cidr4, { maxLength: 6 }),
});

Deno.test("rules decide as their definition does, word by word", () => {
  fc.assert(
    fc.property(lists, ipv4, ({ allow, deny }, ip) => {
      const longest = (list: typeof allow) =>
        Math.max(
          -1,
          ...list.filter((c) => bits(c.bytes).slice(0, c.prefix) === bits(ip).slice(0, c.prefix))
            .map((c) => c.prefix),
        );
      const [a, d] = [longest(allow), longest(deny)];
      const wanted = a < 0 && d < 0 ? specialUse(ip) === null : a > d;
      const all = (cidrs: typeof allow) => cidrs.map((cidr) => ({ cidr, port: null }));
      const rules = new Acl({ allow: all(allow), deny: all(deny) });
      assert.equal(rules.judge(ip, 443).isAllowed, wanted);
      const mapped = concat(parseIp("::ffff:0:0")!.subarray(0, 12), ip);
      assert.equal(rules.judge(mapped, 443).isAllowed, wanted);
      const translated = concat(parseIp("64:ff9b::")!.subarray(0, 12), ip);
      assert.equal(rules.judge(translated, 443).isAllowed, wanted);
    }),
    { numRuns: 2000 },
  );
});

/** Few ports and names, so that rules meet. */
const ports = fc.constantFrom(null, { first: 80, last: 80 }, { first: 25, last: 443 });
const nameRule = fc.record({
  name: fc.constantFrom("a", "b.a", "c.b.a", "d.c.b.a"),
  isBelow: fc.boolean(),
  port: ports,
});

Deno.test("rules for names decide as their definition does, word by word", () => {
  const names = fc.array(nameRule, { maxLength: 6 });
  const networks = fc.array(cidr4, { maxLength: 2 });
  const lists = fc.record({ allow: names, deny: names, open: networks, closed: networks });
  const asked = fc.constantFrom("a", "b.a", "c.b.a", "d.c.b.a", "x.b.a", "ba");
  const port = fc.constantFrom(80, 443, 8080);
  fc.assert(
    fc.property(lists, asked, port, ipv4, ({ allow, deny, open, closed }, host, port, ip) => {
      /** Labels, whether the name is exact, and how few ports: compared one after the other. */
      const rank = (list: typeof allow) =>
        list.filter(({ name, isBelow }) => isBelow ? host.endsWith(`.${name}`) : host === name)
          .filter(({ port: p }) => p === null || (p.first <= port && port <= p.last))
          .map(({ name, isBelow, port: p }) =>
            (isBelow ? 0 : 1000) + 10 * name.length + (p === null ? 0 : p.first === p.last ? 2 : 1)
          ).reduce((a, b) => Math.max(a, b), -1);
      const [a, d] = [rank(allow), rank(deny)];
      const all = (cidrs: typeof open) => cidrs.map((cidr) => ({ cidr, port: null }));
      const rules = new Acl({
        allow: [...allow, ...all(open)],
        deny: [...deny, ...all(closed)],
      });
      const verdict = rules.judgeName(host, port);
      assert.equal(verdict?.isAllowed, a < 0 && d < 0 ? undefined : a > d);
      const longest = (list: typeof open) =>
        Math.max(
          -1,
          ...list.filter((c) => bits(c.bytes).slice(0, c.prefix) === bits(ip).slice(0, c.prefix))
            .map((c) => c.prefix),
        );
      const [o, c] = [longest(open), longest(closed)];
      const byAddress = o < 0 && c < 0 ? specialUse(ip) === null : o > c;
      const wanted = a < 0 && d < 0
        ? byAddress
        : d >= a
        ? false
        : byAddress || (c === 0 && specialUse(ip) === null);
      assert.equal(rules.judge(ip, port, verdict).isAllowed, wanted);
    }),
    { numRuns: 4000 },
  );
});

Deno.test("no IPv6 address that leads to a special IPv4 address is allowed without a rule", () => {
  const rules = new Acl({ allow: [], deny: [] });
  const prefixes = ["::", "::ffff:0:0", "64:ff9b::", "64:ff9b:1::", "::ffff:0:0:0"].map((text) =>
    parseIp(text)!.subarray(0, 12)
  );
  fc.assert(fc.property(ipv4, (ip) => {
    if (specialUse(ip) === null) return;
    for (const prefix of prefixes) {
      assert.ok(!rules.judge(concat(prefix, ip), 443).isAllowed, formatIp(concat(prefix, ip)));
    }
    const sixToFour = concat(new Uint8Array([0x20, 0x02]), ip, new Uint8Array(10));
    assert.ok(!rules.judge(sixToFour, 443).isAllowed);
  }));
});

const label = fc.stringMatching(/^[a-c]{1,2}$/);
const domain = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));

Deno.test("a domain matches as its definition does", () => {
  fc.assert(
    fc.property(fc.array(domain, { maxLength: 4 }), domain, (entries, host) => {
      const wanted = entries.some((entry) => `.${host}`.endsWith(`.${entry}`));
      assert.equal(new BypassRules(entries).matches(host), wanted);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("a host of any characters is a target or a breach of the protocol, and stays what it is", () => {
  let taken = 0;
  const character = fc.constantFrom(..."aZ09.-_:[]@/%#\\ \0\r\n\x7f\x80é😀");
  const text = fc.oneof(
    fc.array(character, { maxLength: 12 }).map((parts) => parts.join("")),
    fc.string({ unit: "binary", maxLength: 300 }),
    domain,
    fc.ipV4(),
    fc.ipV6(),
  );
  fc.assert(
    fc.property(text, fc.integer({ min: -1, max: 70_000 }), (host, port) => {
      try {
        const target = makeTarget(host, port);
        assert.match(target.host, /^[0-9a-z._:-]{1,255}$/);
        assert.deepEqual(makeTarget(target.host, port), target);
        taken++;
      } catch (error) {
        assert.ok(error instanceof TtunError && error.kind === "protocol", String(error));
      }
      const asked = `${host}:${port}`;
      for (
        const read of [
          () => parseAuthority(asked, { defaultPort: 80, host: `[${host}]` }),
          () => parseAuthority(host, { defaultPort: 80, host: asked }),
          () => parseConnectTarget(asked),
        ]
      ) {
        try {
          const target = read();
          assert.deepEqual(makeTarget(target.host, target.port), target);
        } catch (error) {
          assert.ok(error instanceof TtunError && error.kind === "protocol", String(error));
        }
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(taken > 100);
});

/** One attempt's end: of which one, when, and how. */
const fate = fc.record({
  after: fc.nat(1500),
  failure: fc.constantFrom(
    null,
    "refused" as const,
    "network_unreachable" as const,
    "timeout" as const,
  ),
});
const addresses = fc.uniqueArray(
  fc.oneof(fc.ipV4(), fc.constantFrom("::1", "::2", "2001:db8::1")),
  {
    maxLength: 6,
  },
);

Deno.test("a race has one end, in time, and leaves no attempt running", () => {
  fc.assert(
    fc.property(
      addresses,
      fc.array(fate, { minLength: 6, maxLength: 6 }),
      fc.integer({ min: 1, max: 3000 }),
      (given, fates, timeoutMs) => {
        const machine = new HappyEyeballs(given, { now: 0, timeoutMs });
        const events: { at: number; run: (now: number) => EyeballStep[] }[] = [];
        const running = new Set<string>();
        const failures = new Set<string>();
        const started: string[] = [];
        let end: EyeballStep | null = null;
        let wakeAt = Infinity;
        const perform = (steps: EyeballStep[], now: number) => {
          for (const step of steps) {
            assert.equal(end, null, "nothing comes behind the end");
            if (step.kind === "wakeAt") {
              assert.ok(step.at > now, "it would wake for ever");
              wakeAt = step.at;
            } else if (step.kind === "start") {
              const { after, failure } = fates[started.length]!;
              started.push(step.address);
              running.add(step.address);
              const run = (at: number) => {
                if (!running.delete(step.address)) return []; // it was cancelled
                if (failure !== null) failures.add(failure);
                return failure === null
                  ? machine.succeeded(step.address)
                  : machine.failed(step.address, failure, at);
              };
              events.push({ at: now + after, run });
            } else if (step.kind === "cancel") {
              assert.ok(running.delete(step.address));
            } else end = step;
          }
        };
        perform(machine.begin(0), 0);
        for (let turns = 0; end === null; turns++) {
          assert.ok(turns < 100, "it goes on for ever");
          events.sort((a, b) => a.at - b.at);
          const isEvent = events.length > 0 && events[0]!.at <= wakeAt;
          const now = isEvent ? events[0]!.at : wakeAt;
          assert.ok(now <= timeoutMs, "it goes on after its time");
          perform(isEvent ? events.shift()!.run(now) : machine.woke(now), now);
        }
        assert.equal(running.size, 0);
        assert.equal(new Set(started).size, started.length, "each address is tried once");
        const last = end as EyeballStep;
        if (last.kind === "failed" && given.length > 0) {
          assert.equal(mostTelling([last.failure]), last.failure);
          assert.ok(last.failure === "timeout" || failures.has(last.failure));
        }
        if (last.kind === "done") assert.ok(started.includes(last.address));
      },
    ),
    { numRuns: 1000 },
  );
});
