import assert from "node:assert/strict";
import { bashCompletion } from "../src/cli/command/bash_completion.ts";
import { COMMANDS } from "../src/cli/command/commands.ts";
import { missing } from "./here.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const SCRIPTS = [
  "install.sh",
  ...["postinst", "prerm", "postrm"].map((at) => `release/debian/${at}`),
];

Deno.test("the scripts are for any POSIX shell, and the end of install.sh is what runs it", async () => {
  for (const script of SCRIPTS) {
    const text = await Deno.readTextFile(ROOT + script);
    assert.match(text, /^#!\/bin\/sh\n/);
    assert.match(text, /^set -eu$/m);
    const { success } = await new Deno.Command("sh", { args: ["-n", ROOT + script] }).output();
    assert(success, script);
  }
  assert.match(await Deno.readTextFile(`${ROOT}install.sh`), /\nmain "\$@"\n$/);
});

Deno.test({
  name: "shellcheck has nothing against the scripts",
  ignore: missing("shellcheck", "what shellcheck says of the scripts") !== null,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/ttun.bash`, bashCompletion(COMMANDS));
      const { stdout } = await new Deno.Command("shellcheck", {
        args: ["--norc", ...SCRIPTS.map((script) => ROOT + script), `${folder}/ttun.bash`],
      }).output();
      assert.equal(new TextDecoder().decode(stdout), "");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
