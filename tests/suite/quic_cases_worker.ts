import { openLibc } from "../../ffi/linux/libc.ts";
import { QuicHost } from "../../src/io/quic/quic_host.ts";
import { Reactor } from "../../src/io/reactor/reactor.ts";
import { serveCases } from "../in_worker.ts";
import { quicCertificate, quicNet } from "./quic_net.ts";
import { CASES, runCase } from "./stream_suite.ts";

/** Entry of a Worker: all cases over one reactor that blocks its thread, in which QUIC cannot run. */
serveCases(async () => {
  using libc = openLibc();
  const certificate = quicCertificate();
  await using reactor = new Reactor(libc, "blocking");
  await using host = new QuicHost(reactor);
  const net = quicNet(host, reactor, certificate);
  for (const one of CASES) {
    if (one.when?.(net.traits) ?? true) await runCase(one, net);
  }
});
