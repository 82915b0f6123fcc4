import { deepEqual, equal } from "node:assert/strict";
import { test } from "../check.ts";
import { type ExtraName, EXTRAS, installScript } from "./extras.ts";

const NAMES = Object.keys(EXTRAS) as ExtraName[];

/** Runs a script with a folder of stand-ins for programs, and its paths below another folder. */
async function run(script: string, aptGet: string) {
  const folder = await Deno.makeTempDir({ prefix: "ttun-extras-" });
  try {
    await Deno.mkdir(`${folder}/usr/sbin`, { recursive: true });
    await Deno.writeTextFile(`${folder}/apt-get`, `#!/bin/sh\n${aptGet}\n`, { mode: 0o755 });
    const moved = script.replaceAll(/(\/usr\/sbin|\/etc\/ssh)/g, `${folder}$1`);
    const { code, stdout } = await new Deno.Command("sh", {
      args: ["-euc", moved],
      env: { PATH: `${folder}:/usr/bin:/bin`, FOLDER: folder },
      stderr: "null",
    }).output();
    const has = async (path: string) =>
      await Deno.stat(folder + path).then(() => true, () => false);
    return {
      code,
      asked: (await Deno.readTextFile(`${folder}/asked`)).trim().split("\n"),
      stdout: new TextDecoder().decode(stdout),
      policy: await has("/usr/sbin/policy-rc.d"),
      noSshd: await has("/etc/ssh/sshd_not_to_be_run"),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

test("extras: while a package is installed no service may start, and afterwards it is as before", async () => {
  const apt = 'echo "$* $("$FOLDER/usr/sbin/policy-rc.d"; echo $?)" >>"$FOLDER/asked"';
  for (const name of NAMES) {
    const { code, asked, policy, noSshd } = await run(installScript(name), apt);
    const command = `install -y --no-install-recommends ${name}`;
    deepEqual([code, asked, policy], [0, [`${command} 101`], false]);
    equal(noSshd, name === "openssh-server");
  }
});

test("extras: the list of packages is fetched where the first try fails, and a failure stays one", async () => {
  const apt = 'echo "$1" >>"$FOLDER/asked"; [ "$1" = update ]';
  const { code, asked, policy } = await run(installScript("zsh"), apt);
  deepEqual([code === 0, asked, policy], [false, ["install", "update", "install"], false]);
});
