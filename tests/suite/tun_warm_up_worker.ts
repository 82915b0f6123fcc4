import assert from "node:assert/strict";
import { openLibc } from "../../ffi/linux/libc.ts";
import { openLibcrypto } from "../../ffi/openssl/libcrypto.ts";
import { serveCases } from "../in_worker.ts";
import { makeLogger } from "../../src/base/log.ts";
import { LONGEST_PACKET } from "../../src/app/link/accept.ts";
import { tunWarmUp } from "../../src/app/system/tun_warm_up.ts";
import { PeerRouter } from "../../src/app/tun/peer_router.ts";
import { PoolRouter } from "../../src/app/tun/pool_router.ts";
import type { TunRouter } from "../../src/app/tun/tun_router.ts";
import { Offload, VIRTIO_NET_HEADER } from "../../src/contract/batch.ts";
import type { Device } from "../../src/contract/device.ts";
import { nodeKeyExchange } from "../../src/io/crypto/x25519.ts";
import { openStreamPair } from "../../src/io/net/stream_pair.ts";
import { Reactor } from "../../src/io/reactor/reactor.ts";
import { openSocketDevice } from "../../src/io/tun/socket_device.ts";
import { rng } from "../../src/cli/platform/rng.ts";

const QUIET = makeLogger(() => {}, Date.now, "error");
const PACKETS = { mssClamp: false, longest: LONGEST_PACKET };
const LIKE = {
  headroom: VIRTIO_NET_HEADER,
  takes: Offload.tcp | Offload.udp,
  mtu: 1280,
};

/** Entry of a Worker, where the reactor may block: a warm-up as the data plane runs it. */
serveCases(async (name) => {
  using libc = openLibc();
  using libcrypto = openLibcrypto();
  await using reactor = new Reactor(libc, "blocking");
  const routers: TunRouter[] = [];
  const keep = <R extends TunRouter>(router: R): R => {
    routers.push(router);
    return router;
  };
  const peer = (device: Device) => keep(new PeerRouter(device, reactor, PACKETS));
  const pool = (device: Device) =>
    keep(new PoolRouter(device, reactor, { ...PACKETS, log: QUIET }));
  const warmUp = tunWarmUp({
    clock: reactor,
    secrets: {
      mode: name.includes("v1") ? "v1" : "v2",
      v1: { psk: rng(32), cipher: "aes-256-gcm", makeCipher: libcrypto.makeCipher },
      s: rng(32),
      keyExchange: nodeKeyExchange,
      rng,
      wallClock: Date.now,
    },
    instance: rng(16),
    openDevice: (signal) =>
      name.includes("plain")
        ? openSocketDevice(reactor, { headroom: 0, takes: Offload.none, mtu: 1280 }, signal)
        : openSocketDevice(reactor, LIKE, signal),
    openStreams: (signal) => openStreamPair(reactor, signal),
    clientRouter: peer,
    serverRouter: name.includes("pool") ? pool : peer,
    isBusy: () => false,
  });
  const stop = new AbortController();
  if (name.includes("stopped")) {
    reactor.after(40, () => stop.abort());
    const began = performance.now();
    await assert.rejects(warmUp.run(stop.signal), /abort/i);
    assert(performance.now() - began < 1000);
  } else {
    await warmUp.run(stop.signal);
    const sent = (router: TunRouter) => router.counters.sentPackets;
    assert.equal(routers.length, 26); // two for each of 13 cycles
    assert(routers.slice(-2).every((router) => sent(router) > 500), `${routers.map(sent)}`);
    for (const { counters } of routers) assert.equal(counters.droppedUnfit, 0);
    for (const { counters } of routers) assert.equal(counters.droppedForeign, 0);
  }
});
