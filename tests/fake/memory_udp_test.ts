import { datagramSuite } from "../suite/datagram_suite.ts";
import { MemoryUdp } from "./memory_udp.ts";

datagramSuite("datagrams in memory", Deno.test, () => ({
  open: new MemoryUdp().on("192.0.2.1"),
  host: "192.0.2.1",
  otherHost: "192.0.2.1",
  hasLocal: true,
  hasEcn: true,
  [Symbol.asyncDispose]: () => Promise.resolve(),
}));
