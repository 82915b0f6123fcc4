import { namedCipher } from "../command/cipher_choice.ts";
import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../app/net/connection_limits.ts";
import { formatAddr } from "../../base/addr.ts";
import { formatRule } from "../../core/acl/rule.ts";
import { parseArgs } from "../command/args.ts";
import { COMMANDS } from "../command/commands.ts";
import {
  PROXY_CLIENT_OPTIONS,
  PROXY_CLIENT_REFUSALS,
  PROXY_SERVER_OPTIONS,
  PROXY_SERVER_REFUSALS,
  type ProxyClientFlags,
  type ProxyFlags,
  type ProxyServerFlags,
} from "./options.ts";

function server(...args: string[]): ProxyServerFlags {
  const parsed = parseArgs(PROXY_SERVER_OPTIONS, args, PROXY_SERVER_REFUSALS);
  assert.ok(!parsed.help);
  return parsed.values;
}

function client(...args: string[]): ProxyClientFlags {
  const parsed = parseArgs(PROXY_CLIENT_OPTIONS, args, PROXY_CLIENT_REFUSALS);
  assert.ok(!parsed.help);
  return parsed.values;
}

Deno.test("the command lines of the program tt keep their meaning", () => {
  const listening = server(
    ...["-k", "secret", "-l", "0.0.0.0", "-r", "2000-3000", "-m", "aes-256-gcm"],
    ...["--mtu", "1440", "-v", "--pid", "/run/tt.pid"],
  );
  assert.equal(listening.key, "secret");
  assert.equal(listening.listen, "");
  assert.deepEqual(listening.portRange, { first: 2000, last: 3000 });
  assert.equal(listening.cipher, "aes-256-gcm");
  assert.equal(listening.mtu, 1440);
  assert.equal(listening.verbose, true);
  assert.equal(listening.pid, "/run/tt.pid");
  const dialing = client(
    ...["--key", "secret", "--listen", "127.0.0.1:1081", "--server", "example.net"],
    ...["--port-range=2000-3000", "--methods", "chacha20-poly1305", "--mtu", "65536"],
  );
  assert.equal(dialing.key, "secret");
  assert.equal(formatAddr(dialing.listen), "127.0.0.1:1081");
  assert.equal(dialing.server, "example.net");
  assert.deepEqual(dialing.portRange, { first: 2000, last: 3000 });
  assert.equal(dialing.cipher, "chacha20-poly1305");
  assert.equal(dialing.mtu, 65536);
});

Deno.test("without options both ends do what tt does without options", () => {
  assert.deepEqual(server().listen, "");
  assert.deepEqual(client("-s", "a").listen, { host: "127.0.0.1", port: 1080 });
  for (const options of [server(), client("-s", "a")]) {
    assert.deepEqual(options.portRange, { first: 1024, last: 65535 });
    assert.equal(namedCipher(options.cipher), "chacha20-poly1305");
    assert.equal(options.mtu, undefined);
    assert.deepEqual(DEFAULT_LIMITS, {
      total: options.connections,
      perAddress: options.perAddress,
      idleMs: options.idle * 1000,
      halfClosedMs: options.halfClosed * 1000,
      connectMs: options.connectTimeout * 1000,
    });
  }
});

Deno.test("what tt has for TUN mode is refused with a sentence, whether a value follows or not", () => {
  for (const args of [["--no-proxy"], ["-no-proxy"], ["--no-port-jump-on-tun-mode"]]) {
    assert.throws(() => server(...args), {
      kind: "usage",
      message: /^Cannot use --?no-[a-z-]+: TUN mode over tt is not there yet; .*ttun server/,
    });
  }
  for (const args of [["--tun-ip", "10.0.0.2/24"], ["--tun-ip=10.0.0.2/24"]]) {
    assert.throws(() => client("-s", "a", ...args), { kind: "usage", message: /--tun-ip: TUN/ });
  }
});

Deno.test("the commands refuse by the same table, and hide what is secret", () => {
  const { server, client } = COMMANDS.proxy.commands;
  assert.throws(() => server.prepare(["--no-proxy"]), { message: /TUN mode/ });
  assert.throws(() => client.prepare(["--tun-ip", "x"]), { message: /TUN mode/ });
  const prepared = client.prepare(["-s", "a", "-k", "one", "--auth=me:two"]);
  assert.ok(!prepared.help);
  assert.deepEqual(prepared.secrets, [{ index: 3, start: 0 }, { index: 4, start: 7 }]);
  const logging = { level: "info", format: "text", isLive: true };
  assert.deepEqual(prepared.complete([]).logging, logging);
});

Deno.test("hosts have no port, neither the server's own nor the one that is dialled", () => {
  for (
    const [text, host] of [
      ["example.net", "example.net"],
      ["büro", "büro"],
      ["192.0.2.7", "192.0.2.7"],
      ["2001:DB8::1", "2001:db8::1"],
      ["[2001:db8::1]", "2001:db8::1"],
    ]
  ) {
    assert.equal(client("-s", text!).server, host);
    assert.equal(server("-l", text!).listen, host);
  }
  for (const all of ["0.0.0.0", "::", "[::]"]) assert.equal(server("-l", all).listen, "");
  for (const text of ["example.net:443", "192.0.2.7:443", "[::1]:443"]) {
    assert.throws(() => client("-s", text), {
      kind: "usage",
      message: /without a port; it f/,
    });
    assert.throws(() => server("-l", text), { kind: "usage", message: /--port-range/ });
  }
  for (const text of ["", " ", "a b", "http://a", "a/b", "me@a", "[", "1::2::3"]) {
    assert.throws(() => client("-s", text), { kind: "usage" }, text);
  }
  assert.throws(() => client(), { kind: "usage", message: /-s HOST is missing/ });
});

Deno.test("a client listens on an address with a port, or on all addresses", () => {
  assert.deepEqual(client("-s", "a", "-l", "*:1080").listen, { host: "", port: 1080 });
  assert.deepEqual(client("-s", "a", "-l", "[::1]:0").listen, { host: "::1", port: 0 });
});

Deno.test("rules are networks and names, on the server alone; what goes past it is on the client alone", () => {
  const options = server("--allow", "10.0.0.0/8", "--allow", "fd00::1", "--deny", "0.0.0.0/0");
  assert.deepEqual(options.allow?.flat().map(formatRule), [
    "10.0.0.0/8",
    "fd00::1/128",
  ]);
  assert.deepEqual(options.deny?.flat().map(formatRule), ["0.0.0.0/0"]);
  const names = server("--permit-open", "*.Example.net:443", "-allow=example.net.").allow?.flat();
  assert.deepEqual(names?.map(formatRule), ["*.example.net:443", "example.net"]);
  assert.throws(() => server("--permit-open", "example.net/8"), {
    kind: "usage",
    message: /^Option --permit-open: .*\*\.example\.net/,
  });
  const direct = client("-s", "a", "--direct", "10.0.0.0/8", "--direct", ".example.net").direct;
  assert.deepEqual(direct, ["10.0.0.0/8", ".example.net"]);
  assert.throws(() => client("-s", "a", "--direct", "10.0.0.0/8/8"), {
    kind: "usage",
    message: /^Option --direct: /,
  });
  assert.throws(() => server("--direct", "a"), { kind: "usage", message: /Unknown option/ });
  assert.throws(() => client("-s", "a", "--allow", "::/0"), { message: /Unknown option/ });
});

Deno.test("ports and limits are checked", () => {
  assert.throws(() => server("-r", "3000-2000"), { kind: "usage", message: /^Option -r: / });
  assert.throws(() => server("-r", "443"), { kind: "usage" });
  assert.deepEqual(server("-r", "443-443").portRange, { first: 443, last: 443 });
  assert.equal(server("--idle", "0").idle, 0);
  for (
    const [option, text] of [
      ["--idle", "-1"],
      ["--idle", "2000001"], // timers would take it for nothing
      ["--connect-timeout", "0"],
      ["--connections", "0"],
      ["--per-address", "0"],
      ["--mtu", "0"],
      ["--mtu", "65537"],
      ["--cipher", "aes"],
    ]
  ) {
    assert.throws(() => server(option!, text!), { kind: "usage" }, `${option} ${text}`);
  }
  assert.throws(() => client("-s", "a", "-v", "-q"), { message: /--verbose and --quiet/ });
});

Deno.test("a key that one end alone has tells the two sets of options apart", () => {
  const options: ProxyFlags = client("-s", "a");
  assert.ok("server" in options);
  assert.ok(!("server" in server()));
});

Deno.test("a client's own port is on loopback unless an address is named", () => {
  for (const text of ["1081", ":1081", "127.0.0.1:1081"]) {
    assert.equal(formatAddr(client("-s", "a", "-l", text).listen), "127.0.0.1:1081", text);
  }
  assert.equal(formatAddr(client("-s", "a", "-l", "0.0.0.0").listen), "0.0.0.0:1080");
  assert.equal(client("-s", "a", "-l", "*:1081").listen.host, "");
});

Deno.test("a server's host is taken without -s, and never with a port", () => {
  assert.equal(client("192.0.2.7").server, "192.0.2.7");
  assert.equal(client("example.net", "-v").server, "example.net");
  for (const text of ["host:80", "[::1]:80", "1.2.3.4:", "8080", ":80"]) {
    assert.throws(() => client("-s", text), {
      kind: "usage",
      message: /without a port; it follows from the key .* -s takes a port in ttun client/,
    }, text);
    assert.throws(() => server("-l", text), { message: /without a port.*--port-range/ }, text);
  }
  assert.throws(() => client("-s", "https://a"), { message: /leave https:\/\/ away/ });
  assert.throws(() => client("-p", "80"), { message: /-l 1080/ });
  assert.throws(() => server("--port", "80"), { message: /--port-range/ });
});

Deno.test("what is given in two ways at once is refused, without the secret", () => {
  for (
    const args of [["-k", "n0body", "--key-file", "f"], ["--auth", "me:n0body", "--auth-file", "f"]]
  ) {
    assert.throws(() => client("-s", "a", ...args), (error: Error) => {
      assert.match(error.message, /exclude each other/);
      assert.doesNotMatch(error.message, /n0body/);
      return true;
    });
  }
  assert.throws(() => server("-k", "n0body", "--key-file", "f"), /exclude each other/);
});
