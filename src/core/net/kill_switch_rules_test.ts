import { doesNotMatch, match, ok } from "node:assert/strict";
import { parseCidr } from "../../base/addr.ts";
import { killSwitchIptables, killSwitchNft, type KillSwitchWishes } from "./kill_switch_rules.ts";

const WISHES: KillSwitchWishes = {
  device: "ttun0",
  mark: 7,
  kept: [
    { link: "eth0", network: parseCidr("192.168.1.0/24") },
    { link: "eth0", network: parseCidr("fd00:1::/64") },
  ],
  exclude: [parseCidr("203.0.113.0/24")],
  ownsNames: false,
};
const CHAINS = { OUTPUT: "t-o", FORWARD: "t-f" };

Deno.test("kill switch: the table is put in place in one transaction, and rejects at the end", () => {
  const text = killSwitchNft("ttun_1", WISHES);
  match(text, /^\nadd table inet ttun_1\ndelete table inet ttun_1\nadd table inet ttun_1 \{/);
  match(text, /oifname "ttun0" accept\n\s+meta mark 7 accept/);
  match(text, /oifname "eth0" ip daddr 192\.168\.1\.0\/24 accept/);
  match(text, /oifname "eth0" ip6 daddr ff02::\/16 accept/);
  match(text, /\n\s+ip daddr 203\.0\.113\.0\/24 accept/);
  match(text, /reject with icmpx type admin-prohibited\n\s+\}\n\}\n$/);
});

Deno.test("kill switch: nothing that is forwarded passes for its mark or as DHCP", () => {
  const forward = killSwitchNft("ttun_1", WISHES).split("chain forward")[1]!;
  doesNotMatch(forward, /mark|sport|icmpv6/);
  const lines = killSwitchIptables(4, CHAINS, WISHES).split("\n");
  ok(lines.filter((line) => line.startsWith("-A t-f")).every((line) => !/mark|sport/.test(line)));
});

Deno.test("kill switch: before there is a device nothing passes by its name", () => {
  const text = killSwitchNft("ttun_1", { ...WISHES, device: null, kept: [], exclude: [] });
  doesNotMatch(text, /ttun0|daddr 1/);
  doesNotMatch(killSwitchIptables(4, CHAINS, { ...WISHES, device: null }), /ttun0/);
});

Deno.test("kill switch: iptables gets the rules of its family alone", () => {
  const v4 = killSwitchIptables(4, CHAINS, WISHES);
  const v6 = killSwitchIptables(6, CHAINS, WISHES);
  match(v4, /-A t-o -o eth0 -d 192\.168\.1\.0\/24 -j ACCEPT/);
  match(v4, /-A t-o -d 203\.0\.113\.0\/24 -j ACCEPT/);
  match(v6, /-A t-o -o eth0 -d fd00:1::\/64 -j ACCEPT/);
  match(v6, /-A t-o -j REJECT --reject-with icmp6-adm-prohibited/);
  doesNotMatch(v4, /fd00|ff02/);
  doesNotMatch(v6, /192\.168|203\.0/);
});

Deno.test("kill switch: local name servers are refused if the tunnel has them, but no excluded one", () => {
  const o = { ...WISHES, ownsNames: true };
  const order = new RegExp(
    [
      String.raw`"ttun0" accept\n.*`,
      String.raw`ip daddr 203\.0\.113\.0/24 accept\n`,
      String.raw`\s+tcp dport \{ 53, 853 \} reject with tcp reset\n`,
      String.raw`\s+udp dport \{ 53, 853 \} reject with icmpx type admin-prohibited\n`,
      String.raw`\s+oifname "eth0" ip daddr 192\.168\.1\.0/24 accept`,
    ].join(""),
    "s",
  );
  const [, output, forward] = killSwitchNft("t", o).split("  chain ");
  for (const chain of [output!, forward!]) match(chain, order);
  const orderOf = (chain: string) =>
    new RegExp(
      [
        String.raw`-A ${chain} -d 203\.0\.113\.0/24 -j ACCEPT\n`,
        String.raw`-A ${chain} -p tcp -m multiport --dports 53,853 -j REJECT .*\n`,
        String.raw`-A ${chain} -p udp -m multiport --dports 53,853 -j REJECT .*\n`,
        String.raw`-A ${chain} -o eth0 -d 192\.168\.1\.0/24 -j ACCEPT\n`,
      ].join(""),
    );
  for (const chain of ["t-o", "t-f"]) match(killSwitchIptables(4, CHAINS, o), orderOf(chain));
  doesNotMatch(killSwitchNft("t", WISHES) + killSwitchIptables(4, CHAINS, WISHES), /853/);
});

Deno.test("kill switch: a link's name ends no rule", () => {
  const link = 'a"\n} ; \\';
  const kept = [{ link, network: parseCidr("10.0.0.0/8") }];
  match(killSwitchNft("t", { ...WISHES, kept }), /oifname "a\?\?\} ; \?" ip daddr/);
  match(killSwitchIptables(4, CHAINS, { ...WISHES, kept }), /-o a\?\?\?\?\?\?\? -d 10/);
});
