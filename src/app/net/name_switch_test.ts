import assert from "node:assert/strict";
import { NameError, type NameReason } from "../../base/errors.ts";
import { readHost } from "../../core/dns/host_name.ts";
import { parseHosts } from "../../core/dns/hosts_file.ts";
import type { Outcome } from "../../core/dns/name_query.ts";
import { parseNsswitch } from "../../core/dns/nsswitch.ts";
import type { DnsClient } from "./dns_client.ts";
import type { NameForm } from "./name_service.ts";
import { lookUpBySwitch } from "./name_switch.ts";
import { SystemLookups } from "./system_lookups.ts";

const HOSTS = "192.0.2.1 here.example\n127.0.0.1 localhost\n";

/** A lookup on a machine with this `hosts` line: the answer, and the questions that it took. */
function machine(
  line: string,
  o: { dns?: Outcome; system?: string[] | NameReason; hosts?: string; paths?: string[] },
) {
  const asked: string[] = [];
  const { dns = { kind: "nxdomain", ttl: null }, system = "missing" } = o;
  const { paths = ["/run/systemd/resolve"] } = o;
  const hosts = parseHosts(o.hosts ?? HOSTS);
  const order = parseNsswitch(`hosts: ${line}`);
  const lookUp = lookUpBySwitch({
    order: () => order,
    hosts: () => hosts,
    hostName: () => "me",
    sourceOf: () => null,
    exists: (path) => paths.includes(path),
    dns: {
      servers: ["192.0.2.53"],
      lookUp: (name: string) => {
        asked.push(`dns ${name}`);
        return Promise.resolve(dns);
      },
    } as unknown as DnsClient,
    system: new SystemLookups((host) => {
      asked.push(`system ${host}`);
      if (typeof system !== "string") return Promise.resolve(system);
      return Promise.reject(new NameError(system, `Cannot resolve ${host}`));
    }),
  });
  const { signal } = new AbortController();
  return async (host: string): Promise<string> => {
    asked.length = 0;
    const said = await lookUp(readHost(host) as NameForm, { signal, owner: "a" }).then(
      (addresses) => addresses.join(" "),
      (error) => error.reason,
    );
    return [said, ...asked].join(", ");
  };
}

const found: Outcome = { kind: "addresses", addresses: ["192.0.2.2"], ttl: 60 };

Deno.test("files and dns in the order of the line", async () => {
  const both = machine("files dns", { dns: found });
  assert.equal(await both("here.example"), "192.0.2.1");
  assert.equal(await both("there.example."), "192.0.2.2, dns there.example");
  assert.equal(
    await machine("dns files", { dns: found })("here.example"),
    "192.0.2.2, dns here.example",
  );
  assert.equal(await machine("dns files", {})("here.example"), "192.0.2.1, dns here.example");
  assert.equal(
    await machine("dns [NOTFOUND=return] files", {})("here.example"),
    "missing, dns here.example",
  );
  assert.equal(await machine("files", {})("there.example"), "missing");
  assert.equal(
    await machine("files [NOTFOUND=return] dns", { dns: found })("x.example"),
    "missing",
  );
});

Deno.test("name servers that do not answer are not a name that is not there", async () => {
  const silent = machine("dns files", { dns: { kind: "silent" } });
  assert.equal(await silent("there.example"), "silent, dns there.example");
  assert.equal(await silent("here.example"), "192.0.2.1, dns here.example");
  assert.equal(
    await machine("dns [TRYAGAIN=return] files", { dns: { kind: "silent" } })("here.example"),
    "silent, dns here.example",
  );
  assert.equal(
    await machine("dns", { dns: { kind: "failed", rcode: 2 } })("a.example"),
    "failed, dns a.example",
  );
  assert.equal(
    await machine("dns", { dns: { kind: "nodata", ttl: 1 } })("a.example"),
    "missing, dns a.example",
  );
});

Deno.test("any other module is asked through the system, in its place", async () => {
  const resolved = machine("files resolve [!UNAVAIL=return] dns", { system: ["192.0.2.3"] });
  assert.equal(await resolved("here.example"), "192.0.2.1");
  assert.equal(await resolved("there.example"), "192.0.2.3, system there.example");
  assert.equal(await resolved("there.example."), "192.0.2.3, system there.example.");
  const missing = machine("files resolve [!UNAVAIL=return] dns", { dns: found });
  assert.equal(await missing("there.example"), "missing, system there.example");
  const winbind = machine("files dns winbind", { system: ["192.0.2.3"], dns: { kind: "silent" } });
  assert.equal(await winbind("nas"), "192.0.2.3, dns nas, system nas");
  const several = machine("mymachines resolve files winbind dns", {});
  assert.equal(await several("nas"), "missing, system nas, dns nas");
});

Deno.test("modules for some names only are asked for these only", async () => {
  const desktop = machine("files mdns4_minimal [NOTFOUND=return] dns myhostname", { dns: found });
  assert.equal(await desktop("there.example"), "192.0.2.2, dns there.example");
  assert.equal(await desktop("printer.local"), "missing, system printer.local");
  const own = machine("files myhostname dns", { system: ["192.0.2.4"] });
  assert.equal(await own("me"), "192.0.2.4, system me");
  assert.equal(await own("_gateway"), "192.0.2.4, system _gateway");
  assert.equal(await own("there.example"), "missing, dns there.example");
});

Deno.test("systemd's modules are not asked where nothing of their service runs", async () => {
  const line = "mymachines resolve [!UNAVAIL=return] files myhostname dns";
  const idle = machine(line, { dns: found, paths: [] });
  assert.equal(await idle("there.example"), "192.0.2.2, dns there.example");
  const paths = ["/run/systemd/machines/box"];
  const machined = machine(line, { dns: found, system: ["192.0.2.5"], paths });
  assert.equal(await machined("box"), "192.0.2.5, system box");
  assert.equal(await machined("there.example"), "192.0.2.2, dns there.example");
});

Deno.test("localhost and what is below it never leave the machine", async () => {
  assert.equal(await machine("dns", { dns: found })("localhost"), "127.0.0.1");
  assert.equal(await machine("dns", { dns: found })("a.LocalHost."), "127.0.0.1 ::1");
  assert.equal(await machine("files", { hosts: "" })("localhost"), "127.0.0.1 ::1");
});

Deno.test("what is told names the servers, and what to do", async () => {
  const of = async (dns: Outcome) => {
    const lookUp = lookUpBySwitch({
      order: () => parseNsswitch("hosts: dns"),
      hosts: () => new Map(),
      hostName: () => "",
      sourceOf: () => null,
      exists: () => false,
      dns: { servers: ["192.0.2.53"], lookUp: () => Promise.resolve(dns) } as unknown as DnsClient,
      system: new SystemLookups(() => Promise.reject(new Error("not here"))),
    });
    const o = { signal: new AbortController().signal, owner: undefined };
    return await lookUp(readHost("a.example") as NameForm, o).catch((error) => error.message);
  };
  assert.match(
    await of({ kind: "silent" }),
    /"a\.example": no answer from the name servers \(192\.0\.2\.53\)/,
  );
  assert.match(await of({ kind: "failed", rcode: 2 }), /cannot tell \(SERVFAIL\)/);
  assert.match(await of({ kind: "nodata", ttl: null }), /the name is there, but has no address/);
  assert.match(await of({ kind: "nxdomain", ttl: null }), /no such host name; check its spelling/);
});
