import assert from "node:assert/strict";
import { parseIp } from "./addr.ts";
import {
  formatTarget,
  isName,
  makeTarget,
  parseAuthority,
  parseConnectTarget,
  sameTarget,
  withoutBrackets,
} from "./target.ts";

const protocol = { name: "TtunError", kind: "protocol" };

Deno.test("names are lower case, addresses have one text", () => {
  const cases: [string, string][] = [
    ["Example.COM", "example.com"],
    ["example.com.", "example.com."],
    ["localhost", "localhost"],
    ["_service._tcp.a-b", "_service._tcp.a-b"],
    ["1and1.de", "1and1.de"],
    ["xn--mnchen-3ya.de", "xn--mnchen-3ya.de"],
    ["10.1.2.3", "10.1.2.3"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["::ffff:1.2.3.4", "::ffff:102:304"],
  ];
  for (const [given, wanted] of cases) {
    assert.deepEqual(makeTarget(given, 80), { host: wanted, port: 80 });
  }
});

Deno.test("what is neither a name nor an address is refused, without its bytes in the words", () => {
  const hosts = [
    "",
    ".",
    "a..b",
    ".a",
    "a b",
    "a\0b",
    "a\r\nb",
    "a\x7f",
    "a/b",
    "a@b",
    "a:b",
    "[::1]",
    "::1%eth0",
    "fe80::1%1",
    "1.2.3.4%1",
    ":",
    "a%41",
    "müller.de",
    "a\x80",
    "*.a",
    "x".repeat(64),
    "1".repeat(300),
  ];
  for (const host of hosts) {
    assert.throws(() => makeTarget(host, 80), (error: Error) => {
      assert.equal(error.name, "TtunError", host);
      assert.ok(host === "" || host === "." || host === ":" || !error.message.includes(host));
      return true;
    });
  }
});

Deno.test("names that resolvers take for addresses are refused", () => {
  for (
    const host of [
      "1",
      "127.1",
      "2130706433",
      "0x7f.1",
      "0x7f000001",
      "a.0x",
      "010.0.0.1",
      "1.2.3.4.5",
      "1.2.3.4.",
    ]
  ) {
    assert.throws(() => makeTarget(host, 80), protocol, host);
  }
  for (const host of ["1a", "0xg", "4.example", "1.2.3.4.example"]) {
    assert.equal(makeTarget(host, 1).host, host);
  }
});

Deno.test("a name has up to 255 bytes", () => {
  const label = "a".repeat(63);
  const longest = `${label}.${label}.${label}.${label}`;
  assert.equal(longest.length, 255);
  assert.equal(makeTarget(longest, 1).host, longest);
  assert.throws(() => makeTarget(`${longest}.`, 1), protocol);
});

Deno.test("ports are 1 to 65535", () => {
  for (const port of [1, 80, 65535]) assert.equal(makeTarget("a", port).port, port);
  for (const port of [0, -1, 65536, 1.5, NaN, Infinity]) {
    assert.throws(() => makeTarget("a", port), protocol, String(port));
  }
});

const read = (text: string, host = "") => parseAuthority(text, { defaultPort: 80, host });

Deno.test("an authority is read as a URI has it, and written back", () => {
  const cases: [string, string][] = [
    ["example.com:443", "example.com:443"],
    ["EXAMPLE.com", "example.com:80"],
    ["example.com:", "example.com:80"],
    ["[2001:db8::1]:8443", "[2001:db8::1]:8443"],
    ["[::1]", "[::1]:80"],
    ["1.2.3.4:1", "1.2.3.4:1"],
    ["a:00080", "a:80"],
  ];
  for (const [given, wanted] of cases) assert.equal(formatTarget(read(given)), wanted);
  const wrong = [
    "",
    ":80",
    "[::1",
    "[::1]x:80",
    "[1.2.3.4]:80",
    "[example.com]:80",
    "[fe80::1%25eth0]:80",
    "[]:80",
    "[v1.a]:80",
    "a:80:80",
    "a:0",
    "a:65536",
    "a:123456",
    "a:+80",
    "a: 80",
    "a:80\n",
    "user@a:80",
    "user:password@a:80",
    "a\\@b:80",
    ":",
    "1:2:3",
    "fe80::1%eth0",
    "::1:65536",
    "::1:0",
    "::1:123456",
    "::1::",
    ":::1:80",
  ];
  for (const given of wrong) {
    assert.throws(() => read(given), protocol, JSON.stringify(given));
  }
});

Deno.test("an IPv6 address without brackets: Host decides; else the last group is a port where it can be", () => {
  const cases: [string, string, string][] = [
    ["::1:8086", "", "[::1]:8086"],
    ["::1:8086", "[::1]:8086", "[::1]:8086"],
    ["::1:8086", "[::1:8086]", "[::1:8086]:80"],
    ["::1:8086", "[0:0:0:0:0:0:1:8086]:81", "[::1:8086]:81"],
    ["::1:8086", "[::1:8086]:", "[::1:8086]:80"],
    ["::1:8086", "[::2]:9", "[::1]:8086"],
    ["::1:8086", "::1:8086", "[::1]:8086"],
    ["::1:8086", "a.example", "[::1]:8086"],
    ["::1", "", "[::1]:80"],
    ["::1", "[::1]", "[::1]:80"],
    ["::", "", "[::]:80"],
    ["::1:", "", "[::1]:80"],
    ["2001:db8::1:2", "", "[2001:db8::1]:2"],
    ["2001:db8::1:2", "[2001:db8::1:2]", "[2001:db8::1:2]:80"],
    ["2001:DB8::1:abcd", "", "[2001:db8::1:abcd]:80"],
    ["::1:12345", "", "[::1]:12345"],
    ["1:2:3:4:5:6:7:8", "", "[1:2:3:4:5:6:7:8]:80"],
    ["1:2:3:4:5:6:7:8:9", "", "[1:2:3:4:5:6:7:8]:9"],
    ["::ffff:1.2.3.4", "", "[::ffff:102:304]:80"],
    ["::ffff:1.2.3.4:81", "", "[::ffff:102:304]:81"],
  ];
  for (const [given, host, wanted] of cases) {
    assert.equal(formatTarget(read(given, host)), wanted, `${given} ${host}`);
  }
});

Deno.test("the last colon of a CONNECT's target begins the port", () => {
  const connect = (text: string) => formatTarget(parseConnectTarget(text));
  assert.equal(connect("a:1"), "a:1");
  assert.equal(connect("[::1]:1"), "[::1]:1");
  assert.equal(connect("::1:2"), "[::1]:2");
  for (const given of ["a", "a:", "[::1]", "[::1]:", "::1", "::1:", "1:2:3:4:5:6:7:8", "::a"]) {
    assert.throws(() => connect(given), protocol, given);
  }
});

Deno.test("brackets around an IPv6 address go, any others stay", () => {
  assert.equal(withoutBrackets("[::1]"), "::1");
  for (
    const name of ["::1", "a", "[a]", "[1.2.3.4]", "[::1", "::1]", "[::1]:80", "[]", "[[::1]]"]
  ) {
    assert.equal(withoutBrackets(name), name);
  }
});

Deno.test("targets are compared and known for addresses", () => {
  assert.ok(sameTarget(makeTarget("A", 1), makeTarget("a", 1)));
  assert.ok(!sameTarget(makeTarget("a", 1), makeTarget("a", 2)));
  assert.ok(!sameTarget(makeTarget("a", 1), makeTarget("b", 1)));
  assert.equal(parseIp(makeTarget("a", 1).host), null);
  assert.deepEqual(parseIp(makeTarget("1.2.3.4", 1).host), new Uint8Array([1, 2, 3, 4]));
});

Deno.test("a long host is judged in no time", () => {
  for (const host of ["a".repeat(1 << 20), "a.".repeat(1 << 19), "1.".repeat(1 << 19)]) {
    assert.equal(isName(host), false);
    assert.throws(() => makeTarget(host, 1), protocol);
  }
});

Deno.test("a zone means nothing on another machine, however it is written", () => {
  const message = /a zone has no meaning on another machine/;
  for (const host of ["fe80::1%eth0", "fe80::1%25eth0", "fe80::1%2"]) {
    assert.throws(() => makeTarget(host, 80), { kind: "protocol", message });
    assert.throws(() => makeTarget(withoutBrackets(`[${host}]`), 80), { message });
    assert.throws(() => parseConnectTarget(`[${host}]:80`), { kind: "protocol", message });
    const field = { defaultPort: 80, host: `[${host}]` };
    assert.throws(() => parseAuthority(`[${host}]`, field), { kind: "protocol", message });
  }
});
