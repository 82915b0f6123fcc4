import assert from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import type { PortRange } from "../../src/base/port_range.ts";
import { MinutePorts } from "../../src/core/hop/minute_ports.ts";
import { test } from "../check.ts";
import { ENV, LOOPBACK, PERMIT, portsOf, spawnTtun } from "./forward_pair.ts";
import { captureHops } from "./hop_capture.ts";
import { fastClock } from "./other_clock.ts";
import { endWell, expectCleanLog, portOf, type Process, run } from "./proxy_pair.ts";
import { hashOfBulk, serveWeb, type Web } from "./proxy_web.ts";

/** Both ends' clocks run so much faster: a minute takes 8.6 s. */
const SPEED = 7;
const BYTES_PER_SECOND = 2_000_000;
const SECONDS = 47;
const SIZE = BYTES_PER_SECOND * SECONDS;

/** Two ends whose client gets a file of a web server through them. */
interface Crossing {
  readonly range: PortRange;
  readonly server: readonly string[];
  readonly client: (web: string) => readonly string[];
  /** Options of curl, and the URL. */
  readonly curl: (client: Process, web: string) => readonly string[];
}

const WAYS: Record<string, Crossing> = {
  "a forward": {
    range: { first: 20_000, last: 25_000 },
    server: ["server", "--no-tun", "-l", `hop://${LOOPBACK}?range=20000-25000`, ...PERMIT],
    client: (web) => ["client", "-s", `hop://${LOOPBACK}?range=20000-25000`, "-L", `0:${web}`],
    curl: (client) => [`http://${LOOPBACK}:${portsOf(client)[0]}`],
  },
  "the proxy": {
    range: { first: 25_001, last: 30_000 },
    server: ["proxy", "server", "-l", LOOPBACK, "-r", "25001-30000", ...PERMIT],
    client: () => ["proxy", "client", "-s", LOOPBACK, "-l", `${LOOPBACK}:0`, "-r", "25001-30000"],
    curl: (client, web) => ["-x", `socks5h://${LOOPBACK}:${portOf(client)}`, `http://${web}`],
  },
};

test("downloads by a forward and by the proxy cross five changes of the port, byte for byte, and leave each port behind", async () => {
  await using web = serveWeb();
  await Promise.all(Object.entries(WAYS).map((way) => cross(web, ...way)));
});

async function cross(web: Web, what: string, way: Crossing): Promise<void> {
  using ports = new MinutePorts(utf8(ENV.TTUN_KEY), way.range);
  const clock = fastClock(SPEED);
  await using stack = new AsyncDisposableStack();
  const start = (args: readonly string[]) =>
    stack.adopt(spawnTtun(args, { env: clock.environment() }), endWell);
  const server = start(way.server);
  await server.waitFor(/ listening; /);
  const client = start(way.client(web.at));
  await client.waitFor(/ authenticated /);
  await using capture = await captureHops(way.range);
  const [url, ...options] = way.curl(client, web.at).toReversed();
  const download = `curl -sS --limit-rate ${BYTES_PER_SECOND} "$@" | sha256sum`;
  const args = ["-c", download, "sh", ...options.toReversed(), `${url}/bulk/${SIZE}`];
  const { stdout, stderr } = await run("sh", args, { timeoutMs: 2000 * SECONDS });
  const said = `${what}: ${stderr}${client.output}${server.output}`;
  assert.equal(stdout, `${hashOfBulk(SIZE)}  -\n`, said);
  const changes = capture.check(ports, { clock: (ms) => clock.at(ms), atLeast: SIZE / 4 });
  assert.ok(changes >= 5, `${what}: ${changes} changes`);
  for (const end of [server, client]) expectCleanLog(end);
}
