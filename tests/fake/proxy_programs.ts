/** Programs that use a proxy, as they speak to it; what they read is exactly what they wait for. */
import { parseIp } from "../../src/base/addr.ts";
import { concat, utf8 } from "../../src/base/bytes.ts";
import type { Connection } from "../../src/contract/connection.ts";
import { readExactly } from "../suite/stream_net.ts";
import { read, write } from "../../src/app/loop/stream_io.ts";

const CONNECTED = 0;

function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >>> 8, port);
}

/** Bytes of a SOCKS5 client for a target. */
export function socks5Request(host: string, port: number): Uint8Array {
  const ip = parseIp(host);
  const address = ip === null
    ? concat(Uint8Array.of(3, host.length), utf8(host))
    : concat(Uint8Array.of(ip.length === 4 ? 1 : 4), ip);
  return concat(Uint8Array.of(5, 1, 0), address, portBytes(port));
}

/** SOCKS5 in lock-step; the reply's code. */
export async function socks5(
  stream: Connection,
  host: string,
  port = 80,
  login?: { user: string; password: string },
): Promise<number> {
  const method = login === undefined ? 0 : 2;
  await write(stream, Uint8Array.of(5, 1, method));
  const chosen = (await readExactly(stream, 2))[1]!;
  if (chosen !== method) return chosen;
  if (login !== undefined) {
    const [user, password] = [utf8(login.user), utf8(login.password)];
    const lengths = [Uint8Array.of(1, user.length), Uint8Array.of(password.length)] as const;
    await write(stream, concat(lengths[0], user, lengths[1], password));
    if ((await readExactly(stream, 2))[1] !== CONNECTED) return 0xff;
  }
  await write(stream, socks5Request(host, port));
  return await socks5Reply(stream);
}

/** Reads a reply to its last byte; its code. */
export async function socks5Reply(stream: Connection): Promise<number> {
  const head = await readExactly(stream, 4);
  await readExactly(stream, (head[3] === 4 ? 16 : 4) + 2);
  return head[1]!;
}

/** SOCKS4, or 4a for a name; the reply's code (90 = connected). */
export async function socks4(stream: Connection, host: string, port = 80): Promise<number> {
  const ip = parseIp(host);
  await write(
    stream,
    concat(
      Uint8Array.of(4, 1),
      portBytes(port),
      ip ?? Uint8Array.of(0, 0, 0, 1),
      utf8("somebody\0"),
      ip === null ? utf8(`${host}\0`) : new Uint8Array(),
    ),
  );
  return (await readExactly(stream, 8))[1]!;
}

/** A head to its empty line. */
export async function readHead(stream: Connection): Promise<string> {
  let head = "";
  while (!head.endsWith("\r\n\r\n")) {
    head += String.fromCharCode((await readExactly(stream, 1))[0]!);
  }
  return head;
}

/** HTTP CONNECT; the answer's status. */
export async function httpConnect(stream: Connection, host: string, port = 80): Promise<number> {
  const to = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  await write(stream, utf8(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`));
  return Number((await readHead(stream)).split(" ")[1]);
}

/** HTTP GET through the proxy, on a connection that goes on; status and body. */
export async function httpGet(
  stream: Connection,
  url: string,
  fields = "",
): Promise<{ status: number; body: string }> {
  const host = new URL(url).host;
  await write(stream, utf8(`GET ${url} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`));
  const head = await readHead(stream);
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
  const body = new TextDecoder().decode(await readExactly(stream, length));
  return { status: Number(head.split(" ")[1]), body };
}

/** A web server that tells each request's first line, as often as it is asked. */
export async function web(stream: Connection): Promise<void> {
  for (;;) {
    let head: string;
    try {
      head = await readHead(stream);
    } catch {
      return void await stream.closeWrite();
    }
    const body = head.split("\r\n")[0]!;
    await write(stream, utf8(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
  }
}

/** Sends data and its FIN, and reads what comes back to the end. */
export async function exchange(stream: Connection, data: Uint8Array): Promise<Uint8Array> {
  const sending = (async () => {
    await write(stream, data);
    await stream.closeWrite();
  })();
  const parts: Uint8Array[] = [];
  for (;;) {
    const into = new Uint8Array(64 * 1024);
    const got = await read(stream, into);
    if (got === null) break;
    parts.push(into.subarray(0, got));
  }
  await sending;
  return concat(...parts);
}

/** How a connection ends, where nothing else is expected of it. */
export async function ending(program: Connection): Promise<string> {
  try {
    return await read(program, new Uint8Array(100)) === null ? "FIN" : "bytes";
  } catch {
    return "reset";
  }
}
