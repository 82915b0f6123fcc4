import { deepEqual } from "node:assert/strict";
import { test } from "../../../tests/check.ts";

const FOLDERS = new URL("./folders.ts", import.meta.url).href;

test("root sees the folders of units, of those with a user of their own by their real path", async () => {
  const print = `import { allFolders } from "${FOLDERS}"; console.log(allFolders().join(" "));`;
  const script = `
    mount -t tmpfs none /run
    mkdir -m 700 /run/private
    mkdir /run/ttun-server-a /run/private/ttun-client-b /run/other /run/private/other
    ln -s private/ttun-client-b /run/ttun-client-b
    ln -s other /run/ttun-client-c
    ln -s private/other /run/ttun-client-d
    ln -s private/gone /run/ttun-client-e
    exec "$@"`;
  const { stdout } = await new Deno.Command("unshare", {
    args: ["-m", "sh", "-euc", script, "sh", Deno.execPath(), "eval", print],
  }).output();
  const folders = new TextDecoder().decode(stdout).trim().split(" ");
  deepEqual(folders.toSorted(), ["/run/private/ttun-client-b", "/run/ttun", "/run/ttun-server-a"]);
});
