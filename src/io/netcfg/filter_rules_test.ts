import { deepEqual } from "node:assert/strict";
import { iptablesRules } from "./filter_rules.ts";

Deno.test("iptables: a kernel without IPv6 needs no ip6tables", () => {
  const programs = (families: readonly (4 | 6)[]) =>
    iptablesRules(families, "nat", { OUTPUT: "ttun" }, { 4: "", 6: "" }).steps.map((step) =>
      step.kind === "iptables" ? step.program : step.kind
    );
  deepEqual(programs([4]), ["iptables"]);
  deepEqual(programs([4, 6]), ["iptables", "ip6tables"]);
});
