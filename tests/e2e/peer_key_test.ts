import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type NatLab, natLab, PUBLIC } from "../nat_lab.ts";
import type { Process } from "../netns.ts";
import { selfSigned } from "../suite/certificates.ts";
import { together } from "../together.ts";
import { filesOf, makeFiles, NO_KEY, startPeer, startPipe } from "./peers.ts";
import { pause, ttunCommand } from "./tunnel.ts";

const MITM = new URL("../fixture/tls_mitm.py", import.meta.url).pathname;
const KEY = { ...NO_KEY, TTUN_KEY: "correct horse battery staple" };
const OTHER = { ...NO_KEY, TTUN_KEY: "another key than the one before" };
const ENDLESS = { input: "/dev/zero", output: "/dev/null" };

const addresses = (i: 0 | 1) => ["-v", "-myip", PUBLIC[i], "-peerip", PUBLIC[1 - i]!];

/** Starts both ends with keys. */
function startBoth(
  lab: NatLab,
  files: readonly [{ input: string; output: string }, { input: string; output: string }],
  args: readonly string[],
  env: readonly [Record<string, string>, Record<string, string>] = [KEY, KEY],
): [Process, Process] {
  const start = (i: 0 | 1) => startPipe(lab.hosts[i], files[i], [...addresses(i), ...args], env[i]);
  return [start(0), start(1)];
}

for (const args of [[], ["--wire", "v2"]]) {
  test(`peer with a key ${args.join(" ")}: bytes both ways, and nobody need compare words`, async () => {
    await using lab = await natLab("port-restricted", "port-restricted");
    await using files = await makeFiles(20_000_000, 1_000_000);
    const [a, b] = startBoth(lab, [filesOf(files, 0), filesOf(files, 1)], args);
    await using first = a;
    await using second = b;
    assert.equal((await first.status).code, 0, first.output);
    assert.equal((await second.status).code, 0, second.output);
    await files.expectSame();
    for (const { output } of [first, second]) {
      assert.match(output, /authenticated .*wire=v2/);
      assert.doesNotMatch(output, /compare the words|horse/);
      assert.equal(/certificate of this connection/.test(output), args.length === 0);
    }
  });
}

test("peer with a key: another one, or none at the other end, is told by both and carries nothing", async () => {
  await using lab = await natLab("open", "open");
  await using files = await makeFiles(1000, 1000);
  const [a, b] = startBoth(lab, [filesOf(files, 0), filesOf(files, 1)], [], [KEY, OTHER]);
  await using first = a;
  await using second = b;
  for (const end of [first, second]) {
    assert.equal((await end.status).code, 3, end.output);
    assert.match(end.output, /Cannot authenticate the peer: it has another key, or none/);
  }
  for (const file of files.got) assert.equal((await Deno.stat(file)).size, 0);
});

const slow = together("peer with a key: ends that wait, or go on");

slow(
  "peer with a key: one without and with nothing to say is awaited no longer than the deadline",
  async () => {
    await using lab = await natLab("open", "open");
    const nothing = { input: "/dev/null", output: "/dev/null" };
    await using second = startPeer(lab.hosts[1], 1, nothing);
    await second.waitFor(/connecting/, 60_000);
    const args = [...addresses(0), "--deadline", "5"];
    await using first = startPipe(lab.hosts[0], nothing, args, KEY);
    await first.waitFor(/no peer on this connection: trying again/, 60_000);
    assert.equal((await first.status).code, 4, first.output);
    assert.equal((await second.status).code, 9, second.output); // no success for who has no key
  },
);

slow("peer with a key: a man in the middle who ends TLS at both is found, and named", async () => {
  await using lab = await natLab("open", "port-restricted");
  using certificate = selfSigned("DNS:tete");
  const edge = lab.edges[1];
  await edge.sh(`
    iptables -t nat -I PREROUTING -p tcp --dport 54312 -j REDIRECT --to-ports 9999
    iptables -I INPUT -p tcp --dport 9999 -j ACCEPT`);
  const args = [MITM, "9999", certificate.cert, certificate.key, PUBLIC[0]];
  await using mitm = edge.spawn("python3", args, { env: NO_KEY });
  await mitm.waitFor(/listening/);
  const [a, b] = startBoth(lab, [ENDLESS, ENDLESS], []);
  await using first = a;
  await using second = b;
  await mitm.waitFor(/in the middle/);
  assert.equal((await first.status).code, 3, first.output);
  assert.match(first.output, /someone may be in the middle/);
  assert.equal((await second.status).code, 3, second.output);
  assert.match(second.output, /someone may be in the middle/);
});

slow("peer --keep: the pipe goes on when its connection is cut", async () => {
  await using lab = await natLab("open", "open");
  await using files = await makeFiles(0, 0);
  const [a, b] = lab.hosts;
  const source =
    `for i in $(seq 40); do head -c 100000 /dev/zero | tr '\\0' "$(printf %o $i)"; sleep 0.1; done`;
  const [command, rest] = ttunCommand("peer", ...addresses(0), "--keep");
  await using first = a.spawn(
    "sh",
    ["-euc", `(${source}) | "$@" >/dev/null`, "sh", command, ...rest],
    { env: KEY },
  );
  const sink = { input: "/dev/null", output: files.got[1] };
  await using second = startPipe(b, sink, [...addresses(1), "--keep"], KEY);
  await Promise.all([first, second].map((end) => end.waitFor(/Connected to peer!/, 60_000)));
  await pause(500);
  await a.sh("ss -K dst 198.51.100.2 dport = 54312 >/dev/null");
  await second.waitFor(/session goes on/, 60_000);
  assert.equal((await first.status).code, 0, first.output);
  assert.equal((await second.status).code, 0, second.output);
  const expected = await a.run("sh", ["-euc", `(${source}) | sha256sum`]);
  const got = await a.run("sh", ["-euc", `sha256sum < ${files.got[1]}`]);
  assert.equal(got.stdout, expected.stdout);
});

test("peer: what takes a key says so without one, and an empty key is an error", async () => {
  await using lab = await natLab("open", "open");
  const rows: [string[], Record<string, string>, RegExp][] = [
    [["--keep"], NO_KEY, /Cannot use --keep without a key that both ends have/],
    [["--wire", "v2"], NO_KEY, /Cannot use --wire v2 without a key/],
    [[], { ...NO_KEY, TTUN_KEY: "" }, /The key from TTUN_KEY is empty/],
    [["--key", ""], NO_KEY, /The key from .* is empty/],
    [["--wire", "v2", "--fingerprint", "00".repeat(32)], KEY, /has no certificate/],
  ];
  for (const [args, env, words] of rows) {
    const [command, rest] = ttunCommand("peer", ...addresses(0), ...args);
    const { code, stderr } = await lab.hosts[0].run(command, rest, { env });
    assert.equal(code, 2, stderr);
    assert.match(stderr, words);
  }
  await using plain = startPeer(lab.hosts[1], 1, ENDLESS, "--deadline", "1");
  assert.equal((await plain.status).code, 4);
});
