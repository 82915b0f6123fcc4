import assert from "node:assert/strict";
import { test } from "../check.ts";
import { makeFolder } from "./proxy_files.ts";
import { LOOPBACK, openPair, type Pair, run, spawnHere } from "./proxy_pair.ts";
import { readToEnd, writeAll } from "./proxy_socks.ts";
import { listenFor, soon, type Target } from "./proxy_targets.ts";
import { writeBulk } from "./proxy_web.ts";

const MB = 1024 * 1024;
const UPLOAD = 8 * MB;

/** An HTTP server as many write one: it answers a body that is too large without reading it. */
const PYTHON = `
import http.server, socketserver
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = b"too big\\n"
        self.send_response(413)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True
    def log_message(self, *a):
        pass
socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("${LOOPBACK}", 0), Handler)
print("port", server.server_address[1], flush=True)
server.serve_forever()
`;

const WAYS: Record<string, (proxy: string) => string[]> = {
  "the HTTP proxy": (proxy) => ["-x", `http://${proxy}`],
  "CONNECT": (proxy) => ["-p", "-x", `http://${proxy}`],
  "SOCKS5": (proxy) => ["-x", `socks5h://${proxy}`],
};

const TIMES = { ffi: 5, deno: 2 };

for (const io of ["ffi", "deno"] as const) {
  test(`curl: an early answer to an upload is there every time, each way: --io ${io}`, async () => {
    await using folder = await makeFolder();
    const file = `${folder.path}/upload`;
    await writeBulk(file, UPLOAD);
    await using target = spawnHere("python3", ["-c", PYTHON]);
    await target.waitFor(/port \d+/);
    const port = /port (\d+)/.exec(target.output)![1];
    await using pair = await openPair({ both: ["--io", io] });
    for (const [way, use] of Object.entries(WAYS)) {
      for (let i = 0; i < TIMES[io]; i++) {
        const args = ["-sS", "--max-time", "20", ...use(pair.proxy), "-H", "Expect:"];
        const { code, stdout, stderr } = await run("curl", [
          ...[...args, "-w", "%{http_code}", "--data-binary", `@${file}`],
          `http://${LOOPBACK}:${port}/`,
        ]);
        assert.deepEqual([code, stdout], [0, "too big\n413"], `${way} ${i}: ${stderr}`);
      }
    }
  });
}

/** Says at once that events will come, none of which does; `open` counts those that it has. */
function eventStream(): Target & { readonly open: number; readonly seen: number } {
  let [open, seen] = [0, 0];
  const target = listenFor(async (conn) => {
    [open, seen] = [open + 1, seen + 1];
    await conn.read(new Uint8Array(4096));
    const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    await conn.write(new TextEncoder().encode(head));
    await readToEnd(conn).finally(() => open--);
  });
  return {
    port: target.port,
    get open() {
      return open;
    },
    get seen() {
      return seen;
    },
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  };
}

const RELOADS = 40;

/** How long the last of many connections may take to be told of an end, on a busy machine. */
const TOLD_MS = 5000;

test("forty reloads of a page with an event stream leave no connection at its target", async () => {
  await using target = eventStream();
  await using pair = await openPair();
  const host = `${LOOPBACK}:${target.port}`;
  for (let i = 0; i < RELOADS; i++) {
    using page = await Deno.connect({ port: pair.port });
    const head = `GET http://${host}/events HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    await writeAll(page, new TextEncoder().encode(head));
    await page.read(new Uint8Array(4096));
  }
  for (const deadline = Date.now() + TOLD_MS; target.open > 0;) {
    assert(Date.now() < deadline, `${target.open} of ${target.seen} are open`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(target.seen, RELOADS);
});

test("nc: who ends behind the request has the whole answer", async () => {
  const body = "x".repeat(MB);
  await using target = listenFor(async (conn) => {
    const { bytes } = await readToEnd(conn); // the client's end is the target's to hear
    const head = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nA: ${bytes}\r\n\r\n`;
    await writeAll(conn, new TextEncoder().encode(head + body));
  });
  await using pair = await openPair();
  const host = `${LOOPBACK}:${target.port}`;
  const script =
    'printf "GET http://$1/ HTTP/1.1\\r\\nHost: $1\\r\\n\\r\\n" | nc.openbsd -N 127.0.0.1 $2';
  const { stdout, stderr } = await run("sh", ["-c", script, "sh", host, `${pair.port}`]);
  assert.match(stdout, /^HTTP\/1\.1 200 OK\r\n/, stderr);
  assert.equal(stdout.split("\r\n\r\n")[1], body);
});

/** Answers each request with what it was, and says no more. */
function mirror(hostname: string) {
  const abort = new AbortController();
  const server = Deno.serve(
    { hostname, port: 0, signal: abort.signal, onListen: () => {} },
    (request) => {
      const authorization = request.headers.get("authorization");
      return new Response(
        `${request.headers.get("host")} ${authorization} ${new URL(request.url).pathname}`,
      );
    },
  );
  return {
    port: server.addr.port,
    [Symbol.asyncDispose]: async () => {
      abort.abort();
      await server.finished;
    },
  };
}

/** Sends this text to the proxy, with CRLF line ends, and returns the answer. */
async function raw({ port }: Pair, text: string): Promise<string> {
  using conn = await Deno.connect({ port });
  await writeAll(conn, new TextEncoder().encode(text.replaceAll("\n", "\r\n")));
  const { promise, resolve } = Promise.withResolvers<string>();
  void (async () => {
    let all = "";
    const into = new Uint8Array(4096);
    for (;;) {
      const got = await conn.read(into);
      if (got === null) return resolve(all);
      all += new TextDecoder().decode(into.subarray(0, got));
    }
  })().catch((error) => resolve(String(error)));
  return await soon(promise);
}

test("wget: a user and a password in the address; no log has them", async () => {
  await using target = mirror(LOOPBACK);
  await using pair = await openPair();
  const at = `${LOOPBACK}:${target.port}`;
  const { code, stdout, stderr } = await run(
    "wget",
    ["-q", "-O", "-", "--tries=1", `http://user:sec%40ret@${at}/x`],
    { env: { http_proxy: `http://${pair.proxy}/` } },
  );
  assert.deepEqual([code, stdout], [0, `${at} Basic ${btoa("user:sec@ret")} /x`], stderr);
  for (const { output } of [pair.client, pair.server]) assert(!/sec(@|%40)ret|user:/.test(output));
});

test("IPv6 literals as clients write them: curl, httpx, Java, and others", async () => {
  await using target = mirror("::1");
  await using pair = await openPair({ server: ["--allow", "::1/128"] });
  const { port } = target;
  const want = `[::1]:${port} null /x`;
  for (const use of Object.values(WAYS)) {
    const args = ["-sS", "--max-time", "20", "-g", ...use(pair.proxy)];
    const { stdout, stderr } = await run("curl", [...args, `http://[::1]:${port}/x`]);
    assert.equal(stdout, want, stderr);
  }
  const fields = `Host: [::1]:${port}\nConnection: close\n\n`;
  // httpx 0.28, Java's HttpURLConnection, and one without a Host that tells.
  for (const address of [`http://::1:${port}/x`, `http://[::1]:${port}/x`]) {
    assert((await raw(pair, `GET ${address} HTTP/1.1\n${fields}`)).endsWith(want), address);
  }
  assert((await raw(pair, `GET http://::1:${port}/x HTTP/1.0\n\n`)).endsWith(want));
  const inner = `GET /x HTTP/1.1\n${fields}`;
  for (const host of ["::1", "[::1]"]) {
    const got = await raw(pair, `CONNECT ${host}:${port} HTTP/1.1\nHost: ${host}\n\n${inner}`);
    assert.match(got, /^HTTP\/1\.1 200 /);
    assert(got.endsWith(want), got);
  }
});

test("curl: answers that it shows by itself it shows through the HTTP proxy", async () => {
  const ok = "HTTP/1.1 200 OK\r\n";
  const answers = [
    `${ok}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok`,
    `${ok}Content-Length: 2, 2\r\n\r\nok`,
    `${ok}Transfer-Encoding: identity\r\nConnection: close\r\n\r\nok`,
    `${ok}Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    `${ok}Transfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    `${ok}A b: c\r\nContent-Length: 2\r\n\r\nok`,
    `${ok}no colon\r\nContent-Length: 2\r\n\r\nok`,
    `${ok}A: \x01b\r\nContent-Length: 2\r\n\r\nok`,
    `${ok}${"A: b\r\n".repeat(1000)}Content-Length: 2\r\n\r\nok`,
    `${ok}A: ${"x".repeat(96 * 1024)}\r\nContent-Length: 2\r\n\r\nok`,
    `http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`,
  ];
  let next = 0;
  await using target = listenFor(async (conn) => {
    await conn.read(new Uint8Array(4096));
    await writeAll(conn, new TextEncoder().encode(answers[next++]!));
  });
  await using pair = await openPair();
  for (const answer of answers) {
    const args = ["-sS", "--max-time", "20", "-x", `http://${pair.proxy}`];
    const { stdout, stderr } = await run("curl", [...args, `http://${LOOPBACK}:${target.port}/`]);
    assert.equal(stdout, "ok", `${answer.slice(0, 100)} ${stderr}`);
  }
});
