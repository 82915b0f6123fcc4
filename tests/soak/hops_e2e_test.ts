import assert from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import { minuteOf } from "../../src/core/hop/minute.ts";
import { MinutePorts } from "../../src/core/hop/minute_ports.ts";
import { test } from "../check.ts";
import { LOOPBACK, PERMIT, spawnTtun } from "../e2e/forward_pair.ts";
import { captureHops, changesAt } from "../e2e/hop_capture.ts";
import { endWell, expectCleanLog, portOf, run } from "../e2e/proxy_pair.ts";
import { hashOfBulk, serveWeb } from "../e2e/proxy_web.ts";

/** The last port of a range is never used, so these are three. */
const RANGE = { first: 20_700, last: 20_703 };
const PORTS = ["-r", `${RANGE.first}-${RANGE.last}`];
const SIZE = 2 * 1024 ** 3;

/** The port changes so often in the next minutes; chance alone gives fewer. */
const CHANGES = 5;
const MINUTES = 6;

/** Nearly seven minutes at curl's 5M; twice that is too long. */
const MOST_MS = 14 * 60_000;

test("a download of 2 GB through the proxy over three ports goes on from minute to minute, and leaves each port", async () => {
  await using web = serveWeb();
  const key = lucky(minuteOf(Date.now()));
  const env = { TTUN_KEY: key };
  using ports = new MinutePorts(utf8(key), RANGE);
  await using stack = new AsyncDisposableStack();
  const server = stack.adopt(
    spawnTtun(["proxy", "server", "-l", LOOPBACK, ...PORTS, ...PERMIT], { env }),
    endWell,
  );
  await server.waitFor(/ listening; /);
  const client = stack.adopt(
    spawnTtun(["proxy", "client", "-s", LOOPBACK, "-l", `${LOOPBACK}:0`, ...PORTS], { env }),
    endWell,
  );
  await client.waitFor(/ authenticated /);
  await using capture = await captureHops(RANGE);
  const url = `http://${web.at}/bulk/${SIZE}`;
  const download = 'curl -sS --limit-rate 5M -x "$0" "$1" | sha256sum';
  const proxy = `socks5h://${LOOPBACK}:${portOf(client)}`;
  const { stdout, stderr } = await run("sh", ["-c", download, proxy, url], { timeoutMs: MOST_MS });
  assert.equal(stdout, `${hashOfBulk(SIZE)}  -\n`, stderr + client.output + server.output);
  const changes = capture.check(ports, { clock: (unixMs) => unixMs, atLeast: SIZE / 2 });
  console.log(`${changes} changes of the port:\n${client.output}`);
  for (const end of [server, client]) expectCleanLog(end);
  assert.doesNotMatch(client.output, / warn /);
  assert.ok(changes >= CHANGES, `${changes} changes`);
});

/** Returns a key under which the port changes often enough from a minute on. */
function lucky(minute: number): string {
  for (let n = 0;; n++) {
    const key = `two gigabytes over three ports, ${n}`;
    using ports = new MinutePorts(utf8(key), RANGE);
    const minutes = Array.from({ length: MINUTES }, (_, i) => minute + 1 + i);
    if (minutes.filter((one) => changesAt(ports, one)).length >= CHANGES) return key;
  }
}
