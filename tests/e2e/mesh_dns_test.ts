import assert from "node:assert/strict";
import { test } from "../check.ts";
import { machine } from "./mesh_machine.ts";

const hasDig = (await new Deno.Command("sh", { args: ["-c", "command -v dig"] }).output()).success;

test({
  name: "a node answers for its domain in DNS, as dig asks",
  ignore: !hasDig,
  fn: async () => {
    await using one = await machine("one");
    const place = "--host one --advertise 127.0.0.1:20204 --join-at 127.0.0.1:20205";
    assert.equal((await one.mesh(`init ${place}`)).code, 0);
    const where = ["--dns", "127.0.0.1:53", "--dns", "53530", "--dns-address", "2001:db8::1"];
    const addresses = [...where, "--dns-address", "192.0.2.1", "--apex", "example.test"];
    await using _node = await one.node("--gateway", "127.0.0.1:8443", ...addresses);
    const dig = async (...words: string[]) => {
      const { stdout, stderr } = await one.host.run("dig", ["@127.0.0.1", "+tries=5", ...words]);
      return stdout + stderr;
    };
    const short = async (...words: string[]) => (await dig("+short", ...words)).trim();
    assert.equal(await short("example.test"), "192.0.2.1");
    assert.equal(await short("any.EXAMPLE.test", "AAAA"), "2001:db8::1");
    assert.equal(await short("+tcp", "shop.example.test"), "192.0.2.1");
    assert.equal(await short("-p", "53530", "shop.example.test"), "192.0.2.1");
    // The socket of all addresses answers from the one that was asked.
    const other = await one.host.run("dig", [
      "@127.0.0.9",
      "-p",
      "53530",
      "+short",
      "x.example.test",
    ]);
    assert.equal(other.stdout.trim(), "192.0.2.1");
    const server = await short("example.test", "NS");
    assert.match(server, /^ns-[0-9a-f]{8}\.example\.test\.$/);
    assert.equal(await short(server), "192.0.2.1");
    assert.match(await short("example.test", "SOA"), /^ns-.*hostmaster\.example\.test\. \d+ /);
    const whole = await dig("shop.example.test");
    assert.match(whole, /status: NOERROR.*flags: qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0/s);
    assert.match(whole, /EDNS: version: 0, flags:; udp: 1232/);
    assert.match(
      await dig("+noedns", "shop.example.test"),
      /ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 0/,
    );
    assert.match(await dig("shop.example.test", "MX"), /status: NOERROR.*ANSWER: 0, AUTHORITY: 1/s);
    assert.match(await dig(`x.${server}`), /status: NXDOMAIN.*AUTHORITY: 1.*IN\tSOA\t/s);
    assert.match(await dig("example.org"), /status: REFUSED/);
    assert.match(await dig("+tcp", "example.test", "ANY"), /IN\tHINFO\t"RFC8482"/);
    assert.match(await dig("example.test", "AXFR"), /Transfer failed/);
    assert.match(await dig("+edns=1", "+noednsneg", "example.test"), /status: BADVERS/);
    // An issuance writes them so; over UDP they do not fit.
    const text = "x".repeat(250);
    for (let i = 0; i < 6; i++) {
      const put = await one.ask(
        `/v1/kv/txt/_acme-challenge/${i}`,
        "-X",
        "PUT",
        "-d",
        `${text}${i}`,
      );
      assert.equal(put.status, 204);
    }
    const name = "_acme-challenge.example.test";
    assert.match(await dig("+ignore", name, "TXT"), /flags: qr aa tc rd; .*ANSWER: 0/);
    assert.equal((await short(name, "TXT")).split("\n").length, 6);
    const { body } = await one.ask("/metrics");
    assert.match(body, /^ttun_mesh_dns_questions_total \d+$/m);
  },
});
