import assert from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import { MinutePorts } from "../../src/core/hop/minute_ports.ts";
import { test } from "../check.ts";
import { type Host, type Process, twoHosts } from "../netns.ts";
import { captureHops } from "./hop_capture.ts";
import { type FastClock, fastClock } from "./other_clock.ts";
import { makeFolder } from "./proxy_files.ts";
import { expectCleanLog } from "./proxy_pair.ts";
import { hashOfBulk, writeBulk } from "./proxy_web.ts";
import { ENV, INNER, KEY, NO_WARM_UP, pause, ttunCommand } from "./tunnel.ts";

/** Both ends' clocks run so much faster: a minute takes 8.6 s. */
const SPEED = 7;
const SECONDS = 19;
const BYTES_PER_SECOND = 2_000_000;
const SIZE = BYTES_PER_SECOND * SECONDS;
const RANGE = { first: 20_000, last: 25_000 };

const PINGS = 4000;
const PING_SECONDS = 0.004;

/** Pings that a busy machine may lose for reasons of its own. */
const MOST_LOST = PINGS / 100;

/** A machine stood still for what these clocks count as 15 s. */
const STALLED = /no sign of life/;

function start(host: Host, clock: FastClock, ...args: string[]): Process {
  const [command, rest] = ttunCommand(...args, "-v", NO_WARM_UP);
  return host.spawn(command, rest, { env: { ...ENV, ...clock.environment() } });
}

interface Crossing {
  /** Options of both ends. */
  readonly server?: readonly string[];
  readonly client?: readonly string[];
  /** Downloads more, beside the one by the device. */
  readonly also?: string;
  /** Happens at the client meanwhile; pings may be lost then. */
  readonly meanwhile?: (client: Host) => Promise<void>;
}

async function cross(what: string, o: Crossing): Promise<void> {
  using ports = new MinutePorts(utf8(KEY), RANGE);
  const clock = fastClock(SPEED);
  const range = `range=${RANGE.first}-${RANGE.last}`;
  await using hosts = await twoHosts();
  const { server, client } = hosts;
  await using folder = await makeFolder();
  await writeBulk(`${folder.path}/bulk`, SIZE);
  await using listening = start(
    server,
    clock,
    "server",
    "-l",
    `hop://?${range}`,
    ...o.server ?? [],
  );
  await listening.waitFor(/ listening; /);
  const at = `hop://192.0.2.1?${range}`;
  await using connected = start(client, clock, "client", "-s", at, ...o.client ?? []);
  await connected.waitFor(/ authenticated /);
  const serve = ["-u", "-m", "http.server", "-b", "0.0.0.0", "8080"];
  await using web = server.spawn("python3", serve, { cwd: folder.path });
  await web.waitFor(/Serving HTTP/);
  const spawn = (command: string, args: string[] = []) => server.spawn(command, args);
  await using capture = await captureHops(RANGE, { spawn, ifname: "veth0" });
  const pings = ["-c", `${PINGS}`, "-i", `${PING_SECONDS}`, "-w", `${SECONDS + 10}`, INNER.server4];
  await using pinging = client.spawn("ping", ["-q", ...pings]);
  const download = (url: string) =>
    client.spawn("sh", ["-c", `curl -sS --limit-rate ${BYTES_PER_SECOND} ${url} | sha256sum`]);
  await using first = download(`http://${INNER.server4}:8080/bulk`);
  await using second = o.also === undefined ? null : download(o.also);
  await o.meanwhile?.(client);
  for (const one of second === null ? [first] : [first, second]) {
    await one.status;
    assert.equal(one.stdout, `${hashOfBulk(SIZE)}  -\n`, `${what}: ${one.stderr}`);
  }
  await pinging.status;
  const said = `${what}: ${pinging.stdout}${connected.output}${listening.output}`;
  const received = Number(/ (\d+) received/.exec(pinging.stdout)?.[1]);
  const isSmooth = o.meanwhile === undefined && !STALLED.test(connected.output + listening.output);
  assert.ok(PINGS - received <= (isSmooth ? MOST_LOST : PINGS / 2), said);
  const changes = capture.check(ports, { clock: (ms) => clock.at(ms), atLeast: SIZE / 4 });
  assert.ok(changes >= 2, `${changes} changes`);
  if (isSmooth) {
    assert.equal(connected.output.match(/ authenticated /g)!.length, 1, said);
    assert.ok(connected.output.match(/ session goes on /g)!.length >= changes - 1, said);
  }
  for (const end of [connected, listening]) expectCleanLog(end); // its clock gives it no time to end
}

test("a device's packets, alone and beside forwards, cross changes of the server's port and of the client's address", async () => {
  await Promise.all([
    cross("alone", {}),
    cross("beside a forward", {
      server: ["--permit-open", "127.0.0.1:8080"],
      client: ["--tun", "-L", "9000:127.0.0.1:8080"],
      also: "http://127.0.0.1:9000/bulk",
      meanwhile: async (client) => {
        await pause(1000 * SECONDS / 2);
        await client.sh(`
          ip addr add 192.0.2.3/24 dev veth0
          ip addr del 192.0.2.2/24 dev veth0
          ip addr add 192.0.2.3/24 dev veth0 || true`);
      },
    }),
  ]);
});
