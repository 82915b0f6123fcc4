import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { MemoryDatagrams } from "../../../tests/fake/memory_datagrams.ts";
import { Answers, MuxPair } from "../../../tests/fake/mux_end.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { OpenKind } from "../../core/mux/frames.ts";
import { Quota } from "../net/connection_quota.ts";
import { serveDatagrams } from "./served_datagrams.ts";

const FROM = { host: "192.0.2.1", port: 1000 };

Deno.test("each socket of a client's datagrams takes one of its places", async () => {
  const clock = new FakeClock();
  const net = new MemoryDatagrams();
  const quota = new Quota({ total: 20, perAddress: 16 });
  const pair = new MuxPair();
  const host = {
    sockets: net.on("192.0.2.2"),
    resolver: { resolve: () => Promise.resolve([]) },
    rules: null,
    idleMs: 60_000,
    clock,
    quota,
    said: new RateLimitedLog(keptLog(clock).log, () => clock.now()),
  };
  const streams = [1, 2, 3].map(() =>
    pair.client.open(new Answers(), { kind: OpenKind.udp, address: null })
  );
  pair.exchange();
  for (const { stream } of pair.server.opened) {
    serveDatagrams(host, stream, { from: FROM, account: "" });
  }
  pair.exchange();
  for (const [i, stream] of streams.entries()) {
    for (let port = 1; port <= 50; port++) {
      stream.sendDatagram({ host: `192.0.2.${10 + i}`, port }, utf8("hello"));
      pair.exchange();
    }
  }
  assert.equal(quota.count, 16);
  assert.equal(net.open, 16);
  pair.server.mux.end(new TtunError("lost", "The client has gone"));
  await clock.settle();
  assert.deepEqual([quota.count, net.open, clock.pending], [0, 0, 0]);
});
