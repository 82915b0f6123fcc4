import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { startNameServer } from "../../../tests/fixture/name_server.ts";
import type { Outcome } from "../../core/dns/name_query.ts";
import { parseResolvConf } from "../../core/dns/resolv_conf.ts";
import { PosixDatagrams } from "../../io/net/posix_datagrams.ts";
import { PosixNet } from "../../io/net/posix_net.ts";
import { Reactor } from "../../io/reactor/reactor.ts";
import { DnsClient } from "./dns_client.ts";

const rng = (length: number) => crypto.getRandomValues(new Uint8Array(length));

/** A client of name servers on these addresses of loopback, all on one port. */
async function client(
  conf: string,
  port: number,
  use: (ask: Ask, client: DnsClient) => Promise<void>,
) {
  using libc = openLibc();
  await using reactor = new Reactor(libc, "async");
  const parsed = parseResolvConf(conf);
  const dns = new DnsClient({
    conf: () => parsed,
    datagrams: new PosixDatagrams(reactor),
    dialer: new PosixNet(reactor, { mptcp: { dial: false, listen: false } }),
    clock: reactor,
    rng,
    port,
  });
  const life = new AbortController();
  await use((name) => dns.lookUp(name, true, life.signal), dns);
}

type Ask = (name: string) => Promise<Outcome>;

function addressesOf(outcome: Outcome): string[] {
  assert.equal(outcome.kind, "addresses", JSON.stringify(outcome));
  return outcome.kind === "addresses" ? outcome.addresses.toSorted() : [];
}

Deno.test("names of a real name server: addresses, aliases, none, failures, TCP, what is not its answer", async () => {
  await using server = await startNameServer();
  await client("nameserver 127.0.0.1\noptions timeout:1 attempts:1", server.port, async (ask) => {
    assert.deepEqual(addressesOf(await ask("good.test")), ["127.0.0.1", "::1"]);
    assert.deepEqual(addressesOf(await ask("v4.test")), ["127.0.0.1"]);
    assert.deepEqual(addressesOf(await ask("alias.test")), ["192.0.2.7"]);
    assert.deepEqual(await ask("nodata.test"), { kind: "nodata", ttl: 30 });
    assert.deepEqual(await ask("nowhere.test"), { kind: "nxdomain", ttl: 30 });
    assert.deepEqual(await ask("fails.test"), { kind: "failed", rcode: 2 });
    assert.equal((await ask("broken.test")).kind, "failed");
    assert.deepEqual(addressesOf(await ask("half.test")), ["192.0.2.8"]);
    assert.deepEqual(addressesOf(await ask("spoofed.test")), ["192.0.2.9"]);
    assert.deepEqual(addressesOf(await ask("old.test")), ["192.0.2.10"]);
    assert.equal(addressesOf(await ask("many.test")).length, 60);
    assert(server.asked.includes("A many.test tcp"), "what does not fit is asked for over TCP");
    const before = server.asked.length;
    await ask("good.test");
    await ask("nodata.test");
    assert.equal(server.asked.length, before, "what is known is not asked again");
  });
  await client("nameserver 127.0.0.1\noptions use-vc no-aaaa", server.port, async (ask) => {
    const before = server.asked.length;
    assert.deepEqual(addressesOf(await ask("good.test")), ["127.0.0.1"]);
    assert.deepEqual(server.asked.slice(before), ["A good.test tcp"]);
  });
});

Deno.test("a good name beside 300 that nobody answers is there at once", async () => {
  await using server = await startNameServer();
  await client("nameserver 127.0.0.1", server.port, async (ask, dns) => {
    const stop = new AbortController();
    const dead: Promise<Outcome>[] = [];
    while (dead.length < 300) {
      for (let i = 0; i < 50; i++) {
        dead.push(dns.lookUp(`dead${dead.length}.test`, true, stop.signal));
        dead.at(-1)!.catch(() => {});
      }
      // A burst would be more than its socket holds.
      await until(() => server.asked.length >= 2 * dead.length);
    }
    const gone = Promise.allSettled(dead);
    // The dead ones have their first server's whole time before them.
    assert.deepEqual(addressesOf(await ask("good.test")), ["127.0.0.1", "::1"]);
    const reason = new Error("nobody waits any more");
    stop.abort(reason);
    const ends = (await gone).map((end) => end.status === "rejected" && end.reason === reason);
    assert(ends.every((isMine) => isMine));
    const sockets = [...Deno.readDirSync("/proc/self/fd")].length;
    assert(sockets < 100, `${sockets} descriptors are open`);
  });
});

Deno.test("another server is asked where nothing listens at one", async () => {
  await using server = await startNameServer("127.0.0.3");
  // Nothing listens on 127.0.0.4: the kernel says so.
  await client("nameserver 127.0.0.4\nnameserver 127.0.0.3", server.port, async (ask) => {
    assert.deepEqual(addressesOf(await ask("good.test")), ["127.0.0.1", "::1"]);
  });
});

Deno.test("a name server that has an IPv6 address", async () => {
  await using server = await startNameServer("::1");
  await client("nameserver ::1\noptions single-request-reopen", server.port, async (ask) => {
    assert.deepEqual(addressesOf(await ask("good.test")), ["127.0.0.1", "::1"]);
    assert.deepEqual(server.asked, ["AAAA good.test udp", "A good.test udp"]);
  });
});

Deno.test("what another address sends to the socket is not even seen", async () => {
  const asked = dgram.createSocket("udp4");
  const other = dgram.createSocket("udp4");
  asked.bind(0, "127.0.0.1");
  other.bind(0, "127.0.0.5");
  await Promise.all([once(asked, "listening"), once(other, "listening")]);
  try {
    asked.on("message", (query, from) => {
      // All right but for where it comes from: a header, the question, an A record of its name.
      const end = query.indexOf(0, 12) + 5;
      const question = query.subarray(0, end);
      const forged = new Uint8Array([...question, 0xc0, 12, ...query.subarray(end - 4, end - 2)]);
      forged.set([0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0], 2);
      other.send(forged, from.port, from.address, () => {
        const answer = Uint8Array.from(forged.subarray(0, end));
        answer[3] = 0x83; // no such name, says the one that was asked
        asked.send(answer, from.port, from.address);
      });
    });
    await client("nameserver 127.0.0.1", asked.address().port, async (ask) => {
      assert.equal((await ask("forged.test")).kind, "nxdomain");
    });
  } finally {
    asked.close();
    other.close();
  }
});

Deno.test("the way to an address is found without a packet", async () => {
  using libc = openLibc();
  await using reactor = new Reactor(libc, "async");
  const datagrams = new PosixDatagrams(reactor);
  assert.equal(datagrams.sourceOf("127.0.0.1"), "127.0.0.1");
  assert.equal(datagrams.sourceOf("not an address"), null);
});

async function until(isSo: () => boolean): Promise<void> {
  const late = Date.now() + 10_000;
  while (!isSo()) {
    assert(Date.now() < late, "it does not come about");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
