import { test } from "../../../tests/check.ts";
import { datagramSuite } from "../../../tests/suite/datagram_suite.ts";
import { openNodeDatagrams } from "./node_datagrams.ts";

datagramSuite("datagrams of node:dgram", test, () => ({
  open: openNodeDatagrams,
  host: "127.0.0.1",
  otherHost: "127.0.0.1",
  hasLocal: false,
  hasEcn: false,
  [Symbol.asyncDispose]: () => Promise.resolve(),
}));
