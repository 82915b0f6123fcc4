import { equal, match, ok } from "node:assert/strict";
import { test } from "./check.ts";

/** The exit of a `deno test` in a process of its own, of a file with this text. */
async function runFixture(body: string): Promise<{ code: number; output: string }> {
  const folder = await Deno.makeTempDir({ prefix: "ttun-check-" });
  try {
    const file = `${folder}/fixture_test.ts`;
    const from = (path: string) => JSON.stringify(import.meta.resolve(path));
    await Deno.writeTextFile(
      file,
      `import { test } from ${from("./check.ts")};
       import { openLibc } from ${from("../ffi/linux/libc.ts")};
       import { check } from ${from("../ffi/native.ts")};
       test("fixture", () => { ${body} });`,
    );
    const config = new URL("../deno.json", import.meta.url).pathname;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", "--config", config, file],
      env: { NO_COLOR: "1" },
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, output: decode(stdout) + decode(stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const SOCKET = "const libc = openLibc(); const fd = check('socket', libc.socket(2, 1, 0));";
const CLOSE = "libc[Symbol.dispose]();";

Deno.test("check: a socket left open by a native call fails the test", async () => {
  const { code, output } = await runFixture(SOCKET + CLOSE);
  equal(code, 1, output);
  match(output, /left descriptors open:\n\s+\d+ → socket:\[\d+\]/);
});

Deno.test("check: each of several descriptors of one kind is told", async () => {
  const { code, output } = await runFixture(
    `${SOCKET} libc.close(fd); libc.epollCreate1(0); libc.epollCreate1(0); ${CLOSE}`,
  );
  equal(code, 1, output);
  equal(output.match(/\d+ → anon_inode:\[eventpoll\]/g)?.length, 2, output);
});

Deno.test("check: what is closed, also a moment later, passes", async () => {
  const { code, output } = await runFixture(
    `${SOCKET} setTimeout(() => { libc.close(fd); ${CLOSE} }, 300);`,
  );
  equal(code, 0, output);
});

Deno.test("check: a test that fails shows its own reason", async () => {
  const { code, output } = await runFixture(`${SOCKET} ${CLOSE} throw new Error("own reason");`);
  equal(code, 1, output);
  match(output, /own reason/);
  ok(!output.includes("left descriptors open"), output);
});

for (const round of [1, 2]) {
  test(`check: a worker that was ended is no leak (${round})`, async () => {
    const worker = new Worker("data:text/javascript,self.postMessage(0)", { type: "module" });
    await new Promise((done) => worker.onmessage = done);
    worker.terminate();
  });
}

test("check: processes, files and connections of Deno's own that were closed are no leak", async () => {
  await new Deno.Command("true").output();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  using one = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using other = await accepted;
  await one.write(new Uint8Array(1));
  equal(await other.read(new Uint8Array(1)), 1);
});

Deno.test("check: a failure whose clean-up fails too is told with it", async () => {
  const { code, output } = await runFixture(
    `using _bad = { [Symbol.dispose]() { throw new Error("cannot clean up"); } };
     throw new Error("the first failure");`,
  );
  equal(code, 1, output);
  match(output, /the first failure[^]*Then the clean-up failed: Error: cannot clean up/);
});
