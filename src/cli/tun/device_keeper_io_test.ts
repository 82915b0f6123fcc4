import { equal, match } from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { parseCidr } from "../../base/addr.ts";
import { makeLogger } from "../../base/log.ts";
import { routeRefusal } from "../../core/net/pushed_policy.ts";
import { Reactor } from "../../io/reactor/reactor.ts";
import { LinuxKeeper } from "./device_keeper.ts";

test({
  name: "a pushed route is refused while the networks of this machine cannot be read",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    using libc = openLibc();
    await using reactor = new Reactor(libc, "async");
    const config = { mtu: 65536, addresses: [], peers: [], routes: [], mark: undefined };
    const keeper = new LinuxKeeper({ libc, reactor }, "lo", config, makeLogger(() => {}, () => 0));
    const conflictOf = (network: Parameters<LinuxKeeper["conflictOf"]>[0]) =>
      keeper.conflictOf(network, undefined);
    const refusal = () => routeRefusal(parseCidr("198.18.0.0/24"), { exclude: [], conflictOf });
    equal(refusal(), null);
    keeper[Symbol.dispose](); // its socket is closed
    match(refusal() ?? "", /cannot be read \(.*EBADF/);
  },
});
