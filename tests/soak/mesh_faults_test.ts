/**
 * Eight nodes on four hosts, as processes, for five minutes of faults while a client writes and reads:
 * what was acknowledged stays, reads stay quick, and the ring settles after each fault.
 */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Etcd, hasEtcd, startEtcd } from "../etcd.ts";
import type { Host } from "../netns.ts";
import { MeshClient, type Span } from "./mesh_client.ts";
import { type Fleet, type FleetNode, startFleet } from "./mesh_fleet.ts";

/** Milliseconds after a fault in which reads may be slow. */
const GRACE_MS = 5000;
/**
 * Milliseconds in which the ring is to be right again, by the specification (section 16): after a crash,
 * and after a start or the end of a partition, when rings become one.
 */
const CRASH_MS = 6800;
const MERGE_MS = 21_000;
/** Milliseconds after which all nodes of a quiet ring agree; before that a read may be of before a write. */
const AGREED_MS = 20_000;
const REST_MS = 6000;
const STOPPED_MS = 30_000;
const P99_MS = 300;

interface Fault {
  readonly name: string;
  /** Hosts with nodes that are well while it lasts, which bounds the copies. */
  readonly copies: number;
  begin(): Promise<void>;
  /** Milliseconds that it lasts. */
  readonly lasts: number;
  end(): Promise<void>;
}

test("mesh: nodes of a fleet are killed, stopped, cut off and wiped while keys are written", async () => {
  await using fleet = await startFleet(8, 4);
  const client = new MeshClient(fleet.nodes);
  const stop = new AbortController();
  const spans: Span[] = [];
  const running = client.run(stop.signal);
  try {
    await pause(2 * REST_MS);
    console.log("before all faults", client.tally("read", []), client.tally("write", []));
    for (const fault of faultsOf(fleet)) {
      const change = async (
        what: string,
        { copies, most }: { copies: number; most: number },
        run: () => Promise<void>,
      ) => {
        const from = performance.now() - P99_MS;
        await run();
        spans.push({ from, to: performance.now() + GRACE_MS });
        const ms = await fleet.settled(copies, most);
        console.log(`${Math.round(from / 1000)} s: ${fault.name}, ${what}: stable after ${ms} ms`);
      };
      await change("begins", { copies: fault.copies, most: CRASH_MS }, fault.begin);
      await pause(fault.lasts);
      await change("ends", { copies: 3, most: MERGE_MS }, fault.end);
      await pause(REST_MS);
    }
  } finally {
    stop.abort();
    await running;
  }
  const [reads, writes] = [client.tally("read", spans), client.tally("write", spans)];
  console.log("reads", reads, "with faults", client.tally("read", []));
  console.log("writes", writes, "with faults", client.tally("write", []));
  for (const node of fleet.nodes) {
    assert.deepEqual(await client.lost(node), [], `at ${node.name}`);
  }
  assert(reads.p99 <= P99_MS, JSON.stringify(client.worst("read", spans)));
  assert.equal(reads.failed, 0, JSON.stringify(client.worst("read", spans)));
  const unsettled = spans.map(({ from, to }) => ({ from, to: to + AGREED_MS }));
  const { old } = client.tally("read", unsettled);
  assert.equal(old, 0, JSON.stringify(client.worst("read", unsettled)));
});

test({
  name: "mesh: the core is in etcd, and goes on while one member of three and a node die",
  ignore: !hasEtcd,
  fn: async () => {
    const members: Etcd[] = [];
    await using fleet = await startFleet(4, 4, async (first, stack) => {
      const on = { host: first.host, address: "192.0.2.1" };
      const etcd = stack.use(await startEtcd({ members: 3, on }));
      members.push(etcd);
      const places = etcd.endpoints.map((endpoint) => endpoint.replace("http://", ""));
      const passphrase = `${first.data}.passphrase`;
      await Deno.writeTextFile(passphrase, "correct horse battery", { mode: 0o600 });
      const store = ["--store", `etcd://${places.join(",")}`, "--passphrase-file", passphrase];
      const file = `${first.data}.export`;
      await first.mesh(["core", "export", file]);
      await first.mesh(["core", "import", file, ...store]);
      return store;
    });
    const clients = ["name", "kv"].map((space) => new MeshClient(fleet.nodes, space));
    const stop = new AbortController();
    const running = Promise.all(clients.map((client) => client.run(stop.signal)));
    const spans: Span[] = [];
    const hurt = async (run: () => Promise<void>) => {
      const from = performance.now() - P99_MS;
      await run();
      spans.push({ from, to: performance.now() + GRACE_MS });
      await pause(2 * REST_MS);
    };
    try {
      await pause(REST_MS);
      await hurt(() => members[0]!.kill(0));
      await hurt(() => fleet.nodes[2]!.kill());
      await hurt(() => fleet.nodes[2]!.start());
      await fleet.settled(3, MERGE_MS);
    } finally {
      stop.abort();
      await running;
    }
    for (const client of clients) {
      const [reads, writes] = [client.tally("read", spans), client.tally("write", spans)];
      console.log("reads", reads, "writes", writes, "with faults", client.tally("write", []));
      for (const node of fleet.nodes) {
        assert.deepEqual(await client.lost(node), [], `at ${node.name}`);
      }
      assert(writes.count > 100);
      assert.deepEqual([reads.failed, writes.failed], [0, 0]);
    }
    assert.equal(clients[0]!.tally("read", []).old, 0);
  },
});

function faultsOf(fleet: Fleet): Fault[] {
  const [, n1, n2, n3, , n5, n6] = fleet.nodes as FleetNode[];
  const [, , h2, h3] = fleet.hosts as Host[];
  const killed = (name: string, nodes: readonly FleetNode[], copies: number, isWiped = false) => ({
    name,
    copies,
    begin: async () => void await Promise.all(nodes.map((node) => node.kill())),
    lasts: REST_MS,
    end: async () => {
      if (isWiped) await Promise.all(nodes.map((node) => node.loseDisk()));
      await Promise.all(nodes.map((node) => node.start()));
    },
  });
  const cut = (name: string, index: number, host: Host, chains: readonly string[]): Fault => ({
    name,
    copies: 3,
    begin: async () => {
      for (const node of fleet.on(index)) node.isWell = false;
      await host.sh(chains.map((chain) => `iptables -w -A ${chain} -j DROP`).join("\n"));
    },
    lasts: STOPPED_MS,
    end: async () => {
      await host.sh(chains.map((chain) => `iptables -w -D ${chain} -j DROP`).join("\n"));
      for (const node of fleet.on(index)) node.isWell = true;
    },
  });
  return [
    killed("one node killed", [n5!], 3),
    killed("one node killed, its disk lost", [n6!], 3, true),
    {
      name: "one node stopped",
      copies: 3,
      begin: () => {
        n1!.isWell = false;
        n1!.process.signal("SIGSTOP");
        return Promise.resolve();
      },
      lasts: STOPPED_MS,
      end: () => {
        n1!.process.signal("SIGCONT");
        n1!.isWell = true;
        return Promise.resolve();
      },
    },
    cut("a host cut off", 2, h2!, ["INPUT", "OUTPUT"]),
    cut("a host that cannot send", 3, h3!, ["OUTPUT"]),
    cut("a host that cannot receive", 2, h2!, ["INPUT"]),
    killed("two hosts killed", [...fleet.on(1), ...fleet.on(2)], 2),
    killed("two hosts hurt, both disks lost", [n2!, n3!], 3, true),
  ];
}

async function pause(ms: number): Promise<void> {
  await new Promise((wake) => setTimeout(wake, ms));
}
