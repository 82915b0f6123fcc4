import assert from "node:assert/strict";
import { test } from "../check.ts";
import { Host } from "../netns.ts";
import { startTtun } from "./tunnel.ts";

for (
  const [name, options, address] of [
    ["one client", [], "10.1.1.1"],
    ["a pool", ["--pool", "10.9.0.0/24"], "10.9.0.1"],
  ] as const
) {
  test(`both ends on one machine draw a warning about pings: ${name}`, async () => {
    await using host = await Host.create();
    await using server = startTtun(host, "server", "-l", "127.0.0.1:20203", ...options);
    await server.waitFor(/listening/);
    await using client = startTtun(host, "client", "-s", "127.0.0.1:20203");
    const where = address.replaceAll(".", "\\.");
    await client.waitFor(
      new RegExp(
        `warn .*both ends of the tunnel are on this machine.* ${where} of ttun0.*loopback`,
      ),
    );
    await client.waitFor(/authenticated/);
    await server.waitFor(/authenticated/);
    // In a pool the client has no address yet when the server looks.
    if (options.length === 0) {
      assert.match(server.output, /warn .*both ends of the tunnel are on this machine/);
    }
    assert.doesNotMatch(server.output, /goes by only one of them/);
  });
}

for (const end of ["server", "client"] as const) {
  test(`a device that has the same network already draws a warning: ${end}`, async () => {
    await using host = await Host.create();
    await host.sh("ip tuntap add dev other mode tun; ip address add 10.1.1.2/30 dev other");
    const args = end === "server" ? ["-l", "127.0.0.1:20203"] : ["-s", "127.0.0.1:20203"];
    await using ttun = startTtun(host, end, ...args);
    await ttun.waitFor(/warn .*and other has 10\.1\.1\.2\/30: .*10\.1\.1\.0\/30 goes by only one/);
  });
}
