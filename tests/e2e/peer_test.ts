import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type NatKind, natLab, PUBLIC } from "../nat_lab.ts";
import type { Host, Process } from "../netns.ts";
import { selfSigned } from "../suite/certificates.ts";
import { together } from "../together.ts";
import { filesOf, makeFiles, NO_KEY, startPeer } from "./peers.ts";
import { pause, ttunCommand } from "./tunnel.ts";

const TETE = new URL("../fixture/tete.py", import.meta.url).pathname;

/** Connects from the port of an end, and closes at once. */
const CONNECT_AND_CLOSE = `
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("0.0.0.0", 54312))
s.connect((sys.argv[1], 54312))
s.close()
`;

/** An end that is to be refused. */
async function tryPeer(host: Host, number: 0 | 1, ...args: string[]) {
  const addresses = ["-myip", PUBLIC[number], "-peerip", PUBLIC[1 - number]!];
  const [command, rest] = ttunCommand("peer", ...addresses, ...args);
  const result = await host.run(command, rest, { env: NO_KEY });
  assert.equal(result.code, 2, result.stderr);
  return result;
}

const wordsOf = ({ output }: Process) => /words=(\S+)/.exec(output)?.[1];

const ROWS: [NatKind, NatKind][] = [
  ["open", "open"],
  ["firewall", "port-restricted"],
  ["port-restricted", "port-restricted"],
];

for (const kinds of ROWS) {
  test(`peer: ${kinds.join(" and ")}: bytes both ways, ends behind them, the same words`, async () => {
    await using lab = await natLab(...kinds);
    await using files = await makeFiles(30_000_000, 2_000_000);
    await using first = startPeer(lab.hosts[0], 0, filesOf(files, 0));
    await first.waitFor(/connecting/, 60_000);
    await pause(700);
    await using second = startPeer(lab.hosts[1], 1, filesOf(files, 1), "-k");
    assert.equal((await first.status).code, 0, first.output);
    assert.equal((await second.status).code, 0, second.output);
    await files.expectSame();
    assert.match(wordsOf(first) ?? "", /^([a-z]+-){5}[a-z]+$/);
    assert.equal(wordsOf(first), wordsOf(second));
    assert.match(first.output, /warn.*compare the words of both ends by another way/);
  });
}

const late = together("peer: there is no way, which is told by the deadline");

late(
  "peer: where both NATs change ports there is no way, and it says so within the deadline",
  async () => {
    await using lab = await natLab("remapping", "remapping");
    await using files = await makeFiles(10, 10);
    const ends = [0, 1].map((i) =>
      startPeer(lab.hosts[i]!, i as 0 | 1, filesOf(files, i as 0 | 1), "--deadline", "3")
    );
    for (const end of ends) {
      await using _end = end;
      assert.equal((await end.status).code, 4, end.output);
      assert.match(
        end.output,
        /Cannot reach 198\.51\.100\.\d within 3 s: nothing has come from it/,
      );
      assert.match(end.output, /a NAT that changes ports at both ends cannot be passed/);
    }
  },
);

late(
  "peer: where one NAT changes its port, the open end says from which port it comes",
  async () => {
    await using lab = await natLab("open", "remapping");
    await using files = await makeFiles(10, 10);
    await using other = startPeer(lab.hosts[1], 1, filesOf(files, 1));
    await other.waitFor(/connecting/, 60_000);
    await using open = startPeer(lab.hosts[0], 0, filesOf(files, 0), "--deadline", "4");
    assert.equal((await open.status).code, 4, open.output);
    assert.match(
      open.output,
      /it comes from port \d+.* instead of 54312, so its NAT changes ports/,
    );
  },
);

const withTete = together("peer: the program tete at the other end");

for (const [what, number] of [["server", 1], ["client", 0]] as const) {
  // tete ends all when our standard input does, as it knows no half-close: ours ends when its bytes
  // have come.
  withTete(`peer: the program tete at the other end, which is the TLS ${what}`, async () => {
    await using lab = await natLab("port-restricted", "port-restricted");
    await using files = await makeFiles(3_000_000, 1_000_000);
    using certificate = selfSigned("DNS:tete");
    // The greater address is the client's: tete has the lesser one, or the greater one.
    const tete = 1 - number as 0 | 1;
    const args = [PUBLIC[tete], PUBLIC[number], "7001", "7000", certificate.cert, certificate.key];
    const ports = ["-lport", "7000", "-rport", "7001"];
    const command = ttunCommand(
      ...["tete", "-myip", PUBLIC[number], "-peerip", PUBLIC[tete], ...ports],
    );
    const [sent, got] = [files.sent[number], files.got[number]];
    const { size } = await Deno.stat(files.sent[tete]);
    const whenAllCame = `until [ $(stat -c %s ${got}) -ge ${size} ]; do sleep 0.1; done`;
    const own = `(cat ${sent}; ${whenAllCame}) | "$@" >${got}`;
    await using peer = lab.hosts[number].spawn(
      "sh",
      ["-euc", own, "sh", command[0], ...command[1]],
      { env: NO_KEY },
    );
    // It tries ten times alone.
    await peer.waitFor(/connecting/, 60_000);
    const { input, output } = filesOf(files, tete);
    const script = `exec python3 ${TETE} "$@" <${input} >${output}`;
    await using other = lab.hosts[tete].spawn("sh", ["-euc", script, "sh", ...args]);
    await peer.waitFor(/Connected to peer!/, 60_000);
    await other.waitFor(/Connected to peer!/, 60_000);
    await other.waitFor(/Peer closed connection/, 60_000);
    await peer.waitFor(/Peer closed connection/);
    await files.expectSame();
  });
}

test("peer: foreign connections count for nothing; a wrong fingerprint ends it with words", async () => {
  await using lab = await natLab("open", "open");
  await using files = await makeFiles(10, 10);
  const [a, b] = lab.hosts;
  const { stderr } = await tryPeer(a, 0, "--fingerprint", "00".repeat(32));
  assert.match(stderr, /give what it logs to the other end, and --fingerprint there/);
  await using second = startPeer(b, 1, filesOf(files, 1), "--fingerprint", "00".repeat(32));
  await second.waitFor(/connecting/, 60_000);
  for (let i = 0; i < 12; i++) await a.sh(`nc -z -w 1 ${PUBLIC[1]} 54312`);
  await using first = startPeer(a, 0, filesOf(files, 0));
  assert.equal((await second.status).code, 3, second.output);
  assert.match(
    second.output,
    /Cannot trust the other end: the certificate has the SHA-256 [0-9a-f]{64}/,
  );
  assert.notEqual((await first.status).code, 0, first.output);
});

test("peer: the end that makes the certificate tells its fingerprint before there is a connection", async () => {
  await using lab = await natLab("open", "open");
  await using files = await makeFiles(1000, 1000);
  await using first = startPeer(lab.hosts[0], 0, filesOf(files, 0));
  await first.waitFor(/connecting/, 60_000);
  const [, sha256] = /may pin by --fingerprint +sha256=([0-9a-f]{64})/.exec(first.output)!;
  await using second = startPeer(lab.hosts[1], 1, filesOf(files, 1), "--fingerprint", sha256!);
  assert.equal((await second.status).code, 0, second.output);
  assert.equal((await first.status).code, 0, first.output);
  assert.doesNotMatch(second.output, /nothing tells who the other end is/);
  await files.expectSame();
});

test("peer: a connection that the other end gives up at once is tried anew; then the port is free", async () => {
  await using lab = await natLab("open", "open");
  const [a, b] = lab.hosts;
  const endless = { input: "/dev/zero", output: "/dev/null" };
  await using first = startPeer(a, 0, endless);
  await first.waitFor(/connecting/, 60_000);
  assert.equal((await b.run("python3", ["-c", CONNECT_AND_CLOSE, PUBLIC[0]])).code, 0);
  await first.waitFor(/warn.*the connection broke at once: trying again/);
  await using second = startPeer(b, 1, endless);
  await Promise.all([first, second].map((end) => end.waitFor(/Connected to peer!/, 60_000)));
  assert.notEqual((await b.run("nc", ["-z", "-w", "2", PUBLIC[0], "54312"])).code, 0);
});

test("peer: a wrong -myip, by which both ends are the TLS client, is told as that", async () => {
  await using lab = await natLab("open", "open");
  const endless = { input: "/dev/zero", output: "/dev/null" };
  const ends = [
    startPeer(lab.hosts[0], 0, endless, "-myip", "198.51.100.9", "--deadline", "5"),
    startPeer(lab.hosts[1], 1, endless, "--deadline", "5"),
  ];
  for (const end of ends) {
    await using _end = end;
    assert.notEqual((await end.status).code, 0, end.output);
  }
  const hint = /it speaks something else; .*is each end's -myip the address/;
  assert(ends.some(({ output }) => hint.test(output)), ends.map(({ output }) => output).join(""));
});

test("peer: an end that is killed in the middle is a loss for the other, and no success", async () => {
  await using lab = await natLab("open", "open");
  await using files = await makeFiles(10, 10);
  const endless = { input: "/dev/zero", output: "/dev/null" };
  await using first = startPeer(lab.hosts[0], 0, endless);
  await using second = startPeer(lab.hosts[1], 1, { input: "/dev/zero", output: files.got[1] });
  await Promise.all([first, second].map((end) => end.waitFor(/Connected to peer!/, 60_000)));
  await pause(200);
  first.signal("SIGKILL");
  assert.equal((await second.status).code, 9, second.output);
  assert.match(second.output, /Lost the connection/);
});

test("peer: Ctrl-C ends it within a second, before there is a connection too; the other hears a loss", async () => {
  await using lab = await natLab("open", "open");
  const endless = { input: "/dev/zero", output: "/dev/null" };
  for (const isConnected of [false, true]) {
    await using first = startPeer(lab.hosts[0], 0, endless);
    await first.waitFor(/connecting/, 60_000);
    if (!isConnected) {
      first.signal("SIGINT");
      assert.equal((await first.status).code, 16, first.output);
      continue;
    }
    await using second = startPeer(lab.hosts[1], 1, endless);
    await Promise.all([first, second].map((end) => end.waitFor(/Connected to peer!/, 60_000)));
    first.signal("SIGTERM");
    assert.equal((await first.status).code, 16, first.output);
    assert.match(first.output, /Stopped before the pipe's end/);
    assert.equal((await second.status).code, 9, second.output);
  }
});

/** The server is on the host with the second public address. */
async function withStun(kind: NatKind) {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await natLab(kind, "open"));
  const [command, args] = ttunCommand("stun-server", "-l", `${PUBLIC[1]}:3478`);
  const server = stack.use(lab.hosts[1].spawn(command, args, { env: NO_KEY }));
  await server.waitFor(/the firewall must let it in .*tcp dport 3478 accept/);
  const owned = stack.move();
  return { ...lab, server, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

for (const [kind, keeps] of [["port-restricted", true], ["remapping", false]] as const) {
  test(`peer --stun: the public address of a host behind a NAT, ${kind}`, async () => {
    await using lab = await withStun(kind);
    const [command, args] = ttunCommand("peer", "--stun", PUBLIC[1]);
    const { code, stdout, stderr } = await lab.hosts[0].run(command, args, { env: NO_KEY });
    assert.deepEqual([code, stdout], [0, `${PUBLIC[0]}\n`], stderr);
    assert.match(stderr, new RegExp(`public address .*nat_keeps_port=${keeps}`));
    assert.equal(/warn.*the NAT changes ports/.test(stderr), !keeps);
    lab.server.signal("SIGINT");
    assert.equal((await lab.server.status).code, 0);
  });
}

test("peer --stun: a server of either family tells the address, without a peer's", async () => {
  await using lab = await natLab("open", "open");
  const host = lab.hosts[0];
  const [server, own] = ttunCommand("stun-server");
  await using running = host.spawn(server, own, { env: NO_KEY });
  await running.waitFor(/listening/);
  const [command, args] = ttunCommand("peer", "--stun", "[::1]");
  const { code, stdout, stderr } = await host.run(command, args, { env: NO_KEY });
  assert.deepEqual([code, stdout], [0, "::1\n"], stderr);
});

test("peer --stun: it stands for -myip", async () => {
  await using lab = await withStun("port-restricted");
  await using files = await makeFiles(100_000, 100_000);
  const [command, args] = ttunCommand("peer", "--stun", PUBLIC[1], "-peerip", PUBLIC[1]);
  const script = `exec "$@" <${files.sent[0]} >${files.got[0]}`;
  const all = ["-euc", script, "sh", command, ...args];
  await using first = lab.hosts[0].spawn("sh", all, { env: NO_KEY });
  await using second = startPeer(lab.hosts[1], 1, filesOf(files, 1));
  assert.equal((await first.status).code, 0, first.output);
  assert.equal((await second.status).code, 0, second.output);
  await files.expectSame();
});

const NO_VALUE = /the key is given by --key-file, TTUN_KEY or --key/;

test("peer: what is missing or cannot be is said at once", async () => {
  await using lab = await natLab("open", "open");
  const rows: [string[], RegExp][] = [
    [["-myip", "198.51.100.1"], /give the peer's public address by -peerip/],
    [["-peerip", "198.51.100.1"], /this machine's public address by -myip, or a STUN server/],
    [["-myip", "::1", "-peerip", "198.51.100.1"], /one address is IPv4 and the other IPv6/],
    [["-myip", "192.0.2.1", "-peerip", "192.0.2.1"], /both ends have the same address/],
    [["-myip", "::ffff:192.0.2.1", "-peerip", "192.0.2.1"], /both ends have the same address/],
    [["-myip", "192.0.2.1", "-peerip", PUBLIC[0]], /is an address of this machine itself/],
    [["-myip", "192.0.2.1", "-peerip", "192.0.2.2", "-k", "secret"], NO_VALUE],
    [["-myip", "192.0.2.1", "-peerip", "192.0.2.2", "-k=secret"], NO_VALUE],
    [["-myip", "192.0.2.1", "-peerip", "192.0.2.2", "-ksecret"], NO_VALUE],
  ];
  for (const [args, words] of rows) {
    const [command, rest] = ttunCommand("peer", ...args);
    const { code, stderr } = await lab.hosts[0].run(command, rest, { env: NO_KEY });
    assert.equal(code, 2, stderr);
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, /secret/);
  }
});
