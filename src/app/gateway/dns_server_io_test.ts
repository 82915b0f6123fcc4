import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import packet from "dns-packet";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { makeLogger } from "../../base/log.ts";
import { requireHostPort } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import type { MeshStore } from "../../contract/mesh_store.ts";
import { DenoNet } from "../../io/net/deno_net.ts";
import { openBatchedDatagrams } from "../../io/net/batched_datagrams.ts";
import { Reactor } from "../../io/reactor/reactor.ts";
import { memoryStore } from "../mesh/store/memory_store.ts";
import { DnsServer } from "./dns_server.ts";
import { ZoneKeeper } from "./zone_keeper.ts";

const rng = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const log = makeLogger(() => {}, () => 0, "error");

interface Lab {
  readonly store: MeshStore;
  readonly port: number;
}

async function withServer(body: (lab: Lab) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  using libc = openLibc();
  await using clock = new Reactor(libc, "async");
  await using store = memoryStore({ clock, rng });
  const keeper = new ZoneKeeper({
    ...{ store, clock, log, now: Date.now, self: "00", zone: "example.net", isApex: true },
    member: {
      visitors: ["192.0.2.1"],
      server: { name: "ns.example.net", addresses: ["192.0.2.1"] },
    },
  });
  const socket = openBatchedDatagrams(clock, { host: "127.0.0.1", port: 0 }, { signal });
  const { port } = socket.addr;
  const listener = new DenoNet(libc).listen({ host: "127.0.0.1", port }, { signal });
  const server = new DnsServer({
    ...{ sockets: [socket], listeners: [listener], clock, log },
    answer: (query, way) => keeper.answer(query, way, signal),
  });
  const running = Promise.all([server.run(signal), keeper.run(signal)]);
  running.catch(() => {}); // awaited below
  try {
    assert.equal(requireHostPort(listener.addr).port, port);
    await body({ store, port });
  } finally {
    stop.abort(new Error("over"));
    await assert.rejects(running, /over/);
  }
}

function query(name: string, type: string, id = 1): Uint8Array {
  const questions = [{ name, type, class: "IN" }];
  return new Uint8Array(packet.encode({ type: "query", id, questions } as never));
}

interface Answer {
  readonly id: number;
  readonly rcode: string;
  readonly answers: { data: unknown }[];
}

const decode = (bytes: Uint8Array) => packet.decode(Buffer.from(bytes)) as unknown as Answer;

test("DNS server: over UDP, where garbage is passed over, and challenges are there at once", async () => {
  await withServer(async ({ port, store }) => {
    using stack = new DisposableStack();
    const own = { transport: "udp", hostname: "127.0.0.1", port: 0 } as const;
    const socket = stack.adopt(Deno.listenDatagram(own), (one) => one.close());
    const to = { transport: "udp", hostname: "127.0.0.1", port } as const;
    const ask = async (bytes: Uint8Array) => {
      await socket.send(bytes, to);
      for (;;) {
        const answer = decode((await socket.receive())[0]);
        if (answer.id === decode(bytes).id) return answer;
      }
    };
    await socket.send(Uint8Array.of(1, 2, 3), to);
    await socket.send(new Uint8Array(5000), to);
    const { answers } = await ask(query("shop.example.net", "A", 7));
    assert.deepEqual(answers.map(({ data }) => data), ["192.0.2.1"]);
    const { signal } = new AbortController();
    await store.put("txt/_acme-challenge/1", utf8("proof"), { signal, ttlMs: 60_000 });
    await store.put("txt/Not a label/1", utf8("other"), { signal }).catch(() => {}); // no such key
    const challenge = await ask(query("_acme-challenge.example.net", "TXT"));
    assert.deepEqual(challenge.answers.map(({ data }) => String(data)), ["proof"]);
  });
});

test("DNS server: over TCP, several questions in pieces, and no end to those that are too long", async () => {
  await withServer(async ({ port }) => {
    const framed = (bytes: Uint8Array) => [bytes.length >> 8, bytes.length & 255, ...bytes];
    const names = ["a.example.net", "example.net", "example.org"];
    const sent = Uint8Array.from(names.flatMap((name, i) => framed(query(name, "A", i))));
    {
      using stream = await Deno.connect({ hostname: "127.0.0.1", port });
      for (let at = 0; at < sent.length; at += 7) await stream.write(sent.subarray(at, at + 7));
      await stream.closeWrite();
      const all = new Uint8Array(await new Response(stream.readable).arrayBuffer());
      const codes: string[] = [];
      for (let at = 0; at < all.length;) {
        const size = (all[at]! << 8) | all[at + 1]!;
        const answer = decode(all.subarray(at + 2, at + 2 + size));
        assert.equal(answer.id, codes.length);
        codes.push(answer.rcode);
        at += 2 + size;
      }
      assert.deepEqual(codes, ["NOERROR", "NOERROR", "REFUSED"]);
    }
    using long = await Deno.connect({ hostname: "127.0.0.1", port });
    await long.write(Uint8Array.of(0xff, 0xff, 1));
    const into = new Uint8Array(10);
    const end = await long.read(into).catch((error) => error.name);
    assert(end === null || end === "ConnectionReset", String(end));
  });
});

test("DNS server: an answer that comes when the server has ended goes nowhere", async () => {
  const stop = new AbortController();
  const { signal } = stop;
  using libc = openLibc();
  await using clock = new Reactor(libc, "async");
  const socket = openBatchedDatagrams(clock, { host: "127.0.0.1", port: 0 }, { signal });
  const asked = Promise.withResolvers<void>();
  const late = Promise.withResolvers<Uint8Array>();
  const server = new DnsServer({
    ...{ sockets: [socket], listeners: [], clock, log },
    answer: () => {
      asked.resolve();
      return late.promise;
    },
  });
  const running = server.run(signal);
  running.catch(() => {}); // awaited below
  const own = { transport: "udp", hostname: "127.0.0.1", port: 0 } as const;
  using stack = new DisposableStack();
  const client = stack.adopt(Deno.listenDatagram(own), (one) => one.close());
  await client.send(query("example.net", "A"), { ...own, port: socket.addr.port });
  await asked.promise;
  stop.abort(new Error("over"));
  await assert.rejects(running, /over/);
  late.resolve(new Uint8Array(12));
  await new Promise((resolve) => setTimeout(resolve, 0)); // a rejection would fail the test here
});
