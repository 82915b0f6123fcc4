/** STUN over TCP with Debian's coturn, which is unpacked and not installed. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { outside } from "../e2e/binary.ts";
import { NO_KEY } from "../e2e/peers.ts";
import { ttunCommand } from "../e2e/tunnel.ts";
import { type NatKind, natLab, PUBLIC } from "../nat_lab.ts";
import type { Host } from "../netns.ts";

/** With the packages that it needs and this machine has not. $1: the folder. */
const UNPACK = `
cd "$1"
packages=$(apt-get install --simulate --no-install-recommends coturn | awk '/^Inst/ { print $2 }')
apt-get -o APT::Sandbox::User=root download $packages >/dev/null
for file in *.deb; do dpkg -x "$file" root; done
echo root/usr/lib/*/`;

/** Where coturn and its libraries are; null = they cannot be got here. */
async function coturn(folder: string): Promise<{ program: string; libraries: string } | null> {
  try {
    const libraries = (await outside(UNPACK, [folder])).trim();
    return { program: `${folder}/root/usr/bin/turnserver`, libraries: `${folder}/${libraries}` };
  } catch (error) {
    console.log(`STUN is not tried with coturn: ${error}`);
    return null;
  }
}

async function ask(host: Host, server: string) {
  const [command, args] = ttunCommand("peer", "--stun", server);
  const { code, stdout, stderr } = await host.run(command, args, { env: NO_KEY });
  assert.equal(code, 0, stderr);
  return { stdout, stderr };
}

const ROWS: readonly (readonly [NatKind, boolean])[] = [
  ["open", true],
  ["port-restricted", true],
  ["remapping", false],
];

test("peer --stun: coturn tells the public address, and whether the NAT keeps the port", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
  try {
    const found = await coturn(folder);
    if (found === null) return;
    for (const [kind, keeps] of ROWS) {
      await using lab = await natLab(kind, "open");
      const host = lab.hosts[1];
      await host.sh("ip addr add 2001:db8::2/64 dev wan nodad");
      const files = ["--db", `${folder}/db`, "--pidfile", `${folder}/pid`, "--log-file", "stdout"];
      const places = ["-L", PUBLIC[1], "-L", "2001:db8::2"];
      await using _server = host.spawn(
        found.program,
        ["-n", "--stun-only", "--no-cli", ...places, ...files],
        { env: { LD_LIBRARY_PATH: found.libraries } },
      );
      await host.sh("until ss -Hltn 'sport = 3478' | grep -q 198.51.100.2; do sleep 0.1; done");
      const { stdout, stderr } = await ask(lab.hosts[0], PUBLIC[1]);
      assert.equal(stdout, `${PUBLIC[0]}\n`, stderr);
      assert.match(stderr, new RegExp(`public address .*nat_keeps_port=${keeps}`));
      if (kind !== "open") continue;
      await lab.hosts[0].sh("ip addr add 2001:db8::1/64 dev wan nodad");
      assert.equal((await ask(lab.hosts[0], "[2001:db8::2]")).stdout, "2001:db8::1\n");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
