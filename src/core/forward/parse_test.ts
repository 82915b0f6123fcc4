import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import {
  parseDynamicForward,
  parseLocalForward,
  parseRemoteForward,
  parseStdioForward,
} from "./parse.ts";
import { formatListen, formatTo, type ForwardSpec } from "./spec.ts";

/** A forward as the log shows it. */
function shown(spec: ForwardSpec): string {
  return `${formatListen(spec.listen)} -> ${formatTo(spec)}`;
}

function refuses(parse: (text: string) => unknown, text: string, why: RegExp): void {
  const isRight = (error: unknown) => {
    assert.ok(error instanceof TtunError && error.kind === "usage", `${text}: ${error}`);
    assert.match(error.message, why, text);
    assert.ok(error.message.includes(JSON.stringify(text)), error.message);
    return true;
  };
  assert.throws(() => parse(text), isRight, text);
}

Deno.test("-L and -R have ssh's forms, with ports and unix sockets at either end", () => {
  const cases = {
    "8080:example.org:80": "localhost:8080 -> example.org:80",
    "0:Example.ORG.:80": "localhost:0 -> example.org.:80",
    "127.0.0.2:8080:a_b:1": "127.0.0.2:8080 -> a_b:1",
    ":8080:h:80": "*:8080 -> h:80",
    "*:8080:h:80": "*:8080 -> h:80",
    "0.0.0.0:8080:h:80": "0.0.0.0:8080 -> h:80",
    "[::]:8080:[2001:DB8:0::1]:80": "[::]:8080 -> [2001:db8::1]:80",
    "[::1]:8080:h:65535": "[::1]:8080 -> h:65535",
    "[fe80::1%eth0]:8080:h:80": "[fe80::1%eth0]:8080 -> h:80",
    "8080:/run/docker.sock": "localhost:8080 -> /run/docker.sock",
    "*:8080:/run/docker.sock": "*:8080 -> /run/docker.sock",
    "[::1]:8080:/run/docker.sock": "[::1]:8080 -> /run/docker.sock",
    "/tmp/a.sock:h:80": "/tmp/a.sock -> h:80",
    "/tmp/a.sock:[::1]:80": "/tmp/a.sock -> [::1]:80",
    "/tmp/a.sock:/tmp/b.sock": "/tmp/a.sock -> /tmp/b.sock",
    "/tmp/a\\:b:/tmp/c\\\\d": "/tmp/a:b -> /tmp/c\\d",
    "5353:h:53/udp": "localhost:5353 -> h:53/udp",
    "*:5353:[2001:db8::1]:53/udp": "*:5353 -> [2001:db8::1]:53/udp",
  };
  for (const [text, want] of Object.entries(cases)) {
    assert.equal(shown(parseLocalForward(text)), want, text);
    assert.equal(shown(parseRemoteForward(text)), want, text);
  }
});

Deno.test("only an address that was given is one that the other end is asked for", () => {
  assert.deepEqual(parseRemoteForward("80:h:1"), {
    kind: "remote",
    listen: { host: null, port: 80 },
    to: { host: "h", port: 1 },
    protocol: "tcp",
  });
  assert.deepEqual(parseRemoteForward("*:80:h:1").listen, { host: "", port: 80 });
  assert.deepEqual(parseRemoteForward("localhost:80").listen, { host: "127.0.0.1", port: 80 });
  assert.deepEqual(parseLocalForward("localhost:80:h:1").listen, { host: null, port: 80 });
  assert.deepEqual(parseLocalForward("80:h:1/udp").protocol, "udp");
});

Deno.test("-D, and -R without a target, are for SOCKS and HTTP", () => {
  const cases = {
    "1080": "localhost:1080",
    "0": "localhost:0",
    ":1080": "*:1080",
    "*:1080": "*:1080",
    "127.0.0.1:1080": "127.0.0.1:1080",
    "[::1]:1080": "[::1]:1080",
    "/tmp/socks.sock": "/tmp/socks.sock",
  };
  for (const [text, want] of Object.entries(cases)) {
    assert.equal(shown(parseDynamicForward(text)), `${want} -> SOCKS and HTTP`);
    assert.equal(shown(parseRemoteForward(text)), `${want} -> SOCKS and HTTP`);
  }
});

Deno.test("-W takes ssh's %h:%p, for IPv6 as well, and a path", () => {
  assert.deepEqual(parseStdioForward("Example.org:22"), { host: "example.org", port: 22 });
  assert.deepEqual(parseStdioForward("[2001:DB8::1]:22"), { host: "2001:db8::1", port: 22 });
  assert.deepEqual(parseStdioForward("2001:db8::1:22"), { host: "2001:db8::1", port: 22 });
  assert.deepEqual(parseStdioForward("/run/a:b.sock"), { path: "/run/a:b.sock" });
  for (const text of ["", "host", "host:", ":22", "host:0", "host:65536", "a b:1", "::1"]) {
    refuses(parseStdioForward, text, /^Cannot read -W .*write HOST:PORT/);
  }
  refuses(parseStdioForward, "/run/", /slash/);
});

Deno.test("a fault is told in a sentence, with the form that is right", () => {
  refuses(parseLocalForward, "8080", /no target; write it as .*8080:example\.org:80/);
  refuses(parseLocalForward, "h:80", /no target/);
  refuses(parseLocalForward, "", /no target/);
  refuses(parseLocalForward, "/a.sock:h", /no target/);
  refuses(parseLocalForward, "8080:2001:db8::1:80", /too many parts .*brackets/);
  refuses(parseLocalForward, "a:b:c:d:e", /too many parts/);
  refuses(parseLocalForward, "/a.sock:80:h:80", /no address to listen on/);
  refuses(parseLocalForward, "1:80:/a.sock:h:80", /too many parts/);
  refuses(parseLocalForward, "http:h:80", /"http" is not a port from 0 to 65535/);
  refuses(parseLocalForward, "65536:h:80", /not a port/);
  refuses(parseLocalForward, "80:h:0", /"0" is not a port from 1 to 65535/);
  refuses(parseLocalForward, "80:h:", /"" is not a port/);
  refuses(parseLocalForward, "[80]:h:80", /"80" is not a port/);
  refuses(parseLocalForward, "host:80:h:80", /"host" is no address to listen on/);
  refuses(parseLocalForward, "[::1:80:h:80", /bracket/);
  refuses(parseLocalForward, "[::1]80:h:80", /bracket/);
  refuses(parseLocalForward, "[127.0.0.1]:80:h:80", /brackets is not an IPv6 address/);
  refuses(parseLocalForward, "80:[h]:80", /brackets is not an IPv6 address/);
  refuses(parseLocalForward, "80:[fe80::1%eth0]:80", /brackets is not an IPv6 address/);
  refuses(parseLocalForward, "[fe80::1]:80:h:80", /link-local/);
  refuses(parseLocalForward, "80:é:80", /xn--/);
  refuses(parseLocalForward, "80::80", /there is no host/);
  refuses(parseLocalForward, "80:127.1:80", /neither a name nor an IP address/);
  refuses(parseLocalForward, `80:/${"x".repeat(107)}`, /at most 107 bytes/);
  refuses(parseLocalForward, "80:/a\0b", /NUL/);
  refuses(parseLocalForward, "80:/tmp/", /slash/);
  refuses(parseLocalForward, "53:h:53/sctp", /nothing may follow/);
  refuses(parseLocalForward, "/a.sock:h:53/udp", /needs a port to listen on/);
  refuses(parseRemoteForward, "53/udp", /needs a port to listen on/);
  refuses(parseDynamicForward, "1080/udp", /nothing may follow/);
  refuses(parseDynamicForward, "1080:h:80", /too many parts/);
  refuses(parseDynamicForward, "socks", /not a port/);
  refuses(parseDynamicForward, "/a:/b", /no address to listen on/);
});

Deno.test("whatever is given is read, or refused as a fault of usage", () => {
  const piece = fc.oneof(
    fc.constantFrom(":", "[", "]", "/", "\\", "*", "/udp", "::1", "80", "h", "%", "\0", "é", ""),
    fc.string(),
  );
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
  const parsers = [parseLocalForward, parseRemoteForward, parseDynamicForward, parseStdioForward];
  fc.assert(
    fc.property(text, fc.constantFrom(...parsers), (given, parse) => {
      try {
        const read = parse(given);
        assert.deepEqual(structuredClone(read), read);
      } catch (error) {
        assert.ok(error instanceof TtunError && error.kind === "usage", String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("a forward that is written from its parts is read as them", () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  const name = fc.constantFrom("h", "example.org", "a_b.c", "xn--bcher-kva.example");
  const path = fc.stringMatching(/^\/[a-z:\\]{1,20}$/).filter((text) => !text.endsWith("/"));
  const escaped = (text: string) => text.replace(/[:\\]/g, "\\$&");
  const bind = fc.option(fc.constantFrom("*", "127.0.0.1", "[::1]"), { nil: undefined });
  const listen = fc.oneof(
    path.map((path) => ({ text: escaped(path), want: path })),
    fc.record({ bind, port }).map(({ bind, port }) => ({
      text: bind === undefined ? `${port}` : `${bind}:${port}`,
      want: `${bind ?? "localhost"}:${port}`,
    })),
  );
  const to = fc.oneof(
    path.map((path) => ({ text: escaped(path), want: path })),
    fc.record({ host: fc.oneof(name, fc.constant("[2001:db8::7]")), port }).map((
      { host, port },
    ) => ({ text: `${host}:${port}`, want: `${host}:${port}` })),
  );
  fc.assert(fc.property(listen, to, (listen, to) => {
    const text = `${listen.text}:${to.text}`;
    assert.equal(shown(parseLocalForward(text)), `${listen.want} -> ${to.want}`);
    assert.equal(shown(parseRemoteForward(text)), `${listen.want} -> ${to.want}`);
  }));
});
