import assert from "node:assert/strict";
import { parseArgs } from "../src/cli/args.ts";
import { CLIENT_OPTIONS, SERVER_OPTIONS } from "../src/cli/vpn_options.ts";
import { missing } from "./here.ts";

const FOLDER = new URL("systemd/", import.meta.url).pathname;
const UNITS = ["ttun-server.service", "ttun-client@.service"];

function settings(unit: string): string[] {
  return Deno.readTextFileSync(FOLDER + unit).split("\n").filter((line) => /^\w+=/.test(line));
}

Deno.test("the units start ttun with options that it has, and give it key, state and device", () => {
  const [server, client] = UNITS.map((unit) =>
    settings(unit).find((line) => line.startsWith("ExecStart="))!
      .replace("$TTUN_OPTIONS", "--wire v2").replace("${TTUN_SERVER}", "vpn.example.net:20203")
      .split(" ")
  );
  assert.deepEqual(server!.slice(0, 2), ["ExecStart=/usr/bin/ttun", "server"]);
  assert.equal(parseArgs(SERVER_OPTIONS, server!.slice(2)).help, false);
  assert.deepEqual(client!.slice(0, 2), ["ExecStart=/usr/bin/ttun", "client"]);
  assert.equal(parseArgs(CLIENT_OPTIONS, client!.slice(2)).help, false);
  for (const unit of UNITS) {
    for (
      const line of [
        "LoadCredential=ttun-key:/etc/ttun/key",
        "StateDirectory=ttun",
        "CapabilityBoundingSet=CAP_NET_ADMIN",
        "DeviceAllow=/dev/net/tun rw",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "MemoryDenyWriteExecute=no",
        "Restart=always",
      ]
    ) assert(settings(unit).includes(line), `${unit} has no ${line}`);
  }
});

Deno.test("both units have the same limits", () => {
  const limits = (unit: string) =>
    settings(unit).filter((line) => !/^(Description|EnvironmentFile|ExecStart|Assert)/.test(line));
  assert.deepEqual(limits(UNITS[0]!), limits(UNITS[1]!));
});

Deno.test({
  name: "systemd has nothing against the units",
  ignore: missing("systemd-analyze", "what systemd says of the units") !== null,
  async fn() {
    assert.equal(await verify((text) => text), "");
    const broken = await verify((text) => text.replace("Restart=always", "Restart=perhaps"));
    assert.match(broken, /Failed to parse service restart specifier/);
  },
});

/** What systemd says of the units. The program and its page are looked at by the package's tests. */
async function verify(change: (text: string) => string): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const files = UNITS.map((unit) => `${folder}/${unit}`);
    for (const [i, unit] of UNITS.entries()) {
      const text = (await Deno.readTextFile(FOLDER + unit))
        .replace("/usr/bin/ttun", "/bin/true").replace(/^Documentation=.*$/m, "");
      await Deno.writeTextFile(files[i]!, change(text));
    }
    const command = new Deno.Command("systemd-analyze", { args: ["verify", ...files] });
    const { stdout, stderr } = await command.output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
