import assert from "node:assert/strict";
import { formatCidr, parseCidr } from "../../base/addr.ts";
import { checkClientNetworks, ClientNetworks, parseClientNetwork } from "./client_networks.ts";

Deno.test("a client's network is a name and a network, whatever the case and the host bits", () => {
  const { name, network } = parseClientNetwork("Laptop=192.168.7.9/24");
  assert.deepEqual([name, formatCidr(network)], ["laptop", "192.168.7.0/24"]);
  assert.equal(formatCidr(parseClientNetwork("a=fd07::1").network), "fd07::1/128");
});

Deno.test("what is no name or no network is refused with how it is written", () => {
  for (
    const text of ["", "laptop", "=10.0.0.0/8", "lap top=10.0.0.0/8", "-a=10.0.0.0/8", "a=", "a=b"]
      .concat(["a=0.0.0.0/0", "a=::/0", "a=127.0.0.0/8", "a=169.254.0.0/16", "a=224.0.0.0/8"])
      .concat(["a=10.0.0.0/7", "a=fe80::/64", `${"a".repeat(64)}=10.0.0.0/8`, "ä=10.0.0.0/8"])
  ) {
    assert.throws(() => parseClientNetwork(text), { kind: "usage" }, text);
  }
});

Deno.test("each network is behind one client, and none has addresses of the pool", () => {
  const check = (...texts: string[]) =>
    checkClientNetworks(
      texts.map(parseClientNetwork),
      ["10.9.0.0/24", "fd00:9::/64"].map(parseCidr),
    );
  check("a=192.168.7.0/24", "a=192.168.8.0/24", "b=192.168.0.0/16", "b=10.9.1.0/24", "b=fd07::/48");
  for (
    const texts of [
      ["a=192.168.7.0/24", "b=192.168.7.7/24"],
      ["a=10.9.0.128/25"],
      ["a=10.0.0.0/8"],
      ["a=fd00:9::5"],
      ["a=fd00::/32", "b=fd00:9::/48"],
    ]
  ) {
    assert.throws(() => check(...texts), { kind: "usage" }, texts.join());
  }
});

Deno.test("a client without a name has none of them", () => {
  const networks = new ClientNetworks(
    ["a=192.168.7.0/24", "b=192.168.8.0/24", "a=fd07::/48"].map(parseClientNetwork),
  );
  assert.deepEqual([networks.of("a"), networks.of("b"), networks.of("")], [[0, 2], [1], []]);
  assert.equal(networks.text([0, 2]), "192.168.7.0/24,fd07::/48");
});
