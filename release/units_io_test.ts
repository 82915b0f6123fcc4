import assert from "node:assert/strict";
import { parseArgs } from "../src/cli/command/args.ts";
import { PROXY_CLIENT_OPTIONS, PROXY_SERVER_OPTIONS } from "../src/cli/proxy/options.ts";
import { CLIENT_OPTIONS, SERVER_OPTIONS } from "../src/cli/tun/options.ts";
import { missing } from "./here.ts";

const FOLDER = new URL("systemd/", import.meta.url).pathname;
const TUNNEL = ["ttun-server.service", "ttun-client@.service"];
const PROXY = ["ttun-proxy-server.service", "ttun-proxy-client@.service"];
const UNITS = [...TUNNEL, ...PROXY];

/** The file of a key that is the unit's alone. */
const OWN_KEYS: Readonly<Record<string, string>> = {
  "ttun-client@.service": "/etc/ttun/client-%i.key",
  "ttun-proxy-server.service": "/etc/ttun/proxy-server.key",
  "ttun-proxy-client@.service": "/etc/ttun/proxy-client-%i.key",
};

function settings(unit: string): string[] {
  return Deno.readTextFileSync(FOLDER + unit).split("\n").filter((line) => /^\w+=/.test(line));
}

/** The arguments of ttun under a unit, with more options and a server's address. */
function argsOf(unit: string, options: string, server: string): string[] {
  const line = settings(unit).find((line) => line.startsWith("ExecStart="))!;
  const [program, ...args] = line.replace("$TTUN_OPTIONS", options)
    .replace("${TTUN_SERVER}", server).split(" ");
  assert.equal(program, "ExecStart=/usr/bin/ttun", unit);
  return args;
}

Deno.test("the units start ttun with options that it has, and give it key, state and device", () => {
  const [server, client] = TUNNEL.map((unit) => argsOf(unit, "--wire v2", "vpn.example.net:20203"));
  assert.equal(server![0], "server");
  assert.equal(parseArgs(SERVER_OPTIONS, server!.slice(1)).help, false);
  assert.equal(client![0], "client");
  assert.equal(parseArgs(CLIENT_OPTIONS, client!.slice(1)).help, false);
  for (const unit of TUNNEL) {
    for (
      const line of [
        "DynamicUser=yes",
        "CapabilityBoundingSet=CAP_NET_ADMIN",
        "DeviceAllow=/dev/net/tun rw",
      ]
    ) assert(settings(unit).includes(line), `${unit} has no ${line}`);
  }
});

Deno.test("the proxy's units start it with options that it has, and with no right at all", () => {
  const [server, client] = PROXY.map((unit) => argsOf(unit, "-r 2000-3000", "proxy.example.net"));
  assert.deepEqual(server!.slice(0, 2), ["proxy", "server"]);
  assert.equal(parseArgs(PROXY_SERVER_OPTIONS, server!.slice(2)).help, false);
  assert.deepEqual(client!.slice(0, 2), ["proxy", "client"]);
  assert.equal(parseArgs(PROXY_CLIENT_OPTIONS, client!.slice(2)).help, false);
  for (const unit of PROXY) {
    assert(settings(unit).includes("CapabilityBoundingSet="), unit);
    assert(settings(unit).includes("DynamicUser=yes"), unit);
    assert.doesNotMatch(settings(unit).join("\n"), /CAP_|DeviceAllow/, unit);
  }
});

Deno.test("every unit gives ttun the common key, and before it that of its own", () => {
  for (const unit of UNITS) {
    const lines = settings(unit);
    for (
      const line of [
        "LoadCredential=ttun-key:/etc/ttun/key",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "MemoryDenyWriteExecute=no",
        "Restart=always",
        "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'",
      ]
    ) assert(lines.includes(line), `${unit} has no ${line}`);
    const own = OWN_KEYS[unit];
    const asserted = lines.filter((line) => /^AssertPathExists=.*key$/.test(line));
    if (own === undefined) {
      assert.deepEqual(asserted, ["AssertPathExists=/etc/ttun/key"]);
      continue;
    }
    assert(lines.includes(`LoadCredential=ttun-own-key:${own}`), unit);
    // Without these a file that is missing would be fatal (systemd.exec(5)).
    assert(lines.includes("SetCredential=ttun-own-key:\\n"), unit);
    assert(lines.includes("SetCredential=ttun-key:\\n"), unit);
    // One of both has to be there.
    assert.deepEqual(asserted, [`AssertPathExists=|${own}`, "AssertPathExists=|/etc/ttun/key"]);
  }
});

Deno.test("each client has a state directory of its own: two of one server are two clients to it", () => {
  const [server, client] = TUNNEL.map((unit) =>
    settings(unit).filter((line) => /^(StateDirectory|User)=/.test(line))
  );
  assert.deepEqual(server, ["StateDirectory=ttun"]);
  // Not a folder in the server's: systemd has a link in the place of that (DynamicUser=).
  assert.deepEqual(client, ["StateDirectory=ttun-client-%i"]);
});

Deno.test("each unit has a folder of its own for its status socket, and a tunnel's for its changes", () => {
  for (const unit of UNITS) {
    const name = unit.replace(".service", "").replace("@", "-%i");
    const given = settings(unit).filter((line) => line.startsWith("RuntimeDirectory"));
    const kept = TUNNEL.includes(unit) ? ["RuntimeDirectoryPreserve=yes"] : [];
    assert.deepEqual(given, [`RuntimeDirectory=${name}`, "RuntimeDirectoryMode=0700", ...kept]);
  }
});

Deno.test("units of one kind have the same limits", () => {
  const differs =
    /^(Description|Type|EnvironmentFile|ExecStart|Assert|LoadCredential|SetCredential|StateDirectory|RuntimeDirectory=)/;
  const limits = (unit: string) => settings(unit).filter((line) => !differs.test(line));
  assert.deepEqual(limits(TUNNEL[0]!), limits(TUNNEL[1]!));
  assert.deepEqual(limits(PROXY[0]!), limits(PROXY[1]!));
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

/** Highest score of `systemd-analyze security` that a unit may have; 10 is without any limit. */
const MOST_EXPOSED: Readonly<Record<string, number>> = {
  "ttun-server.service": 2,
  "ttun-client@.service": 2,
  "ttun-proxy-server.service": 1.6,
  "ttun-proxy-client@.service": 1.6,
};

Deno.test({
  name: "systemd sees the units little exposed, as docs/operate.md says",
  ignore: missing("systemd-analyze", "how exposed the units are") !== null,
  async fn() {
    const page = await Deno.readTextFile(new URL("../docs/operate.md", import.meta.url));
    for (const unit of UNITS) {
      const args = ["security", "--offline=yes", "--no-pager", FOLDER + unit];
      const { stdout, stderr } = await new Deno.Command("systemd-analyze", { args }).output();
      const score = /Overall exposure level for \S+: ([0-9.]+)/.exec(
        new TextDecoder().decode(stdout),
      )?.[1];
      if (score === undefined && /unrecognized option/.test(new TextDecoder().decode(stderr))) {
        console.log("How exposed the units are is not tested: systemd is older than 250");
        return;
      }
      assert(Number(score) <= MOST_EXPOSED[unit]!, `${unit}: ${score}`);
      assert(page.includes(`| \`${unit}\``), `docs/operate.md has no score of ${unit}`);
    }
  },
});

/** Complaints of systemd about the units. The package's tests look at the program and its page. */
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
