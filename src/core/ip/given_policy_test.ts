import assert from "node:assert/strict";
import { formatCidr, parseCidr, parseIp } from "../../base/addr.ts";
import { overlap } from "../../base/prefix.ts";
import { type GivenPolicy, refusalOf } from "./given_policy.ts";

const LAN = parseCidr("192.168.1.0/24");

function policy(o: Partial<GivenPolicy> = {}): GivenPolicy {
  return {
    accepted: [],
    kept: [{ ip: parseIp("198.18.0.53")!, what: "the name server 198.18.0.53" }],
    conflictOf: (network) => overlap(network, LAN) ? `${formatCidr(LAN)} on eth0` : null,
    ...o,
  };
}

const refusal = (given: string[], o?: Partial<GivenPolicy>) =>
  refusalOf(given.map(parseCidr), policy(o));

Deno.test("what a server of ttun gives by itself is taken", () => {
  for (const given of [["10.9.0.2/24"], ["10.9.0.2/24", "fd00:9::2/64"], ["10.1.0.2/16"], []]) {
    assert.equal(refusal(given), null, given.join());
  }
  assert.equal(refusal(["fd00:9::2/48", "172.31.255.2/32"]), null);
});

Deno.test("wide networks, second addresses, and what the machine has are refused, and the option named", () => {
  for (
    const [given, why] of [
      [
        ["8.0.0.1/8"],
        /8\.0\.0\.1\/8: its network is wider than \/16; .*--accept-addresses 8\.0\.0\.0\/8$/,
      ],
      [["10.0.0.2/15"], /wider than \/16/],
      [["fd00::2/47"], /wider than \/48/],
      [["10.9.0.2/24", "10.8.0.2/24"], /10\.8\.0\.2\/24: it is the second one of IPv4/],
      [["fd00:9::2/64", "fd00:8::2/64"], /second one of IPv6/],
      [["192.168.1.77/32"], /takes 192\.168\.1\.0\/24 on eth0 from this machine/],
      [["192.168.0.2/16"], /takes 192\.168\.1\.0\/24 on eth0/],
      [["198.18.0.2/24"], /has the name server 198\.18\.0\.53/],
    ] as const
  ) {
    assert.match(refusal([...given])!, why);
  }
});

Deno.test("an option takes what is inside of its network, and nothing else", () => {
  const accepted = [parseCidr("8.0.0.0/8"), parseCidr("192.168.1.0/24")];
  for (const given of ["8.0.0.1/8", "8.1.0.1/12", "192.168.1.7/32"]) {
    assert.equal(refusal([given], { accepted }), null, given);
  }
  assert.equal(refusal(["8.0.0.1/8", "8.1.0.1/24", "10.9.0.2/24"], { accepted }), null);
  assert.notEqual(refusal(["192.168.0.2/16"], { accepted }), null);
  assert.notEqual(refusal(["9.0.0.1/8"], { accepted }), null);
});

Deno.test("networks overlap where one has an address of the other", () => {
  const cases: [string, string, boolean][] = [
    ["10.0.0.0/8", "10.1.0.0/16", true],
    ["10.1.2.3/32", "10.1.0.0/16", true],
    ["10.1.0.0/16", "10.2.0.0/16", false],
    ["::/0", "fd00::/8", true],
    ["0.0.0.0/0", "fd00::/8", false],
  ];
  for (const [a, b, is] of cases) {
    assert.equal(overlap(parseCidr(a), parseCidr(b)), is, `${a} ${b}`);
    assert.equal(overlap(parseCidr(b), parseCidr(a)), is, `${b} ${a}`);
  }
});
