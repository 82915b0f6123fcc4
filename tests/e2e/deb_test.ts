import assert from "node:assert/strict";
import manifest from "../../deno.json" with { type: "json" };
import { buildDeb } from "../../release/deb.ts";
import { test } from "../check.ts";
import { builtBinary } from "./binary.ts";

/** Where things are to be, with their modes as dpkg-deb -c has them. */
const CONTENT: Record<string, RegExp> = {
  "./usr/bin/ttun": /^-rwxr-xr-x root\/root/,
  "./usr/share/man/man1/ttun.1.gz": /^-rw-r--r-- root\/root/,
  "./usr/share/bash-completion/completions/ttun": /^-rw-r--r-- root\/root/,
  "./usr/share/zsh/vendor-completions/_ttun": /^-rw-r--r-- root\/root/,
  "./usr/share/fish/vendor_completions.d/ttun.fish": /^-rw-r--r-- root\/root/,
  "./usr/lib/systemd/system/ttun-server.service": /^-rw-r--r-- root\/root/,
  "./usr/lib/systemd/system/ttun-client@.service": /^-rw-r--r-- root\/root/,
  "./usr/lib/systemd/system/ttun-proxy-server.service": /^-rw-r--r-- root\/root/,
  "./usr/lib/systemd/system/ttun-proxy-client@.service": /^-rw-r--r-- root\/root/,
  "./usr/share/doc/ttun/copyright": /^-rw-r--r-- root\/root/,
  "./usr/share/doc/ttun/changelog.gz": /^-rw-r--r-- root\/root/,
};

/** Why this file's tests cannot run here, or null. */
const obstacle = missing("dpkg", "dpkg-deb") ??
  (Deno.readTextFileSync("/proc/filesystems").includes("\toverlay\n") ? null : "no overlay");
if (obstacle !== null) console.log(`The Debian package is not tested: ${obstacle}`);
const ignore = obstacle !== null;

function missing(...programs: string[]): string | null {
  const found = (name: string) =>
    new Deno.Command("which", { args: [name], stdout: "null" }).outputSync().success;
  const first = programs.find((name) => !found(name));
  return first === undefined ? null : `there is no ${first}`;
}

async function output(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.equal(code, 0, `${command} ${args.join(" ")}\n${out}${err}`);
  return out!;
}

/** Runs a test with a package in a folder of its own. */
async function withDeb(use: (deb: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ttun-deb-test-" });
  try {
    await use(await buildDeb((await builtBinary()).file, folder, { fast: true }), folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

test({
  name: "the Debian package has what it should, where it should be, and nothing else",
  ignore,
  fn: () =>
    withDeb(async (deb) => {
      const facts = await output("dpkg-deb", "-I", deb);
      for (
        const line of [
          / Package: ttun$/m,
          new RegExp(` Version: ${manifest.version}$`, "m"),
          / Architecture: (amd64|arm64)$/m,
          / Depends: libc6\b/m,
          / Recommends: libssl3$/m,
          / Section: net$/m,
          / Description: \S+/m,
          / Installed-Size: \d{4,}$/m,
        ]
      ) assert.match(facts, line);
      const lines = (await output("dpkg-deb", "-c", deb)).trim().split("\n");
      const found = new Map(lines.map((line) => [line.split(/\s+/)[5]!, line]));
      for (const [path, mode] of Object.entries(CONTENT)) assert.match(found.get(path) ?? "", mode);
      const folders = [...found].filter(([path]) => path.endsWith("/"));
      for (const [, line] of folders) assert.match(line, /^drwxr-xr-x root\/root/);
      assert.equal(found.size - folders.length, Object.keys(CONTENT).length, lines.join("\n"));
    }),
});

test({
  name: "the Debian package is installed, runs, and is gone when removed",
  ignore,
  fn: () =>
    withDeb(async (deb, folder) => {
      // The machine's own system shows through, and keeps nothing.
      const script = `
        layers=${folder}/layers
        mkdir $layers
        mount -t tmpfs none $layers
        for part in usr etc var; do
          mkdir $layers/$part $layers/$part.work
          mount -t overlay -o lowerdir=/$part,upperdir=$layers/$part,workdir=$layers/$part.work \
            none /$part
        done
        rm -f /var/lib/man-db/auto-update # an index of all the machine's pages, for ours
        remains() { find $layers/usr $layers/etc -name '*ttun*'; }
        dpkg -i --force-depends ${deb} >$layers/first
        grep -c 'What to do next' $layers/first
        /usr/bin/ttun --version
        dpkg -V ttun >&2
        stat -c '%a %U %n' /etc/ttun
        if command -v man >/dev/null; then man -w ttun >&2; fi
        if command -v systemd-analyze >/dev/null; then
          systemd-analyze verify ttun-server.service ttun-client@office.service \
            ttun-proxy-server.service ttun-proxy-client@office.service 2>&1
        fi
        grep -o 'ttun genkey > [^ ]*' $layers/first | sh -eu
        stat -c '%a %U %n' /etc/ttun/key
        echo key >/etc/ttun/key
        dpkg -i --force-depends ${deb} >$layers/again
        ! grep 'What to do next' $layers/again
        dpkg -r ttun >&2
        echo remains: $(remains | sed "s#$layers##") $(cat /etc/ttun/key)
        dpkg -i --force-depends ${deb} >&2
        rm /etc/ttun/key
        mkdir -p /var/lib/private # systemd makes such for a unit with DynamicUser=
        for state in ttun ttun-client-office; do
          mkdir /var/lib/private/$state
          ln -s private/$state /var/lib/$state
        done
        dpkg -P ttun >&2
        echo remains: $(remains) $(find /var/lib -maxdepth 2 -name 'ttun*')
        ! dpkg -s ttun >/dev/null 2>&1`;
      assert.equal(
        await output("unshare", "-m", "--", "sh", "-euc", script),
        "1\n" +
          `ttun ${manifest.version}\n` +
          "700 root /etc/ttun\n" +
          "600 root /etc/ttun/key\n" +
          "remains: /etc/ttun key\n" +
          "remains:\n",
      );
    }),
});

test({
  name: "a Debian package of what is no program for Linux is refused",
  ignore,
  fn: () =>
    assert.rejects(buildDeb(new URL(import.meta.url).pathname, "/nowhere"), /no program for Linux/),
});
