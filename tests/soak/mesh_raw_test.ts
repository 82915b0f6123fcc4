import assert from "node:assert/strict";
import { test } from "../check.ts";
import { ttunCommand } from "../e2e/forward_pair.ts";
import { gatewayLab, READY_MS } from "../e2e/mesh_gateway_lab.ts";
import { MESH_ENV } from "../e2e/mesh_machine.ts";

const COUNT = 1000;
const SOON_MS = 120_000;

/** Sends back what it reads. */
const ECHO = `
import asyncio
async def serve(r, w):
    try:
        while True:
            b = await r.read(65536)
            if not b: break
            w.write(b)
            await w.drain()
    except OSError: pass
    w.close()
async def main():
    s = await asyncio.start_server(serve, "127.0.0.1", 8000, backlog=2000)
    print("ready", flush=True)
    await s.serve_forever()
asyncio.run(main())
`;

/** Opens all connections, of which each sends a line, and another one when all are there. */
const MANY = `
import asyncio
async def say(r, w, line):
    w.write(line)
    await w.drain()
    assert await r.readline() == line
async def one(i, begun, all_begun):
    r, w = await asyncio.open_connection("127.0.0.1", 9000)
    await say(r, w, b"%d\\n" % i)
    begun.append(i)
    if len(begun) == ${COUNT}: all_begun.set()
    await all_begun.wait()
    await say(r, w, b"again %d\\n" % i)
    w.close()
async def main():
    begun, all_begun = [], asyncio.Event()
    await asyncio.gather(*(one(i, begun, all_begun) for i in range(${COUNT})))
    print("done", flush=True)
asyncio.run(main())
`;

/** Has 40 connections send for some seconds, and never read; then asks by one more. */
const DEAF = `
import socket, time
deaf = [socket.create_connection(("127.0.0.1", 9000)) for _ in range(40)]
for s in deaf: s.setblocking(False)
end = time.time() + 10
while time.time() < end:
    for s in deaf:
        try: s.send(b"x" * 65536)
        except BlockingIOError: pass
    time.sleep(0.01)
s = socket.create_connection(("127.0.0.1", 9000))
s.sendall(b"hello")
print("got", s.recv(100).decode(), flush=True)
`;

test("a thousand connections to a raw service, and forty that are never read", async () => {
  await using lab = await gatewayLab();
  const { host, data } = lab.one;
  await lab.enroll("nas", "nas");
  const key = `${data}-key`;
  assert.equal((await lab.agent("nas", `access nas add ann --out ${key}`)).code, 0);
  await using service = host.spawn("python3", ["-c", ECHO]);
  await service.waitFor(/ready/, READY_MS);
  const published = ["nas=tcp://127.0.0.1:8000", "--data", `${data}-nas`];
  await using agent = host.spawn(...ttunCommand("mesh", "publish", ...published), {
    env: MESH_ENV,
  });
  await agent.waitFor(/^mesh:/m, READY_MS);
  const at = ["--at", "127.0.0.1:8443", "--ca", `${data}/ca.crt`, "--access-file", key];
  const words = ["listen", "nas.example.test", ...at, "-l", "9000"];
  await using listen = host.spawn(...ttunCommand("mesh", ...words), { env: MESH_ENV });
  await listen.waitFor(/ authenticated /, READY_MS);
  const many = await host.run("python3", ["-c", MANY], { timeoutMs: SOON_MS });
  assert.equal(many.stdout, "done\n", many.stderr);
  const deaf = await host.run("python3", ["-c", DEAF], { timeoutMs: SOON_MS });
  assert.equal(deaf.stdout, "got hello\n", deaf.stderr);
});
