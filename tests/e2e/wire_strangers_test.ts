import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { startServer } from "./tunnel.ts";

/** Sends these bytes on a new connection: its answer, and how it ends. */
async function probe(bytes: Uint8Array): Promise<{ heard: number; end: string; seconds: number }> {
  const began = performance.now();
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: 20203 });
  if (bytes.length > 0) await conn.write(bytes);
  const buffer = new Uint8Array(1024);
  let heard = 0;
  let end = "fin";
  try {
    for (let got = await conn.read(buffer); got !== null; got = await conn.read(buffer)) {
      heard += got;
    }
  } catch (error) {
    end = String(error);
  }
  return { heard, end, seconds: (performance.now() - began) / 1000 };
}

if (import.meta.main) console.log(JSON.stringify(await Promise.all(probes().map(probe))));

/** Random bytes of many sizes, HTTP, the beginning of a TLS hello, and version 1's first bytes. */
function probes(): Uint8Array[] {
  const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
  const text = (words: string) => new TextEncoder().encode(words);
  return [
    ...[0, 1, 15, 16, 17, 42, 100, 300, 600].map(random),
    text("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    new Uint8Array([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, ...random(64)]),
    new Uint8Array([...random(16), 0, 24, ...random(24)]),
  ];
}

for (const wire of ["v2", "auto"]) {
  test(`strangers under --wire ${wire}: what they hear, and how they are hung up on`, async () => {
    await using hosts = await twoHosts();
    await using server = await startServer(hosts.server, "--wire", wire);
    const { stdout, stderr } = await hosts.server.run(
      Deno.execPath(),
      ["run", "-A", new URL(import.meta.url).pathname],
      { timeoutMs: 45_000 },
    );
    assert.notEqual(stdout, "", stderr);
    const found = JSON.parse(stdout.trim().split("\n").at(-1)!) as Awaited<
      ReturnType<typeof probe>
    >[];
    const ends = found.map(({ seconds }) => seconds);
    for (const { heard, end, seconds } of found) {
      assert((wire === "v2" ? [0] : [0, 16]).includes(heard), `${heard} bytes`);
      assert(seconds >= 9.5 && seconds <= 33, `${seconds} s`);
      assert.equal(end, "fin");
    }
    assert(Math.max(...ends) - Math.min(...ends) > 2, "the time of the end is random");
    assert.doesNotMatch(server.output, /internal/);
  });
}
