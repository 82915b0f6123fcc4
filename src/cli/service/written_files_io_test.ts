/** Files for service managers, read by these or by programs that read the same language. */
import assert from "node:assert/strict";
import { missing } from "../../../release/here.ts";
import { launchdPlist, openrcScript } from "./other_managers.ts";
import { SAMPLES, servicesIn } from "./service_fixture.ts";
import { refreshScript, systemdUnit } from "./systemd_unit.ts";

const PACKAGED = new URL("../../../release/systemd/", import.meta.url).pathname;
const PLACE = { program: "/bin/true", replacesResolvConf: true };

function unitOf(sample: keyof typeof SAMPLES): string {
  return systemdUnit(servicesIn(SAMPLES[sample], sample)[0]!, PLACE);
}

async function output(command: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(command, { args }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

/** Writes a unit for each sample into a folder of the test's own. */
async function withUnits(use: (files: string[]) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
  try {
    const names = Object.keys(SAMPLES) as (keyof typeof SAMPLES)[];
    const files = names.map((name) => `${folder}/ttun-${name}.service`);
    for (const [i, file] of files.entries()) await Deno.writeTextFile(file, unitOf(names[i]!));
    await use(files);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The lines that limit a service, of a unit's text. */
function limits(text: string): string[] {
  const own = /^(Capability|Ambient|DeviceAllow|PrivateDevices|ProtectKernelTunables|DynamicUser)/;
  const from = text.indexOf("NoNewPrivileges");
  return text.slice(from, text.indexOf("[Install]")).split("\n")
    .filter((line) => /^\w+=/.test(line) && !own.test(line)).toSorted();
}

Deno.test("services have the limits of the package's units", async () => {
  const packaged = await Deno.readTextFile(`${PACKAGED}ttun-client@.service`);
  assert(limits(packaged).length > 20);
  assert.deepEqual(limits(unitOf("client")), limits(packaged));
  const proxy = await Deno.readTextFile(`${PACKAGED}ttun-proxy-client@.service`);
  assert.deepEqual(limits(unitOf("proxy")), limits(proxy));
});

Deno.test({
  name: "systemd has nothing against the units of services",
  ignore: missing("systemd-analyze", "what systemd says of the units of services") !== null,
  fn: () =>
    withUnits(async (files) => {
      assert.equal(await output("systemd-analyze", "verify", ...files), "");
    }),
});

/** Highest scores of `systemd-analyze security`; 10 is without any limit. */
const MOST_EXPOSED: Readonly<Record<keyof typeof SAMPLES, number>> = {
  server: 2,
  gateway: 2.4,
  client: 2,
  fullTunnel: 3,
  forwards: 1.6,
  proxy: 1.6,
  tox: 1.6,
  node: 2,
};

Deno.test({
  name: "systemd sees services little exposed, as docs/operate.md says",
  ignore: missing("systemd-analyze", "how exposed services are") !== null,
  fn: () =>
    withUnits(async (files) => {
      for (const [i, most] of Object.values(MOST_EXPOSED).entries()) {
        const args = ["security", "--offline=yes", "--no-pager", files[i]!];
        const text = await output("systemd-analyze", ...args);
        if (/unrecognized option/.test(text)) {
          console.log("How exposed services are is not tested: systemd is older than 250");
          return;
        }
        const score = /Overall exposure level for \S+: ([0-9.]+)/.exec(text)?.[1];
        assert(Number(score) <= most, `${files[i]}: ${score}`);
      }
    }),
});

Deno.test("a script of OpenRC is one that a shell reads, and a property list one of XML", async () => {
  for (const sample of Object.keys(SAMPLES) as (keyof typeof SAMPLES)[]) {
    const [service] = servicesIn(SAMPLES[sample], sample);
    const script = openrcScript(service!, "/usr/bin/ttun");
    const file = await Deno.makeTempFile({ prefix: "ttun-test-" });
    try {
      await Deno.writeTextFile(file, script);
      assert.equal(await output("sh", "-n", file), "");
      const list = launchdPlist(service!, "/usr/local/bin/ttun");
      await Deno.writeTextFile(file, list);
      const code = "import plistlib, sys; print(plistlib.load(open(sys.argv[1], 'rb'))['Label'])";
      assert.equal(await output("python3", "-c", code, file), `ttun-${sample}\n`);
    } finally {
      await Deno.remove(file);
    }
  }
});

Deno.test("a reload copies files so that the group alone may read them, again and again", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
  try {
    const path = `${folder}/source`;
    const files = [{ name: "config", path, option: "config", prefix: "" }];
    const copy = `${folder}/fresh/ttun-office`;
    for (const text of ["first\n", "second\n"]) {
      await Deno.writeTextFile(path, text, { mode: 0o600 });
      assert.equal(await output("sh", "-c", refreshScript(files, copy, null)), "");
      assert.equal(await Deno.readTextFile(`${copy}/config`), text);
    }
    const modes = ["fresh", "fresh/ttun-office", "fresh/ttun-office/config"].map((name) =>
      Deno.statSync(`${folder}/${name}`).mode! & 0o777
    );
    assert.deepEqual(modes, [0o711, 0o710, 0o440]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
