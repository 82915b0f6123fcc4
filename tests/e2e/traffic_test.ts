import assert from "node:assert/strict";
import { test } from "../check.ts";
import { loss } from "../netns.ts";
import { devices, INNER, openTunnel, ping, transfer } from "./tunnel.ts";

for (const cipher of ["chacha20-poly1305", "aes-256-gcm"]) {
  for (const aead of ["native", "node", "pure"]) {
    for (const io of ["ffi", "deno"]) {
      test(`packets pass both ways: ${cipher}, ${aead}, ${io}`, async () => {
        await using t = await openTunnel(["-m", cipher, "--aead", aead, "--io", io]);
        await t.serverProcess.waitFor(new RegExp(`aead="?${aead}`));
        await t.serverProcess.waitFor(new RegExp(`io=${io}`));
        assert.equal(await ping(t.client, INNER.server4), 3);
        assert.equal(await ping(t.client, INNER.server6), 3);
        assert.equal(await ping(t.server, INNER.client4), 3);
        assert.equal(await ping(t.server, INNER.client6), 3);
        assert(await transfer(t, INNER.server4) > 1);
        assert(await transfer(t, INNER.server4, "-R") > 1);
      });
    }
  }
}

test("ends with different implementations understand each other", async () => {
  await using t = await openTunnel(["-m", "aes-256-gcm"], {
    server: ["--aead", "pure", "--io", "deno"],
    client: ["--aead", "native", "--io", "ffi"],
  });
  assert.equal(await ping(t.client, INNER.server4), 3);
  assert(await transfer(t, INNER.server6) > 1);
});

for (const mtu of [576, 1280, 1500, 9000]) {
  test(`an MTU of ${mtu} carries packets up to just that size`, async () => {
    await using t = await openTunnel([`-mtu=${mtu}`]);
    const header = 28; // IPv4 and ICMP
    for (const size of [0, 1, mtu - header - 1, mtu - header]) {
      assert.equal(await ping(t.client, INNER.server4, { size }), 3, `${size} bytes`);
    }
    assert.equal(await ping(t.client, INNER.server4, { size: mtu - header + 1, wait: 1 }), 0);
    if (mtu >= 1280) assert.equal(await ping(t.client, INNER.server6, { size: mtu - 48 }), 3);
    else await t.serverProcess.waitFor(/IPv6 needs an MTU of at least 1280/);
    assert(await transfer(t, INNER.server4) > 1);
    assert(await transfer(t, INNER.server4, "-u", "-b", "20M", "-l", `${mtu - header}`) > 1);
  });
}

test("four streams at once, both ways at once", async () => {
  await using t = await openTunnel();
  assert(await transfer(t, INNER.server4, "-P", "4", "--bidir") > 1);
});

test("1 % loss on the carrier loses nothing inside", async () => {
  await using t = await openTunnel();
  await loss(t.server, "veth0", 0.01);
  assert.equal(await ping(t.client, INNER.server4, { count: 100 }), 100);
  assert(await transfer(t, INNER.server4) > 0.5);
  assert(await transfer(t, INNER.server4, "-R") > 0.5);
});

test("Multipath TCP is used when both ask for it, and not when one does not", async () => {
  await using t = await openTunnel(["-mptcp"]);
  const wanted = (await Deno.readTextFile("/proc/sys/net/mptcp/enabled").catch(() => "0")).trim();
  const protocol = wanted === "1" ? "mptcp" : "tcp";
  await t.serverProcess.waitFor(new RegExp(`authenticated .*protocol=${protocol}`));
  assert.equal(await ping(t.client, INNER.server4), 3);
  await using plain = await openTunnel([], { client: ["-mptcp=false"] });
  await plain.clientProcess.waitFor(/authenticated .*protocol=tcp/);
});

test("both ends end cleanly and leave nothing behind", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    for (const io of ["ffi", "deno"]) {
      await using t = await openTunnel(["--io", io]);
      assert.deepEqual(await devices(t.server), ["lo", "veth0", "ttun0"]);
      for (const end of [t.clientProcess, t.serverProcess]) {
        const began = performance.now();
        end.signal(signal);
        const { code } = await end.status;
        assert.equal(code, 0, end.output);
        assert(performance.now() - began < 1000, `${performance.now() - began} ms`);
        assert.doesNotMatch(end.output, /left behind|internal/);
      }
      assert.deepEqual(await devices(t.server), ["lo", "veth0"]);
      assert.deepEqual(await devices(t.client), ["lo", "veth0"]);
      assert.equal(await t.server.sh("ss -Hltn; ss -Htn state established"), "");
    }
  }
});
