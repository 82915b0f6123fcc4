/** `ttun service`: the executable, in a mount namespace with an /etc and a systemctl of its own. */
import assert from "node:assert/strict";
import { missing } from "../../release/here.ts";
import { test } from "../check.ts";
import { builtBinary } from "./binary.ts";
import { LOOPBACK, type Process, spawnHere } from "./forward_pair.ts";

/** The user that a unit's DynamicUser= stands for. */
const USER = 64_123;

const UNIT = "/etc/systemd/system/ttun-office.service";
const CONFIG = "/etc/ttun/office.toml";

const ignore = missing("systemctl", "ttun service") !== null ||
  missing("journalctl", "ttun service") !== null;

/** A machine's /etc and /run, and programs in the place of systemd's that write down what they are told. */
class Machine implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Machine> {
    const { file } = await builtBinary();
    const machine = new Machine(await Deno.makeTempDir({ prefix: "ttun-test-" }));
    const fake = 'echo "${0##*/} $*" >>/run/told; test ! -e /run/fail-$1';
    await machine.sh(
      `
      cd "$0"
      chmod 755 . # all users go through it
      cp -a /etc etc
      rm -rf etc/systemd/system etc/ttun
      mkdir -p etc/systemd/system etc/ttun/bin run/systemd/system
      printf '#!/bin/sh\\n%s\\n' "$2" | tee systemctl >journalctl
      chmod 755 systemctl journalctl
      install -m 755 "$1" etc/ttun/bin/ttun`,
      [machine.folder, file, fake],
      { outside: true },
    );
    await machine.write("/etc/ttun/key", "vbYTtPqk3wU4yhDZ1s0dLQ\n");
    return machine;
  }

  /** Starts a program that sees this machine's folders. */
  spawn(words: readonly string[], env: Record<string, string> = {}): Process {
    const script = `
      mount --bind "$0/systemctl" "$(command -v systemctl)"
      mount --bind "$0/journalctl" "$(command -v journalctl)"
      mount --bind "$0/etc" /etc
      mount --bind "$0/run" /run
      exec "$@"`;
    const args = ["-m", "--propagation", "private", "sh", "-euc", script, this.folder, ...words];
    return spawnHere("unshare", args, { env: { NO_COLOR: "1", ...env } });
  }

  /** Runs a script to its end, as root. @throws if it fails */
  async sh(
    script: string,
    args: readonly string[] = [],
    { outside = false } = {},
  ): Promise<string> {
    const words = ["sh", "-euc", script, ...args];
    await using process = outside ? spawnHere(words[0]!, words.slice(1)) : this.spawn(words);
    assert.equal((await process.status).code, 0, process.output);
    await process.closed;
    return process.stdout;
  }

  async service(...args: string[]) {
    await using process = this.spawn(["/etc/ttun/bin/ttun", "service", ...args]);
    const { code } = await process.status;
    await process.closed;
    return { code, stdout: process.stdout, stderr: process.stderr };
  }

  /** Makes a file of root's. */
  async write(path: string, text: string, mode = 0o600): Promise<void> {
    await Deno.writeTextFile(this.folder + path, text, { mode });
  }

  read(path: string): string {
    return Deno.readTextFileSync(this.folder + path);
  }

  exists(path: string): boolean {
    try {
      Deno.lstatSync(this.folder + path);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** Returns what the programs in the place of systemd's were told since the last call. */
  async told(): Promise<string[]> {
    const text = this.exists("/run/told") ? this.read("/run/told") : "";
    await Deno.writeTextFile(`${this.folder}/run/told`, "");
    return text.split("\n").filter((line) => line !== "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

const CLIENT = '[[client]]\nserver = "192.0.2.1"\nno-tun = true\n';

test({
  name: "service: installed, started, looked at and removed, and nothing of others is touched",
  ignore,
  fn: async () => {
    await using machine = await Machine.make();
    await machine.write(CONFIG, CLIENT + CLIENT);
    await machine.write("/etc/systemd/system/ttun-office-other.service", "[Unit]\n");

    const first = await machine.service("install", "office");
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /ttun-office-client-2\.service is there, for systemd/);
    const both = "ttun-office-client-1.service ttun-office-client-2.service";
    assert.deepEqual(await machine.told(), ["systemctl daemon-reload", `systemctl enable ${both}`]);

    // With one table less there is another name, and the former ones are taken away.
    await machine.write(CONFIG, CLIENT);
    const again = await machine.service("install", CONFIG);
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual((await machine.told()).slice(1), [
      "systemctl enable ttun-office.service",
      `systemctl disable --now ${both}`,
      "systemctl daemon-reload",
    ]);
    assert(!machine.exists("/etc/systemd/system/ttun-office-client-1.service"));
    assert.equal(Deno.statSync(machine.folder + UNIT).mode! & 0o777, 0o644);
    assert.match(machine.read(UNIT), /^ExecStart=\/etc\/ttun\/bin\/ttun client --config /m);

    for (
      const [words, told] of [
        [["start"], "systemctl start ttun-office.service"],
        [["stop", "office"], "systemctl stop ttun-office.service"],
        [["status"], "systemctl status --no-pager ttun-office.service"],
        [["logs", "office", "-n", "7"], "journalctl --no-pager -n 7 -u ttun-office.service"],
      ] as const
    ) {
      const { code, stderr } = await machine.service(...words);
      assert.equal(code, 0, stderr);
      assert.deepEqual(await machine.told(), [told]);
    }
    await machine.sh("touch /run/fail-status /run/fail-start");
    assert.equal((await machine.service("status", "office")).code, 4);
    const start = await machine.service("start", "office");
    assert.equal(start.code, 12);
    assert.match(start.stderr, /systemctl start ttun-office\.service has failed with 1/);
    await machine.told();

    const foreign = await machine.service("uninstall", "office-other");
    assert.equal(foreign.code, 2);
    assert.match(foreign.stderr, /is not of ttun service install: it is left alone/);
    const gone = await machine.service("uninstall", "office");
    assert.equal(gone.code, 0, gone.stderr);
    assert.deepEqual(await machine.told(), [
      "systemctl disable --now ttun-office.service",
      "systemctl daemon-reload",
    ]);
    assert(!machine.exists(UNIT));
    assert(machine.exists("/etc/systemd/system/ttun-office-other.service"));
    assert.equal((await machine.service("status")).code, 2);
  },
});

test({
  name: "service: nothing is installed that another user could change, or that somebody else has",
  ignore,
  fn: async () => {
    await using machine = await Machine.make();
    await machine.write(CONFIG, CLIENT);
    const refused = async (words: RegExp, code = 2, ...args: string[]) => {
      const got = await machine.service("install", ...args.length > 0 ? args : ["office"]);
      assert.equal(got.code, code, got.stdout + got.stderr);
      assert.match(got.stderr, words);
      assert(!machine.exists(UNIT));
    };

    await machine.sh(`chown ${USER} ${CONFIG}`);
    await refused(/configuration "\/etc\/ttun\/office\.toml": it belongs to user 64123/);
    await machine.sh(`chown 0 ${CONFIG}; chmod 666 ${CONFIG}`);
    await refused(/other users may write to it; run chmod go-w/);
    await machine.sh(`chmod 600 ${CONFIG}; chown ${USER} /etc/ttun`);
    await refused(
      /the folder "\/etc\/ttun" on the way belongs to user 64123, .*; copy it, as root/,
    );
    await machine.sh("chown 0 /etc/ttun; chmod 777 /etc/ttun");
    await refused(/other users may write to the folder "\/etc\/ttun"/);
    await machine.sh(`chmod 755 /etc/ttun; chown ${USER} /etc/ttun/key`);
    await refused(/with ttun-key "\/etc\/ttun\/key": it belongs to user 64123/);
    await machine.sh(`rm /etc/ttun/key`);
    await refused(/with ttun-key "\/etc\/ttun\/key": there is no such file/);
    await machine.write("/etc/ttun/key", "vbYTtPqk3wU4yhDZ1s0dLQ\n");

    await machine.sh(`cp /bin/true /etc/own; chown ${USER} /etc/own`);
    await refused(
      /program "\/etc\/own": it belongs to user 64123/,
      2,
      "office",
      "--program",
      "/etc/own",
    );
    await machine.sh("chown 0 /etc/own; chmod 700 /etc/own");
    await refused(
      /its own user may not run it: see the mode/,
      2,
      "office",
      "--program",
      "/etc/own",
    );

    await machine.write("/etc/ttun/a;b", "vbYTtPqk3wU4yhDZ1s0dLQ\n");
    await machine.write(CONFIG, `${CLIENT}key-file = "/etc/ttun/a;b"\n`);
    await refused(/with key-file "\/etc\/ttun\/a;b": its path may have letters/);
    await machine.write(CONFIG, `${CLIENT}log-file = "/var/log/a"\n`);
    await refused(/with log-file: the log goes to the journal/);
    await machine.write(CONFIG, '[[client]]\nserver = "a"\nsever = "b"\n');
    await refused(/office\.toml line 3: there is no setting "sever"/);
    await machine.write(CONFIG, "[[client]]\nno-tun = true\n");
    await refused(/office\.toml line 1: server is missing/);

    await machine.write(CONFIG, CLIENT);
    await machine.sh("touch /run/fail-enable");
    await refused(/systemctl enable ttun-office\.service has failed/, 12);
    await machine.sh("rm /run/fail-enable");
    await machine.write(UNIT, "[Unit]\nDescription=mine\n");
    const foreign = await machine.service("install", "office");
    assert.equal(foreign.code, 8);
    assert.match(foreign.stderr, /is there, and not of ttun service install/);
    assert.match(machine.read(UNIT), /mine/);

    const words = ["--reuid", `${USER}`, "--regid", `${USER}`, "--clear-groups"];
    await using user = machine.spawn(
      ["setpriv", ...words, "--", "/etc/ttun/bin/ttun", "service", "install", "office"],
    );
    assert.equal((await user.status).code, 7, user.output);
    await user.closed;
    assert.match(user.stderr, /that takes root; run it by sudo/);
  },
});

/** The values of a unit's lines with this key. */
function values(unit: string, key: string): string[] {
  return unit.split("\n").filter((line) => line.startsWith(`${key}=`))
    .map((line) => line.slice(key.length + 1));
}

test({
  name: "service: a unit's own user reads what root hands over, and a reload takes changes of it",
  ignore,
  fn: async () => {
    await using machine = await Machine.make();
    const keys = "north:vbYTtPqk3wU4yhDZ1s0dLQ\nsouth:8oJbYTtPqk3wU4yhDZ1s0d\n";
    const config = (rules: string) =>
      `[[server]]\nno-tun = true\nlisten = "${LOOPBACK}:0"\nkey-file = "/etc/ttun/keys"\n${rules}\n`;
    await machine.write("/etc/ttun/keys", keys);
    await machine.write(CONFIG, config('permit-open = "127.0.0.0/8"'));
    await machine.sh("chmod 700 /etc/ttun; mv /etc/ttun/bin /etc/bin");
    const install = await machine.sh("/etc/bin/ttun service install office");
    assert.match(install, /is there, for systemd/);
    const unit = machine.read(UNIT);

    // Systemd does it so.
    const credentials = "/run/credentials/ttun-office.service";
    const copies = values(unit, "LoadCredential").map((value) => {
      const [name, path] = value.split(":");
      return `install -m 400 -o ${USER} ${path} ${credentials}/${name}`;
    });
    await machine.sh(`
      mkdir -p ${credentials}
      ${copies.join("\n")}
      chown ${USER} ${credentials}
      install -d -m 700 -o ${USER} -g ${USER} /run/private/ttun-office
      ln -s private/ttun-office /run/ttun-office`);
    const [start] = values(unit, "ExecStart");
    const [environment] = values(unit, "Environment");
    const [fresh, folder] = environment!.split("=");
    const program = start!.replaceAll("${CREDENTIALS_DIRECTORY}", credentials).split(" ");
    const own = ["--reuid", `${USER}`, "--regid", `${USER}`, "--clear-groups", "--no-new-privs"];
    await using server = machine.spawn(["setpriv", ...own, "--", ...program], {
      CREDENTIALS_DIRECTORY: credentials,
      RUNTIME_DIRECTORY: "/run/ttun-office",
      [fresh!]: folder!,
    });
    await server.waitFor(/ listening /, 30_000);
    assert.match(await machine.sh("/etc/bin/ttun status office"), /^office: ttun server, process /);

    await machine.write("/etc/ttun/keys", `# one is gone\n${keys.split("\n")[0]}\n`);
    await machine.write(CONFIG, config('permit-open = ["127.0.0.0/8", "192.0.2.0/24"]'));
    const reload = async () => {
      const [script] = values(unit, "ExecReload");
      const [, text] = /^\+\/bin\/sh -c '(.*)'$/.exec(script!)!;
      await machine.sh(text!.replaceAll("$$", "$").replaceAll("%%", "%"));
      const from = server.lineCount;
      server.signal("SIGHUP");
      return from;
    };
    const from = await reload();
    await server.waitFor(/ rules .*permit_open=2/, 20_000, from);
    await server.waitFor(/ keys .*names=north$/m, 20_000, from);
    await server.waitFor(/ reloaded /, 20_000, from);
    const again = await reload(); // over the copies of the first time
    await server.waitFor(/ reloaded /, 20_000, again);
    server.signal("SIGTERM");
    assert.equal((await server.status).code, 0, server.output);
  },
});
