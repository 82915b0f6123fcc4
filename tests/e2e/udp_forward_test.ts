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

/** Sends two datagrams by UDP ASSOCIATE of SOCKS5, and prints the answers. */
const ASSOCIATE = `import socket, struct, sys
front, target = int(sys.argv[1]), int(sys.argv[2])
tcp = socket.create_connection(("127.0.0.1", front)); tcp.sendall(b"\\5\\1\\0")
assert tcp.recv(2) == b"\\5\\0"
tcp.sendall(b"\\5\\3\\0\\1" + bytes(6)); reply = tcp.recv(10); assert reply[1] == 0, reply
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.settimeout(5)
head = b"\\0\\0\\0\\1" + socket.inet_aton("127.0.0.1") + struct.pack(">H", target)
for size in (3, 1400):
  udp.sendto(head + b"x" * size, ("127.0.0.1", struct.unpack(">H", reply[8:])[0]))
answers = [udp.recv(100) for _ in range(2)]
assert all(answer.startswith(head) for answer in answers)
print(*[answer[len(head):].decode() for answer in answers])`;

test("datagrams by UDP ASSOCIATE of -D", async () => {
  await using counter = spawnHere("python3", ["-c", COUNTER]);
  await counter.waitFor(/port \d+/);
  const target = /port (\d+)/.exec(counter.output)![1]!;
  await using pair = await openForwards({ client: ["-D", "0"] });
  const args = ["-c", ASSOCIATE, `${pair.ports[0]}`, target];
  const { stdout, stderr } = await run("python3", args);
  assert.equal(stdout, "3 1400\n", `${stderr}${pair.client.output}${pair.server.output}`);
});
