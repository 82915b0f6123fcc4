import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { type DenoHome, freshDenoHome } from "./deno_home.ts";
import { MANIFEST, packPackage, publishedFiles, serveRegistry, unfurl } from "./registry.ts";
import { ENV, INNER, ping, SERVER } from "./tunnel.ts";

const REGISTRY = new URL("registry.ts", import.meta.url).pathname;
const PACKAGE = `jsr:${MANIFEST.name}`;

/** Loading a hundred files, compiling them, and scrypt. */
const FIRST_START_MS = 30_000;

async function runDeno(home: DenoHome, port: number, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: home.cwd,
    env: home.env(`http://127.0.0.1:${port}/`),
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

test("package: it holds the program, its licence and its manual, and nothing else", async () => {
  const files = await publishedFiles();
  const others = files.filter((path) => !/^(src|ffi)\/.+\.ts$/.test(path));
  assert.deepEqual(others.sort(), ["LICENSE", "README.md", "deno.json", "main.ts", "mod.ts"]);
  assert.deepEqual(files.filter((path) => /_(test|fixture)\.ts$/.test(path)), []);
  assert(files.includes("src/cli/data_plane.ts")); // of which no import tells
});

test("package: bare specifiers become those of the import map", () => {
  const imports = { "@a/b": "npm:@a/b@1.2.3" };
  const source = `import { x } from "@a/b/c.js";\nexport * from "@a/b";\nimport "@a/bc";\n`;
  assert.equal(
    unfurl(source, imports),
    `import { x } from "npm:@a/b@1.2.3/c.js";\nexport * from "npm:@a/b@1.2.3";\nimport "@a/bc";\n`,
  );
});

test("package: `deno run jsr:…` is the command, from an empty cache", async () => {
  await using home = await freshDenoHome();
  await using registry = await serveRegistry(await packPackage(), "127.0.0.1");
  const first = await runDeno(home, registry.port, "run", "-A", PACKAGE, "--version");
  assert.deepEqual([first.code, first.stdout], [0, `ttun ${MANIFEST.version}\n`], first.stderr);
  const count = registry.asked.length;
  assert(count > 10);
  const again = await runDeno(home, registry.port, "run", "-A", PACKAGE, "--version");
  assert.deepEqual([again.code, again.stderr, registry.asked.length], [0, "", count]);
});

test("package: a file that is not the one that was published is refused", async () => {
  await using home = await freshDenoHome();
  await using registry = await serveRegistry(await packPackage(), "127.0.0.1");
  registry.files.set("/main.ts", new TextEncoder().encode("console.log('spoiled');"));
  const { code, stdout, stderr } = await runDeno(home, registry.port, "run", "-A", PACKAGE);
  assert.deepEqual([code === 0, stdout], [false, ""]);
  assert.match(stderr, /integrity check failed/i);
});

test("package: a program can import its parts, with their types", async () => {
  await using home = await freshDenoHome();
  await using registry = await serveRegistry(await packPackage(), "127.0.0.1");
  await Deno.writeTextFile(
    `${home.cwd}/program.ts`,
    `import { type Cipher, ClientHandshake, makePureCipher } from "${PACKAGE}/mod";
     using cipher: Cipher = makePureCipher("aes-256-gcm", new Uint8Array(32));
     const bytes = new Uint8Array(20);
     cipher.seal(new Uint8Array(12), null, bytes, 0, 4, 4);
     // @ts-expect-error -- the types are there: this is not one of them
     const wrong: string = ClientHandshake;
     console.log(cipher.open(new Uint8Array(12), null, bytes, 0, 4, 4), typeof wrong);`,
  );
  const ended = await runDeno(home, registry.port, "run", "-A", "--check", "program.ts");
  assert.deepEqual([ended.code, ended.stdout], [0, "true function\n"], ended.stderr);
});

test("package: a tunnel whose two ends come from the registry", async () => {
  await using home = await freshDenoHome();
  await using hosts = await twoHosts();
  await using registry = hosts.server.spawn(Deno.execPath(), ["run", "-A", REGISTRY], {
    stdin: "piped",
  });
  const [, port] = await registry.waitFor(/registry on port (\d+)/, FIRST_START_MS);
  const env = { ...ENV, ...home.env(`http://192.0.2.1:${port}/`) };
  const start = (host: typeof hosts.server, options: string[], ...args: string[]) =>
    host.spawn(Deno.execPath(), ["run", "-A", ...options, PACKAGE, ...args], {
      env,
      cwd: home.cwd,
    });
  // The first start fetches everything, the Worker's files as it starts.
  await using server = start(hosts.server, [], "server", "-v");
  await server.waitFor(/listening/, FIRST_START_MS);
  await using client = start(hosts.client, [], "client", "-v", "-s", SERVER);
  await client.waitFor(/authenticated .*wire=v2/, FIRST_START_MS);
  assert.equal(await ping(hosts.client, INNER.server4), 3);
  assert.equal(await ping(hosts.server, INNER.client6), 3);
  client.signal("SIGINT");
  assert.equal((await client.status).code, 0, client.output);
  // From then on it starts without the registry.
  await registry.closeInput();
  await registry.status;
  await using later = start(hosts.client, ["--cached-only"], "client", "-v", "-s", SERVER);
  await later.waitFor(/authenticated/, FIRST_START_MS);
  assert.equal(await ping(hosts.client, INNER.server4), 3);
});

test("package: what is in the cache starts without the registry, the Worker included", async () => {
  await using home = await freshDenoHome();
  let port: number;
  {
    await using registry = await serveRegistry(await packPackage(), "127.0.0.1");
    port = registry.port;
    const cached = await runDeno(home, port, "cache", PACKAGE);
    assert.equal(cached.code, 0, cached.stderr);
  }
  await using hosts = await twoHosts();
  const run = ["run", "-A", "--cached-only", PACKAGE, "server"];
  await using server = hosts.server.spawn(Deno.execPath(), run, {
    env: { ...ENV, ...home.env(`http://127.0.0.1:${port}/`) },
    cwd: home.cwd,
  });
  await server.waitFor(/listening/, FIRST_START_MS);
});
