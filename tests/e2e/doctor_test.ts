import assert from "node:assert/strict";
import { test } from "../check.ts";
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
    /^FAIL {2}server-port {2}127\.0\.0\.1:1 does not accept a connection: refused\n +→ is the server/m,
  );
  const unknown = await doctor("nobody.invalid", "--report");
  assert.equal(unknown.code, 1);
  assert.match(unknown.stdout, /^FAIL {2}server-name /m);
  assert.doesNotMatch(unknown.stdout, /nobody\.invalid/);
});
