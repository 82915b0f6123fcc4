/** Much through the pipe of `ttun peer`, ends that stop for a while, and ends that come late. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { filesOf, makeFiles, NO_KEY, startPipe } from "../e2e/peers.ts";
import { KEY, pause } from "../e2e/tunnel.ts";
import { type NatKind, type NatLab, natLab, PUBLIC } from "../nat_lab.ts";
import type { Host, Process } from "../netns.ts";
import { peakMb } from "../proc.ts";

const GB = 1_000_000_000;

/** The most that an end may have of memory, however much it carries; an idle one has some 80 MB. */
const MOST_MB = 300;

/** How long an end stops: longer than a link whose session goes on waits for a silent peer. */
const STOP_MS = 20_000;

const MS = 60_000;

const WAYS = ["TLS", "TLS with a key", "--wire v2", "a ticket"] as const;

/** By this way a silent peer is given up soon, and the session goes on over another connection. */
const KEPT = "--wire v2 --keep";

type Way = typeof WAYS[number] | typeof KEPT;

/** Shell code that prints so many bytes, which look like chance and are always the same. */
const bytes = (count: number) =>
  `openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c ${count}`;

interface Ends extends AsyncDisposable {
  readonly sender: Process;
  readonly receiver: Process;
  /** SHA-256 of what came. */
  readonly sum: () => Promise<string>;
}

/** Begins to send so many bytes from the first host to the second; both ends are connected. */
async function begin(lab: NatLab, way: Way, count: number): Promise<Ends> {
  await using owned = new AsyncDisposableStack();
  const path = await Deno.makeTempDir({ prefix: "ttun-test-" });
  owned.defer(() => Deno.remove(path, { recursive: true }));
  const [from, to] = lab.hosts;
  await from.sh(`mkfifo ${path}/in ${path}/out`);
  const sh = (host: Host, script: string) => owned.use(host.spawn("sh", ["-euc", script]));
  sh(from, `${bytes(count)} >${path}/in`);
  const sum = sh(to, `sha256sum <${path}/out`);
  const files = [{ input: `${path}/in`, output: "/dev/null" }, {
    input: "/dev/null",
    output: `${path}/out`,
  }] as const;
  const start = (i: 0 | 1, args: string[], env: Record<string, string>) =>
    owned.use(startPipe(lab.hosts[i], files[i], args, { ...NO_KEY, ...env }));
  const known = (i: 0 | 1) => {
    const addresses = ["-v", "-myip", PUBLIC[i], "-peerip", PUBLIC[1 - i]!];
    const wire = way.startsWith("--") ? way.split(" ") : [];
    return start(i, [...addresses, ...wire], way === "TLS" ? {} : { TTUN_KEY: KEY });
  };
  const sender = way === "a ticket" ? start(0, ["listen", "-v"], {}) : known(0);
  const connect = async () => {
    const [, ticket = ""] = await sender.waitFor(/ttun peer connect (peer:[\w-]+)$/m, MS);
    return start(1, ["connect", "-v"], { TTUN_TICKET: ticket });
  };
  const receiver = way === "a ticket" ? await connect() : known(1);
  for (const end of [sender, receiver]) await end.waitFor(/Connected to peer!/, MS);
  const kept = owned.move();
  return {
    sender,
    receiver,
    sum: async () => {
      await sum.closed;
      return sum.stdout;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function expectEnd({ sender, receiver, sum }: Ends, expected: string): Promise<void> {
  for (const end of [sender, receiver]) {
    const { code } = await end.status;
    await end.closed;
    assert.equal(code, 0, end.output);
  }
  assert.equal(await sum(), expected);
}

/** Resolves with the most memory that an end had. */
async function mostMemory(end: Process): Promise<number> {
  let most = 0;
  let isOver = false;
  end.status.finally(() => isOver = true);
  while (!isOver) {
    try {
      most = peakMb(end.pid);
    } catch {
      // It is ending: the process has no memory any more.
    }
    await pause(200);
  }
  return most;
}

const sumOf = async (host: Host, count: number) =>
  await host.sh(`${bytes(count)} | sha256sum`, {
    timeoutMs: 10 * MS,
  });

for (const way of WAYS) {
  test(`peer: 5 GB by ${way}: all comes, and memory stays small`, async () => {
    await using lab = await natLab("open", "port-restricted");
    const expected = await sumOf(lab.hosts[0], 5 * GB);
    const since = performance.now();
    await using ends = await begin(lab, way, 5 * GB);
    const most = [ends.sender, ends.receiver].map(mostMemory);
    await expectEnd(ends, expected);
    const seconds = (performance.now() - since) / 1000;
    const [a, b] = await Promise.all(most);
    console.log(`${way}: 5 GB in ${seconds.toFixed(0)} s; at most ${a} and ${b} MB of memory`);
    for (const mb of [a!, b!]) assert(mb > 0 && mb < MOST_MB, `${mb} MB`);
  });
}

for (const way of [...WAYS, KEPT] as const) {
  for (const which of ["sender", "receiver"] as const) {
    test(`peer: by ${way}, its ${which} stops for 20 s and goes on: all comes`, async () => {
      await using lab = await natLab("open", "port-restricted");
      const expected = await sumOf(lab.hosts[0], 2 * GB);
      await using ends = await begin(lab, way, 2 * GB);
      const other = which === "sender" ? ends.receiver : ends.sender;
      let isOver = false;
      other.status.finally(() => isOver = true);
      ends[which].signal("SIGSTOP");
      await pause(STOP_MS);
      assert(!isOver, `it was not in the middle:\n${other.output}`);
      ends[which].signal("SIGCONT");
      await expectEnd(ends, expected);
    });
  }
}

const PAIRS: readonly [NatKind, NatKind][] = [
  ["open", "open"],
  ["open", "firewall"],
  ["firewall", "firewall"],
  ["port-restricted", "port-restricted"],
  ["reset", "open"],
];

for (const kinds of PAIRS) {
  for (const late of [0, 1] as const) {
    test(`peer: ${kinds.join(" and ")}, end ${late + 1} is 10 s late`, async () => {
      await using lab = await natLab(...kinds);
      await using files = await makeFiles(100_000, 200_000);
      const start = (i: 0 | 1) =>
        startPipe(lab.hosts[i], filesOf(files, i), [
          ...["-v", "-myip", PUBLIC[i], "-peerip", PUBLIC[1 - i]!],
        ]);
      await using first = start(1 - late as 0 | 1);
      await first.waitFor(/ connecting /, MS);
      await pause(10_000);
      await using second = start(late);
      for (const end of [first, second]) {
        const { code } = await end.status;
        await end.closed;
        assert.equal(code, 0, end.output);
      }
      await files.expectSame();
    });
  }
}
