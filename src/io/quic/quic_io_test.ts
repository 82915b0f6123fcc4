import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { runInWorker } from "../../../tests/in_worker.ts";
import { QUIC_TRAITS, quicCertificate, quicNet } from "../../../tests/suite/quic_net.ts";
import { eachCase, runCase } from "../../../tests/suite/stream_suite.ts";
import { Reactor } from "../reactor/reactor.ts";
import { QuicHost } from "./quic_host.ts";

const CERTIFICATE = quicCertificate();

eachCase("quic", QUIC_TRAITS, test, async (one) => {
  using libc = openLibc();
  await using reactor = new Reactor(libc, "async");
  await using host = new QuicHost(reactor);
  await runCase(one, quicNet(host, reactor, CERTIFICATE));
});

const WORKER = new URL("../../../tests/suite/quic_cases_worker.ts", import.meta.url);

test("quic: all of it beside a reactor that blocks its thread", () => runInWorker(WORKER, "all"));
