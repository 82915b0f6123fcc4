import assert from "node:assert/strict";
import { TtunError } from "../../src/base/errors.ts";
import { friendFailure, newFailure } from "./tox_errors.ts";
import { openToxcore, toxcoreNames } from "./toxcore.ts";

const NONE = () => {
  throw new TtunError("system", "none");
};

for (
  const [os, words] of [
    ["linux", /libtoxcore\.so\.2.*libtoxcore2 on Debian and Ubuntu, toxcore on Fedora, Alpine/],
    ["darwin", /libtoxcore\.2\.dylib.*brew install toxcore/],
    ["windows", /C:\\ttun\\libtoxcore\.dll.*tox\.chat/],
    ["freebsd", /libtoxcore\.so\.2.*pkg install tox/],
  ] as const
) {
  Deno.test(`a missing libtoxcore is told with its package on ${os}`, () => {
    assert.throws(() => openToxcore(os, "C:\\ttun\\ttun.exe", NONE), (error) => {
      assert.ok(error instanceof TtunError);
      assert.equal(error.kind, "system");
      assert.match(error.message, words);
      return true;
    });
  });
}

Deno.test("on Windows the library is taken from the program's folder alone", () => {
  assert.deepEqual(toxcoreNames("windows", "D:\\a b\\ttun.exe"), ["D:\\a b\\libtoxcore.dll"]);
});

Deno.test("a node that cannot start says which ports or which proxy it was to use", () => {
  const settings = { udp: true, ipv6: true, localDiscovery: false };
  const udpPorts = { first: 40001, last: 40003 };
  const proxy = { kind: "socks5", host: "proxy.example", port: 9050 } as const;
  const taken = newFailure(3, { ...settings, udpPorts, relayPort: 443 });
  assert.equal(taken.kind, "in_use");
  assert.match(taken.message, /\(UDP 40001 to 40003, TCP 443\)/);
  assert.match(newFailure(7, { ...settings, proxy }).message, /proxy\.example does not resolve/);
  assert.equal(newFailure(9, settings).kind, "usage");
  assert.match(newFailure(99, settings).message, /error 99/);
});

Deno.test("a friend that cannot be added has a reason", () => {
  assert.match(friendFailure(6).message, /checksum/);
  assert.match(friendFailure(4).message, /this end's own/);
  assert.equal(friendFailure(8).kind, "exhausted");
});
