import assert from "node:assert/strict";
import { test } from "../check.ts";
import { openForwards, PERMIT } from "./forward_pair.ts";
import { LOOPBACK, run, spawnHere } from "./proxy_pair.ts";

/** Answers each datagram by its size. */
const COUNTER = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0))
print("port", s.getsockname()[1], flush=True)
while True:
  data, peer = s.recvfrom(65536)
  s.sendto(b"%d" % len(data), peer)`;

/** Sends datagrams of several sizes from sockets of its own, and prints the answers. */
const PROGRAM = `import socket, sys
sockets = []
for size in (1, 1400, 9000, 50000, 0):
  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
  s.connect(("127.0.0.1", int(sys.argv[1]))); s.send(b"x" * size); sockets.append(s)
print(*[s.recv(100).decode() for s in sockets])`;

for (const io of ["ffi", "deno"]) {
  test(`datagrams by -L and by -R, each answer to its source: --io ${io}`, async () => {
    await using counter = spawnHere("python3", ["-c", COUNTER]);
    await counter.waitFor(/port \d+/);
    const target = `${LOOPBACK}:${/port (\d+)/.exec(counter.output)![1]}`;
    await using pair = await openForwards({
      server: [...PERMIT, "--permit-listen", "0"],
      client: ["-L", `0:${target}/udp`, "-R", `0:${target}/udp`],
      both: ["--io", io],
    });
    await pair.client.waitFor(/ remote forward /);
    const ports = [...pair.client.output.matchAll(/ forward {2}listen="?127.0.0.1:(\d+)/g)];
    assert.equal(ports.length, 2);
    for (const [, port] of ports) {
      const { stdout, stderr } = await run("python3", ["-c", PROGRAM, port!]);
      assert.equal(stdout, "1 1400 9000 50000 0\n", `${stderr}${pair.server.output}`);
    }
  });
}
