import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Host, type Process, twoHosts } from "../netns.ts";
import { Capture } from "./capture.ts";
import type { Judged } from "./checksums.ts";
import { fourHosts, LEFT, RIGHT } from "./four_hosts.ts";
import { HAS_UDP_OFFLOAD } from "./gso_socket.ts";
import { OldTtun } from "./old_ttun.ts";
import { INNER, openTunnel, pingUntil, SERVER, startServer, startTtun } from "./tunnel.ts";

const BULK = new URL("./bulk.ts", import.meta.url).pathname;
const GSO_FLOOD = new URL("./gso_flood.ts", import.meta.url).pathname;
const MTU = 1280;
/** For what only has to happen: a transfer on a busy machine, TCP's next try after a long outage. */
const PATIENCE_MS = 60_000;
/** Log of an end if both ends can. */
const OFFLOAD = HAS_UDP_OFFLOAD ? /offload=tcp,udp\b/ : /offload=tcp\b/;
/** Deno asks the net whether there is a newer one: what no test sends no test shall see. */
const QUIET = { DENO_NO_UPDATE_CHECK: "1" };

function startAnswerer(host: Host): Process {
  return host.spawn(Deno.execPath(), ["run", "-A", BULK, "answer"], { env: QUIET });
}

/** Random bytes by TCP and bursts of UDP to each address and back; fails when a byte is wrong. */
async function bulk(
  from: Host,
  answerer: Process,
  amount: { bytes: number; bursts: number },
  ...to: string[]
): Promise<void> {
  const args = ["run", "-A", BULK, "ask", `${amount.bytes}`, `${amount.bursts}`, ...to];
  const limits = { env: QUIET, timeoutMs: PATIENCE_MS };
  const { stdout, stderr } = await from.run(Deno.execPath(), args, limits);
  assert.equal(stdout, "done\n", `${stderr}\nThe other end: ${answerer.output}`);
}

const isSuper = ({ length }: Judged) => length > MTU;

/** How many packets there are of each flow; there must be `flows` of at `least` so many. */
function assertFlows(packets: Judged[], flows: number, least: number, where: string): void {
  const counts = new Map<string, number>();
  for (const { flow } of packets) counts.set(flow, (counts.get(flow) ?? 0) + 1);
  const told = `${where}: ${JSON.stringify([...counts])}`;
  assert(counts.size === flows && [...counts.values()].every((count) => count >= least), told);
}

/** All are whole and right. */
function assertWhole(packets: Judged[], where: string): void {
  for (const { flow, checksum, length } of packets) {
    assert.equal(checksum, "right", `${where}: ${flow}, ${length} bytes`);
    assert(length <= MTU, `${where}: ${flow}, ${length} bytes`);
  }
}

/** TCP and UDP, in IPv4 and in IPv6. */
const ONE_WAY = 4;

/** Behind the ends every packet must be whole; what a host itself sends is not looked at. */
const WHOLE = { incoming: true, longest: 2000 };
const ANY = { longest: 66_000 };

const routes = (to: typeof LEFT) => to.routes.flatMap((route) => ["--route", route]);

/** Checks the packets at the device between both ends: super-packets if the peer takes them. */
function assertCarried(packets: Judged[], offload: boolean, where: string): void {
  assertFlows(packets, 2 * ONE_WAY, 3, where);
  if (!offload) return assertWhole(packets, where);
  for (const { flow, checksum, length } of packets) {
    assert.notEqual(checksum, "wrong", `${where}: ${flow}, ${length} bytes`);
  }
  const long = packets.filter(isSuper);
  assertFlows(long, HAS_UDP_OFFLOAD ? 2 * ONE_WAY : ONE_WAY, 3, `${where}, super-packets`);
}

/** tcpdump's own opinion. */
function assertTcpdumpAgrees(text: string, where: string): void {
  const bad = text.split("\n").filter((line) => /incorrect|bad (udp )?cksum/.test(line));
  assert.deepEqual(bad, [], where);
  assert((text.match(/cksum 0x[0-9a-f]+ \(correct\)/g)?.length ?? 0) > 100, `${where}: TCP`);
  assert((text.match(/\[udp sum ok\]/g)?.length ?? 0) > 100, `${where}: UDP`);
}

test("no peer after another makes a wrong checksum or too long a packet", async () => {
  await using hosts = await fourHosts();
  const { server, client, left, right } = hosts;
  await using serverProcess = await startServer(server, ...routes(LEFT));
  await using answerer = startAnswerer(right);
  await answerer.waitFor(/ready/);
  await using old = await OldTtun.unpack();
  const start = (...args: string[]) =>
    startTtun(client, "client", "-v", "-s", SERVER, ...routes(RIGHT), ...args);
  const peers: [name: string, offload: boolean, start: () => Process][] = [
    ["version 2 with offload", true, () => start()],
    ["version 1", false, () => start("--wire", "v1")],
    ["version 2 without offload", false, () => start("--offload", "off")],
    ["version 2 with offload again", true, () => start()],
  ];
  if (old !== null) {
    peers.push(["an old ttun", false, () => old.startClient(client, ...routes(RIGHT))]);
  }
  for (const [name, offload, start] of peers) {
    const from = serverProcess.lineCount;
    await using stack = new AsyncDisposableStack();
    const process = stack.use(start());
    const [atLeft, atRight, between] = (await Promise.all([
      Capture.start(left, "eth0", WHOLE),
      Capture.start(right, "eth0", WHOLE),
      Capture.start(server, "ttun0", ANY),
    ])).map((capture) => stack.use(capture)) as [Capture, Capture, Capture];
    await process.waitFor(/authenticated/);
    const [said] = await serverProcess.waitFor(/ authenticated .*/, 5000, from);
    assert.match(said, offload ? OFFLOAD : /offload=off/, name);
    await bulk(left, answerer, { bytes: 300_000, bursts: 8 }, RIGHT.v4, RIGHT.v6);
    await Promise.all([atLeft, atRight, between].map((capture) => capture.stop()));
    assertCarried(await between.packets(), offload, `${name}, ttun0`);
    for (const [where, capture] of [["left", atLeft], ["right", atRight]] as const) {
      const packets = await capture.packets();
      assertFlows(packets, ONE_WAY, 50, `${name}, ${where}`);
      assertWhole(packets, `${name}, ${where}`);
      assertTcpdumpAgrees(await capture.text(), `${name}, ${where}`);
    }
  }
});

for (const server of ["auto", "off"]) {
  for (const client of ["auto", "off"]) {
    test(`20 MB each way come unchanged: --offload ${server}, ${client}`, async () => {
      await using t = await openTunnel([], {
        server: ["--offload", server],
        client: ["--offload", client],
      });
      const said = server === "auto" && client === "auto" ? OFFLOAD : /offload=off/;
      for (const end of [t.serverProcess, t.clientProcess]) {
        const [line] = await end.waitFor(/ authenticated .*/);
        assert.match(line, said);
      }
      await using answerer = startAnswerer(t.server);
      await answerer.waitFor(/ready/);
      await bulk(
        t.client,
        answerer,
        { bytes: 20_000_000, bursts: 20 },
        INNER.server4,
        INNER.server6,
      );
    });
  }
}

/** First packets over a new session. A super-packet is one packet: there are fewer of them. */
const FIRST = { v1: { ...WHOLE, most: 1000 }, v2: { ...WHOLE, most: 300 } };

test("peers that take super-packets and peers that do not follow each other in a flood", async () => {
  await using hosts = await twoHosts();
  const { server, client } = hosts;
  // It stays when a client ends, so that each client's first packet can be seen.
  await client.sh("ip tuntap add dev ttun9 mode tun; ip link set ttun9 up");
  await using serverProcess = await startServer(server);
  await using listener = client.spawn("iperf3", ["-s", "--forceflush"]);
  await listener.waitFor(/listening/i);
  const check = async (capture: Capture, wire: "v1" | "v2", canBeSuper: boolean, where: string) => {
    await capture.filled(PATIENCE_MS);
    const packets = await capture.packets();
    if (wire === "v1") assertWhole(packets, where);
    else if (canBeSuper) assert(packets.some(isSuper), where);
  };
  let flood = await startFlood(server, INNER.client4);
  const wires = ["v2", "v1", "v2", "v1"] as const;
  for (const [i, wire] of wires.entries()) {
    await using stack = new AsyncDisposableStack();
    const [tcp, udp] = (await Promise.all(["tcp", "udp"].map(async (filter) => {
      return stack.use(await Capture.start(client, "ttun9", { ...FIRST[wire], filter }));
    }))) as [Capture, Capture];
    const args = ["client", "-v", "-s", SERVER, "--wire", wire, "--device", "ttun9"];
    const process = stack.use(startTtun(client, ...args));
    await process.waitFor(/authenticated/);
    await check(udp, wire, HAS_UDP_OFFLOAD, `session ${i}, UDP`);
    await flood[Symbol.asyncDispose]();
    await pingUntil(client, INNER.server4, PATIENCE_MS);
    if (i === 0) server.spawn("iperf3", ["-c", INNER.client4, "-t", "3600"]); // till the end
    await check(tcp, wire, true, `session ${i}, TCP`);
    flood = await startFlood(server, INNER.client4);
    process.signal("SIGTERM");
    assert.equal((await process.status).code, 0, process.output);
    assert.equal(process.output.match(/ authenticated /g)?.length, 1);
    assert.doesNotMatch(process.output, / (warn|error) /);
  }
  assert.equal(serverProcess.output.match(/ authenticated /g)?.length, wires.length);
  const complaints = serverProcess.output.split("\n").filter((line) =>
    / (warn|error) /.test(line) && !/it was reset|version 1 of the wire/.test(line)
  );
  assert.deepEqual(complaints, []);
});

async function startFlood(from: Host, to: string): Promise<Process> {
  const flood = from.spawn(Deno.execPath(), ["run", "-A", GSO_FLOOD, to], { env: QUIET });
  await flood.waitFor(/flooding/);
  return flood;
}
