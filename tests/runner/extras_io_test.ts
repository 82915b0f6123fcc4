import { deepEqual, equal } from "node:assert/strict";
import { test } from "../check.ts";
import { type ExtraName, EXTRAS, installScript, UNPACKED } from "./extras.ts";

const INSTALLED = (Object.keys(EXTRAS) as ExtraName[]).filter((name) =>
  !("isUnpacked" in EXTRAS[name])
);

/** Runs a script with a folder of stand-ins for programs, and its paths below another folder. */
async function run(script: string, aptGet: string) {
  const folder = await Deno.makeTempDir({ prefix: "ttun-extras-" });
  try {
    await Deno.mkdir(`${folder}/usr/sbin`, { recursive: true });
    await Deno.writeTextFile(`${folder}/apt-get`, `#!/bin/sh\n${aptGet}\n`, { mode: 0o755 });
    const moved = script.replaceAll(/(\/usr\/sbin|\/etc\/ssh)/g, `${folder}$1`)
      .replaceAll(UNPACKED, `${folder}/unpacked`);
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
      unpacked: await names(`${folder}/unpacked`),
      noSshd: await has("/etc/ssh/sshd_not_to_be_run"),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function names(folder: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) found.push(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

test("extras: while a package is installed no service may start, and afterwards it is as before", async () => {
  const apt = 'echo "$* $("$FOLDER/usr/sbin/policy-rc.d"; echo $?)" >>"$FOLDER/asked"';
  for (const name of INSTALLED) {
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

test("extras: a package with a service is only unpacked, and a failure leaves nothing", async () => {
  const script = installScript("etcd-server");
  const fails = await run(script, 'echo "$1" >>"$FOLDER/asked"; exit 1');
  deepEqual([fails.code === 0, fails.unpacked], [false, []]);
  deepEqual(fails.asked, ["download", "update"]);
  const apt = `echo "$1" >>"$FOLDER/asked"
    mkdir -p "$FOLDER/p/DEBIAN" "$FOLDER/p/usr/bin"
    touch "$FOLDER/p/usr/bin/etcd"
    printf 'Package: etcd-server\\nVersion: 1\\nArchitecture: all\\nMaintainer: t <t@t>\\nDescription: t\\n' \
      >"$FOLDER/p/DEBIAN/control"
    dpkg-deb -b "$FOLDER/p" . >/dev/null`;
  const works = await run(script, apt);
  deepEqual([works.code, works.unpacked, works.asked], [0, ["etcd-server"], ["download"]]);
});
