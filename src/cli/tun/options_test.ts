import { namedCipher } from "../command/cipher_choice.ts";
import assert from "node:assert/strict";
import { formatCidr } from "../../base/addr.ts";
import { parseArgs } from "../command/args.ts";
import { formatEndpoint } from "../transport/endpoint.ts";
import { CLIENT_REFUSALS, SERVER_REFUSALS } from "../command/habits.ts";
import {
  CLIENT_OPTIONS,
  SERVER_OPTIONS,
  type TunClientFlags,
  type TunFlags,
  type TunServerFlags,
} from "./options.ts";

function server(...args: string[]): TunServerFlags {
  const parsed = parseArgs(SERVER_OPTIONS, args, SERVER_REFUSALS);
  assert.ok(!parsed.help);
  return parsed.values;
}

function client(...args: string[]): TunClientFlags {
  const parsed = parseArgs(CLIENT_OPTIONS, args, CLIENT_REFUSALS);
  assert.ok(!parsed.help);
  return parsed.values;
}

Deno.test("the command lines of the Go program keep their meaning", () => {
  const listening = server("-l", ":7000", "-k", "secret", "-m", "aes-256-gcm", "-mtu", "1400");
  assert.deepEqual(listening.listen.map(formatEndpoint), [":7000"]);
  assert.equal(listening.key, "secret");
  assert.equal(listening.cipher, "aes-256-gcm");
  assert.equal(listening.mtu, 1400);
  const dialing = client("-s", "example.net:20203", "-k=secret", "-mptcp=false");
  assert.equal(formatEndpoint(dialing.server), "example.net:20203");
  assert.equal(dialing.mptcp, false);
  assert.equal(namedCipher(dialing.cipher), "chacha20-poly1305");
});

Deno.test("a server without options listens on port 20203 of all addresses", () => {
  assert.deepEqual(server().listen.map(formatEndpoint), [":20203"]);
  assert.equal(server().mtu, 1280);
  assert.equal(server().address, undefined);
});

Deno.test("a client must be told its server, and a port that can be reached", () => {
  assert.throws(() => client(), { kind: "usage", message: /-s HOST\[:PORT\] is missing/ });
  assert.throws(() => client("-s", "example.net:0"), { kind: "usage", message: /port 0/ });
  assert.throws(() => client("-s", ":1"), { kind: "usage" });
});

Deno.test("addresses and routes become bytes, routes without their host bits", () => {
  const options = client(
    ...["-s", "[::1]:1", "--address", "10.0.0.2/24", "--address", "fd00::2/64"],
    ...["--route", "192.168.7.9/16", "--peer-address", "10.0.0.1", "--peer-address", "fd00::1"],
  );
  assert.deepEqual(options.address?.map(formatCidr), ["10.0.0.2/24", "fd00::2/64"]);
  assert.deepEqual(options.route?.map(formatCidr), ["192.168.0.0/16"]);
  assert.deepEqual(options.peerAddress?.map(formatCidr), ["10.0.0.1/32", "fd00::1/128"]);
  assert.throws(() => server("--peer-address", "10.0.0.1/30"), { message: /without a prefix/ });
});

Deno.test("a congestion control is chosen by the path, left to the system, or named as the kernel does", () => {
  assert.equal(server().congestion, "auto");
  for (const name of ["auto", "system", "bbr", "name-of_15bytes"]) {
    assert.equal(client("a", "--congestion", name).congestion, name);
  }
  for (const name of ["", "BBR", "a b", "a-name-of-16byte"]) {
    assert.throws(() => server("--congestion", name), { kind: "usage", message: /auto, system/ });
  }
});

Deno.test("a device name is one that Linux takes", () => {
  for (const name of ["ttun0", "fifteen-bytes-x", "ü", "utun7"]) {
    assert.equal(server("--device", name).device, name);
  }
  for (const name of ["", ".", "..", "a/b", "a b", "a:b", "sixteen-bytes-xx", "a\nb", "üüüüüüüü"]) {
    assert.throws(() => server("--device", name), { kind: "usage", message: /1 to 15 bytes/ });
  }
});

Deno.test("the packet size is from 68 to 65519 bytes", () => {
  assert.equal(server("-mtu", "68").mtu, 68);
  assert.equal(server("-mtu", "65519").mtu, 65519);
  assert.throws(() => server("-mtu", "67"), { kind: "usage" });
  assert.throws(() => server("-mtu", "65520"), { kind: "usage" });
});

Deno.test("what contradicts itself is refused", () => {
  assert.throws(() => server("-v", "-q"), { message: /--verbose and --quiet/ });
  assert.throws(() => client("-s", "a:1", "--once", "--retries", "2"), { kind: "usage" });
});

Deno.test("a key that one end alone has tells the two sets of options apart", () => {
  const options: TunFlags = client("-s", "a:1");
  assert.ok("server" in options);
  assert.ok(!("server" in server()));
});

Deno.test("a server is named without its port, and without -s right behind the command", () => {
  for (const args of [["-s", "192.0.2.7"], ["192.0.2.7"], ["192.0.2.7:20203", "-v"]]) {
    assert.equal(formatEndpoint(client(...args).server), "192.0.2.7:20203", args.join(" "));
  }
  assert.equal(formatEndpoint(client("-s", "::1").server), "[::1]:20203");
  // A word behind options may be the second half of a key: it is not repeated, nor looked up.
  assert.throws(() => client("-k", "two", "words"), {
    message: /^Cannot use argument 3 after the command: what -s says may stand right behind/,
  });
  assert.throws(() => client("192.0.2.7", "words"), { message: /argument 2/ });
  assert.throws(() => client("192.0.2.7", "-s", "192.0.2.8"), {
    message: /-s beside the argument/,
  });
});

Deno.test("a server listens at a bare port, or a bare address", () => {
  assert.deepEqual(server("-l", "7").listen.map(formatEndpoint), [":7"]);
  assert.deepEqual(server("-l", "127.0.0.1").listen.map(formatEndpoint), ["127.0.0.1:20203"]);
  assert.throws(() => server("--listen", "0.0.0.0:abc"), { message: /1 to 65535/ });
  assert.throws(() => server("0.0.0.0:20203"), { message: /an address behind -l/ });
});

Deno.test("options of other tunnels are told by what does the same here", () => {
  assert.throws(() => server("-p", "20203"), { message: /part of --listen, as -l :20203/ });
  assert.throws(() => client("--port=20203"), { message: /part of --server, as -s HOST:20203/ });
  for (
    const [option, advice] of [
      ["--conf", /--config/],
      ["--remote", /-s HOST:PORT/],
      ["--proto", /TCP/],
      ["--dev", /--device/],
      ["--psk", /--key-file/],
      ["--socks5", /ttun client -D PORT/],
      ["-i", /--key-file/],
    ] as const
  ) {
    assert.throws(() => client(option, "n0body"), (error: Error) => {
      assert.match(error.message, advice);
      assert.doesNotMatch(error.message, /n0body/);
      return true;
    });
  }
});
