import assert from "node:assert/strict";
import { test } from "../../tests/check.ts";

const script = `
  import { openLibc } from ${JSON.stringify(new URL("./libc.ts", import.meta.url).href)};
  import { raiseDescriptorLimit } from ${
  JSON.stringify(new URL("./descriptor_limit.ts", import.meta.url).href)
};
  using libc = openLibc();
  // Deno has raised it by itself already.
  libc.setrlimit(7, new Uint8Array(new BigUint64Array([100n, 700n]).buffer));
  console.log(/Max open files +(\\d+)/.exec(Deno.readTextFileSync("/proc/self/limits"))[1]);
  console.log(raiseDescriptorLimit(libc));
  console.log(/Max open files +(\\d+)/.exec(Deno.readTextFileSync("/proc/self/limits"))[1]);
`;

test("the limit of descriptors is raised to what it can be, and told", async () => {
  const url = `data:text/typescript,${encodeURIComponent(script)}`;
  const { stdout } = await new Deno.Command("sh", {
    args: [
      "-c",
      'ulimit -Sn 300; ulimit -Hn 700; exec "$@"',
      "sh",
      Deno.execPath(),
      "run",
      "-A",
      url,
    ],
  }).output();
  assert.equal(new TextDecoder().decode(stdout), "100\n700\n700\n");
});
