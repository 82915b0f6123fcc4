import { deepEqual, equal } from "node:assert/strict";
import type { StreamCase } from "./stream_net.ts";
import { connect } from "./stream_net.ts";
import { dial } from "../../src/app/net/dial_events.ts";
import { accept } from "../../src/app/loop/stream_io.ts";

/** Addresses of the real transports. Loopback has both families, or a case fails. */
export const ipCases: readonly StreamCase[] = [
  {
    name: "IPv6 addresses are told in their short form",
    when: ({ ip }) => ip,
    async run(net) {
      await using pair = await connect(net, { host: "::1", port: 0 });
      const { addr } = pair.listener;
      equal("host" in addr && addr.host, "::1");
      deepEqual(pair.here.remote, addr);
      deepEqual(pair.there.local, addr);
      deepEqual(pair.there.remote, pair.here.local);
      equal("host" in pair.here.local && pair.here.local.host, "::1");
    },
  },
  {
    name: "a listener on all addresses takes IPv4 and IPv6, and shows an IPv4 peer as IPv4",
    when: ({ ip }) => ip,
    async run(net) {
      const { signal } = new AbortController();
      await using listener = net.listen({ host: "", port: 0 }, { signal });
      const port = "port" in listener.addr ? listener.addr.port : 0;
      for (const host of ["127.0.0.1", "::1"]) {
        await using here = await dial(net.dialer, { host, port }, { signal });
        await using there = await accept(listener, { signal });
        deepEqual(there.local, { host, port });
        deepEqual(there.remote, here.local);
        equal("host" in there.remote && there.remote.host, host);
      }
    },
  },
];
