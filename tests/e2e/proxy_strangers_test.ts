import assert from "node:assert/strict";
import { test } from "../check.ts";
import {
  endWell,
  LOOPBACK,
  portOf,
  type Process,
  run,
  startClient,
  startServer,
} from "./proxy_pair.ts";
import { BETWEEN, recordBetween, type Recorded } from "./proxy_recorder.ts";
import { readToEnd, writeAll } from "./proxy_socks.ts";
import { serveWeb, type Web } from "./proxy_web.ts";

const PORT = 20_600;
const RANGE = `${PORT}-${PORT}`;

/** Bytes that are no client's, by what they are. */
function strangers(): [string, Uint8Array][] {
  const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
  const hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, ...random(506)];
  return [
    ...[0, 1, 2, 33, 600, 20_000].map((size): [string, Uint8Array] => [
      `${size} random bytes`,
      random(size),
    ]),
    ["HTTP", new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: ${LOOPBACK}\r\n\r\n`)],
    ["TLS", new Uint8Array(hello)],
    ["SOCKS5 in clear", new Uint8Array([5, 1, 0])],
  ];
}

interface Met {
  readonly what: string;
  readonly bytes: number;
  readonly end: string;
  readonly seconds: number;
}

/** Sends these bytes on a new connection: its answer, and how and when it ends. */
async function probe([what, sent]: [string, Uint8Array]): Promise<Met> {
  const began = performance.now();
  using conn = await Deno.connect({ hostname: LOOPBACK, port: PORT });
  await writeAll(conn, sent);
  const { bytes, end } = await readToEnd(conn);
  return { what, bytes, end, seconds: (performance.now() - began) / 1000 };
}

test("strangers hear nothing, and are hung up on after 10 to 30 s, whoever they are", async () => {
  await using web = serveWeb();
  await using between = recordBetween(PORT);
  await using stack = new AsyncDisposableStack();
  const server = stack.adopt(await startServer({ range: RANGE }), endWell);
  const args = ["-s", BETWEEN, "--wire", "v1"];
  const client = stack.adopt(await startClient({ range: RANGE, args }), endWell);
  const key = ["-k", "another key than the server's"];
  const wrong = stack.adopt(await startClient({ range: RANGE, args: key }), endWell);
  await recordThree(client, web, between.connections);
  {
    const args = ["-s", BETWEEN, "--wire", "v2"];
    await using newer = await startClient({ range: RANGE, args });
    assert.equal(await load(newer, `http://${web.at}/hello`), "hello\n");
  }
  const recorded = replays(between.connections);
  assert.equal(recorded.length, 4 * 3);
  const [answer, met] = await Promise.all([
    load(wrong, `http://${web.at}/hello`),
    Promise.all([...strangers(), ...recorded].map(probe)),
  ]);
  for (const { what, bytes, end, seconds } of met) {
    assert.deepEqual({ what, bytes, end }, { what, bytes: 0, end: "fin" });
    assert(seconds > 9.5 && seconds < 32, `${what}: ${seconds} s`);
  }
  const seconds = met.map(({ seconds }) => seconds);
  assert(Math.max(...seconds) - Math.min(...seconds) > 2, "the time of the end is random");
  assert.equal(web.seen.length, 3, "nothing that was recorded asks for anything again");
  assert.match(server.output, /connection rejected .*not new/);
  assert.match(server.output, /connection rejected .*a stranger/);
  // A client with another key is a stranger too; its own end says what may be wrong.
  assert.match(answer, /no connection to the proxy.s server/);
  assert.match(wrong.output, /no way to the server .*another key/);
});

async function load(client: Process, url: string): Promise<string> {
  const args = ["-sS", "--max-time", "25", "-x", `http://${LOOPBACK}:${portOf(client)}`, url];
  const { stdout, stderr } = await run("curl", args);
  return stdout + stderr;
}

/** Records a client's first question to its server and two connections. */
async function recordThree(
  client: Process,
  web: Web,
  connections: readonly Recorded[],
): Promise<void> {
  // Both wait for each other, or the second would go over the connection of the first.
  const loads = [1, 2].map(() => load(client, `http://${web.at}/pair`));
  assert.deepEqual(await Promise.all(loads), ["hello\n", "hello\n"]);
  assert.equal(connections.length, 3);
  for (const { up, down } of connections) {
    const seen = new TextDecoder("latin1").decode(up) + new TextDecoder("latin1").decode(down);
    assert.doesNotMatch(seen, /hello|GET|HTTP|Host/);
  }
}

/** Each connection whole, its first 64 bytes, and the answer. */
function replays(connections: readonly Recorded[]): [string, Uint8Array][] {
  for (const { up, down } of connections) assert.ok(up.length > 30 && down.length > 0);
  return connections.flatMap(({ up, down }, i): [string, Uint8Array][] => [
    [`recorded connection ${i + 1}`, up],
    [`the first 64 bytes of recorded connection ${i + 1}`, up.subarray(0, 64)],
    [`the server's answer on connection ${i + 1}`, down],
  ]);
}
