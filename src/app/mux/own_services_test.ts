import assert from "node:assert/strict";
import { Answers, MuxPair, readAll } from "../../../tests/fake/mux_end.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { OpenKind } from "../../core/mux/frames.ts";
import { Quota } from "../net/connection_quota.ts";
import { serveOwnService, SERVICE_LIMITS, SpeedtestWish } from "./own_services.ts";

const from = { host: "192.0.2.1", port: 1000 };

/** A stream to a service at a server, and its answer. */
async function openService(service: string, places = new Quota(SERVICE_LIMITS)) {
  const pair = new MuxPair();
  const answers = new Answers();
  const stream = pair.client.open(answers, { kind: OpenKind.service, address: null, service });
  const settle = async () => {
    for (let i = 0; i < 20; i++) {
      pair.exchange();
      await Promise.resolve();
    }
  };
  pair.exchange();
  const { stream: far, open } = pair.server.opened[0]!;
  serveOwnService(far, open.service, { places, client: { from, account: "" } });
  await settle();
  return { pair, stream, answers: answers.words, settle };
}

Deno.test("echo sends back what it reads, and ends with its client", async () => {
  const { pair, stream, answers, settle } = await openService("echo");
  assert.deepEqual(answers, ["opened null"]);
  stream.writeNow(utf8("hello"));
  await settle();
  assert.deepEqual(readAll(stream), ["hello", "wait"]);
  void stream.closeWrite();
  await settle();
  assert.deepEqual(readAll(stream), ["", "end"]);
  assert.deepEqual([pair.client.mux.streams, pair.server.mux.streams], [0, 0]);
});

Deno.test("speedtest counts what comes, or sends until it is reset", async () => {
  const up = await openService("speedtest");
  up.stream.writeNow(concat(Uint8Array.of(SpeedtestWish.receive), new Uint8Array(1000)));
  void up.stream.closeWrite();
  await up.settle();
  const answer = new Uint8Array(9);
  assert.equal(up.stream.readNow(answer), 8);
  assert.equal(new DataView(answer.buffer).getBigUint64(0), 1000n);
  assert.equal(up.stream.readNow(answer), null);

  const down = await openService("speedtest");
  down.stream.writeNow(Uint8Array.of(SpeedtestWish.send));
  await down.settle();
  const into = new Uint8Array(50_000);
  for (let got = 0; got < 300_000; await down.settle()) {
    const more = down.stream.readNow(into);
    assert(typeof more === "number" && into.subarray(0, more).every((byte) => byte === 0));
    got += more;
  }
  down.stream.reset();
  await down.settle();
  assert.deepEqual([down.pair.client.mux.streams, down.pair.server.mux.streams], [0, 0]);
});

Deno.test("a service that is not known is refused as not supported", async () => {
  const { answers } = await openService("none-such");
  assert.deepEqual(answers, ["refused 7"]);
});

Deno.test("an address has some streams to services at a time, and others their own", async () => {
  const places = new Quota(SERVICE_LIMITS);
  const open = () => openService("echo", places);
  const opened = await Promise.all(Array.from({ length: SERVICE_LIMITS.perAddress }, open));
  assert.deepEqual((await open()).answers, ["refused 1"]);
  opened[0]!.stream.reset();
  await opened[0]!.settle();
  assert.deepEqual((await open()).answers, ["opened null"]);
});
