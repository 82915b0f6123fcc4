/** A web server on loopback, as a target for clients of a proxy, and bytes to send both ways. */
import { createHash, randomBytes } from "node:crypto";
import { LOOPBACK } from "./proxy_pair.ts";

const CHUNK = 256 * 1024;
const NOISE = randomBytes(CHUNK);

/** Bytes that nobody can mix up: chunks of noise, each with its number in front. */
export function* bulk(size: number): Generator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < size; at += CHUNK) {
    const chunk = new Uint8Array(NOISE.subarray(0, size - at));
    if (chunk.length >= 4) new DataView(chunk.buffer).setUint32(0, at / CHUNK);
    yield chunk;
  }
}

/** SHA-256 of `bulk`, in hex. */
export function hashOfBulk(size: number, from = 0): string {
  const hash = createHash("sha256");
  let skip = from;
  for (const chunk of bulk(size)) {
    hash.update(chunk.subarray(Math.min(skip, chunk.length)));
    skip = Math.max(0, skip - chunk.length);
  }
  return hash.digest("hex");
}

/** A file of `bulk`. */
export async function writeBulk(path: string, size: number): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  for (const chunk of bulk(size)) {
    for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
  }
}

/** A request as the server has got it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  /** Port of the connection that it came by. */
  readonly from: number;
}

export interface Web extends AsyncDisposable {
  readonly port: number;
  /** Host and port. */
  readonly at: string;
  readonly seen: readonly Seen[];
  /** Settles with the first path asked for that begins so. */
  asked(start: string): Promise<string>;
}

/**
 * `/hello` says so, `/pair` says it to two at a time, who wait for each other, `/bulk/SIZE` sends
 * that much (and parts of it where a Range asks), `/echo` tells length and hash of a body, `/page/N`
 * is a page of N parts, `/part/N` one of these, `/socket` a WebSocket that repeats, `/told/…` what the
 * page says in the end.
 */
export function serveWeb(o: { cert?: string; key?: string; hostname?: string } = {}): Web {
  const seen: Seen[] = [];
  let wake = Promise.withResolvers<void>();
  const abort = new AbortController();
  let first: PromiseWithResolvers<void> | null = null;
  const pair = async () => {
    if (first === null) {
      first = Promise.withResolvers();
      await first.promise;
    } else {
      first.resolve();
      first = null;
    }
    return new Response("hello\n");
  };
  const { hostname = LOOPBACK } = o;
  const options = { hostname, port: 0, signal: abort.signal, onListen: () => {} };
  const tls = o.cert === undefined ? {} : { cert: o.cert, key: o.key! };
  const server = Deno.serve({ ...options, ...tls }, async (request, { remoteAddr }) => {
    const path = new URL(request.url).pathname;
    const { port } = remoteAddr as Deno.NetAddr;
    seen.push({ method: request.method, path, headers: request.headers, from: port });
    wake.resolve();
    wake = Promise.withResolvers<void>();
    return path === "/pair" ? await pair() : await answer(request, path);
  });
  const { port } = server.addr as Deno.NetAddr;
  return {
    port,
    at: `${LOOPBACK}:${port}`,
    seen,
    asked: async (start) => {
      for (;;) {
        const found = seen.find(({ path }) => path.startsWith(start));
        if (found !== undefined) return found.path;
        await wake.promise;
      }
    },
    [Symbol.asyncDispose]: async () => {
      abort.abort();
      await server.finished;
    },
  };
}

async function answer(request: Request, path: string): Promise<Response> {
  const [, word, number] = path.split("/");
  switch (word) {
    case "hello":
      return new Response("hello\n");
    case "bulk":
      return sendBulk(Number(number), request.headers.get("range"));
    case "echo":
      return await echo(request);
    case "page":
      return new Response(page(Number(number)), { headers: { "content-type": "text/html" } });
    case "part":
      return new Response(PART, { headers: { "content-type": "image/svg+xml" } });
    case "told":
      return new Response("thanks\n");
    case "socket": {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onmessage = ({ data }) => socket.send(data);
      return response;
    }
    default:
      return new Response("not found\n", { status: 404 });
  }
}

function sendBulk(size: number, range: string | null): Response {
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
  let skip = from;
  const chunks = bulk(size);
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      for (;;) {
        const { done, value } = chunks.next();
        if (done) return controller.close();
        const part = value.subarray(Math.min(skip, value.length));
        skip -= value.length - part.length;
        if (part.length > 0) return controller.enqueue(part);
      }
    },
  });
  const headers = new Headers({ "content-length": `${size - from}` });
  if (range === null) return new Response(body, { headers });
  headers.set("content-range", `bytes ${from}-${size - 1}/${size}`);
  return new Response(body, { status: 206, headers });
}

async function echo(request: Request): Promise<Response> {
  const hash = createHash("sha256");
  let length = 0;
  for await (const chunk of request.body ?? []) {
    hash.update(chunk);
    length += chunk.length;
  }
  return new Response(`${length} ${hash.digest("hex")}\n`);
}

const PART = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"></svg>';

/** Asks for `/told/…`, with how many parts have come and what a WebSocket said. */
function page(parts: number): string {
  const images = Array.from({ length: parts }, (_, i) => `<img src="/part/${i}">`).join("");
  return `<!doctype html><title>not yet</title>${images}<script>
    const socket = new WebSocket(location.origin.replace("http", "ws") + "/socket");
    const said = new Promise((resolve) => {
      socket.onopen = () => socket.send("repeated");
      socket.onmessage = ({ data }) => resolve(data);
      socket.onerror = () => resolve("no socket");
    });
    onload = async () => {
      const count = [...document.images].filter((image) => image.naturalWidth > 0).length;
      await fetch("/told/" + count + "/" + await said);
    };
  </script>`;
}
