import { deepEqual, equal, match, notEqual, ok, rejects } from "node:assert/strict";
import { test } from "./check.ts";
import { cable, Host, loss, twoHosts } from "./netns.ts";

const V4 = "192.0.2.1";
const V6 = "2001:db8::1";

/** Resolves to true if one ping is answered within a second. */
async function answers(from: Host, address: string): Promise<boolean> {
  const { code, stderr } = await from.run("ping", ["-c", "1", "-W", "1", address]);
  ok(code < 2 || stderr !== "", `ping cannot run: code ${code}`);
  return code === 0;
}

async function pings(from: Host): Promise<boolean[]> {
  return await Promise.all([V4, V6].map((address) => answers(from, address)));
}

function exists(pid: number): boolean {
  try {
    Deno.readLinkSync(`/proc/${pid}/exe`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

test("netns: two hosts reach each other at once, in both families", async () => {
  await using hosts = await twoHosts();
  deepEqual(await pings(hosts.client), [true, true]);
  equal(await answers(hosts.server, "192.0.2.2"), true);
  equal(await answers(hosts.server, "2001:db8::2"), true);
  const [here, there] = [Deno.readLinkSync("/proc/self/ns/net"), hosts.server];
  notEqual(Deno.readLinkSync(`/proc/${there.pid}/ns/net`), here);
});

test("netns: a cut cable stops everything, a mended one lets it through", async () => {
  await using hosts = await twoHosts();
  await cable(hosts.server, "veth0", "down");
  deepEqual(await pings(hosts.client), [false, false]);
  await cable(hosts.server, "veth0", "up");
  deepEqual(await pings(hosts.client), [true, true]);
});

test("netns: loss takes all, some or nothing", async () => {
  await using hosts = await twoHosts();
  await loss(hosts.client, "veth0", 1);
  deepEqual(await pings(hosts.client), [false, false]);
  await loss(hosts.client, "veth0", 0.3);
  await Promise.all([V4, V6].map(async (address) => {
    const args = ["-q", "-c", "100", "-i", "0.002", "-W", "1", address];
    const { stdout } = await hosts.client.run("ping", args);
    const received = Number(/(\d+) received/.exec(stdout)?.[1]);
    ok(received > 20 && received < 80, stdout); // 0.7 × 0.7 of 100 = 49
  }));
  await loss(hosts.client, "veth0", 0);
  deepEqual(await pings(hosts.client), [true, true]);
});

test("netns: sysctls are the host's own", async () => {
  await using host = await Host.create();
  const path = "/proc/sys/net/ipv4/ip_default_ttl";
  const ours = await Deno.readTextFile(path);
  await host.sh(`echo 77 >${path}`);
  equal(await host.sh(`cat ${path}`), "77\n");
  equal(await Deno.readTextFile(path), ours);
});

test("netns: run tells code, output and a time-out, and never throws", async () => {
  await using host = await Host.create();
  const { code, stdout, stderr } = await host.run("sh", ["-c", "cat; echo $A >&2; exit 3"], {
    stdin: { text: "in" },
    env: { A: "b" },
  });
  deepEqual([code, stdout, stderr], [3, "in", "b\n"]);
  equal((await host.run("no-such-program")).code, 127);
  const late = await host.run("sleep", ["60"], { timeoutMs: 50 });
  deepEqual([late.code, late.timedOut], [137, true]);
  await rejects(host.sh("echo told; false; echo never"), /code 1:[^]*told\n$/);
});

test("netns: a process is waited for, written to, signalled", async () => {
  await using host = await Host.create();
  const script = `trap 'echo got usr1' USR1; echo ready >&2; while read l; do echo "<$l>"; done`;
  await using process = host.spawn("bash", ["-c", script], { stdin: "piped" });
  await process.waitFor(/^ready$/m);
  await process.write("one\ntwo\n");
  equal((await process.waitFor(/<(two)>/))[1], "two");
  equal(process.output, "ready\n<one>\n<two>");
  const from = process.lineCount;
  await rejects(process.waitFor(/<one>/, 50, from), /did not print \/<one>\/ in 50 ms[^]*<one>/);
  process.signal("SIGUSR1");
  await process.write("three\n");
  await process.waitFor(/usr1[^]*<three>/, 5000, from);
  await process.closeInput();
  equal((await process.status).code, 0);
  await rejects(process.waitFor(/never/), /ended \(code 0\) without printing \/never\/[^]*<one>/);
  match(process.stderr, /^ready$/m);
});

test("netns: a process that will not go is made to", async () => {
  await using host = await Host.create();
  const stubborn = host.spawn("sh", ["-c", "trap '' TERM; echo up; exec sleep 60"]);
  await stubborn.waitFor(/up/);
  const before = performance.now();
  await stubborn[Symbol.asyncDispose]();
  ok(performance.now() - before > 1500);
  equal((await stubborn.status).signal, "SIGKILL");
  equal(exists(stubborn.pid), false);
});

test("netns: nothing stays when the hosts go, also after a failure", async () => {
  const pids: number[] = [];
  const failing = async () => {
    await using hosts = await twoHosts();
    pids.push(hosts.server.pid, hosts.client.pid, hosts.client.spawn("sleep", ["60"]).pid);
    throw new Error("as tests do");
  };
  await rejects(failing, /as tests do/);
  deepEqual(pids.map(exists), [false, false, false]);
});

test("netns: a host tells of a program that was left behind on it", async () => {
  const host = await Host.create();
  const pid = Number(await host.sh("sleep 4711 >/dev/null 2>&1 & echo $!"));
  await rejects(
    host[Symbol.asyncDispose](),
    new RegExp(`Left behind on a host: ${pid} sleep 4711`),
  );
  equal(exists(pid), false);
});
