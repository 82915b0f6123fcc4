import assert from "node:assert/strict";
import { test } from "../check.ts";
import { Host } from "../netns.ts";
import { ttunCommand } from "./forward_pair.ts";
import { LOOPBACK, run } from "./proxy_pair.ts";

interface Found {
  check: string;
  level: string;
  says: string;
  mend?: string;
}

async function doctor(...args: string[]) {
  const [command, all] = ttunCommand("doctor", ...args);
  return await run(command, all);
}

async function findings(...args: string[]): Promise<{ code: number; found: Map<string, Found> }> {
  const { code, stdout, stderr } = await doctor(...args, "--json");
  const { version, findings } = JSON.parse(stdout) as { version: number; findings: Found[] };
  assert.equal(version, 1, stderr);
  return { code, found: new Map(findings.map((one) => [one.check, one])) };
}

function listen(greeting: string) {
  const listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const serving = (async () => {
    for await (const conn of listener) {
      if (greeting !== "") await conn.write(new TextEncoder().encode(greeting)).catch(() => {});
      await conn.read(new Uint8Array(1)).catch(() => {});
      conn.close();
    }
  })();
  return {
    at: `${LOOPBACK}:${(listener.addr as Deno.NetAddr).port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  };
}

test("ttun doctor tells of the machine and of the way to a server, each with what mends it", async () => {
  await using silent = listen("");
  const { code, found } = await findings(silent.at);
  assert.equal(code, 0, JSON.stringify([...found.values()]));
  assert.equal(found.get("server-port")!.level, "ok");
  assert.match(
    found.get("aead-native")!.says,
    /chacha20-poly1305 \d+ MB\/s, aes-256-gcm \d+ MB\/s/,
  );
  for (const check of ["privileges", "device", "ipv6", "clock", "descriptors", "left-behind"]) {
    assert.ok(found.has(check), check);
  }
  for (const { level, mend } of found.values()) {
    assert.ok(level === "ok" || level === "skip" || mend !== undefined);
  }
});

test("ttun doctor: another program's port, one that refuses, a name that is none, and a report for others", async () => {
  await using ssh = listen("SSH-2.0-OpenSSH_9.2\r\n");
  const other = await findings(ssh.at);
  assert.equal(other.code, 1);
  assert.match(other.found.get("server-port")!.says, /another program .* "SSH-2\.0-OpenSSH_9\.2"/);
  const { code, stdout } = await doctor(`${LOOPBACK}:1`);
  assert.equal(code, 1);
  assert.match(
    stdout,
    /^FAIL {2}server-port {3}127\.0\.0\.1:1 does not accept a connection: refused\n +→ is the server/m,
  );
  const unknown = await doctor("nobody.invalid", "--report");
  assert.equal(unknown.code, 1);
  assert.match(unknown.stdout, /^FAIL {2}server-name /m);
  assert.doesNotMatch(unknown.stdout, /nobody\.invalid/);
});

test("ttun doctor says at once what it knows, while a server does not answer", async () => {
  await using host = await Host.create();
  // Frames for a station that is not there.
  await host.sh(`
    ip link add v0 type veth peer name v1
    ip address add 192.0.2.1/24 dev v0
    ip link set v0 up; ip link set v1 up
    ip neighbour add 192.0.2.2 lladdr 02:00:00:00:00:02 dev v0`);
  const [command, all] = ttunCommand("doctor", "192.0.2.2");
  await using process = host.spawn(command, all);
  await process.waitFor(/^ok {4}server-name {3}192\.0\.2\.2 is 192\.0\.2\.2/m, 30_000);
  assert.doesNotMatch(process.stdout, /server-port/);
  await process.waitFor(/^FAIL {2}server-port .*: no answer in 5 s$/m, 30_000);
});
