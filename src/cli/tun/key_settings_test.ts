import assert from "node:assert/strict";
import { parseCidr } from "../../base/addr.ts";
import { parseNamedKeys } from "../secrets/named_keys.ts";
import { checkKeySettings, keyNetworks, reservedAddresses } from "./key_settings.ts";

const SERVER = { pool: ["10.9.0.0/24", "fd00:9::/64"].map(parseCidr), own: [], networks: [] };

const keys = (...lines: string[]) => parseNamedKeys(`# keys\n${lines.join("\n")}`);

Deno.test("address= and network= of a key file are a server's reservations and networks", () => {
  const found = keys(
    "ann:annsKey address=10.9.0.7 address=fd00:9::7/64",
    "bob:bobs key network=192.168.7.9/24",
  );
  checkKeySettings(found, SERVER);
  assert.deepEqual(
    [...reservedAddresses(found)].map(([name, all]) => [name, all.length]),
    [["ann", 2], ["bob", 0]],
  );
  assert.deepEqual(keyNetworks(found), [
    { name: "bob", network: parseCidr("192.168.7.0/24") },
  ]);
  checkKeySettings(keys("ann:k1", "bob:k2"), undefined);
});

Deno.test("settings that do not fit the server are refused", () => {
  const refusals: [string[], RegExp][] = [
    [["ann:k address=10.8.0.7"], /address=10\.8\.0\.7 of ann is in no --pool/],
    [["ann:k address=10.9.0.1"], /is the server's own/],
    [["ann:k address=10.9.0.7", "bob:l address=10.9.0.7"], /that of ann and of bob/],
    [["ann:k address=10.9.0.7 address=10.9.0.8"], /more than one IPv4 address=/],
    [["ann:k network=0.0.0.0/0"], /network=0\.0\.0\.0\/0 of ann is too large/],
    [["ann:k network=10.9.0.0/25"], /overlaps --pool/],
    [["ann:k network=10.7.0.0/16", "bob:l network=10.7.0.0/16"], /behind ann and bob/],
  ];
  for (const [lines, words] of refusals) {
    assert.throws(() => checkKeySettings(keys(...lines), SERVER), words);
  }
  assert.throws(
    () => checkKeySettings(keys("ann:k network=10.7.0.0/16"), undefined),
    /give --pool/,
  );
});
