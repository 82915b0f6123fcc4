import assert from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import { MinutePorts } from "../../src/core/hop/minute_ports.ts";
import { test } from "../check.ts";
import { ENV, LOOPBACK, PERMIT, portsOf, spawnTtun } from "./forward_pair.ts";
import { captureHops } from "./hop_capture.ts";
import { fastClock } from "./other_clock.ts";
import { endWell, expectCleanLog, run } from "./proxy_pair.ts";
import { hashOfBulk, serveWeb } from "./proxy_web.ts";

/** Both ends' clocks run so much faster: a minute takes 8.6 s. */
const SPEED = 7;
const RANGE = { first: 20_000, last: 30_000 };
const URL = `hop://${LOOPBACK}?range=${RANGE.first}-${RANGE.last}`;

const BYTES_PER_SECOND = 2_000_000;
const SECONDS = 47;
const SIZE = BYTES_PER_SECOND * SECONDS;

test("a download crosses five changes of the port, byte for byte, and leaves each port behind", async () => {
  await using web = serveWeb();
  using ports = new MinutePorts(utf8(ENV.TTUN_KEY), RANGE);
  const clock = fastClock(SPEED);
  await using stack = new AsyncDisposableStack();
  const start = (...args: string[]) =>
    stack.adopt(spawnTtun(args, { env: clock.environment() }), endWell);
  const server = start("server", "--no-tun", "-l", URL, ...PERMIT);
  await server.waitFor(/ listening; /);
  const client = start("client", "-s", URL, "-L", `0:${web.at}`);
  await client.waitFor(/ authenticated /);
  await using capture = await captureHops(RANGE);
  const download = `curl -sS --limit-rate ${BYTES_PER_SECOND} "$0" | sha256sum`;
  const url = `http://${LOOPBACK}:${portsOf(client)[0]}/bulk/${SIZE}`;
  const { stdout, stderr } = await run("sh", ["-c", download, url], { timeoutMs: 2000 * SECONDS });
  assert.equal(stdout, `${hashOfBulk(SIZE)}  -\n`, stderr + client.output + server.output);
  const changes = capture.check(ports, { clock: (ms) => clock.at(ms), atLeast: SIZE / 4 });
  assert.ok(changes >= 5, `${changes} changes`);
  for (const end of [server, client]) expectCleanLog(end);
});
