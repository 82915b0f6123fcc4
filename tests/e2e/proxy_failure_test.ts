import assert from "node:assert/strict";
import { test } from "../check.ts";
import { Host } from "../netns.ts";
import {
  endWell,
  LOOPBACK,
  openPair,
  type Pair,
  portOf,
  run,
  startClient,
  startServer,
} from "./proxy_pair.ts";
import { openThrough, readToEnd, Refused, writeAll } from "./proxy_socks.ts";
import { endlessSender, listenFor, resetter, soon } from "./proxy_targets.ts";
import { serveWeb } from "./proxy_web.ts";

/** The exit code of curl for a proxy that refused, in its handshake. */
const PROXY_REFUSED = 97;
/** For a CONNECT that was answered otherwise than with 200. */
const CONNECT_REFUSED = 56;

type Runner = typeof run;

/** How each kind of proxy says that it cannot connect to a URL's target. */
async function refusals(proxy: string, url: string, runIn: Runner = run) {
  const curl = (...args: string[]) =>
    runIn("curl", ["-sS", "--noproxy", "", "--max-time", "20", ...args, url]);
  const [socks5, socks4, http, connect] = await Promise.all([
    curl("-x", `socks5h://${proxy}`),
    curl("-x", `socks4a://${proxy}`),
    curl("-x", `http://${proxy}`, "-i"),
    curl("-p", "-x", `http://${proxy}`, "-i"),
  ]);
  const all = [socks5, socks4, http, connect].map(({ stdout, stderr }) => stdout + stderr).join("");
  const codes = [socks5, socks4, http, connect].map(({ code }) => code);
  assert.deepEqual(codes, [PROXY_REFUSED, PROXY_REFUSED, 0, CONNECT_REFUSED], all);
  assert.match(socks4.stderr, /\b91\b/);
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(http.stdout)![1]);
  assert.equal(Number(/^HTTP\/1\.1 (\d+)/.exec(connect.stdout)![1]), status);
  return {
    socks5: Number(/ \((\d+)\)$/m.exec(socks5.stderr)![1]),
    status,
    type: /^Proxy-Status: proxy; error=(\S+)\r$/m.exec(http.stdout)![1],
    words: http.stdout.split("\r\n\r\n")[1]!,
  };
}

for (const wire of ["v1", "v2"]) {
  test(`each reason why a target is not connected to has its code, its status and its words: --wire ${wire}`, async () => {
    await using host = await Host.create();
    await host.sh(`
    iptables -w -A INPUT -p tcp --dport 7 -j DROP
    ip route add unreachable 198.51.100.7`);
    const args = ["--connect-timeout", "1", "--allow", "198.51.100.0/24"];
    await using pair = await openPair({
      both: ["--wire", wire],
      server: args,
      spawn: (command, args, options) => host.spawn(command, args, options),
    });
    // SOCKS5 has one code for a name and a host, and our client knows no more than that.
    const reasons: [string, number, number, string, RegExp][] = [
      ["10.1.2.3", 2, 403, "destination_ip_prohibited", /10\.1\.2\.3:80.*--allow/],
      [
        "no-such-host.invalid",
        4,
        502,
        "destination_ip_unroutable",
        /no-such-host\.invalid:80, or its name does not resolve/,
      ],
      [`${LOOPBACK}:1`, 5, 502, "connection_refused", /127\.0\.0\.1:1 refused/],
      [`${LOOPBACK}:7`, 6, 504, "connection_timeout", /127\.0\.0\.1:7 did not answer/],
      ["198.51.100.1", 3, 502, "destination_ip_unroutable", /no way to the network/],
      ["198.51.100.7", 4, 502, "destination_ip_unroutable", /no way to 198\.51\.100\.7:80/],
    ];
    await Promise.all(reasons.map(async ([target, socks5, status, type, words]) => {
      const url = `http://${target}/`;
      const told = await refusals(pair.proxy, url, host.run.bind(host) as Runner);
      assert.deepEqual([told.socks5, told.status], [socks5, status], target);
      assert.match(told.words, words);
      assert.equal(told.type, type);
    }));
    await pair.server.waitFor(/target denied .*10\.1\.2\.3.*private .*--allow/);
  });
}

test("another key: the program is refused, and the log says what may be wrong", async () => {
  await using pair = await openPair({ client: ["-k", "a quite different key"] });
  const { socks5, status, words } = await refusals(pair.proxy, `http://${LOOPBACK}:1/`);
  assert.deepEqual([socks5, status], [1, 503]);
  assert.match(words, /no connection to the proxy.s server/);
  await pair.client.waitFor(/warn {2}no way to the server .*why=.*refused.*another key/);
  assert(!pair.client.output.includes("different"));
});

test("a server that is not there, comes, is killed in the middle, and comes again", async () => {
  await using web = serveWeb();
  await using stack = new AsyncDisposableStack();
  const args = ["--keep-session", "2"]; // so long a server may be away
  const client = stack.adopt(await startClient({ args }), endWell);
  const proxy = `${LOOPBACK}:${portOf(client)}`;
  const began = performance.now();
  const { socks5, status } = await refusals(proxy, `http://${web.at}/hello`);
  assert.deepEqual([socks5, status], [1, 503]);
  assert(performance.now() - began < 4000, "at once");
  await client.waitFor(/warn .*refused; is the server running/);
  await using endless = endlessSender();
  for (let i = 0; i < 2; i++) {
    await using server = await startServer();
    const args = ["-sS", "-x", `socks5h://${proxy}`, `http://${web.at}/hello`];
    const { stdout, stderr } = await run("curl", args);
    assert.equal(stdout, "hello\n", stderr);
    using conn = await openThrough(portOf(client), endless.port);
    const reading = readToEnd(conn);
    reading.catch(() => {}); // what fails before it is awaited shall be what is told
    server.signal("SIGKILL");
    await server.status;
    await reading; // by FIN or by reset: what is killed has no say in it
  }
});

for (const both of [["--io", "ffi"], ["--io", "deno"], ["--wire", "v1"]]) {
  test(`a target's reset is a reset, whatever the proxy speaks: ${both.join(" ")}`, async () => {
    await using pair = await openPair({ both });
    await using target = await resetter("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    using conn = await openThrough(pair.port, target.port);
    await writeAll(conn, new Uint8Array(100));
    assert.equal((await readToEnd(conn)).end, "reset");
    for (const way of [["-x", "http://"], ["-p", "-x", "http://"], ["-x", "socks5://"]]) {
      const { code, stdout, stderr } = await run("curl", [
        ...["-sS", ...way.slice(0, -1), `${way.at(-1)}${pair.proxy}`],
        `http://${LOOPBACK}:${target.port}/`,
      ]);
      assert.deepEqual([code, stdout], [56, "half"], stderr);
    }
  });
}

test("a program that is reset or gone: its target hears of it at once", async () => {
  await using pair = await openPair();
  let ends = 0;
  const heard = Promise.withResolvers<void>();
  await using target = listenFor(async (conn) => {
    try {
      for (const zeros = new Uint8Array(64 * 1024);;) await conn.write(zeros);
    } finally {
      if (++ends === 2) heard.resolve();
    }
  });
  // Closed with bytes unread: a reset.
  for (let i = 0; i < 2; i++) {
    const conn = await openThrough(pair.port, target.port);
    await conn.read(new Uint8Array(1000));
    conn.close();
  }
  await soon(heard.promise);
});

test("past the server: what --direct names is connected to from here", async () => {
  await using web = serveWeb();
  await using stack = new AsyncDisposableStack();
  const args = ["--direct", "127.0.0.0/8", "--direct", "localhost"];
  const client = stack.adopt(await startClient({ args }), endWell);
  const proxy = `${LOOPBACK}:${portOf(client)}`;
  for (const way of ["socks5h://", "socks4a://", "http://"]) {
    for (const name of [LOOPBACK, "localhost"]) {
      const url = `http://${name}:${web.port}/hello`;
      const { stdout, stderr } = await run("curl", ["-sS", "-x", `${way}${proxy}`, url]);
      assert.equal(stdout, "hello\n", stderr);
    }
  }
  const { socks5, status } = await refusals(proxy, "http://elsewhere.invalid/");
  assert.deepEqual([socks5, status], [1, 503], "there is no server");
});

async function curlAs(pair: Pair, user: string, way: string, url: string) {
  const proxyUser = user === "" ? [] : ["-U", user];
  const args = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", ...proxyUser];
  return await run("curl", [...args, "-x", `${way}${pair.proxy}`, url]);
}

test("who does not know what --auth demands is not served, by any protocol", async () => {
  await using web = serveWeb();
  await using pair = await openPair({ client: ["--auth", "ann:S3cret:with:colons"] });
  const url = `http://${web.at}/hello`;
  for (const way of ["socks5h://", "http://"]) {
    const right = await curlAs(pair, "ann:S3cret:with:colons", way, url);
    assert.equal(right.stdout, "200", right.stderr);
    for (const user of ["", "ann:S3cret", "bob:S3cret:with:colons"]) {
      const { code, stdout } = await curlAs(pair, user, way, url);
      if (way === "http://") assert.equal(stdout, "407");
      else assert.equal(code, PROXY_REFUSED);
    }
  }
  // SOCKS4 knows no password.
  assert.equal((await curlAs(pair, "ann", "socks4://", url)).code, PROXY_REFUSED);
  await assert.rejects(openThrough(pair.port, web.port), /ended|Refused/);
  assert.equal(web.seen.length, 2);
  assert(!pair.client.output.includes("S3cret"));
  assert.equal(new Refused(2).code, 2);
});

test("a server's own public address is denied from the moment when it has it, unless it is allowed", async () => {
  const own = "93.184.0.7";
  const ip = (verb: string) => run("ip", ["address", verb, `${own}/32`, "dev", "lo"]);
  await using web = serveWeb({ hostname: "0.0.0.0" });
  for (const io of ["ffi", "deno"]) {
    await using pair = await openPair({ both: ["--io", io] });
    const ask = async () =>
      (await run("curl", [
        ...["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10"],
        ...["-x", `http://${pair.proxy}`, `http://${own}:${web.port}/hello`],
      ])).stdout;
    assert.equal((await ip("add")).code, 0);
    try {
      const deadline = performance.now() + 10_000;
      while (await ask() !== "403") assert(performance.now() < deadline, "it is not denied");
    } finally {
      await ip("del");
    }
  }
  assert.equal((await ip("add")).code, 0);
  try {
    await using pair = await openPair({ server: ["--allow", own] });
    const { stdout } = await run("curl", ["-x", pair.proxy, `http://${own}:${web.port}/hello`]);
    assert.match(stdout, /hello/i);
  } finally {
    await ip("del");
  }
});

test("names are denied and allowed as programs ask for them, the more specific first", async () => {
  await using web = serveWeb();
  const server = ["--deny", "*.localhost", "--permit-open", `web.localhost:${web.port}`];
  await using pair = await openPair({ server });
  const url = (name: string) => `http://${name}.localhost:${web.port}/hello`;
  const { stdout } = await run("curl", ["-sS", "-x", `socks5h://${pair.proxy}`, url("web")]);
  assert.match(stdout, /hello/i);
  const { socks5, status } = await refusals(pair.proxy, url("other"));
  assert.deepEqual([socks5, status], [2, 403]);
  await pair.server.waitFor(/target denied .*other\.localhost:\d+: --deny \*\.localhost /);
});
