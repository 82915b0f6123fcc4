import { equal } from "node:assert/strict";
import { test } from "../check.ts";
import { type Host, type Process, twoHosts } from "../netns.ts";
import { end, OwnEtc } from "./own_etc.ts";
import { pause, startServer } from "./tunnel.ts";

/** Answers every question for an IPv4 address with 192.0.2.1, and prints the names. */
const NAME_SERVER = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 53))
print("ready", flush=True)
while True:
  q, peer = s.recvfrom(512)
  end = q.index(0, 12) + 5; labels = []; at = 12
  while q[at]: labels.append(q[at + 1:at + 1 + q[at]].decode()); at += 1 + q[at]
  is4 = q[end - 4:end - 2] == bytes([0, 1])
  print("asked:", ".".join(labels).lower(), flush=True)
  answer = bytes([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1]) if is4 else b""
  counts = bytes([0, 1, 0, 1 if is4 else 0, 0, 0, 0, 0])
  s.sendto(q[:2] + bytes([0x81, 0x80]) + counts + q[12:end] + answer, peer)`;

async function startNameServer(host: Host, address: string): Promise<Process> {
  const process = host.spawn("python3", ["-c", NAME_SERVER, address]);
  await process.waitFor(/ready/);
  return process;
}

const countOf = (asked: Process, name: string) =>
  asked.output.split("\n").filter((line) => line === `asked: ${name}`).length;

test("--dns: programs ask inside the tunnel, and ttun asks the former name server for its server", async () => {
  await using hosts = await twoHosts();
  const { server, client } = hosts;
  await server.sh("ip addr add 192.0.2.53/32 dev lo");
  await using outside = await startNameServer(server, "192.0.2.53");
  const first = await startServer(server);
  await using inside = await startNameServer(server, "10.1.1.1");
  await using own = await OwnEtc.make(client);
  await Deno.writeTextFile(`${own.etc}/nsswitch.conf`, "hosts: files dns\n");
  const at = ["-s", "server.example:20203"];
  await using ttun = await own.client(...at, "--dns", "10.1.1.1");
  equal((await own.output("getent", "ahostsv4", "www.example")).split(" ")[0], "192.0.2.1");
  await inside.waitFor(/asked: www\.example/);
  equal(countOf(outside, "www.example"), 0);
  const before = countOf(outside, "server.example");
  await end(first);
  await pause(2_000); // an answer is kept for a while
  await using _second = await startServer(server);
  await ttun.waitFor(/authenticated[^]*authenticated/);
  equal(countOf(inside, "server.example"), 0);
  equal(countOf(outside, "server.example") > before, true, ttun.output);
});
