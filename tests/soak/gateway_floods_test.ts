import assert from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayLab, type Lab } from "../e2e/mesh_gateway_lab.ts";
import { rssMb } from "../proc.ts";

/** Seconds of each flood; another number by GATEWAY_FLOOD_SECONDS. */
const SECONDS = Number(Deno.env.get("GATEWAY_FLOOD_SECONDS") ?? 30);
const MOST_MB = 64;
const MOST_STALLED_MB = 2;
const FLOODS = new URL("gateway_floods.mjs", import.meta.url).pathname;
const ALL = [
  ...["reset", "made", "continuation", "settings", "ping", "empty", "lists", "readers"],
  "fields",
  ...["heads", "handshakes"],
];

/** Some of them alone by GATEWAY_FLOOD_KINDS. */
const KINDS = Deno.env.get("GATEWAY_FLOOD_KINDS")?.split(",") ?? ALL;

/** Milliseconds of requests of another visitor, one after the other. */
async function visits(lab: Lab, isOver: () => boolean): Promise<number[]> {
  const times: number[] = [];
  while (!isOver()) {
    const answer = await lab.curl(
      "shop",
      "/",
      "-o",
      "/dev/null",
      "-w",
      "%{http_code} %{time_total}",
    );
    const [status, time] = answer.trim().split(" ");
    assert.equal(status, "200", answer);
    times.push(1000 * Number(time));
  }
  return times;
}

function p99(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? NaN;
}

test("floods of a gateway cost no memory, and other visitors are served meanwhile", async () => {
  await using lab = await gatewayLab();
  const { host, data } = lab.one;
  await lab.enroll("laptop", "shop");
  await using _agent = await lab.publish("laptop", "8080 --name shop");
  const [, found] = /pid=(\d+)/.exec(await host.sh("ss -ltnp sport = :8443"))!;
  const pid = Number(found);
  let rounds = 0;
  await visits(lab, () => rounds++ >= 20);
  for (const kind of KINDS) {
    rounds = 0;
    const quiet = p99(await visits(lab, () => rounds++ >= 20));
    const before = rssMb(pid);
    let most = before;
    const command = ["-c", `node ${FLOODS} ${kind} ${SECONDS} ${data}/ca.crt`];
    await using flood = host.spawn("sh", command);
    let isOver = false;
    const ended = flood.closed.then(() => isOver = true);
    const served = await visits(lab, () => {
      most = Math.max(most, rssMb(pid));
      return isOver;
    });
    await ended;
    const after = p99(await visits(lab, () => rounds-- <= 0));
    console.log(
      `${kind}: ${flood.stdout.trim()} sent, +${(most - before).toFixed(0)} MB, ` +
        `p99 ${quiet.toFixed(0)} ms, ${p99(served).toFixed(0)} in it, ${after.toFixed(0)} behind`,
    );
    assert.ok(most - before <= MOST_MB, `${kind}: ${before} to ${most} MB`);
  }
});

test("a stalled upload of 1 GB costs no memory", async () => {
  await using lab = await gatewayLab();
  const { host } = lab.one;
  await lab.enroll("laptop", "shop");
  await using _agent = await lab.publish("laptop", "8080 --name shop");
  const [, found] = /pid=(\d+)/.exec(await host.sh("ss -ltnp sport = :8443"))!;
  const pid = Number(found);
  await host.sh(`head -c 1000000000 /dev/zero > ${lab.one.data}/bulk`);
  for (const version of ["--http1.1", "--http2"]) {
    const upload = (path: string) => [
      ...["-sS", version, "--resolve", "shop.example.test:8443:127.0.0.1", "--max-time", "15"],
      ...["--cacert", `${lab.one.data}/ca.crt`, "-T", `${lab.one.data}/bulk`, "-o", "/dev/null"],
      `https://shop.example.test:8443${path}`,
    ];
    // Uploads that flow have buffers and code, which stay.
    for (let i = 0; i < 3; i++) await host.run("curl", upload("/echo"));
    await new Promise((wake) => setTimeout(wake, 5000));
    const before = rssMb(pid);
    let most = before;
    let isOver = false;
    const stalled = host.run("curl", upload("/hang")).then(() => isOver = true);
    while (!isOver) {
      most = Math.max(most, rssMb(pid));
      await new Promise((wake) => setTimeout(wake, 100));
    }
    await stalled;
    console.log(`${version}: ${before.toFixed(1)} MB, +${(most - before).toFixed(1)} stalled`);
    assert.ok(most - before <= MOST_STALLED_MB, `${version}: ${before} to ${most} MB`);
  }
});
