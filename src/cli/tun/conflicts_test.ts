import assert from "node:assert/strict";
import { parseArgs } from "../command/args.ts";
import { parseListen } from "../transport/endpoint.ts";
import { CLIENT_OPTIONS, SERVER_OPTIONS } from "./options.ts";
import {
  dnsOf,
  gatewayOf,
  manyClients,
  pushedSettings,
  refuseForStdio,
  refuseForSystem,
  refuseForUdp,
  refuseForV1,
} from "./conflicts.ts";

function server(...args: string[]) {
  const parsed = parseArgs(SERVER_OPTIONS, args);
  assert.ok(!parsed.help);
  return parsed.values;
}

const clients = (...args: string[]) => manyClients(server(...args))?.clients;

Deno.test("--pool alone serves as many clients as it has addresses, up to 253", () => {
  assert.equal(clients(), undefined);
  assert.equal(clients("--pool", "10.9.0.0/24"), 253);
  assert.equal(clients("--pool", "10.9.0.0/16"), 253);
  assert.equal(clients("--pool", "fd00:9::/64"), 253);
  assert.equal(clients("--pool", "10.9.0.0/29"), 5); // of 8: network, broadcast, server
  assert.equal(clients("--pool", "10.9.0.0/29", "--pool", "fd00:9::/64"), 5);
  assert.equal(clients("--pool", "fd00:9::/126"), 2);
  const elsewhere = ["--pool", "10.9.0.0/29", "--address", "10.8.0.1/24"];
  assert.equal(clients(...elsewhere), 6);
  const twice = [...elsewhere, "--address", "10.9.0.3/29", "--address", "10.9.0.3/24"];
  assert.equal(clients(...twice), 5);
  assert.throws(() => clients("--pool", "10.9.0.0/32"), {
    kind: "usage",
    message: /larger --pool/,
  });
  assert.equal(clients("--pool", "10.9.0.0/24", "--clients", "7"), 7);
});

Deno.test("many clients are not for version 1, nor for a peer's address, nor without a pool", () => {
  const pool = ["--pool", "10.9.0.0/24"];
  for (
    const [args, why] of [
      [["--clients", "2"], /--pool/],
      [[...pool, "--wire", "v1"], /--wire v1/],
      [[...pool, "--peer-address", "10.9.0.2"], /--peer-address/],
      [[...pool, ...pool], /once for IPv4/],
      [["--client-network", "a=192.168.7.0/24"], /--client-network without --pool.*--route/],
      [[...pool, "--client-network", "a=10.9.0.0/25"], /overlaps --pool/],
    ] as const
  ) {
    assert.throws(() => clients(...args), { kind: "usage", message: why });
  }
});

Deno.test("what version 1 does not have is refused where it is asked for, and only there", () => {
  const refuse = (...args: string[]) => refuseForV1(server(...args));
  for (const given of [["--rekey", "60"], ["--offload", "auto"]]) {
    assert.throws(() => refuse("--wire", "v1", ...given), {
      kind: "usage",
      message: /--wire v1 and --(rekey|offload auto) exclude each other/,
    });
    refuse(...given);
  }
  refuse("--wire", "v1");
  const client = parseArgs(CLIENT_OPTIONS, ["-s", "a:1", "--wire", "v1", "--name", "laptop"]);
  assert.ok(!client.help);
  assert.throws(() => refuseForV1(client.values), { kind: "usage", message: /--name exclude/ });
  refuse("--wire", "v1", "--offload", "off");
});

Deno.test("a key, or a password, that is given twice is refused", () => {
  for (const table of [SERVER_OPTIONS, CLIENT_OPTIONS]) {
    assert.throws(() => parseArgs(table, ["-k", "n0body", "--key-file", "f"]), (error: Error) => {
      assert.match(error.message, /--key and --key-file exclude each other/);
      assert.doesNotMatch(error.message, /n0body/);
      return true;
    });
  }
});

Deno.test("--wintun is refused where there is none", () => {
  const given = server("--wintun", "wintun.dll");
  for (const system of ["linux", "darwin"]) {
    assert.throws(() => refuseForSystem(given, system), { kind: "usage", message: /--wintun/ });
    refuseForSystem(server(), system);
  }
  refuseForSystem(given, "windows");
});

Deno.test("--nat elsewhere than on Linux is refused by name", () => {
  refuseForSystem(server("--nat", "eth0"), "linux");
  assert.throws(() => refuseForSystem(server("--nat", "auto"), "darwin"), {
    kind: "usage",
    message: /--nat here/,
  });
});

Deno.test("standard input and output serve one client, and give no key then", () => {
  const refuse = (...listen: string[]) =>
    refuseForStdio({ listen: listen.map(parseListen), keyFile: "-", daemon: false });
  refuse(":7", "unix:///run/x");
  refuseForStdio({ listen: [parseListen("stdio:")], keyFile: "key", daemon: false });
  assert.throws(() => refuse("stdio:"), { kind: "usage", message: /key from standard input/ });
  for (const listen of [["stdio:", ":7"], [":7", "stdio:"], ["stdio:", "stdio:"]]) {
    assert.throws(() => refuse(...listen), { kind: "usage", message: /run another server/ });
  }
});

Deno.test("all traffic and the kill switch are for Linux, native sockets, and what can be told apart", () => {
  const gateway = (...args: string[]) => {
    const parsed = parseArgs(CLIENT_OPTIONS, args);
    assert.ok(!parsed.help);
    return (system: string) => gatewayOf(parsed.values, system);
  };
  assert.equal(gateway("host")("linux"), null);
  assert.deepEqual(gateway("host", "--kill-switch")("linux"), {
    defaultRoute: false,
    killSwitch: true,
    exclude: [],
  });
  const ssh = ["-s", "exec:ssh host ttun server -l stdio:", "--default-route"];
  assert.equal(gateway(...ssh, "--exclude", "192.0.2.9/32")("linux")?.exclude.length, 1);
  const tls = gateway("-s", "tls://host", "--default-route", "--kill-switch");
  assert.deepEqual(tls("linux"), { defaultRoute: true, killSwitch: true, exclude: [] });
  for (
    const [args, system, message] of [
      [["host", "--exclude", "10.0.0.0/8"], "linux", /--exclude without --default-route/],
      [["host", "--default-route"], "darwin", /for Linux only so far/],
      [["host", "--kill-switch", "--io", "deno"], "linux", /with --io deno/],
      [ssh, "linux", /with exec:.*--exclude/],
      [["-s", "unix:///run/a", "--default-route"], "linux", /with unix:/],
    ] as const
  ) {
    assert.throws(() => gateway(...args)(system), { kind: "usage", message });
  }
  assert.throws(() => gateway("host", "--default-route", "--exclude", "0.0.0.0/0"), {
    message: /that is all there is/,
  });
});

Deno.test("a server pushes as many routes and name servers as clients take", () => {
  const list = (name: string, count: number, of: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => [name, of(i)]).flat();
  const routes = (count: number) => list("--push-route", count, (i) => `10.${i}.0.0/16`);
  const servers = (count: number) => list("--push-dns", count, (i) => `10.1.1.${i}`);
  const most = pushedSettings(server(...routes(64), ...servers(4)));
  assert.deepEqual([most.routes.length, most.nameServers.length], [64, 4]);
  assert.deepEqual(pushedSettings(server()), { routes: [], nameServers: [] });
  for (const args of [routes(65), servers(5)]) {
    assert.throws(() => pushedSettings(server(...args)), { kind: "usage", message: /at most/ });
  }
  for (const args of [routes(1), servers(1)]) {
    assert.throws(() => refuseForV1(server("--wire", "v1", ...args)), { kind: "usage" });
  }
});

Deno.test("what does not go over UDP is refused with its reason, and the rest is taken", () => {
  const client = (...args: string[]) => {
    const parsed = parseArgs(CLIENT_OPTIONS, ["-s", "udp://a:1", ...args]);
    assert.ok(!parsed.help);
    return parsed.values;
  };
  const udp = ["-l", "udp://:1"];
  refuseForUdp(client("--mtu", "1427"), undefined);
  refuseForUdp(server(...udp, "-l", ":2", "--clients", "3"), undefined);
  refuseForUdp(server("--mtu", "9000", "--wire", "v1"), []);
  const refused = (options: Parameters<typeof refuseForUdp>[0], words: RegExp, keys?: unknown[]) =>
    assert.throws(() => refuseForUdp(options, keys), { kind: "usage", message: words });
  refused(client("--wire", "v1"), /version 1/);
  refused(client("--mtu", "1428"), /at most 1427 bytes/);
  refused(client("-L", "1:b:2"), /-L, -R or -D/);
  refused(client("-D", "1"), /-L, -R or -D/);
  refused(server(...udp), /several keys/, []);
  refused(server("-l", ":2", ...udp, "--wire", "v1"), /version 1/);
});

Deno.test("name servers of a client's machine are the user's or the server's, or stay", () => {
  const dns = (...args: string[]) => {
    const parsed = parseArgs(CLIENT_OPTIONS, ["-s", "a:1", ...args]);
    assert.ok(!parsed.help);
    return dnsOf(parsed.values);
  };
  assert.equal(dns(), null);
  assert.deepEqual(dns("--accept-dns"), { servers: [], search: [] });
  assert.deepEqual(dns("--dns", "10.1.1.1", "--dns", "FC11:0::1", "--dns-search", "Example.net."), {
    servers: ["10.1.1.1", "fc11::1"],
    search: ["example.net"],
  });
  const refused = [["--dns-search", "a"], ["--dns", "10.1.1.1", "--accept-dns"], ["--dns", "name"]];
  for (const args of [...refused, ["--accept-dns", "--dns-search", "a b"]]) {
    assert.throws(() => dns(...args), { kind: "usage" });
  }
});
