import assert from "node:assert/strict";
import { EXIT_CODES } from "../../src/base/errors.ts";
import { test } from "../check.ts";
import { Host, type Process } from "../netns.ts";
import { type Copy, copyForNobody, NO_WAY, startWith } from "./ordinary_user.ts";

/** `gsettings` and KDE's two programs, which keep each value in a file of its name. */
const STAND_IN = `#!/bin/sh
name=$(basename "$0"); [ -z "$BROKEN" ] || exit 1
echo "$name $*" >>"$DESKTOP/calls"
case $name in
gsettings)
  file="$DESKTOP/$3"
  case $1 in
  writable) echo true;;
  get) echo 'a warning' >&2; cat "$file";;
  set) echo "$4" >"$file";;
  esac;;
kreadconfig6) [ "$1" = --version ] || cat "$DESKTOP/$6" 2>/dev/null || echo;;
kwriteconfig6) if [ "$7" = --delete ]; then rm -f "$DESKTOP/$6"; else echo "$7" >"$DESKTOP/$6"; fi;;
esac`;

class Desktop {
  readonly #folder: string;
  readonly #copy: Copy;
  readonly #name: string;

  constructor(folder: string, copy: Copy, name: string) {
    this.#folder = folder;
    this.#copy = copy;
    this.#name = name;
  }

  get env() {
    return {
      PATH: `${this.#folder}/programs:/usr/bin:/bin`,
      DESKTOP: `${this.#folder}/state/desktop`,
      HOME: this.#copy.state,
      XDG_CURRENT_DESKTOP: this.#name,
    };
  }

  /** The value of each file; undefined = it is not there. */
  value(key: string): string | undefined {
    try {
      return Deno.readTextFileSync(`${this.env.DESKTOP}/${key}`).trim();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  start(host: Host, ...args: string[]): Process {
    return startWith(host, this.#copy, { rights: NO_WAY, env: this.env }, args);
  }

  async startProxy(host: Host, port: number): Promise<Process> {
    const proxy = this.start(host, ...PROXY, "-l", String(port), "--system-proxy");
    await proxy.waitFor(/info {2}the desktop's proxy setting/, 30_000);
    return proxy;
  }
}

const PROXY = ["proxy", "client", "-s", "127.0.0.1", "--no-warm-up"];

async function withDesktop(
  name: string,
  run: (host: Host, desktop: Desktop, copy: Copy) => Promise<void>,
): Promise<void> {
  await using host = await Host.create();
  const folder = await Deno.makeTempDir();
  try {
    const copy = await copyForNobody(folder);
    await Deno.mkdir(`${folder}/programs`, { mode: 0o755 });
    for (const program of ["gsettings", "kreadconfig6", "kwriteconfig6"]) {
      await Deno.writeTextFile(`${folder}/programs/${program}`, STAND_IN, { mode: 0o755 });
    }
    await host.sh(`mkdir ${folder}/state/desktop; cd ${folder}/state/desktop
      echo "'none'" >mode; echo "''" >autoconfig-url; chown -R 65534:65534 .`);
    await run(host, new Desktop(folder, copy, name), copy);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const pac = (port: number) => `http://127.0.0.1:${port}/proxy.pac`;

async function endWith(process: Process, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  process.signal(signal);
  await process.status;
  await process.closed;
}

test("GNOME: --system-proxy sets the PAC file and puts back what was there, also after a kill", async () => {
  await withDesktop("ubuntu:GNOME", async (host, desktop, copy) => {
    const expectFormer = () => {
      assert.equal(desktop.value("mode"), "'none'");
      assert.equal(desktop.value("autoconfig-url"), "''");
    };
    {
      await using proxy = await desktop.startProxy(host, 1080);
      assert.equal(desktop.value("mode"), "'auto'");
      assert.equal(desktop.value("autoconfig-url"), `'${pac(1080)}'`);
      const shown = await host.run("curl", ["-s", pac(1080)]);
      assert.match(shown.stdout, /FindProxyForURL/);
      await using second = desktop.start(host, ...PROXY, "-l", "1081", "--system-proxy");
      assert.equal((await second.status).code, EXIT_CODES.in_use.code, second.output);
      await endWith(proxy, "SIGTERM");
      assert.match(proxy.output, /former proxy setting is back/);
    }
    expectFormer();

    const killed = async () => {
      await using proxy = await desktop.startProxy(host, 1082);
      await endWith(proxy, "SIGKILL");
      assert.equal(desktop.value("mode"), "'auto'");
    };
    await killed();
    await using doctor = desktop.start(host, "doctor", "--repair");
    assert.equal((await doctor.status).code, 0, doctor.output);
    await doctor.closed;
    assert.match(doctor.output, /took away the desktop's proxy setting \(gsettings\)/);
    expectFormer();

    // The next start does it too: what it puts back is not the killed one's.
    await killed();
    {
      await using proxy = await desktop.startProxy(host, 1083);
      assert.equal(desktop.value("autoconfig-url"), `'${pac(1083)}'`);
      await endWith(proxy, "SIGTERM");
    }
    expectFormer();

    await using proxy = await desktop.startProxy(host, 1080);
    await Deno.writeTextFile(`${desktop.env.DESKTOP}/mode`, "'manual'\n");
    await endWith(proxy, "SIGTERM");
    assert.match(proxy.output, /another program has changed the desktop's proxy setting: it stays/);
    assert.equal(desktop.value("mode"), "'manual'");
    const left = Array.from(Deno.readDirSync(`${copy.state}/.local/state/ttun/run`));
    assert.deepEqual(left.filter(({ name }) => name.endsWith(".changes")), []);
  });
});

test("KDE: values that were not there are removed again", async () => {
  await withDesktop("KDE", async (host, desktop) => {
    await using proxy = await desktop.startProxy(host, 1080);
    assert.equal(desktop.value("ProxyType"), "2");
    assert.equal(desktop.value("Proxy Config Script"), pac(1080));
    await endWith(proxy, "SIGTERM");
    assert.equal(desktop.value("ProxyType"), undefined);
    assert.equal(desktop.value("Proxy Config Script"), undefined);
    assert.match(desktop.value("calls")!, /^kwriteconfig6 .*ProxyType --delete$/m);
  });
});

test("--system-proxy: root, an address of others, and no desktop are refused with a sentence", async () => {
  await withDesktop("GNOME", async (host, desktop, copy) => {
    const refused = async (process: Process, kind: keyof typeof EXIT_CODES, words: RegExp) => {
      await using ended = process;
      await ended.waitFor(words, 30_000);
      assert.equal((await ended.status).code, EXIT_CODES[kind].code, ended.output);
      await ended.closed;
      assert.match(ended.output, words);
    };
    const args = [...PROXY, "--system-proxy"];
    const root = [copy.deno, "run", "-A", copy.main, ...args];
    const asRoot = host.spawn(root[0]!, root.slice(1), {
      env: { TTUN_KEY: "correct horse battery staple", DENO_DIR: copy.cache, ...desktop.env },
    });
    await refused(asRoot, "usage", /without sudo/);
    await host.sh("ip address add 192.0.2.9/32 dev lo");
    const far = desktop.start(host, ...args, "-l", "192.0.2.9:1080");
    await refused(far, "usage", /its PAC file is for loopback alone/);
    const env = { ...desktop.env, BROKEN: "1" };
    const none = startWith(host, copy, { rights: NO_WAY, env }, args);
    await refused(none, "system", /neither gsettings .* works here/);
    assert.equal(desktop.value("calls"), undefined);
  });
});
