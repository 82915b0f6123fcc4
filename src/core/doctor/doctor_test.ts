import assert from "node:assert/strict";
import { exitCodeOf, type Finding, findingText } from "./finding.ts";
import { maskReport } from "./mask.ts";

const ALL: Finding[] = [
  { check: "device", level: "ok", says: "/dev/net/tun can be opened" },
  {
    check: "forwarding",
    level: "warn",
    says: "it is off",
    mend: "sysctl -w net.ipv4.ip_forward=1",
  },
  { check: "clock", level: "skip", says: "nobody knows" },
];

Deno.test("findings are lines in columns, with what mends each below it", () => {
  assert.equal(
    ALL.map(findingText).join(""),
    "ok    device        /dev/net/tun can be opened\n" +
      "warn  forwarding    it is off\n" +
      "                    → sysctl -w net.ipv4.ip_forward=1\n" +
      "skip  clock         nobody knows\n",
  );
});

Deno.test("the exit code is that of the worst: a failure alone is one", () => {
  assert.equal(exitCodeOf(ALL), 0);
  assert.equal(exitCodeOf([...ALL, { check: "x", level: "fail", says: "" }]), 1);
  assert.equal(exitCodeOf([]), 0);
});

Deno.test("a report for others has no public address and no name that the user gave", () => {
  const text =
    "vpn.example.net is 93.184.216.34 and 2606:2800:220:1:248:1893:25c8:1946, by 10.1.1.1, " +
    "fc11::1, ::1, fe80::1, 127.0.0.1:53 and 8.8.8.8:53; version 3.0.19, at 12:34:56\n";
  assert.equal(
    maskReport(text, ["vpn.example.net"]),
    "NAME is PUBLIC-IPV4 and PUBLIC-IPV6, by 10.1.1.1, " +
      "fc11::1, ::1, fe80::1, 127.0.0.1:53 and PUBLIC-IPV4:53; version 3.0.19, at 12:34:56\n",
  );
});
