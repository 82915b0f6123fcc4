/** `ttun peer` without the reactor, as on macOS and Windows, or without OpenSSL. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { natLab, PUBLIC } from "../nat_lab.ts";
import type { Host, Process } from "../netns.ts";
import { VIA, viaLab } from "../via_lab.ts";
import { filesOf, makeFiles, NO_KEY, startPeer } from "./peers.ts";
import { KEY, ttunCommand } from "./tunnel.ts";

const WITHOUT_REACTOR = new URL("../fixture/without_reactor.ts", import.meta.url).pathname;
const KEYED = { ...NO_KEY, TTUN_KEY: KEY };
const ENDLESS = { input: "/dev/zero", output: "/dev/null" };

function polledCommand(...args: string[]): [string, string[]] {
  return [Deno.execPath(), ["run", "-A", "--no-prompt", WITHOUT_REACTOR, "peer", ...args]];
}

function startPolled(
  host: Host,
  { input, output }: { readonly input: string; readonly output: string },
  args: readonly string[],
  env: Record<string, string> = NO_KEY,
): Process {
  const [command, rest] = polledCommand(...args);
  const script = `exec "$@" <${input} >${output}`;
  return host.spawn("sh", ["-euc", script, "sh", command, ...rest], { env });
}

const addresses = (i: 0 | 1) => ["-v", "-myip", PUBLIC[i], "-peerip", PUBLIC[1 - i]!];

const wordsOf = ({ output }: Process) => /words=(\S+)/.exec(output)?.[1];

async function expectSuccess(...ends: Process[]): Promise<void> {
  for (const end of ends) assert.equal((await end.status).code, 0, end.output);
}

test("peer without the reactor: both SYNs go through NATs, with TLS and without a key", async () => {
  await using lab = await natLab("port-restricted", "port-restricted");
  await using files = await makeFiles(10_000_000, 3_000_000);
  await using first = startPolled(lab.hosts[0], filesOf(files, 0), addresses(0));
  await using second = startPolled(lab.hosts[1], filesOf(files, 1), addresses(1));
  await expectSuccess(first, second);
  await files.expectSame();
  assert.match(wordsOf(first) ?? "", /^([a-z]+-){5}[a-z]+$/);
  assert.equal(wordsOf(first), wordsOf(second));
});

test("peer without the reactor: the other end has one, and resets what it does not let in", async () => {
  await using lab = await natLab("firewall", "reset");
  await using files = await makeFiles(2_000_000, 5_000_000);
  await using first = startPeer(lab.hosts[0], 0, filesOf(files, 0));
  await using second = startPolled(lab.hosts[1], filesOf(files, 1), addresses(1));
  await expectSuccess(first, second);
  await files.expectSame();
});

test("peer without the reactor: a key, without TLS, and an end that is killed is a loss", async () => {
  await using lab = await natLab("open", "open");
  const args = (i: 0 | 1) => [...addresses(i), "--wire", "v2"];
  await using first = startPolled(lab.hosts[0], ENDLESS, args(0), KEYED);
  await using second = startPolled(lab.hosts[1], ENDLESS, args(1), KEYED);
  await Promise.all([first, second].map((end) => end.waitFor(/Connected to peer!/, 60_000)));
  first.signal("SIGKILL");
  assert.equal((await second.status).code, 9, second.output);
});

test("peer without the reactor: no way is told within the deadline, and Ctrl-C ends it", async () => {
  await using lab = await natLab("open", "firewall");
  await using late = startPolled(lab.hosts[0], ENDLESS, [...addresses(0), "--deadline", "1"]);
  assert.equal((await late.status).code, 4, late.output);
  assert.match(late.output, /Cannot reach 198\.51\.100\.2 within 1 s/);
  await using stopped = startPolled(lab.hosts[0], ENDLESS, addresses(0));
  await stopped.waitFor(/connecting/, 60_000);
  stopped.signal("SIGINT");
  assert.equal((await stopped.status).code, 16, stopped.output);
});

test("peer without the reactor: a ticket, whose port is nobody else's", async () => {
  await using lab = await natLab("open", "port-restricted");
  await using files = await makeFiles(1_000_000, 2_000_000);
  const listen = ["listen", "-v", "--local-port", "7000"];
  await using first = startPolled(lab.hosts[0], filesOf(files, 0), listen);
  const ticket = await ticketOf(first);
  await using taken = startPolled(lab.hosts[0], ENDLESS, listen);
  assert.equal((await taken.status).code, 8, taken.output);
  const env = { ...NO_KEY, TTUN_TICKET: ticket };
  await using second = startPolled(lab.hosts[1], filesOf(files, 1), ["connect", "-v"], env);
  await expectSuccess(first, second);
  await files.expectSame();
});

test("peer without the reactor: both meet at a server, behind NATs that keep their ports", async () => {
  await using lab = await viaLab("port-restricted", "port-restricted");
  await using files = await makeFiles(1_000_000, 2_000_000);
  const [command, args] = ttunCommand("server", "--no-tun", "-v", "-l", `${VIA}:20203`);
  await using server = lab.server.spawn(command, args, { env: KEYED });
  await server.waitFor(/listening/);
  const keyFile = `${files.path}/key`;
  await Deno.writeTextFile(keyFile, KEY, { mode: 0o600 });
  const via = ["-v", "--via", VIA, "--via-key-file", keyFile];
  await using first = startPolled(lab.hosts[0], filesOf(files, 0), ["listen", ...via]);
  const env = { ...NO_KEY, TTUN_TICKET: await ticketOf(first) };
  await using second = startPolled(lab.hosts[1], filesOf(files, 1), ["connect", ...via], env);
  await expectSuccess(first, second);
  await files.expectSame();
  assert.doesNotMatch(second.output, /relay/);
});

test("peer without the reactor: a STUN server tells the address, from the port that is used", async () => {
  await using lab = await natLab("port-restricted", "open");
  const [command, args] = ttunCommand("stun-server", "-l", `${PUBLIC[1]}:3478`);
  await using server = lab.hosts[1].spawn(command, args, { env: NO_KEY });
  await server.waitFor(/listening/);
  const [own, rest] = polledCommand("--stun", PUBLIC[1]);
  const { code, stdout, stderr } = await lab.hosts[0].run(own, rest, { env: NO_KEY });
  assert.deepEqual([code, stdout], [0, `${PUBLIC[0]}\n`], stderr);
  assert.match(stderr, /public address .*nat_keeps_port=true/);
});

/** Has no OpenSSL: a file without anything lies over its library. */
function startWithoutOpenssl(
  host: Host,
  { input, output }: { readonly input: string; readonly output: string },
  args: readonly string[],
  env: Record<string, string> = NO_KEY,
): Process {
  const [command, rest] = ttunCommand("peer", ...args);
  const script = `
    for file in $(ldconfig -p | sed -n 's/^\\s*libssl\\.so\\.3 .*=> //p'); do
      mount --bind /dev/null "$file"
    done
    exec "$@" <${input} >${output}`;
  return host.spawn("unshare", ["-m", "sh", "-euc", script, "sh", command, ...rest], { env });
}

const DENOS = /OpenSSL 3 is missing: TLS is Deno's own/;

for (const number of [0, 1] as const) {
  const role = number === 0 ? "server" : "client";
  test(`peer without OpenSSL, as the TLS ${role}: bytes both ways, and the same words`, async () => {
    await using lab = await natLab("firewall", "firewall");
    await using files = await makeFiles(3_000_000, 2_000_000);
    const other = 1 - number as 0 | 1;
    const start = startWithoutOpenssl;
    await using first = start(lab.hosts[number], filesOf(files, number), addresses(number));
    await using second = startPeer(lab.hosts[other], other, filesOf(files, other));
    await expectSuccess(first, second);
    await files.expectSame();
    assert.match(first.output, DENOS);
    assert.doesNotMatch(second.output, DENOS);
    assert.equal(wordsOf(first), wordsOf(second));
  });
}

test("peer without OpenSSL at both ends: a key is bound to the certificate; a kill is a loss", async () => {
  await using lab = await natLab("open", "open");
  const ends = ([0, 1] as const).map((i) =>
    startWithoutOpenssl(lab.hosts[i], ENDLESS, addresses(i), KEYED)
  );
  await using first = ends[0]!;
  await using second = ends[1]!;
  for (const end of ends) await end.waitFor(/Connected to peer!/, 60_000);
  assert.match(first.output, DENOS);
  first.signal("SIGKILL");
  assert.equal((await second.status).code, 9, second.output);
});

async function ticketOf(end: Process): Promise<string> {
  await end.waitFor(/ttun peer connect peer:[\w-]+/, 60_000);
  return /ttun peer connect (peer:[\w-]+)/.exec(end.output)![1]!;
}
