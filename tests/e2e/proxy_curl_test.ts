import assert from "node:assert/strict";
import { test } from "../check.ts";
import type { RunOptions } from "../netns.ts";
import { makeCertificate, makeFolder } from "./proxy_files.ts";
import { LOOPBACK, openPair, type Pair, run } from "./proxy_pair.ts";
import { hashOfBulk, serveWeb, writeBulk } from "./proxy_web.ts";

const MB = 1024 * 1024;
const BIG = 50 * MB;

/** The ways to use a proxy as curl names them. */
const WAYS = [
  ["-x", "socks5://"],
  ["-x", "socks5h://"],
  ["-x", "socks4://"],
  ["-x", "socks4a://"],
  ["-x", "http://"],
  ["-p", "-x", "http://"], // CONNECT
];

function curlArgs(pair: Pair, way: string[], args: string[]): string[] {
  return ["-sS", "--max-time", "25", ...way.slice(0, -1), `${way.at(-1)}${pair.proxy}`, ...args];
}

/** Runs curl and returns what it printed. @throws when it fails */
async function curl(
  pair: Pair,
  way: string[],
  args: string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await run("curl", curlArgs(pair, way, args), options);
  assert.equal(code, 0, `${stderr}\n${pair.client.output}\n${pair.server.output}`);
  return stdout;
}

/** SHA-256 of what curl loads. */
async function hashOf(pair: Pair, way: string[], url: string): Promise<string> {
  const script = 'set -o pipefail; curl "$@" | sha256sum';
  const args = ["-c", script, "bash", ...curlArgs(pair, way, ["-f", url])];
  const { code, stdout, stderr } = await run("bash", args);
  assert.equal(code, 0, stderr);
  return stdout.split(" ")[0]!;
}

for (
  const both of [
    ["-m", "chacha20-poly1305"],
    ["-m", "aes-256-gcm"],
    ["--io", "deno", "--aead", "node"],
    ["--wire", "v1"],
    ["--wire", "v1", "-m", "aes-256-gcm", "--io", "deno"],
  ]
) {
  test(`curl: every way to use a proxy, big transfers both ways: ${both.join(" ")}`, async () => {
    await using web = serveWeb();
    await using folder = await makeFolder();
    await using pair = await openPair({ both });
    const file = `${folder.path}/big`;
    await writeBulk(file, BIG);
    for (const way of WAYS) {
      assert.equal(await curl(pair, way, [`http://${web.at}/hello`]), "hello\n", way.join(" "));
    }
    for (const way of [WAYS[1]!, WAYS[4]!]) {
      assert.equal(await hashOf(pair, way, `http://${web.at}/bulk/${BIG}`), hashOfBulk(BIG));
      // A body of this size has `Expect: 100-continue`; from a pipe it is chunked as well.
      const up = await curl(pair, way, ["-T", file, `http://${web.at}/echo`]);
      assert.equal(up, `${BIG} ${hashOfBulk(BIG)}\n`);
      const { headers } = web.seen.at(-1)!;
      assert.equal(headers.get("expect"), "100-continue");
      assert.equal(headers.get("content-length"), `${BIG}`);
    }
  });
}

test("curl: several requests and hosts by one connection to the HTTP proxy", async () => {
  await using one = serveWeb();
  await using two = serveWeb();
  await using pair = await openPair();
  const urls = [one, one, two, two, one].map(({ at }) => `http://${at}/hello`);
  const printed = await curl(pair, WAYS[4]!, ["-w", "%{num_connects}\n", ...urls]);
  assert.equal(printed, "hello\n1\n" + "hello\n0\n".repeat(4));
  // A connection to a target lives as long as its host is the one that is asked for.
  assert.deepEqual([one, two].map(({ seen }) => new Set(seen.map(({ from }) => from)).size), [
    2,
    1,
  ]);
});

for (const both of [["--io", "ffi"], ["--io", "deno"], ["--wire", "v1"]]) {
  test(`curl: --eager: pages and uploads come through, and who cannot be reached hangs up: ${both.join(" ")}`, async () => {
    await using web = serveWeb();
    await using folder = await makeFolder();
    await using pair = await openPair({ both, client: ["--eager"] });
    const file = `${folder.path}/body`;
    await writeBulk(file, MB);
    for (const way of WAYS) {
      for (let i = 0; i < 3; i++) {
        assert.equal(await curl(pair, way, [`http://${web.at}/hello`]), "hello\n", way.join(" "));
      }
      const taken = await curl(pair, way, ["--data-binary", `@${file}`, `http://${web.at}/echo`]);
      assert.equal(taken, `${MB} ${hashOfBulk(MB)}\n`, way.join(" "));
    }
    const closed = ["http://127.0.0.1:1/"];
    const { code, stderr } = await run("curl", curlArgs(pair, ["-x", "socks5h://"], closed));
    assert.match(`${code}`, /^(52|55|56)$/, stderr); // an empty reply, or a reset
  });
}

test("curl: chunked uploads, HEAD, and a download that is taken up again", async () => {
  await using web = serveWeb();
  await using pair = await openPair();
  const size = 3 * MB + 7;
  await using folder = await makeFolder();
  const file = `${folder.path}/part`;
  await writeBulk(`${folder.path}/whole`, size);
  const whole = await Deno.readFile(`${folder.path}/whole`);
  for (const way of [WAYS[1]!, WAYS[4]!, WAYS[5]!]) {
    const up = await curl(pair, way, ["-T", "-", `http://${web.at}/echo`], { stdin: whole });
    assert.equal(up, `${size} ${hashOfBulk(size)}\n`);
    assert.equal(web.seen.at(-1)!.headers.get("transfer-encoding"), "chunked");
    const head = await curl(pair, way, ["-I", `http://${web.at}/bulk/${size}`]);
    assert.match(head, new RegExp(`content-length: ${size}\r\n`, "i"));
    await Deno.writeFile(file, whole.subarray(0, MB));
    await curl(pair, way, ["-C", "-", "-o", file, `http://${web.at}/bulk/${size}`]);
    assert.equal(web.seen.at(-1)!.headers.get("range"), `bytes=${MB}-`);
    assert.deepEqual(await Deno.readFile(file), whole);
  }
});

test("curl: 30 connections at once, as browsers make them", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  await using pair = await openPair();
  const size = 300_000;
  for (const way of [WAYS[1]!, WAYS[4]!, WAYS[5]!]) {
    const args = ["--parallel", "--parallel-immediate", "--parallel-max", "30"];
    const url = `http://${web.at}/bulk/${size}?[1-30]`;
    const before = web.seen.length;
    await curl(pair, way, [...args, "--no-progress-meter", "-o", `${folder.path}/#1`, url]);
    assert.equal(new Set(web.seen.slice(before).map(({ from }) => from)).size, 30);
    const { stdout } = await run("sh", ["-c", `sha256sum ${folder.path}/*`]);
    const hashes = stdout.trim().split("\n").map((line) => line.split(" ")[0]);
    assert.deepEqual(hashes, Array(30).fill(hashOfBulk(size)));
  }
});

test("curl: TLS and HTTP/2 to the target, by name", async () => {
  await using folder = await makeFolder();
  const made = await makeCertificate(folder);
  await using web = serveWeb(made);
  await using pair = await openPair();
  const size = 5 * MB;
  const trust = ["--cacert", made.certFile, "-w", "%{stderr}%{http_version}"];
  for (const way of [WAYS[0]!, WAYS[1]!, WAYS[3]!, WAYS[4]!]) {
    const url = `https://localhost:${web.port}/bulk/${size}`;
    const args = curlArgs(pair, way, [...trust, "-o", `${folder.path}/got`, url]);
    const { code, stderr } = await run("curl", args);
    assert.deepEqual([code, stderr], [0, "2"]);
    const { stdout } = await run("sha256sum", [`${folder.path}/got`]);
    assert.equal(stdout.split(" ")[0], hashOfBulk(size));
  }
});

/** Request as the target receives it, which answers with nothing but a status. */
async function rawRequest(pair: Pair, way: string[], args: string[]): Promise<string> {
  using listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const url = `http://${LOOPBACK}:${listener.addr.port}/path?query`;
  const [raw] = await Promise.all([
    (async () => {
      using conn = await listener.accept();
      let text = "";
      const buffer = new Uint8Array(4096);
      while (!text.includes("\r\n\r\n")) {
        const got = await conn.read(buffer);
        if (got === null) break;
        text += new TextDecoder().decode(buffer.subarray(0, got));
      }
      await conn.write(new TextEncoder().encode("HTTP/1.1 204 No Content\r\n\r\n"));
      return text.replaceAll(`${listener.addr.port}`, "PORT");
    })(),
    curl(pair, way, [...args, url]),
  ]);
  return raw;
}

test("a target sees the same request through the HTTP proxy as without one", async () => {
  await using pair = await openPair();
  const fields = ["-A", "agent", "-H", "Proxy-Connection: keep-alive", "-H", "X-Own: stays"];
  const expected = [
    "GET /path?query HTTP/1.1",
    `Host: ${LOOPBACK}:PORT`,
    "User-Agent: agent",
    "Accept: */*",
  ];
  assert.equal(
    await rawRequest(pair, WAYS[4]!, fields),
    [...expected, "X-Own: stays", "", ""].join("\r\n"),
  );
  assert.equal(
    await rawRequest(pair, WAYS[5]!, ["-A", "agent"]),
    [...expected, "", ""].join("\r\n"),
  );
});
