/**
 * A long path for a client: `far_path.ts HOST PORT DELAY_MS`. Listens on a port of 127.0.0.1, which it
 * prints, and carries connections to HOST:PORT, each byte half of the delay later, both ways. The
 * connection to the server begins with the client's first bytes, as these come right behind the
 * handshake of TCP on a real path.
 */
const [hostname, port, delay] = Deno.args as [string, string, string];
const half = Number(delay) / 2;
const later = () => new Promise((resolve) => setTimeout(resolve, half));

async function carry(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  let last: Promise<unknown> = Promise.resolve();
  for (;;) {
    const got = await from.read(buffer);
    const bytes = got === null ? null : buffer.slice(0, got);
    const due = later();
    last = last.then(async () => {
      await due;
      if (bytes === null) return await (to as Deno.TcpConn).closeWrite();
      for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
    });
    last.catch(() => {}); // awaited at the end
    if (bytes === null) break;
  }
  await last;
}

async function serve(client: Deno.TcpConn): Promise<void> {
  using _client = client;
  const first = new Uint8Array(65_536);
  const got = await client.read(first);
  if (got === null) return;
  await later();
  using server = await Deno.connect({ hostname, port: Number(port) });
  await server.write(first.subarray(0, got));
  await Promise.race([carry(client, server), carry(server, client)]);
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(`port ${(listener.addr as Deno.NetAddr).port}`);
for await (const conn of listener) serve(conn).catch(() => {}); // one that is cut is over
