import { equal } from "node:assert/strict";
import { test } from "../../tests/check.ts";
import { Process } from "../../tests/process.ts";

const url = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);

test("file: one that another user may not look at is there all the same, and a missing one is not", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "ttun-file-" }); // accessible only to root
  try {
    Deno.writeTextFileSync(`${folder}/resolv.conf`, "nameserver 127.0.0.1\n");
    const script = `
      import { fileStamp, readFile } from ${url("./file.ts")};
      import { openLibc } from ${url("./libc.ts")};
      import { becomeUser, findUser } from ${url("./user.ts")};
      using libc = openLibc();
      const look = () => ["${folder}/resolv.conf", "/no-such-file"].map((path) =>
        [fileStamp(libc, path) !== null, readFile(libc, path, 99) !== null]);
      const before = look();
      becomeUser(libc, findUser(libc, "nobody"));
      console.log(JSON.stringify([before, look()]));`;
    const program = `data:text/typescript,${encodeURIComponent(script)}`;
    await using process = new Process(Deno.execPath(), ["run", "-A", program]);
    await process.closed;
    equal(process.output.trim(), "[[[true,true],[false,false]],[[true,false],[false,false]]]");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
